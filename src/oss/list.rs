//! Lists of a bucket's objects, in both versions.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::port_objects::{ListAsked, Listed, ObjectFacts};

use crate::asked::Asked;
use crate::buckets::{STORAGE_CLASS, owner};
use crate::error::Refused;
use crate::escape::percent;
use crate::headers::{kind_word, quoted};
use crate::time;
use crate::turn::{Answer, Turn, document};
use crate::xml::{self, Document};

/// Objects told at once, as the API documents.
const LISTED_MAX: usize = 1000;
/// Objects told at once if no number is given.
const LISTED_USUAL: usize = 100;

/// How keys are written in a document: XML cannot hold all characters a key may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    /// The one a request asks for.
    pub(crate) fn of(asked: &Asked) -> Result<Self, Refused> {
        match asked.parameter("encoding-type") {
            None | Some("") => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(other) => Err(Refused::argument("encoding-type", other)),
        }
    }

    pub(crate) fn tell(self, xml: &mut Document) {
        if self == Self::Url {
            xml.text("EncodingType", "url");
        }
    }

    pub(crate) fn text(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Plain => text.into(),
            Self::Url => percent(text, true).into(),
        }
    }

    pub(crate) fn tell_prefixes(self, xml: &mut Document, prefixes: &[String]) {
        for prefix in prefixes {
            xml.within("CommonPrefixes", |xml| _ = xml.text("Prefix", self.text(prefix)));
        }
    }
}

/// Where the next stretch begins.
fn next(page: &Listed<ObjectFacts>) -> Option<&str> {
    let last = page.items.last().map(|last| last.key.as_str());
    last.max(page.prefixes.last().map(String::as_str)).filter(|_| page.more)
}

impl Turn<'_> {
    pub(crate) async fn list_objects(&mut self) -> Answer {
        let at = self.own()?.at;
        let encoding = Encoding::of(self.asked)?;
        let given = |name: &str| self.asked.parameter(name).unwrap_or_default().to_owned();
        let count: usize = self.asked.number("max-keys", LISTED_USUAL)?;
        if !(1..=LISTED_MAX).contains(&count) {
            return Err(Refused::argument("max-keys", &count.to_string()));
        }
        let is_second = self.asked.parameter("list-type") == Some("2");
        let token = given("continuation-token");
        let after = match (is_second, token.as_str()) {
            (false, _) => given("marker"),
            (true, "") => given("start-after"),
            (true, token) => {
                let decoded = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
                let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
                decoded.ok_or_else(|| Refused::argument("continuation-token", token))?
            }
        };
        let asked = ListAsked {
            prefix: given("prefix"),
            after,
            delimiter: given("delimiter"),
            count,
            ..ListAsked::default()
        };
        let page = self.oss.objects.list(&at, &asked).await?;
        let with_owner = !is_second || self.asked.parameter("fetch-owner") == Some("true");
        Ok(document(xml::document("ListBucketResult", |xml| {
            xml.text("Name", self.bucket_name()).text("Prefix", encoding.text(&asked.prefix));
            xml.text("MaxKeys", count).text("Delimiter", encoding.text(&asked.delimiter));
            encoding.tell(xml);
            xml.text("IsTruncated", page.more);
            if is_second {
                xml.text("StartAfter", encoding.text(&given("start-after")));
                if !token.is_empty() {
                    xml.text("ContinuationToken", &token);
                }
                if let Some(next) = next(&page) {
                    xml.text("NextContinuationToken", BASE64_URL_SAFE_NO_PAD.encode(next));
                }
                xml.text("KeyCount", page.items.len() + page.prefixes.len());
            } else {
                xml.text("Marker", encoding.text(&asked.after));
                if let Some(next) = next(&page) {
                    xml.text("NextMarker", encoding.text(next));
                }
            }
            for object in &page.items {
                xml.within("Contents", |xml| {
                    xml.text("Key", encoding.text(&object.key));
                    xml.text("LastModified", time::iso(object.modified_ms));
                    xml.text("ETag", quoted(&object.etag)).text("Type", kind_word(object.kind));
                    xml.text("Size", object.bytes).text("StorageClass", STORAGE_CLASS);
                    if with_owner {
                        owner(xml, &self.actor);
                    }
                });
            }
            encoding.tell_prefixes(xml, &page.prefixes);
        })))
    }
}
