//! Both envelopes of an answer hold the same tree: JSON is read by a reader of the world's, XML by the small one
//! here, which knows elements and the five named characters and nothing else, as answers have nothing else.

use wire::{Answer, Form, Object, Value};

/// An element of XML: its name, its text, or what is in it.
#[derive(Debug, Default, PartialEq)]
struct Element {
    name: String,
    text: String,
    inside: Vec<Element>,
}

/// The answer as JSON, after both envelopes were found to be the same.
pub(crate) fn json(answer: &Object, action: &str) -> serde_json::Value {
    let id = "0C3A1C9B-0000-4000-8000-000000000000";
    let whole = answer.clone().put("RequestId", id);
    let body = Answer(answer.clone()).body(Form::Json, action, id);
    let json: serde_json::Value = serde_json::from_str(&body).expect("an answer is JSON");
    assert_eq!(json, as_json(&Value::Object(whole.clone())), "{action}");
    let body = Answer(answer.clone()).body(Form::Xml, action, id);
    let root = parse(&body).unwrap_or_else(|| panic!("an answer of {action} is no XML: {body}"));
    let mut expected = Element { name: format!("{action}Response"), ..Element::default() };
    put_into(&mut expected, &whole);
    assert_eq!(root, expected, "{action}");
    json
}

fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Word(word) => (*word).into(),
        Value::Number(number) => (*number).into(),
        Value::Fraction(number) => (*number).into(),
        Value::Flag(flag) => (*flag).into(),
        Value::List(values) => values.iter().map(as_json).collect(),
        Value::Object(object) => {
            object.fields().iter().map(|(name, value)| ((*name).to_owned(), as_json(value))).collect()
        }
    }
}

fn put_into(element: &mut Element, object: &Object) {
    for (name, value) in object.fields() {
        let values = if let Value::List(values) = value { values.iter().collect() } else { vec![value] };
        for value in values {
            let mut child = Element { name: (*name).to_owned(), ..Element::default() };
            match value {
                Value::Object(object) => put_into(&mut child, object),
                Value::Text(text) => child.text = text.chars().map(as_xml_can).collect(),
                Value::Word(word) => child.text = word.chars().map(as_xml_can).collect(),
                Value::Number(number) => child.text = number.to_string(),
                Value::Fraction(number) => child.text = format!("{number:?}"),
                Value::Flag(flag) => child.text = flag.to_string(),
                Value::List(_) => panic!("a list in a list"),
            }
            element.inside.push(child);
        }
    }
}

/// XML has no way to hold some characters at all.
fn as_xml_can(char: char) -> char {
    match char {
        '\t' | '\n' | '\r' => char,
        '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        other => other,
    }
}

fn parse(text: &str) -> Option<Element> {
    let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?.trim_start();
    let root = element(&mut rest)?;
    rest.trim().is_empty().then_some(root)
}

fn element(rest: &mut &str) -> Option<Element> {
    let (name, after) = rest.strip_prefix('<')?.split_once('>')?;
    *rest = after;
    let mut found = Element { name: name.to_owned(), ..Element::default() };
    loop {
        let (text, after) = rest.split_at(rest.find('<')?);
        found.text.push_str(&unescape(text)?);
        *rest = after;
        if let Some(after) = rest.strip_prefix(&format!("</{name}>")) {
            *rest = after;
            return Some(found);
        }
        found.inside.push(element(rest)?);
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut parts = text.split('&');
    plain.push_str(parts.next()?);
    for part in parts {
        let (name, after) = part.split_once(';')?;
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "#13" => '\r',
            _ => return None,
        });
        plain.push_str(after);
    }
    Some(plain)
}

#[test]
fn the_small_reader_reads_what_is_written_and_refuses_what_is_broken() {
    let answer = Object::new().put("Name", "a<b>&\"'\r\n\u{1}").list("Tags", "Tag", ["x", "y"]);
    let json = json(&answer, "Describe");
    assert_eq!(json["Tags"]["Tag"][1], "y");
    for broken in ["", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a><b></a></b>", "<a>&nbsp;</a>"] {
        assert_eq!(parse(broken), None, "{broken}");
    }
}
