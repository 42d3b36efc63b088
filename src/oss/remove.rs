//! Objects, removed: one, or a list of them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::port::Location;
use http::StatusCode;
use md5::{Digest, Md5};
use serde::Deserialize;

use crate::error::Refused;
use crate::list::Encoding;
use crate::turn::{Answer, Turn, check_key, document, empty};
use crate::xml;

/// Keys in one list, as the API documents.
const KEYS_MAX: usize = 1000;

/// A list of objects to remove.
#[derive(Debug, Deserialize)]
struct Delete {
    #[serde(rename = "Quiet", default)]
    quiet: Option<String>,
    #[serde(rename = "Object", default)]
    objects: Vec<Object>,
}

#[derive(Debug, Deserialize)]
struct Object {
    #[serde(rename = "Key")]
    key: String,
}

impl Turn<'_> {
    pub(crate) async fn delete_object(&mut self) -> Answer {
        let at = self.at()?;
        self.oss.service.drop_object(&at).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }

    pub(crate) async fn delete_objects(&mut self) -> Answer {
        let bucket = self.own()?.at;
        let encoding = Encoding::of(self.asked)?;
        let said = self.asked.header("content-md5").map(str::to_owned);
        let bytes = self.document_bytes().await?;
        if said.is_some_and(|said| BASE64_STANDARD.encode(Md5::digest(&bytes)) != said) {
            return Err(Refused::new(400, "InvalidDigest", "The Content-MD5 you specified is not valid."));
        }
        let delete: Delete = xml::read(&bytes)?;
        if delete.objects.is_empty() || delete.objects.len() > KEYS_MAX {
            let why = format!("A list has 1 to {KEYS_MAX} keys.");
            return Err(Refused::new(400, "MalformedXML", why));
        }
        delete.objects.iter().try_for_each(|object| check_key(&object.key))?;
        for object in &delete.objects {
            let at = Location::object(bucket.clone(), object.key.clone());
            self.oss.service.drop_object(&at).await?;
        }
        if delete.quiet.is_some_and(|quiet| quiet.eq_ignore_ascii_case("true")) {
            return Ok(empty(StatusCode::OK));
        }
        Ok(document(xml::document("DeleteResult", |xml| {
            encoding.tell(xml);
            for object in &delete.objects {
                xml.within("Deleted", |xml| _ = xml.text("Key", encoding.text(&object.key)));
            }
        })))
    }
}
