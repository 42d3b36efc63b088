//! The trees of `contract.txt`: what an action is asked with and what it answers, and whether an answer is
//! such a tree. `contract.py` tells how a line is to be read.

use std::collections::{BTreeMap, BTreeSet};

use wire::{Object, Value};

const LINES: &str = include_str!("contract.txt");

/// What stands in an action's line.
pub(crate) struct Contract {
    pub(crate) request: Vec<Field>,
    pub(crate) response: Vec<Field>,
}

/// A parameter, or a field of an answer.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) is_required: bool,
    is_repeated: bool,
    kind: Kind,
}

enum Kind {
    Text,
    Number,
    Fraction,
    Flag,
    Object(Vec<Field>),
}

/// All of them, by their action.
pub(crate) fn contracts() -> BTreeMap<&'static str, Contract> {
    let contract = |line: &'static str| {
        let [action, request, response] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("three columns: {line}")
        };
        let read = |mut text: &'static str| fields(&mut text);
        (action, Contract { request: read(request), response: read(response) })
    };
    LINES.lines().map(contract).collect()
}

/// Reads fields up to the end of the text or to the brace that closes them.
fn fields(text: &mut &'static str) -> Vec<Field> {
    let mut found = Vec::new();
    loop {
        *text = text.trim_start();
        if text.is_empty() || takes(text, "}") {
            return found;
        }
        let end = text.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        assert!(!name.is_empty(), "no field begins with {text}");
        *text = rest;
        let (is_required, is_repeated) = (takes(text, "*"), takes(text, "[]"));
        let kind = match () {
            () if takes(text, "{") => Kind::Object(fields(text)),
            () if takes(text, ":i") => Kind::Number,
            () if takes(text, ":f") => Kind::Fraction,
            () if takes(text, ":b") => Kind::Flag,
            // A map is JSON in a text.
            () => {
                takes(text, ":m");
                Kind::Text
            }
        };
        found.push(Field { name, is_required, is_repeated, kind });
    }
}

fn takes(text: &mut &'static str, mark: &str) -> bool {
    let rest = text.strip_prefix(mark);
    *text = rest.unwrap_or(text);
    rest.is_some()
}

/// The parameters as they are flattened, each list with one entry, called by `number`.
pub(crate) fn leaves(fields: &[Field], number: &str) -> Vec<String> {
    let mut found = Vec::new();
    for field in fields {
        let name = if field.is_repeated { format!("{}.{number}", field.name) } else { field.name.to_owned() };
        match &field.kind {
            Kind::Object(inside) => {
                found.extend(leaves(inside, number).into_iter().map(|leaf| format!("{name}.{leaf}")));
            }
            _ => found.push(name),
        }
    }
    found
}

/// The same, each with a value that is of its type and nothing more.
pub(crate) fn samples(fields: &[Field]) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for field in fields {
        let name = if field.is_repeated { format!("{}.1", field.name) } else { field.name.to_owned() };
        let sample = match &field.kind {
            Kind::Text => "x",
            Kind::Number => "1",
            Kind::Fraction => "1.5",
            Kind::Flag => "false",
            Kind::Object(inside) => {
                found.extend(samples(inside).into_iter().map(|(leaf, it)| (format!("{name}.{leaf}"), it)));
                continue;
            }
        };
        found.push((name, sample));
    }
    found
}

/// Which fields of a tree were answered, by their paths: whether ever with a value.
pub(crate) type Told = BTreeMap<String, bool>;

/// Holds an answer to its tree; what is wrong with it, and what it told.
pub(crate) fn check(object: &Object, tree: &[Field], path: &str, told: &mut Told) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, value) in object.fields() {
        let path = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
        if !seen.insert(name) {
            wrong.push(format!("`{path}` comes twice"));
        }
        match tree.iter().find(|field| field.name == *name) {
            None => wrong.push(format!("`{path}` is not declared")),
            Some(field) => wrong.extend(check_value(value, field, &path, told)),
        }
    }
    wrong
}

fn check_value(value: &Value, field: &Field, path: &str, told: &mut Told) -> Vec<String> {
    let has_value = match value {
        Value::Text(text) => !text.is_empty(),
        Value::Word(word) => !word.is_empty(),
        Value::List(values) => !values.is_empty(),
        Value::Number(_) | Value::Fraction(_) | Value::Flag(_) | Value::Object(_) => true,
    };
    *told.entry(path.to_owned()).or_default() |= has_value;
    if let (Value::List(values), true) = (value, field.is_repeated) {
        return values.iter().flat_map(|value| check_one(value, field, path, told)).collect();
    }
    if field.is_repeated {
        return vec![format!("`{path}` is no list")];
    }
    check_one(value, field, path, told)
}

fn check_one(value: &Value, field: &Field, path: &str, told: &mut Told) -> Vec<String> {
    match (value, &field.kind) {
        (Value::Object(object), Kind::Object(inside)) => check(object, inside, path, told),
        (Value::Text(_) | Value::Word(_), Kind::Text)
        | (Value::Number(_), Kind::Number)
        | (Value::Fraction(_), Kind::Fraction)
        | (Value::Flag(_), Kind::Flag) => Vec::new(),
        _ => vec![format!("`{path}` has another type: {value:?}")],
    }
}

/// The paths of all fields of a tree.
pub(crate) fn paths(fields: &[Field]) -> Vec<String> {
    let mut found = Vec::new();
    for field in fields {
        found.push(field.name.to_owned());
        if let Kind::Object(inside) = &field.kind {
            found.extend(paths(inside).into_iter().map(|path| format!("{}.{path}", field.name)));
        }
    }
    found
}

#[test]
fn a_line_is_read_into_its_tree() {
    let contracts = contracts();
    assert!(contracts.len() > 90, "{} actions", contracts.len());
    let tags = &contracts["TagResources"];
    assert_eq!(
        leaves(&tags.request, "1"),
        ["RegionId", "ResourceId.1", "ResourceType", "Tag.1.Key", "Tag.1.Value"]
    );
    assert!(tags.request.iter().all(|field| field.is_required));
    let regions = paths(&contracts["DescribeRegions"].response);
    assert_eq!(regions[..3], ["Regions", "Regions.Region", "Regions.Region.LocalName"]);
}

#[test]
fn an_answer_of_another_shape_is_found_out() {
    let tree = &contracts()["DescribeRegions"].response;
    let region = |id: Object| Object::new().list("Regions", "Region", [id]);
    let mut told = Told::new();
    assert_eq!(check(&region(Object::new().put("RegionId", "")), tree, "", &mut told), [] as [&str; 0]);
    assert_eq!(told.get("Regions.Region.RegionId"), Some(&false), "it has no value");
    for (wrong, what) in [
        (region(Object::new().put("RegionId", 1)), "has another type"),
        (region(Object::new().put("Regionid", "x")), "is not declared"),
        (Object::new().put("Regions", "x"), "has another type"),
        (Object::new().put("Regions", Object::new().put("Region", "x")), "is no list"),
        (region(Object::new().put("RegionId", "x").put("RegionId", "y")), "comes twice"),
    ] {
        let found = check(&wrong, tree, "", &mut told);
        assert!(found.len() == 1 && found[0].contains(what), "{found:?}");
    }
}
