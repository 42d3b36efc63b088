//! Whether who asks may do what is asked, in the words that policies have for it: those of OSS.
//!
//! Asked before anything is looked for, so that a user who may not learns nothing of what is there.

use s3s::access::{S3Access, S3AccessContext};
use s3s::path::S3Path;
use s3s::{S3ErrorCode, S3Result};

use crate::error::refused;
use crate::turn::Turn;

/// The operations there are, and what policies call them. For a list of keys each key is asked for, and
/// for a copy its source, where they are read.
const ACTIONS: [(&str, &str); 20] = [
    ("AbortMultipartUpload", "oss:AbortMultipartUpload"),
    ("CompleteMultipartUpload", "oss:PutObject"),
    ("CopyObject", "oss:PutObject"),
    ("CreateBucket", "oss:PutBucket"),
    ("CreateMultipartUpload", "oss:PutObject"),
    ("DeleteBucket", "oss:DeleteBucket"),
    ("DeleteObject", "oss:DeleteObject"),
    ("GetBucketLocation", "oss:GetBucketLocation"),
    ("GetBucketVersioning", "oss:GetBucketVersioning"),
    ("GetObject", "oss:GetObject"),
    ("HeadBucket", "oss:GetBucketInfo"),
    ("HeadObject", "oss:GetObject"),
    ("ListBuckets", "oss:ListBuckets"),
    ("ListMultipartUploads", "oss:ListMultipartUploads"),
    ("ListObjects", "oss:ListObjects"),
    ("ListObjectsV2", "oss:ListObjects"),
    ("ListParts", "oss:ListParts"),
    ("PutObject", "oss:PutObject"),
    ("UploadPart", "oss:PutObject"),
    ("UploadPartCopy", "oss:PutObject"),
];
/// The operation that asks key by key.
const KEY_BY_KEY: &str = "DeleteObjects";

/// Headers that say whose bucket a client takes it for.
const EXPECTED_OWNER: [&str; 2] = ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"];

#[async_trait::async_trait]
impl S3Access for Turn {
    async fn check(&self, asked: &mut S3AccessContext<'_>) -> S3Result<()> {
        if asked.credentials().is_none() {
            return Err(refused(S3ErrorCode::AccessDenied, "Requests have to be signed."));
        }
        // Asked only after the signature was verified.
        self.proves();
        let name = asked.s3_op().name();
        let action = ACTIONS.iter().find(|(operation, _)| *operation == name).map(|(_, action)| *action);
        if action.is_none() && name != KEY_BY_KEY {
            let why = format!("{name} is not implemented.");
            return Err(refused(S3ErrorCode::NotImplemented, why));
        }
        if let Some(action) = action {
            let what = match asked.s3_path() {
                S3Path::Root => "*".to_owned(),
                S3Path::Bucket { bucket } => bucket.to_string(),
                S3Path::Object { bucket, key } => format!("{bucket}/{key}"),
            };
            self.may(action, &what)?;
        }
        let account = self.who()?.account.as_str();
        let owners = EXPECTED_OWNER.iter().filter_map(|name| asked.headers().get(*name));
        if owners.into_iter().any(|owner| owner.as_bytes() != account.as_bytes()) {
            return Err(refused(
                S3ErrorCode::AccessDenied,
                "The bucket has another owner than was expected.",
            ));
        }
        let mut parameters = asked.uri().query().unwrap_or_default().split('&');
        if parameters.any(|pair| pair.starts_with("versionId=") && pair != "versionId=null") {
            return Err(refused(S3ErrorCode::NotImplemented, "Objects have no versions."));
        }
        Ok(())
    }
}
