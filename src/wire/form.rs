//! The language of an answer.

use crate::Object;

/// JSON or XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON.
    Json,
    /// XML, which is what the API answers where nobody says.
    Xml,
}

impl Form {
    /// The language a request asks for, by its `Format`, or by what it says it accepts.
    pub fn wanted(format: Option<&str>, accept: Option<&str>) -> Self {
        let is_json = match (format, accept) {
            (Some(format), _) => format.eq_ignore_ascii_case("json"),
            (None, accept) => accept.is_some_and(|accept| accept.contains("json")),
        };
        if is_json { Self::Json } else { Self::Xml }
    }

    /// What the header says. Newer clients read XML only where it says exactly this.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json;charset=utf-8",
            Self::Xml => "text/xml;charset=utf-8",
        }
    }
}

/// What an action answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer(pub Object);

impl Answer {
    /// The body: its fields and the request's id.
    pub fn body(self, form: Form, action: &str, request_id: &str) -> String {
        let whole = self.0.put("RequestId", request_id);
        match form {
            Form::Json => whole.json(),
            Form::Xml => whole.xml(&format!("{action}Response")),
        }
    }
}
