//! A named operation with parameters in words: what a line of a manifest says, what a schedule starts.
//!
//! ```text
//!  {"operation": "image.modify", "image": "web-1", "name": "web-1-lts", "tag:env": "prod"}
//!        │                                                                      one tag
//!        └─▶ its row in `operations.rs` ──▶ every word read ──▶ a Request, as the command line makes it
//! ```
//!
//! Parameters are called as the options of the command are: `to-region`. In whatever case of letters they come, with
//! `-`, with `_` or with nothing between the words, they are the same, so that the columns of a spreadsheet and the
//! fields of an API may stand as they are. What has no text is said all the same: an empty `description` removes it.
//! Whoever reads a sheet in which empty cells mean nothing leaves them out.
//!
//! Nothing is looked up here: whether there is such an image is a question for the door.

use std::collections::BTreeMap;
use std::fmt;

use domain::RegionId;
use event::Refusal;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Trouble;
use crate::amount::{size, span_ms};
use crate::lookup::nearest;
use crate::operations::OPERATIONS;
use crate::request::{ImageAt, Request};
use crate::request_things::ThingAt;

/// What a column or field is called that says which operation it is.
pub const OPERATION: &str = "operation";
/// What stands between several words in one parameter.
pub const BETWEEN: char = ';';
/// What the name of a parameter begins with that is one tag: `tag:env`.
const TAG: &str = "tag:";
/// Characters of a value that a refusal repeats at most.
const TOLD_MAX: usize = 80;

/// A named operation and its parameters.
///
/// ```
/// use service::Operation;
///
/// let line = r#"{"operation": "image.deprecate", "Image": "web-1"}"#;
/// let operation: Operation = serde_json::from_str(line).unwrap();
/// assert_eq!(operation.label(), "image.deprecate web-1");
/// assert_eq!(operation.request().unwrap().action_name(), "image-deprecate");
///
/// let wrong = Operation::new("image.depreciate", [("image", "web-1")]);
/// assert!(wrong.request().unwrap_err().advice.contains("image.deprecate"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// Which: `image.modify`.
    pub operation: String,
    /// Its parameters, by name.
    pub parameters: BTreeMap<String, String>,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Any text.
    Text,
    /// `yes` or `no`.
    Yes,
    /// A size with its unit: `20MiB`.
    Size,
    /// A length of time: `30d`.
    Span,
    /// A time, or a day: `2027-01-31`.
    Time,
    /// A whole number.
    Number,
    /// Several words with `;` between them.
    List,
    /// Tags, `KEY=VALUE` with `;` between them; beside it a parameter `tag:KEY` is one of them.
    Tags,
    /// A path of this computer, from its root, or `oss://BUCKET/KEY`.
    File,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// A parameter of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Whether there is no doing without it.
    pub needed: bool,
    /// What it says.
    pub about: &'static str,
}

/// An operation there is.
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// What is asked for by it.
    pub(crate) request: fn(&Said<'_>) -> Result<Request, Wrong>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What is wrong with an operation, and with which parameter of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The parameter, as it was written, or as it is called if it is missing.
    pub parameter: String,
    /// Why.
    pub refusal: Refusal,
}

impl From<Wrong> for Trouble {
    fn from(wrong: Wrong) -> Self {
        wrong.refusal.into()
    }
}

/// Every operation there is, by name.
pub fn operations() -> &'static [Known] {
    OPERATIONS
}

