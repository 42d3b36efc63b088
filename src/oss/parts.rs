//! Uploads in parts.

use domain::port_objects::{Ending, ListAsked};
use http::StatusCode;
use serde::Deserialize;

use crate::copy::copied;
use crate::error::Refused;
use crate::escape::percent;
use crate::headers::{content_crc64, content_md5, quoted, tell_written};
use crate::list::Encoding;
use crate::put::{UPLOAD_BYTES_MAX, may_replace, pour};
use crate::turn::{Answer, Turn, document, empty};
use crate::{time, xml};

/// Parts of an upload, as the API documents.
const PARTS_MAX: u32 = 10_000;
/// Parts, and uploads, told at once, as the API documents.
const LISTED_MAX: usize = 1000;

/// The parts that an object is made of.
#[derive(Debug, Deserialize)]
struct Complete {
    #[serde(rename = "Part", default)]
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "PartNumber")]
    number: u32,
    #[serde(rename = "ETag")]
    etag: String,
}

impl Turn<'_> {
    fn upload_id(&self) -> &str {
        self.asked.parameter("uploadId").unwrap_or_default()
    }

    pub(crate) async fn initiate_upload(&mut self) -> Answer {
        let at = self.at()?;
        let encoding = Encoding::of(self.asked)?;
        let headers = self.ending()?.headers;
        self.check_replace(&at).await?;
        let id = self.oss.objects.initiate(&at, headers).await?;
        Ok(document(xml::document("InitiateMultipartUploadResult", |xml| {
            encoding.tell(xml);
            xml.text("Bucket", self.bucket_name()).text("Key", encoding.text(&at.path)).text("UploadId", id);
        })))
    }

    pub(crate) async fn upload_part(&mut self) -> Answer {
        let at = self.at()?;
        let number = self.asked.parameter("partNumber").unwrap_or_default();
        let number: u32 = number
            .parse()
            .ok()
            .filter(|number| (1..=PARTS_MAX).contains(number))
            .ok_or_else(|| Refused::argument("partNumber", number))?;
        let id = self.upload_id().to_owned();
        if self.asked.headers.contains_key("x-oss-copy-source") {
            let source = self.copy_source().await?;
            let range = source.range(self.asked.header("x-oss-copy-source-range"))?;
            let bytes = range.end - range.start;
            if bytes > UPLOAD_BYTES_MAX {
                return Err(crate::body::too_large());
            }
            let upload = self.oss.objects.begin_part(&at, &id, number, Some(bytes)).await?;
            let facts = source.pour(range, upload, Ending::default()).await?;
            return Ok(copied("CopyPartResult", &facts));
        }
        let ending =
            Ending { md5: content_md5(self.asked)?, crc64: content_crc64(self.asked)?, ..Ending::default() };
        let length = self.content_length()?;
        let upload = self.oss.objects.begin_part(&at, &id, number, length).await?;
        let facts = pour(self.incoming(UPLOAD_BYTES_MAX), upload, length, ending).await?;
        let mut response = empty(StatusCode::OK);
        tell_written(response.headers_mut(), &facts);
        Ok(response)
    }

    pub(crate) async fn list_parts(&mut self) -> Answer {
        let at = self.at()?;
        let encoding = Encoding::of(self.asked)?;
        let count: usize = self.asked.number("max-parts", LISTED_MAX)?;
        if !(1..=LISTED_MAX).contains(&count) {
            return Err(Refused::argument("max-parts", &count.to_string()));
        }
        let marker: u32 = self.asked.number("part-number-marker", 0)?;
        let id = self.upload_id();
        let (parts, more) = self.oss.objects.parts(&at, id, marker, count).await?;
        let next = parts.last().map_or(marker, |last| last.number);
        Ok(document(xml::document("ListPartsResult", |xml| {
            encoding.tell(xml);
            xml.text("Bucket", self.bucket_name()).text("Key", encoding.text(&at.path)).text("UploadId", id);
            xml.text("StorageClass", crate::buckets::STORAGE_CLASS);
            xml.text("PartNumberMarker", marker).text("NextPartNumberMarker", next);
            xml.text("MaxParts", count).text("IsTruncated", more);
            for part in &parts {
                xml.within("Part", |xml| {
                    xml.text("PartNumber", part.number).text("LastModified", time::iso(part.modified_ms));
                    xml.text("ETag", quoted(&part.etag)).text("HashCrc64ecma", part.crc64);
                    xml.text("Size", part.bytes);
                });
            }
        })))
    }

    pub(crate) async fn list_uploads(&mut self) -> Answer {
        let at = self.own()?.at;
        let encoding = Encoding::of(self.asked)?;
        let given = |name: &str| self.asked.parameter(name).unwrap_or_default().to_owned();
        let count: usize = self.asked.number("max-uploads", LISTED_MAX)?;
        if !(1..=LISTED_MAX).contains(&count) {
            return Err(Refused::argument("max-uploads", &count.to_string()));
        }
        let asked = ListAsked {
            prefix: given("prefix"),
            after: given("key-marker"),
            after_upload: given("upload-id-marker"),
            delimiter: given("delimiter"),
            count,
        };
        let page = self.oss.objects.uploads(&at, &asked).await?;
        let last = page.items.last().map(|last| (last.key.as_str(), last.upload.as_str()));
        let last_prefix = page.prefixes.last().map(|prefix| (prefix.as_str(), ""));
        let next = last.max(last_prefix).filter(|_| page.more).unwrap_or_default();
        Ok(document(xml::document("ListMultipartUploadsResult", |xml| {
            encoding.tell(xml);
            xml.text("Bucket", self.bucket_name()).text("KeyMarker", encoding.text(&asked.after));
            xml.text("UploadIdMarker", &asked.after_upload).text("NextKeyMarker", encoding.text(next.0));
            xml.text("NextUploadIdMarker", next.1).text("Delimiter", encoding.text(&asked.delimiter));
            xml.text("Prefix", encoding.text(&asked.prefix)).text("MaxUploads", count);
            xml.text("IsTruncated", page.more);
            for upload in &page.items {
                xml.within("Upload", |xml| {
                    xml.text("Key", encoding.text(&upload.key)).text("UploadId", &upload.upload);
                    xml.text("StorageClass", crate::buckets::STORAGE_CLASS);
                    xml.text("Initiated", time::iso(upload.initiated_ms));
                });
            }
            encoding.tell_prefixes(xml, &page.prefixes);
        })))
    }

    pub(crate) async fn complete_upload(&mut self) -> Answer {
        let at = self.at()?;
        let encoding = Encoding::of(self.asked)?;
        let all = self.asked.header("x-oss-complete-all").is_some_and(|all| all.eq_ignore_ascii_case("yes"));
        let bytes = self.document_bytes().await?;
        let parts = if all {
            if !bytes.trim_ascii().is_empty() {
                let why = "A request with x-oss-complete-all: yes must not have a body.";
                return Err(Refused::new(400, "InvalidArgument", why));
            }
            None
        } else {
            let complete: Complete = xml::read(&bytes)?;
            if complete.parts.is_empty() || complete.parts.len() > PARTS_MAX as usize {
                return Err(Refused::new(400, "MalformedXML", "The list of parts has no part, or too many."));
            }
            let parts = complete.parts.into_iter();
            Some(parts.map(|part| (part.number, part.etag.trim().trim_matches('"').to_owned())).collect())
        };
        let id = self.upload_id();
        let facts = self.oss.objects.complete(&at, id, parts, may_replace(self.asked)).await?;
        let mut response = document(xml::document("CompleteMultipartUploadResult", |xml| {
            encoding.tell(xml);
            let location = format!("http://{}/{}", self.asked.host, percent(&at.path, true));
            xml.text("Location", location).text("Bucket", self.bucket_name());
            xml.text("Key", encoding.text(&at.path)).text("ETag", quoted(&facts.etag));
        }));
        tell_written(response.headers_mut(), &facts);
        Ok(response)
    }

    pub(crate) async fn abort_upload(&mut self) -> Answer {
        let at = self.at()?;
        self.oss.objects.abort(&at, self.upload_id()).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}
