//! Objects, read: whole, in stretches, or only what is known of them.

use std::sync::Arc;

use oss::Outgoing;
use s3s::dto::{GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob};
use s3s::{S3ErrorCode, S3Result};

use crate::conditions::Conditions;
use crate::error::{failed, no_key, not_implemented, refused};
use crate::headers::{size, tell};
use crate::turn::Turn;

/// A part of an object is not told apart once the object is whole.
fn check_part(number: Option<i32>) -> S3Result<()> {
    if number.is_some() { Err(not_implemented("partNumber")) } else { Ok(()) }
}

impl Turn {
    pub(crate) async fn read_object(&self, input: GetObjectInput) -> S3Result<GetObjectOutput> {
        check_part(input.part_number)?;
        let at = self.at(&input.bucket, &input.key)?;
        let (facts, bytes) = self.objects().open(&at).await.map_err(failed)?.ok_or_else(no_key)?;
        let conditions = Conditions {
            matches: input.if_match,
            none_match: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        conditions.check(&facts)?;
        let range = input.range.map(|range| range.check(facts.bytes));
        let range = range
            .transpose()
            .map_err(|_| refused(S3ErrorCode::InvalidRange, "The requested range is not satisfiable"))?;
        let stretch = range.clone().unwrap_or(0..facts.bytes);
        let body = Outgoing::new(Arc::from(bytes), stretch.start, stretch.end, self.lane(&at));
        let told = tell(&facts);
        let content_range =
            range.map(|range| format!("bytes {}-{}/{}", range.start, range.end - 1, facts.bytes));
        Ok(GetObjectOutput {
            accept_ranges: told.accept_ranges,
            body: Some(StreamingBlob::from(s3s::Body::http_body(body))),
            cache_control: told.cache_control,
            content_disposition: told.content_disposition,
            content_encoding: told.content_encoding,
            content_language: told.content_language,
            content_length: Some(size(stretch.end - stretch.start)),
            content_range,
            content_type: told.content_type,
            e_tag: told.e_tag,
            expires: told.expires,
            last_modified: told.last_modified,
            metadata: told.metadata,
            ..GetObjectOutput::default()
        })
    }

    pub(crate) async fn object_head(&self, input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
        check_part(input.part_number)?;
        let at = self.at(&input.bucket, &input.key)?;
        let facts = self.objects().facts(&at).await.map_err(failed)?.ok_or_else(no_key)?;
        let conditions = Conditions {
            matches: input.if_match,
            none_match: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        conditions.check(&facts)?;
        Ok(tell(&facts))
    }
}
