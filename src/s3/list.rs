//! Lists of a bucket's objects, in both versions.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::port_objects::{ListAsked, Listed, ObjectFacts};
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object, ObjectStorageClass,
};
use s3s::{S3ErrorCode, S3Result};

use crate::error::{failed, refused};
use crate::headers::{STORAGE_CLASS, size, tag, time};
use crate::turn::Turn;

/// Things told at once, as the API documents; more may be asked for, and are not told.
const LISTED_MAX: i32 = 1000;

/// How many to tell: none is as good as one to the data plane, so none is said apart.
pub(crate) fn count(asked: Option<i32>) -> S3Result<usize> {
    let count = asked.unwrap_or(LISTED_MAX).min(LISTED_MAX);
    usize::try_from(count)
        .map_err(|_| refused(S3ErrorCode::InvalidArgument, "A number of things to list is not negative."))
}

/// How keys are written in a document: XML cannot hold all characters a key may have.
pub(crate) struct Encoding(bool);

impl Encoding {
    /// The one a request asks for.
    pub(crate) fn of(asked: Option<&EncodingType>) -> S3Result<Self> {
        match asked.map(EncodingType::as_str) {
            None | Some("") => Ok(Self(false)),
            Some(EncodingType::URL) => Ok(Self(true)),
            Some(_) => Err(refused(S3ErrorCode::InvalidArgument, "The one encoding is `url`.")),
        }
    }

    pub(crate) fn told(&self) -> Option<EncodingType> {
        self.0.then(|| EncodingType::from_static(EncodingType::URL))
    }

    pub(crate) fn text(&self, text: &str) -> String {
        if self.0 {
            return oss::percent(text, true);
        }
        plain(text)
    }

    /// A text that may be missing or empty, which is the same here.
    pub(crate) fn given(&self, text: Option<&str>) -> Option<String> {
        text.filter(|text| !text.is_empty()).map(|text| self.text(text))
    }

    pub(crate) fn prefixes(&self, prefixes: &[String]) -> Vec<CommonPrefix> {
        prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(self.text(prefix)) }).collect()
    }
}

/// Where the next stretch begins.
fn next(page: &Listed<ObjectFacts>) -> Option<&str> {
    let last = page.items.last().map(|last| last.key.as_str());
    last.max(page.prefixes.last().map(String::as_str)).filter(|_| page.more)
}

/// A text as a document can hold it where no encoding can be asked for.
pub(crate) fn plain(text: &str) -> String {
    let is_control = |letter| letter < ' ' && !matches!(letter, '\t' | '\n' | '\r');
    let is_none = |letter| is_control(letter) || matches!(letter, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|letter| if is_none(letter) { '\u{fffd}' } else { letter }).collect()
}

impl Turn {
    async fn page(&self, bucket: &str, asked: &ListAsked) -> S3Result<Listed<ObjectFacts>> {
        let at = self.own(bucket)?.at;
        if asked.count == 0 {
            return Ok(Listed::default());
        }
        self.objects().list(&at, asked).await.map_err(failed)
    }

    fn tell_objects(&self, page: &Listed<ObjectFacts>, encoding: &Encoding, with_owner: bool) -> Vec<Object> {
        let told = page.items.iter().map(|facts| Object {
            e_tag: Some(tag(&facts.etag)),
            key: Some(encoding.text(&facts.key)),
            last_modified: Some(time(facts.modified_ms)),
            owner: self.owner().filter(|_| with_owner),
            size: Some(size(facts.bytes)),
            storage_class: Some(ObjectStorageClass::from_static(STORAGE_CLASS)),
            ..Object::default()
        });
        told.collect()
    }

    pub(crate) async fn objects_v1(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let asked = ListAsked {
            prefix: input.prefix.unwrap_or_default(),
            after: input.marker.unwrap_or_default(),
            delimiter: input.delimiter.unwrap_or_default(),
            count: count(input.max_keys)?,
            ..ListAsked::default()
        };
        let page = self.page(&input.bucket, &asked).await?;
        Ok(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encoding.text(&asked.prefix)),
            marker: Some(encoding.text(&asked.after)),
            max_keys: i32::try_from(asked.count).ok(),
            is_truncated: Some(page.more),
            contents: Some(self.tell_objects(&page, &encoding, true)),
            common_prefixes: Some(encoding.prefixes(&page.prefixes)),
            delimiter: encoding.given(Some(&asked.delimiter)),
            next_marker: encoding.given(next(&page)),
            encoding_type: encoding.told(),
            ..ListObjectsOutput::default()
        })
    }

    pub(crate) async fn objects_v2(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let after = match &input.continuation_token {
            Some(token) if !token.is_empty() => {
                let decoded = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
                let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
                let why = "The continuation token provided is incorrect.";
                decoded.ok_or_else(|| refused(S3ErrorCode::InvalidArgument, why))?
            }
            _ => input.start_after.clone().unwrap_or_default(),
        };
        let asked = ListAsked {
            prefix: input.prefix.unwrap_or_default(),
            after,
            delimiter: input.delimiter.unwrap_or_default(),
            count: count(input.max_keys)?,
            ..ListAsked::default()
        };
        let page = self.page(&input.bucket, &asked).await?;
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encoding.text(&asked.prefix)),
            max_keys: i32::try_from(asked.count).ok(),
            key_count: i32::try_from(page.items.len() + page.prefixes.len()).ok(),
            continuation_token: input.continuation_token.filter(|token| !token.is_empty()),
            is_truncated: Some(page.more),
            next_continuation_token: next(&page).map(|next| BASE64_URL_SAFE_NO_PAD.encode(next)),
            contents: Some(self.tell_objects(&page, &encoding, input.fetch_owner == Some(true))),
            common_prefixes: Some(encoding.prefixes(&page.prefixes)),
            delimiter: encoding.given(Some(&asked.delimiter)),
            encoding_type: encoding.told(),
            start_after: encoding.given(input.start_after.as_deref()),
            ..ListObjectsV2Output::default()
        })
    }
}
