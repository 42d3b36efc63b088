//! XML, written and read: a few flat documents each way.

use std::fmt::{Display, Write};

use serde::de::DeserializeOwned;

use crate::error::Refused;
use crate::escape;

/// What every document begins with.
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A document under construction: elements one after the other.
pub(crate) struct Document(String);

impl Document {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(HEAD.to_owned())
    }

    /// An element that holds text.
    pub(crate) fn text(&mut self, name: &str, text: impl Display) -> &mut Self {
        let text = escape::xml(&text.to_string());
        write!(self.0, "<{name}>{text}</{name}>").expect("a string takes what is written");
        self
    }

    /// An element that holds others.
    pub(crate) fn within(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        write!(self.0, "<{name}>").expect("a string takes what is written");
        inside(self);
        write!(self.0, "</{name}>").expect("a string takes what is written");
        self
    }

    /// The text of it.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// A document of one element with others in it.
pub(crate) fn document(name: &str, inside: impl FnOnce(&mut Document)) -> String {
    let mut document = Document::new();
    document.within(name, inside);
    document.into_string()
}

/// Reads a document that came with a request.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    let malformed = || Refused::new(400, "MalformedXML", "The XML you provided was not well-formed.");
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    quick_xml::de::from_str(text).map_err(|_| malformed())
}
