//! Objects, written at once.

use domain::port::Location;
use domain::port_objects::Ending;
use http::HeaderMap;
use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3Result, TrailingHeaders};

use crate::body::Incoming;
use crate::checksum::{Checks, content_md5};
use crate::conditions::may_replace;
use crate::error::{failed, precondition};
use crate::headers::{kept, tag};
use crate::turn::Turn;

impl Turn {
    /// Refuses early what would be refused in the end.
    pub(crate) async fn check_replace(&self, at: &Location, replace: bool) -> S3Result<()> {
        if !replace && self.objects().facts(at).await.map_err(failed)?.is_some() {
            return Err(precondition());
        }
        Ok(())
    }

    pub(crate) async fn write_object(
        &self,
        input: PutObjectInput,
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<PutObjectOutput> {
        let at = self.at(&input.bucket, &input.key)?;
        let ending = Ending {
            headers: kept(headers, input.metadata)?,
            replace: may_replace(input.if_match.as_ref(), input.if_none_match.as_ref())?,
            md5: content_md5(input.content_md5.as_deref())?,
            crc64: None,
        };
        let checks = Checks::of(headers, trailers);
        let incoming = Incoming { body: input.body, length: input.content_length, checks };
        let bytes = incoming.bytes()?;
        self.check_replace(&at, ending.replace).await?;
        let upload = self.objects().begin_put(&at, bytes).await.map_err(failed)?;
        let (facts, checks) = incoming.pour(upload, ending).await?;
        let found = checks.found();
        Ok(PutObjectOutput {
            checksum_crc32: found.checksum_crc32,
            checksum_crc32c: found.checksum_crc32c,
            checksum_crc64nvme: found.checksum_crc64nvme,
            checksum_sha1: found.checksum_sha1,
            checksum_sha256: found.checksum_sha256,
            e_tag: Some(tag(&facts.etag)),
            ..PutObjectOutput::default()
        })
    }
}
