//! Objects, removed: one, or a list of them.

use domain::port::Location;
use s3s::dto::{DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error};
use s3s::{S3Error, S3ErrorCode, S3Result};
use service::OwnBucket;

use crate::error::{refused, told};
use crate::list::plain;
use crate::turn::{Turn, check_key};

/// Keys in one list, as the API documents.
const KEYS_MAX: usize = 1000;

/// What became of a key that could not be removed.
fn unremoved(key: &str, why: &S3Error) -> Error {
    Error {
        code: Some(why.code().as_str().to_owned()),
        key: Some(plain(key)),
        message: why.message().map(str::to_owned),
        ..Error::default()
    }
}

impl Turn {
    pub(crate) async fn remove_object(&self, bucket: &str, key: &str) -> S3Result<()> {
        let at = self.at(bucket, key)?;
        self.service().drop_object(&at).await.map_err(told)
    }

    /// Removes each key that may be removed, and says of the others why not.
    pub(crate) async fn remove_objects(&self, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
        let keys = input.delete.objects;
        if keys.is_empty() || keys.len() > KEYS_MAX {
            let why = format!("A list has 1 to {KEYS_MAX} keys.");
            return Err(refused(S3ErrorCode::MalformedXML, why));
        }
        let is_quiet = input.delete.quiet == Some(true);
        // Who may remove nothing of it does not learn whether the bucket is there.
        let may = |key: &str| {
            check_key(key)?;
            self.may("oss:DeleteObject", &format!("{}/{key}", input.bucket))
        };
        let allowed: Vec<S3Result<()>> = keys.iter().map(|object| may(&object.key)).collect();
        let own = if allowed.iter().any(Result::is_ok) { Some(self.own(&input.bucket)?) } else { None };
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for (object, allowed) in keys.into_iter().zip(allowed) {
            let removed = match (allowed, &own) {
                (Ok(()), Some(own)) => self.remove_key(own, &object).await,
                (Err(no), _) => Err(no),
                (Ok(()), None) => continue,
            };
            match removed {
                Ok(()) if is_quiet => {}
                Ok(()) => {
                    deleted.push(DeletedObject { key: Some(plain(&object.key)), ..DeletedObject::default() });
                }
                Err(why) => errors.push(unremoved(&object.key, &why)),
            }
        }
        Ok(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            ..DeleteObjectsOutput::default()
        })
    }

    async fn remove_key(&self, own: &OwnBucket, object: &s3s::dto::ObjectIdentifier) -> S3Result<()> {
        if object.version_id.as_deref().is_some_and(|version| version != "null") {
            return Err(refused(S3ErrorCode::NotImplemented, "Objects have no versions."));
        }
        let at = Location::object(own.at.clone(), object.key.clone());
        self.service().drop_object(&at).await.map_err(told)
    }
}