impl Operation {
    /// An operation with these parameters.
    pub fn new<'a>(operation: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { operation: operation.to_owned(), parameters: parameters.collect() }
    }

    /// What it asks for.
    pub fn request(&self) -> Result<Request, Trouble> {
        Ok(self.read()?)
    }

    /// What it asks for; or what is wrong, and with which parameter.
    pub fn read(&self) -> Result<Request, Wrong> {
        let known = self.known()?;
        (known.request)(&Said::read(known, &self.parameters)?)
    }

    /// What people call it: its name and what it is about.
    pub fn label(&self) -> String {
        let Ok(known) = self.known() else { return self.operation.clone() };
        let first = known.parameters.first().map(|parameter| plain(parameter.name)).unwrap_or_default();
        let about = self.parameters.iter().find(|(name, _)| plain(name) == first);
        about.map_or_else(|| known.name.to_owned(), |(_, value)| format!("{} {value}", known.name))
    }

    /// The same with its operation and parameters as they are called here, so that two that say the same are the same.
    pub fn canonical(&self) -> Result<Self, Wrong> {
        let known = self.known()?;
        let name = |name: &String| match tag_of(name) {
            Some(key) => format!("{TAG}{key}"),
            None => parameter(known, name).map_or_else(|| name.clone(), |found| found.name.to_owned()),
        };
        let mut parameters = BTreeMap::new();
        for (said, value) in &self.parameters {
            let name = name(said);
            // Of two that are the same one would be lost, and with it what was judged of it.
            if parameters.insert(name.clone(), value.clone()).is_some() {
                return Err(given_twice(said, &name));
            }
        }
        Ok(Self { operation: known.name.to_owned(), parameters })
    }

    fn known(&self) -> Result<&'static Known, Wrong> {
        let found = OPERATIONS.iter().find(|known| known.name.eq_ignore_ascii_case(self.operation.trim()));
        found.ok_or_else(|| {
            if self.operation.trim().is_empty() {
                let refusal = Refusal::new("MissingParameter", "no operation is named");
                return wrong(
                    OPERATION,
                    refusal.advise("name one, such as `image.modify`; `kiln batch operations` lists them"),
                );
            }
            let why = format!("there is no operation `{}`", told(&self.operation));
            let refusal = Refusal::new("InvalidOperation.NotFound", why);
            let typed = self.operation.to_lowercase();
            let refusal = match nearest(&typed, OPERATIONS.iter().map(|known| known.name)) {
                Some(meant) => refusal.advise(format!("did you mean `{meant}`?")),
                None => refusal.advise("`kiln batch operations` lists those there are"),
            };
            wrong(OPERATION, refusal)
        })
    }
}

/// The words of an operation, each under the name of its parameter.
pub(crate) struct Said<'a> {
    /// Its name, and how it was written.
    words: BTreeMap<&'static str, (&'a str, &'a str)>,
    /// Tags that stand for themselves.
    tags: Vec<(String, String)>,
}

impl<'a> Said<'a> {
    fn read(known: &'static Known, parameters: &'a BTreeMap<String, String>) -> Result<Self, Wrong> {
        let mut said = Self { words: BTreeMap::new(), tags: Vec::new() };
        let has_tags = known.parameters.iter().any(|parameter| parameter.takes == Takes::Tags);
        for (name, value) in parameters {
            if let Some(key) = tag_of(name).filter(|_| has_tags) {
                said.tags.push((key.to_owned(), value.clone()));
                continue;
            }
            let Some(found) = parameter(known, name) else { return Err(no_parameter(known, name)) };
            if said.words.insert(found.name, (value, name)).is_some() {
                return Err(given_twice(name, found.name));
            }
        }
        let needed = known.parameters.iter().filter(|parameter| parameter.needed);
        match needed.into_iter().find(|parameter| said.text(parameter.name).is_none()) {
            Some(missing) => Err(missing_parameter(known, missing)),
            None => Ok(said),
        }
    }

