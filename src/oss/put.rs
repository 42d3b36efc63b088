//! Objects, written: at once, or behind what there is.

use domain::port::Location;
use domain::port_objects::{Ending, ObjectFacts, Upload};
use http::StatusCode;

use crate::asked::Asked;
use crate::body::{Incoming, incomplete, is_over, too_large};
use crate::error::Refused;
use crate::headers::{content_crc64, content_md5, kept, put, tell_written};
use crate::turn::{Answer, Turn, empty};

/// Bytes of one request's object, part or appendix, as the API documents: 5 GiB.
pub(crate) const UPLOAD_BYTES_MAX: u64 = 5 << 30;

/// Whether an object may be replaced.
pub(crate) fn may_replace(asked: &Asked) -> bool {
    asked.header("x-oss-forbid-overwrite").is_none_or(|forbid| !forbid.eq_ignore_ascii_case("true"))
}

/// There is such an object, and it may not be replaced.
pub(crate) fn already_exists(key: &str) -> Refused {
    let why = "The object you specified already exists and can not be overwritten.";
    Refused::new(409, "FileAlreadyExists", why).with("Key", key)
}

/// Sends a body into an upload.
pub(crate) async fn pour(
    mut from: Incoming,
    mut upload: Box<dyn Upload>,
    expected: Option<u64>,
    ending: Ending,
) -> Result<ObjectFacts, Refused> {
    let mut bytes = 0;
    loop {
        let batch = from.batch().await?;
        if batch.is_empty() {
            break;
        }
        bytes += batch.iter().map(|piece| piece.len() as u64).sum::<u64>();
        upload.write(batch).await?;
    }
    if expected.is_some_and(|expected| expected != bytes) {
        return Err(incomplete());
    }
    Ok(upload.finish(ending).await?)
}

impl Turn<'_> {
    /// How long the body is, if its client says so.
    pub(crate) fn content_length(&self) -> Result<Option<u64>, Refused> {
        let length = match self.asked.header("content-length") {
            Some(text) => Some(text.parse().map_err(|_| Refused::argument("Content-Length", text))?),
            None if self.body.as_ref().is_none_or(is_over) => Some(0),
            None => None,
        };
        if length.is_some_and(|length| length > UPLOAD_BYTES_MAX) {
            return Err(too_large());
        }
        Ok(length)
    }

    /// What an upload is held to.
    pub(crate) fn ending(&self) -> Result<Ending, Refused> {
        self.check_acl("x-oss-object-acl")?;
        Ok(Ending {
            headers: kept(self.asked)?,
            replace: may_replace(self.asked),
            md5: content_md5(self.asked)?,
            crc64: content_crc64(self.asked)?,
        })
    }

    /// Refuses early what would be refused in the end.
    pub(crate) async fn check_replace(&self, at: &Location) -> Result<(), Refused> {
        if !may_replace(self.asked) && self.oss.objects.facts(at).await?.is_some() {
            return Err(already_exists(&at.path));
        }
        Ok(())
    }

    pub(crate) async fn put_object(&mut self) -> Answer {
        let at = self.at()?;
        let (ending, length) = (self.ending()?, self.content_length()?);
        self.check_replace(&at).await?;
        let upload = self.oss.objects.begin_put(&at, length).await?;
        let facts = pour(self.incoming(UPLOAD_BYTES_MAX), upload, length, ending).await?;
        let mut response = empty(StatusCode::OK);
        tell_written(response.headers_mut(), &facts);
        Ok(response)
    }

    pub(crate) async fn append_object(&mut self) -> Answer {
        let at = self.at()?;
        let position = self.asked.parameter("position").unwrap_or_default();
        let position: u64 = position.parse().map_err(|_| Refused::argument("position", position))?;
        // What comes with an object is that of its first append.
        let (ending, length) = (self.ending()?, self.content_length()?);
        let upload = self.oss.objects.begin_append(&at, position).await?;
        let poured = pour(self.incoming(UPLOAD_BYTES_MAX), upload, length, ending).await;
        let facts = poured.map_err(|refused| match refused.code.as_str() {
            // Another first append was faster.
            "FileAlreadyExists" => {
                Refused::new(409, "PositionNotEqualToLength", "Position is not equal to file length")
            }
            _ => refused,
        })?;
        let mut response = empty(StatusCode::OK);
        let headers = response.headers_mut();
        tell_written(headers, &facts);
        put(headers, "x-oss-next-append-position", facts.bytes.to_string());
        Ok(response)
    }
}
