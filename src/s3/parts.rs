//! Uploads in parts.

use domain::port_objects::{Ending, ListAsked};
use http::HeaderMap;
use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
    ListPartsOutput, MultipartUpload, Part, StorageClass, UploadPartInput, UploadPartOutput,
};
use s3s::{S3ErrorCode, S3Result, TrailingHeaders};

use crate::body::Incoming;
use crate::checksum::{Checks, content_md5};
use crate::conditions::may_replace;
use crate::error::{failed, refused};
use crate::headers::{STORAGE_CLASS, kept, size, tag, time};
use crate::list::{Encoding, count, plain};
use crate::turn::Turn;

/// Parts of an upload, as both APIs document.
const PARTS_MAX: u32 = 10_000;

/// A part's number, if there can be such a part.
pub(crate) fn part_number(number: i32) -> S3Result<u32> {
    let number = u32::try_from(number).ok().filter(|number| (1..=PARTS_MAX).contains(number));
    let why = "Part number must be an integer between 1 and 10000, inclusive";
    number.ok_or_else(|| refused(S3ErrorCode::InvalidArgument, why))
}

impl Turn {
    pub(crate) async fn begin_upload(
        &self,
        input: CreateMultipartUploadInput,
        headers: &HeaderMap,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let at = self.at(&input.bucket, &input.key)?;
        let headers = kept(headers, input.metadata)?;
        let id = self.objects().initiate(&at, headers).await.map_err(failed)?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            key: Some(plain(&input.key)),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(crate) async fn write_part(
        &self,
        input: UploadPartInput,
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<UploadPartOutput> {
        let at = self.at(&input.bucket, &input.key)?;
        let number = part_number(input.part_number)?;
        let ending = Ending { md5: content_md5(input.content_md5.as_deref())?, ..Ending::default() };
        let checks = Checks::of(headers, trailers);
        let incoming = Incoming { body: input.body, length: input.content_length, checks };
        let bytes = incoming.bytes()?;
        let upload = self.objects().begin_part(&at, &input.upload_id, number, bytes).await.map_err(failed)?;
        let (facts, checks) = incoming.pour(upload, ending).await?;
        let found = checks.found();
        Ok(UploadPartOutput {
            checksum_crc32: found.checksum_crc32,
            checksum_crc32c: found.checksum_crc32c,
            checksum_crc64nvme: found.checksum_crc64nvme,
            checksum_sha1: found.checksum_sha1,
            checksum_sha256: found.checksum_sha256,
            e_tag: Some(tag(&facts.etag)),
            ..UploadPartOutput::default()
        })
    }

    pub(crate) async fn complete_upload(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let at = self.at(&input.bucket, &input.key)?;
        let replace = may_replace(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let malformed = |why: &'static str| refused(S3ErrorCode::MalformedXML, why);
        let parts = input.multipart_upload.and_then(|list| list.parts).unwrap_or_default();
        if parts.is_empty() || parts.len() > PARTS_MAX as usize {
            return Err(malformed("The list of parts has no part, or too many."));
        }
        let parts = parts.into_iter().map(|part| {
            let number = part.part_number.ok_or_else(|| malformed("A part has no number."))?;
            let tag = part.e_tag.ok_or_else(|| malformed("A part has no tag."))?;
            Ok((part_number(number)?, tag.into_value()))
        });
        let parts: Vec<(u32, String)> = parts.collect::<S3Result<_>>()?;
        let made = self.objects().complete(&at, &input.upload_id, Some(parts), replace).await;
        let facts = made.map_err(failed)?;
        Ok(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, oss::percent(&input.key, true))),
            bucket: Some(input.bucket),
            key: Some(plain(&input.key)),
            e_tag: Some(tag(&facts.etag)),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    pub(crate) async fn abort_upload(&self, bucket: &str, key: &str, upload: &str) -> S3Result<()> {
        let at = self.at(bucket, key)?;
        self.objects().abort(&at, upload).await.map_err(failed)
    }

    pub(crate) async fn all_parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let at = self.at(&input.bucket, &input.key)?;
        let marker = input.part_number_marker.unwrap_or_default();
        let after = u32::try_from(marker).unwrap_or_default();
        let count = count(input.max_parts)?.max(1);
        let listed = self.objects().parts(&at, &input.upload_id, after, count).await;
        let (parts, more) = listed.map_err(failed)?;
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        Ok(ListPartsOutput {
            is_truncated: Some(more),
            max_parts: i32::try_from(count).ok(),
            next_part_number_marker: Some(parts.last().map_or(marker, |last| number(last.number))),
            owner: self.owner(),
            part_number_marker: Some(marker),
            parts: Some(
                parts
                    .iter()
                    .map(|part| Part {
                        e_tag: Some(tag(&part.etag)),
                        last_modified: Some(time(part.modified_ms)),
                        part_number: Some(number(part.number)),
                        size: Some(size(part.bytes)),
                        ..Part::default()
                    })
                    .collect(),
            ),
            storage_class: Some(StorageClass::from_static(STORAGE_CLASS)),
            bucket: Some(input.bucket),
            key: Some(plain(&input.key)),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        })
    }

    pub(crate) async fn all_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        let at = self.own(&input.bucket)?.at;
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let asked = ListAsked {
            prefix: input.prefix.unwrap_or_default(),
            after: input.key_marker.unwrap_or_default(),
            after_upload: input.upload_id_marker.unwrap_or_default(),
            delimiter: input.delimiter.unwrap_or_default(),
            count: count(input.max_uploads)?.max(1),
        };
        let page = self.objects().uploads(&at, &asked).await.map_err(failed)?;
        let last = page.items.last().map(|last| (last.key.as_str(), last.upload.as_str()));
        let last_prefix = page.prefixes.last().map(|prefix| (prefix.as_str(), ""));
        let next = last.max(last_prefix).filter(|_| page.more);
        let uploads = page.items.iter().map(|upload| MultipartUpload {
            initiated: Some(time(upload.initiated_ms)),
            key: Some(encoding.text(&upload.key)),
            owner: self.owner(),
            storage_class: Some(StorageClass::from_static(STORAGE_CLASS)),
            upload_id: Some(upload.upload.clone()),
            ..MultipartUpload::default()
        });
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            common_prefixes: Some(encoding.prefixes(&page.prefixes)),
            delimiter: encoding.given(Some(&asked.delimiter)),
            encoding_type: encoding.told(),
            is_truncated: Some(page.more),
            key_marker: Some(encoding.text(&asked.after)),
            max_uploads: i32::try_from(asked.count).ok(),
            next_key_marker: next.map(|(key, _)| encoding.text(key)),
            next_upload_id_marker: next.map(|(_, upload)| upload.to_owned()),
            prefix: encoding.given(Some(&asked.prefix)),
            upload_id_marker: Some(asked.after_upload.clone()),
            uploads: Some(uploads.collect()),
            ..ListMultipartUploadsOutput::default()
        })
    }
}
