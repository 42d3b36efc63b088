//! Objects and parts that are copies of objects: read and written here, nothing goes over the line.

use std::ops::Range;

use domain::port::Location;
use domain::port_objects::{Ending, ObjectBytes, ObjectFacts, Upload};

use crate::conditions::{OF_COPIES, Stretch, check, stretch};
use crate::error::Refused;
use crate::escape::unpercent;
use crate::headers::{TAGGING, quoted, tell_written};
use crate::put::UPLOAD_BYTES_MAX;
use crate::turn::{Answer, Turn, check_key, document};
use crate::{time, xml};

/// Bytes copied at once; one such piece is written while the next is read.
const PIECE_BYTES: u64 = 1 << 20;

/// A copy's source.
pub(crate) struct From {
    pub(crate) at: Location,
    pub(crate) facts: ObjectFacts,
    pub(crate) bytes: Box<dyn ObjectBytes>,
}

impl From {
    /// Copies a stretch of it into an upload.
    pub(crate) async fn pour(
        &self,
        range: Range<u64>,
        mut upload: Box<dyn Upload>,
        ending: Ending,
    ) -> Result<ObjectFacts, Refused> {
        let mut at = range.start;
        while at < range.end {
            let len = PIECE_BYTES.min(range.end - at);
            let piece = self.bytes.read(at, usize::try_from(len).expect("at most a piece")).await?;
            upload.write(vec![piece]).await?;
            at += len;
        }
        Ok(upload.finish(ending).await?)
    }

    /// The stretch that a header names, or all of it.
    pub(crate) fn range(&self, header: Option<&str>) -> Result<Range<u64>, Refused> {
        let Some(text) = header else { return Ok(0..self.facts.bytes) };
        match stretch(text, self.facts.bytes) {
            Stretch::Part(range) => Ok(range),
            Stretch::Nothing => {
                Err(Refused::new(416, "InvalidRange", "The requested range cannot be satisfied."))
            }
            Stretch::Malformed => Err(Refused::argument("x-oss-copy-source-range", text)),
        }
    }
}

/// The document that tells of a copy.
pub(crate) fn copied(name: &str, facts: &ObjectFacts) -> http::Response<crate::Body> {
    let mut response = document(xml::document(name, |xml| {
        xml.text("LastModified", time::iso(facts.modified_ms)).text("ETag", quoted(&facts.etag));
    }));
    tell_written(response.headers_mut(), facts);
    response
}

impl Turn<'_> {
    /// Opens what `x-oss-copy-source` names: `/bucket/key`, escaped.
    pub(crate) async fn copy_source(&self) -> Result<From, Refused> {
        let name = "x-oss-copy-source";
        let text = self.asked.header(name).unwrap_or_default();
        let invalid = || Refused::argument(name, text);
        let path = text.split('?').next().unwrap_or_default();
        let path = unpercent(path.strip_prefix('/').unwrap_or(path)).ok_or_else(invalid)?;
        let (bucket, key) = path.split_once('/').ok_or_else(invalid)?;
        check_key(key)?;
        let own =
            self.oss.service.own_bucket(&self.actor, bucket).map_err(|trouble| {
                match Refused::from(trouble) {
                    refused if refused.code == "NoSuchBucket" => Refused::no_bucket(bucket),
                    refused => refused,
                }
            })?;
        let at = Location::object(own.at, key);
        let (facts, bytes) = self.oss.objects.open(&at).await?.ok_or_else(|| Refused::no_key(key))?;
        check(self.asked, &OF_COPIES, &facts).map_err(|refused| match refused.status {
            // A copy that is not made because of its source is told so in the same way.
            304 => Refused::new(304, "NotModified", "The source was not modified."),
            _ => refused,
        })?;
        Ok(From { at, facts, bytes })
    }

    /// Whether a directive asks for what comes with the request and not what the source has.
    fn replaces(&self, directive: &str) -> Result<bool, Refused> {
        match self.asked.header(directive) {
            None => Ok(false),
            Some(how) if how.eq_ignore_ascii_case("copy") => Ok(false),
            Some(how) if how.eq_ignore_ascii_case("replace") => Ok(true),
            Some(how) => Err(Refused::argument(directive, how)),
        }
    }

    pub(crate) async fn copy_object(&mut self) -> Answer {
        let to = self.at()?;
        let source = self.copy_source().await?;
        let mut ending = Ending { md5: None, crc64: None, ..self.ending()? };
        let tags = if self.replaces("x-oss-tagging-directive")? {
            ending.headers.remove(TAGGING)
        } else {
            source.facts.headers.get(TAGGING).cloned()
        };
        if !self.replaces("x-oss-metadata-directive")? {
            ending.headers.clone_from(&source.facts.headers);
        }
        ending.headers.remove(TAGGING);
        ending.headers.extend(tags.map(|tags| (TAGGING.to_owned(), tags)));
        self.check_replace(&to).await?;
        if source.at == to {
            let facts = self.oss.objects.describe(&to, ending.headers).await?;
            return Ok(copied("CopyObjectResult", &facts.ok_or_else(|| Refused::no_key(&to.path))?));
        }
        if source.facts.bytes > UPLOAD_BYTES_MAX {
            return Err(crate::body::too_large());
        }
        let upload = self.oss.objects.begin_put(&to, Some(source.facts.bytes)).await?;
        let facts = source.pour(0..source.facts.bytes, upload, ending).await?;
        Ok(copied("CopyObjectResult", &facts))
    }
}
