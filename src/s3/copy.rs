//! Objects and parts that are copies of objects: read and written here, nothing goes over the line.

use std::ops::Range;

use domain::port::Location;
use domain::port_objects::{Ending, ObjectBytes, ObjectFacts, Upload};
use http::HeaderMap;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, MetadataDirective,
    Range as Wanted, UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3ErrorCode, S3Result};

use crate::body::UPLOAD_BYTES_MAX;
use crate::conditions::Conditions;
use crate::error::{failed, no_key, not_implemented, refused, too_large};
use crate::headers::{check_acl, kept, tag, time};
use crate::parts::part_number;
use crate::turn::{Turn, check_key};

/// Bytes copied at once; one such piece is written while the next is read.
const PIECE_BYTES: u64 = 1 << 20;

/// A copy's source.
struct Source {
    at: Location,
    facts: ObjectFacts,
    bytes: Box<dyn ObjectBytes>,
}

impl Source {
    /// Copies a stretch of it into an upload.
    async fn pour(
        &self,
        range: Range<u64>,
        mut upload: Box<dyn Upload>,
        ending: Ending,
    ) -> S3Result<ObjectFacts> {
        let mut at = range.start;
        while at < range.end {
            let len = PIECE_BYTES.min(range.end - at);
            let len_here = usize::try_from(len).expect("at most a piece");
            let piece = self.bytes.read(at, len_here).await.map_err(failed)?;
            upload.write(vec![piece]).await.map_err(failed)?;
            at += len;
        }
        upload.finish(ending).await.map_err(failed)
    }

    /// The stretch that a header names, or all of it.
    fn range(&self, header: Option<&str>) -> S3Result<Range<u64>> {
        let Some(text) = header else { return Ok(0..self.facts.bytes) };
        let why =
            "The x-amz-copy-source-range value must be of the form bytes=first-last, within the source.";
        let invalid = || refused(S3ErrorCode::InvalidArgument, why);
        Wanted::parse(text).map_err(|_| invalid())?.check(self.facts.bytes).map_err(|_| invalid())
    }
}

impl Turn {
    async fn source(&self, source: &CopySource, conditions: &Conditions) -> S3Result<Source> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(not_implemented("a copy source that is no bucket"));
        };
        if version_id.as_deref().is_some_and(|version| version != "null") {
            return Err(not_implemented("versions"));
        }
        check_key(key)?;
        self.may("oss:GetObject", &format!("{bucket}/{key}"))?;
        let at = self.at(bucket, key)?;
        let (facts, bytes) = self.objects().open(&at).await.map_err(failed)?.ok_or_else(no_key)?;
        conditions.check_source(&facts)?;
        Ok(Source { at, facts, bytes })
    }

    pub(crate) async fn copy(
        &self,
        input: CopyObjectInput,
        headers: &HeaderMap,
    ) -> S3Result<CopyObjectOutput> {
        let to = self.at(&input.bucket, &input.key)?;
        check_acl(headers)?;
        let said = kept(headers, input.metadata)?;
        let conditions = Conditions {
            matches: input.copy_source_if_match,
            none_match: input.copy_source_if_none_match,
            modified_since: input.copy_source_if_modified_since,
            unmodified_since: input.copy_source_if_unmodified_since,
        };
        let source = self.source(&input.copy_source, &conditions).await?;
        let replaces = match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
            None | Some(MetadataDirective::COPY) => false,
            Some(MetadataDirective::REPLACE) => true,
            Some(_) => return Err(refused(S3ErrorCode::InvalidArgument, "Unknown metadata directive.")),
        };
        let headers = if replaces { said } else { source.facts.headers.clone() };
        let facts = if source.at == to {
            if !replaces {
                let why = "This copy request is illegal because it is trying to copy an object to itself \
                           without changing the object's metadata, storage class, website redirect \
                           location or encryption attributes.";
                return Err(refused(S3ErrorCode::InvalidRequest, why));
            }
            self.objects().describe(&to, headers).await.map_err(failed)?.ok_or_else(no_key)?
        } else {
            if source.facts.bytes > UPLOAD_BYTES_MAX {
                return Err(too_large());
            }
            let upload = self.objects().begin_put(&to, Some(source.facts.bytes)).await.map_err(failed)?;
            let ending = Ending { headers, replace: true, ..Ending::default() };
            source.pour(0..source.facts.bytes, upload, ending).await?
        };
        let result = CopyObjectResult {
            e_tag: Some(tag(&facts.etag)),
            last_modified: Some(time(facts.modified_ms)),
            ..CopyObjectResult::default()
        };
        Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }

    pub(crate) async fn copy_part(&self, input: UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
        let to = self.at(&input.bucket, &input.key)?;
        let number = part_number(input.part_number)?;
        let conditions = Conditions {
            matches: input.copy_source_if_match,
            none_match: input.copy_source_if_none_match,
            modified_since: input.copy_source_if_modified_since,
            unmodified_since: input.copy_source_if_unmodified_since,
        };
        let source = self.source(&input.copy_source, &conditions).await?;
        let range = source.range(input.copy_source_range.as_deref())?;
        let bytes = range.end - range.start;
        if bytes > UPLOAD_BYTES_MAX {
            return Err(too_large());
        }
        let begun = self.objects().begin_part(&to, &input.upload_id, number, Some(bytes)).await;
        let facts = source.pour(range, begun.map_err(failed)?, Ending::default()).await?;
        let result = CopyPartResult {
            e_tag: Some(tag(&facts.etag)),
            last_modified: Some(time(facts.modified_ms)),
            ..CopyPartResult::default()
        };
        Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
    }
}
