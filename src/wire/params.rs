//! Parameters as clients flatten them: `Tag.1.Key=a` is the key of the first tag.
//!
//! Numbers may have gaps and come in any order, unknown names are nobody's business, and an empty
//! value counts as none except where it is asked for as it came (the value of a tag).

use std::collections::BTreeMap;

use crate::Fault;
use crate::encode::decode_form;

/// Parameters of one request at most. The largest real one names 100 resources, 50 tags and 17 disks;
/// what is beyond this is no request but an attack on memory.
pub const PARAMS_MAX: usize = 4_000;

/// Names and values as they came, decoded, in the order of their names: what a signature covers. A name
/// that comes twice counts once, as clients sign it: what the form says, or else what comes last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(BTreeMap<String, String>);

impl Pairs {
    /// Reads a query, and a form if there is one.
    pub fn read(query: &str, form: &str) -> Result<Self, Fault> {
        let parts = query.split('&').chain(form.split('&')).filter(|part| !part.is_empty());
        let mut pairs = BTreeMap::new();
        for (index, part) in parts.enumerate() {
            if index == PARAMS_MAX {
                let why = format!("a request has at most {PARAMS_MAX} parameters");
                return Err(Fault::new(400, "InvalidParameter", why));
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            pairs.insert(decode_form(name), decode_form(value));
        }
        Ok(Self(pairs))
    }

    /// The value of a name, as it came.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// As parameters.
    pub fn params(self) -> Params {
        Params(self.0)
    }
}

/// The parameters of a request, or of an object in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    /// The value, as it came.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value, if there is one that is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// The same, owned.
    pub fn string(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// The value, or the fault that it is missing.
    pub fn need(&self, name: &str) -> Result<&str, Fault> {
        self.text(name).ok_or_else(|| missing(name))
    }

    /// `true` or `false`, in any case.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match () {
            () if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            () if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            () => Err(wrong(name, text, "`true` or `false`")),
        }
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, text, "a whole number"))
    }

    /// Whether there is anything by this name, flattened or not.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name) || self.below(&format!("{name}.")).next().is_some()
    }

    /// What is called `Name.Field`.
    #[must_use]
    pub fn object(&self, name: &str) -> Self {
        let prefix = format!("{name}.");
        Self(self.below(&prefix).map(|(field, value)| (field.to_owned(), value.to_owned())).collect())
    }

    /// What is called `Name.1.Field`, `Name.2.Field` …, in the order of their numbers.
    pub fn objects(&self, name: &str) -> Vec<Self> {
        let mut found: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
        for (rest, value) in self.below(&format!("{name}.")) {
            let Some((number, field)) = rest.split_once('.') else { continue };
            let Ok(number) = number.parse() else { continue };
            found.entry(number).or_default().insert(field.to_owned(), value.to_owned());
        }
        found.into_values().map(Self).collect()
    }

    /// What is called `Name.1`, `Name.2` …, in the order of their numbers, without the empty ones.
    pub fn list(&self, name: &str) -> Vec<String> {
        let mut found: BTreeMap<u32, String> = BTreeMap::new();
        for (rest, value) in self.below(&format!("{name}.")) {
            if let (Ok(number), false) = (rest.parse(), value.is_empty()) {
                found.insert(number, value.to_owned());
            }
        }
        found.into_values().collect()
    }

    /// Several in one text: a JSON array, as Python writes it as well (`['a','b']`), or words with
    /// commas between them. None if there is no such parameter; an empty array is one that finds nothing.
    pub fn several(&self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let text = text.trim();
        if !text.starts_with('[') {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            return Ok(Some(words.map(str::to_owned).collect()));
        }
        let plain = serde_json::from_str::<Vec<serde_json::Value>>(text)
            .or_else(|_| serde_json::from_str(&text.replace('\'', "\"")));
        let values = plain.map_err(|_| wrong(name, text, "a JSON array of texts"))?;
        let word = |value: serde_json::Value| match value {
            serde_json::Value::String(word) => Ok(word),
            serde_json::Value::Number(number) => Ok(number.to_string()),
            _ => Err(wrong(name, text, "a JSON array of texts")),
        };
        values.into_iter().map(word).collect::<Result<_, _>>().map(Some)
    }

    /// Tags under a name: `Tag.1.Key` and `Tag.1.Value`, or the older `Tag.1.key` and `Tag.1.value`.
    /// A value that was not said is none, an empty one is empty.
    pub fn tags(&self, name: &str) -> Vec<(String, Option<String>)> {
        let tag = |tag: Self| {
            let key = tag.raw("Key").or_else(|| tag.raw("key"))?.to_owned();
            let value = tag.raw("Value").or_else(|| tag.raw("value")).map(str::to_owned);
            Some((key, value))
        };
        self.objects(name).into_iter().filter_map(tag).collect()
    }

    fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let names = self.0.range(prefix.to_owned()..);
        names.map_while(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }
}