    /// A text, if there is one: an empty one names nothing.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.said(name).filter(|value| !value.is_empty())
    }

    /// A text, be it empty.
    pub(crate) fn said(&self, name: &str) -> Option<String> {
        self.words.get(name).map(|(value, _)| (*value).to_owned())
    }

    /// What there is no doing without; it was looked for before.
    pub(crate) fn needed(&self, name: &str) -> String {
        self.said(name).unwrap_or_default()
    }

    pub(crate) fn region(&self, name: &str) -> Option<RegionId> {
        self.text(name).map(RegionId)
    }

    /// The image, in its region.
    pub(crate) fn image(&self) -> ImageAt {
        ImageAt { image: self.needed("image"), region: self.region("region") }
    }

    /// A disk or a snapshot, in its region.
    pub(crate) fn thing(&self, name: &str) -> ThingAt {
        ThingAt { thing: self.needed(name), region: self.region("region") }
    }

    pub(crate) fn yes(&self, name: &str) -> Result<bool, Wrong> {
        Ok(self.answer(name)?.unwrap_or_default())
    }

    /// What is said to a question of yes or no.
    pub(crate) fn answer(&self, name: &str) -> Result<Option<bool>, Wrong> {
        self.with(name, |word| match word.to_ascii_lowercase().as_str() {
            "yes" | "true" | "1" => Ok(true),
            "no" | "false" | "0" => Ok(false),
            _ => Err("it is answered with `yes` or `no`".to_owned()),
        })
    }

    pub(crate) fn size(&self, name: &str) -> Result<Option<u64>, Wrong> {
        self.with(name, size)
    }

    pub(crate) fn span_ms(&self, name: &str) -> Result<Option<i64>, Wrong> {
        self.with(name, span_ms)
    }

    pub(crate) fn time_ms(&self, name: &str) -> Result<Option<i64>, Wrong> {
        self.with(name, |word| {
            let day = || crate::time_ms(&format!("{word}T00:00:00Z"));
            let time = crate::time_ms(word).or_else(|_| day());
            time.map_err(|_| "a time looks like `2027-01-31T12:00:00Z`, a day like `2027-01-31`".to_owned())
        })
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Wrong> {
        self.with(name, |word| word.parse().map_err(|_| "it is a whole number".to_owned()))
    }

    /// A word of the domain, read by it.
    pub(crate) fn word<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Wrong> {
        let Some(word) = self.text(name) else { return Ok(None) };
        read(word.trim()).map(Some).map_err(|refusal| wrong(self.written(name), refusal))
    }

    /// One of some words.
    pub(crate) fn one_of<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Wrong> {
        self.with(name, |word| {
            let found = words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
            found.map(|(_, value)| *value).ok_or_else(|| {
                let known: Vec<_> = words.iter().map(|(known, _)| format!("`{known}`")).collect();
                format!("it is one of {}", known.join(", "))
            })
        })
    }

    /// Several words.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let words = self.text(name).unwrap_or_default();
        words.split(BETWEEN).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// The tags: those of the list and those that have a parameter each.
    pub(crate) fn tags(&self) -> Result<Vec<(String, String)>, Wrong> {
        let mut tags = self.tags.clone();
        for tag in self.list("tag") {
            let (key, value) = tag.split_once('=').ok_or_else(|| {
                self.bad("tag", &tag, "a tag looks like `KEY=VALUE`, several have `;` between")
            })?;
            tags.push((key.to_owned(), value.to_owned()));
        }
        let mut keys: Vec<&String> = tags.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(self.bad("tag", pair[0], "the same key has two values; give each key once")),
            None => Ok(tags),
        }
    }

    /// Whether one of these was said.
    pub(crate) fn any(&self, names: &[&str]) -> bool {
        !self.tags.is_empty() || names.iter().any(|name| self.words.contains_key(name))
    }

    /// What is said under a name makes no sense.
    pub(crate) fn bad(&self, name: &str, value: &str, why: impl fmt::Display) -> Wrong {
        let refusal = Refusal::new("InvalidParameter", format!("`{}` is no `{name}`", told(value)));
        wrong(self.written(name), refusal.advise(why.to_string()))
    }

    /// Something that one of several parameters has to say is said by none.
    pub(crate) fn none_of(names: &[&str]) -> Wrong {
        let ticked: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let why = format!("none of {} is given", ticked.join(", "));
        wrong(names[0], Refusal::new("MissingParameter", why).advise("give one of them"))
    }

    fn with<T>(&self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, Wrong> {
        let Some(word) = self.text(name) else { return Ok(None) };
        read(word.trim()).map(Some).map_err(|why| self.bad(name, &word, why))
    }

    /// The name of a parameter as it was written.
    fn written<'b>(&'b self, name: &'b str) -> &'b str {
        self.words.get(name).map_or(name, |(_, written)| written)
    }
}

