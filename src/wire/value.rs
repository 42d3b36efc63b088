//! What an answer consists of, before it is written as JSON or XML.

use std::fmt::Write as _;

/// Bytes of most answers in JSON: one image has some 1,700.
const JSON_BYTES: usize = 2048;

/// A value of an answer. Types are exact: clients do not turn a text into a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A word of the source.
    Word(&'static str),
    /// A whole number.
    Number(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// `true` or `false`.
    Flag(bool),
    /// Fields.
    Object(Object),
    /// Several; in XML each has the name of the field.
    List(Vec<Value>),
}

/// Fields in the order in which they were put.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(&'static str, Value)>);

impl Object {
    /// Without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Without fields, and with room for so many.
    pub fn with_room(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    /// With a field more.
    #[must_use]
    pub fn put(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// With a word of the source more: a text that is nobody's copy.
    #[must_use]
    pub fn word(self, name: &'static str, word: &'static str) -> Self {
        self.put(name, Value::Word(word))
    }

    /// With a field more, if it has a value.
    #[must_use]
    pub fn put_some(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// With a list more, wrapped twice as the API has them: `{"Images":{"Image":[…]}}`.
    #[must_use]
    pub fn list<T: Into<Value>>(
        self,
        name: &'static str,
        item: &'static str,
        items: impl IntoIterator<Item = T>,
    ) -> Self {
        let items = items.into_iter().map(Into::into).collect();
        self.put(name, Self::new().put(item, Value::List(items)))
    }

    /// Its fields.
    pub fn fields(&self) -> &[(&'static str, Value)] {
        &self.0
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let mut text = String::with_capacity(JSON_BYTES);
        write_json_object(&mut text, self);
        text
    }

    /// As XML, below an element of this name.
    pub fn xml(&self, root: &str) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        element(&mut text, root, |text| write_xml_object(text, self));
        text
    }
}

fn write_json_object(text: &mut String, object: &Object) {
    text.push('{');
    for (index, (name, value)) in object.0.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        // Names are words of the source, which need no escapes.
        text.push('"');
        text.push_str(name);
        text.push_str("\":");
        write_json(text, value);
    }
    text.push('}');
}

fn write_json(text: &mut String, value: &Value) {
    // Writing to a text cannot fail.
    let _ = match value {
        Value::Text(value) => {
            write_json_text(text, value);
            Ok(())
        }
        Value::Word(value) => {
            write_json_text(text, value);
            Ok(())
        }
        Value::Number(number) => write!(text, "{number}"),
        Value::Fraction(number) => write!(text, "{number:?}"),
        Value::Flag(flag) => write!(text, "{flag}"),
        Value::Object(object) => {
            write_json_object(text, object);
            Ok(())
        }
        Value::List(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_json(text, value);
            }
            text.push(']');
            Ok(())
        }
    };
}

fn write_json_text(text: &mut String, value: &str) {
    // Nearly every text is written as it is. To look at all of it at once is less than to look for the first.
    let is_marked = |byte: u8| matches!(byte, ..0x20 | b'"' | b'\\');
    if value.bytes().fold(false, |any, byte| any | is_marked(byte)) {
        text.push_str(&serde_json::to_string(value).unwrap_or_default());
        return;
    }
    text.push('"');
    text.push_str(value);
    text.push('"');
}

fn write_xml_object(text: &mut String, object: &Object) {
    for (name, value) in &object.0 {
        write_xml(text, name, value);
    }
}

fn write_xml(text: &mut String, name: &str, value: &Value) {
    match value {
        Value::List(values) => values.iter().for_each(|value| write_xml(text, name, value)),
        Value::Object(object) => element(text, name, |text| write_xml_object(text, object)),
        Value::Text(value) => element(text, name, |text| write_xml_text(text, value)),
        Value::Word(value) => element(text, name, |text| write_xml_text(text, value)),
        Value::Number(number) => element(text, name, |text| text.push_str(&number.to_string())),
        Value::Fraction(number) => element(text, name, |text| _ = write!(text, "{number:?}")),
        Value::Flag(flag) => element(text, name, |text| text.push_str(if *flag { "true" } else { "false" })),
    }
}

fn element(text: &mut String, name: &str, inside: impl FnOnce(&mut String)) {
    text.push('<');
    text.push_str(name);
    text.push('>');
    inside(text);
    text.push_str("</");
    text.push_str(name);
    text.push('>');
}

/// Escapes what XML reads as marks, and replaces what it cannot hold at all.
fn write_xml_text(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&apos;"),
            // A bare carriage return is read back as a line feed.
            '\r' => text.push_str("&#13;"),
            '\t' | '\n' => text.push(character),
            control if u32::from(control) < 0x20 || matches!(control, '\u{fffe}' | '\u{ffff}') => {
                text.push('\u{fffd}');
            }
            other => text.push(other),
        }
    }
}

macro_rules! from {
    ($($from:ty => $make:expr;)*) => {
        $(
            impl From<$from> for Value {
                fn from(value: $from) -> Self {
                    let make: fn($from) -> Self = $make;
                    make(value)
                }
            }
        )*
    };
}

from! {
    &str => |text| Self::Text(text.to_owned());
    String => Self::Text;
    &String => |text| Self::Text(text.clone());
    i64 => Self::Number;
    u32 => |number| Self::Number(i64::from(number));
    i32 => |number| Self::Number(i64::from(number));
    u64 => |number| Self::Number(i64::try_from(number).unwrap_or(i64::MAX));
    usize => |number| Self::Number(i64::try_from(number).unwrap_or(i64::MAX));
    f64 => Self::Fraction;
    bool => Self::Flag;
    Object => Self::Object;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_same_tree_in_both_languages() {
        let image = |id: &str| Object::new().put("ImageId", id).put("Size", 40_u32).put("IsCopied", false);
        let answer = Object::new()
            .put("RequestId", "A<B>&\"'\u{1}")
            .list("Images", "Image", [image("m-1"), image("m-2")])
            .list("Tags", "Tag", Vec::<Object>::new())
            .put("Price", 1.0);
        assert_eq!(
            answer.json(),
            concat!(
                r#"{"RequestId":"A<B>&\"'\u0001","Images":{"Image":[{"ImageId":"m-1","Size":40,"IsCopied":false},"#,
                r#"{"ImageId":"m-2","Size":40,"IsCopied":false}]},"Tags":{"Tag":[]},"Price":1.0}"#
            )
        );
        assert_eq!(
            answer.xml("DescribeImagesResponse"),
            concat!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeImagesResponse>",
                "<RequestId>A&lt;B&gt;&amp;&quot;&apos;\u{fffd}</RequestId><Images>",
                "<Image><ImageId>m-1</ImageId><Size>40</Size><IsCopied>false</IsCopied></Image>",
                "<Image><ImageId>m-2</ImageId><Size>40</Size><IsCopied>false</IsCopied></Image>",
                "</Images><Tags></Tags><Price>1.0</Price></DescribeImagesResponse>"
            )
        );
    }
}