impl FromIterator<(String, String)> for Params {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        Self(pairs.into_iter().collect())
    }
}

fn missing(name: &str) -> Fault {
    let why = format!(
        "The input parameter \"{name}\" that is mandatory for processing this request is not supplied."
    );
    Fault::new(400, "MissingParameter", why)
}

fn wrong(name: &str, text: &str, wanted: &str) -> Fault {
    let why = format!(
        "The specified parameter \"{name}\" is not valid: `{}` is not {wanted}.",
        text.escape_debug()
    );
    Fault::new(400, "InvalidParameter", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Pairs::read(query, "").unwrap().params()
    }

    #[test]
    fn lists_come_in_the_order_of_their_numbers_whatever_gaps_they_have() {
        let params = params("Id.10=c&Id.2=b&Id.1=a&Id.x=no&Id.3=&Ids=z");
        assert_eq!(params.list("Id"), ["a", "b", "c"]);
        let params = self::params("Disk.2.Size=5&Disk.1.Format=RAW&Disk.1.Tags.1.Key=k&Diskless.1.Size=9");
        let disks = params.objects("Disk");
        assert_eq!(disks.len(), 2);
        assert_eq!(disks[0].text("Format"), Some("RAW"));
        assert_eq!(disks[0].tags("Tags"), [("k".to_owned(), None)]);
        assert_eq!(disks[1].number("Size"), Ok(Some(5)));
        assert!(params.has("Disk") && !params.has("Dis"));
    }

    #[test]
    fn truth_is_written_in_any_case_and_nothing_else_is_true() {
        for (text, flag) in [("True", true), ("false", false), ("TRUE", true)] {
            assert_eq!(params(&format!("DryRun={text}")).flag("DryRun"), Ok(Some(flag)));
        }
        assert_eq!(params("DryRun=").flag("DryRun"), Ok(None));
        assert_eq!(params("DryRun=1").flag("DryRun").unwrap_err().code, "InvalidParameter");
    }

    #[test]
    fn several_are_an_array_or_words_with_commas() {
        for text in ["%5B%22a%22%2C+%22b%22%5D", "['a','b']", "a,b", "a, b,"] {
            let found = params(&format!("Ids={text}")).several("Ids").unwrap();
            assert_eq!(found.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]), "{text}");
        }
        assert_eq!(params("Ids=[]").several("Ids"), Ok(Some(Vec::new())));
        assert_eq!(params("").several("Ids"), Ok(None));
        assert!(params("Ids=[1,").several("Ids").is_err());
    }

    #[test]
    fn a_tag_may_be_written_as_it_once_was() {
        let params = params("Tag.1.key=a&Tag.1.value=&Tag.2.Key=b");
        assert_eq!(params.tags("Tag"), [("a".to_owned(), Some(String::new())), ("b".to_owned(), None)]);
    }

    #[test]
    fn a_hundred_thousand_parameters_are_refused() {
        let query = "a=1&".repeat(100_000);
        assert_eq!(Pairs::read(&query, "").unwrap_err().code, "InvalidParameter");
    }
}