fn wrong(parameter: &str, refusal: Refusal) -> Wrong {
    Wrong { parameter: parameter.to_owned(), refusal }
}

/// One parameter is there twice, the second time written so.
fn given_twice(written: &str, name: &str) -> Wrong {
    let why = format!("the parameter `{}` is given twice", told(name));
    wrong(
        written,
        Refusal::new("InvalidParameter.Conflict", why).advise("say it once, however it is written"),
    )
}

fn no_parameter(known: &Known, name: &str) -> Wrong {
    let why = format!("`{}` has no parameter `{}`", known.name, told(name));
    let refusal = Refusal::new("InvalidParameter.NotFound", why);
    let typed = name.trim().to_lowercase().replace('_', "-");
    let names: Vec<&str> = known.parameters.iter().map(|parameter| parameter.name).collect();
    wrong(
        name,
        match nearest(&typed, names.iter().copied()) {
            Some(meant) => refusal.advise(format!("did you mean `{meant}`?")),
            None => refusal.advise(format!("it takes {}", names.join(", "))),
        },
    )
}

fn missing_parameter(known: &Known, missing: &Parameter) -> Wrong {
    let why = format!("`{}` needs the parameter `{}`: {}", known.name, missing.name, missing.about);
    wrong(missing.name, Refusal::new("MissingParameter", why).advise("every line of it gives one"))
}

fn parameter(known: &Known, name: &str) -> Option<&'static Parameter> {
    let name = plain(name);
    known.parameters.iter().find(|parameter| plain(parameter.name) == name)
}

/// A name without what people write differently.
pub(crate) fn plain(name: &str) -> String {
    let letters = name.trim().chars().filter(|letter| !matches!(letter, '-' | '_' | ' '));
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The key of a parameter that is one tag.
fn tag_of(name: &str) -> Option<&str> {
    let name = name.trim();
    let is_tag = name.get(..TAG.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(TAG));
    is_tag.then(|| &name[TAG.len()..])
}

/// A value as a refusal repeats it: on one line, and not for ever.
fn told(value: &str) -> String {
    let mut text: String = value.chars().take(TOLD_MAX).flat_map(char::escape_debug).collect();
    if value.chars().nth(TOLD_MAX).is_some() {
        text.push('…');
    }
    text
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.parameters.len() + 1))?;
        map.serialize_entry(OPERATION, &self.operation)?;
        for (name, value) in &self.parameters {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Operation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `operation` and its parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Operation, A::Error> {
        let mut operation = Operation::default();
        let mut put = |name: String, value: String| {
            if operation.parameters.insert(name.clone(), value).is_some() {
                return Err(de::Error::custom(format!("the field `{}` is there twice", told(&name))));
            }
            Ok(())
        };
        while let Some(name) = map.next_key::<String>()? {
            match map.next_value::<Value>()? {
                Value::None => {}
                Value::Word(value) => put(name, value)?,
                Value::List(words) => {
                    let words: Vec<String> = words.into_iter().filter_map(Value::word).collect();
                    put(name, words.join(&BETWEEN.to_string()))?;
                }
                Value::Map(pairs) => {
                    for (key, value) in pairs {
                        put(format!("{name}:{key}"), value.word().unwrap_or_default())?;
                    }
                }
            }
        }
        let named = operation.parameters.keys().find(|name| plain(name) == OPERATION).cloned();
        operation.operation = named.and_then(|name| operation.parameters.remove(&name)).unwrap_or_default();
        Ok(operation)
    }
}

/// A value of a field as JSON may have it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    None,
    Word(#[serde(deserialize_with = "word")] String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

impl Value {
    fn word(self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Word {
        Text(String),
        Truth(bool),
        Number(serde_json::Number),
    }
    Ok(match Word::deserialize(deserializer)? {
        Word::Text(text) => text,
        Word::Truth(true) => "yes".to_owned(),
        Word::Truth(false) => "no".to_owned(),
        Word::Number(number) => number.to_string(),
    })
}
