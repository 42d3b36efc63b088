//! What the dialect says when something cannot be: the codes of S3 for those of Kiln.

use std::borrow::Cow;
use std::io;

use event::Failure;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use oss::Body;
use s3s::{S3Error, S3ErrorCode};
use service::{Family, Trouble};

/// A request refused.
pub(crate) fn refused(code: S3ErrorCode, why: impl Into<Cow<'static, str>>) -> S3Error {
    S3Error::with_message(code, why)
}

/// What failed inside is for the operator; a client is told that something did.
pub(crate) fn inside() -> S3Error {
    refused(S3ErrorCode::InternalError, "We encountered an internal error. Please try again.")
}

/// A body did not come as it was said to.
pub(crate) fn incomplete() -> S3Error {
    let why = "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    refused(S3ErrorCode::IncompleteBody, why)
}

pub(crate) fn too_large() -> S3Error {
    refused(S3ErrorCode::EntityTooLarge, "Your proposed upload exceeds the maximum allowed object size.")
}

pub(crate) fn no_key() -> S3Error {
    refused(S3ErrorCode::NoSuchKey, "The specified key does not exist.")
}

/// There is such an object, and it may not be replaced; or another condition does not hold.
pub(crate) fn precondition() -> S3Error {
    let why = "At least one of the pre-conditions you specified did not hold.";
    refused(S3ErrorCode::PreconditionFailed, why)
}

/// Kiln does not do this.
pub(crate) fn not_implemented(what: &str) -> S3Error {
    let why = format!("A header you provided implies functionality that is not implemented: {what}.");
    refused(S3ErrorCode::NotImplemented, why)
}

/// What a trouble of Kiln is here.
pub(crate) fn told(trouble: Trouble) -> S3Error {
    let code = match trouble.code.as_str() {
        "InvalidOSSBucket.NotFound" => {
            return refused(S3ErrorCode::NoSuchBucket, "The specified bucket does not exist.");
        }
        "InvalidOSSObject.NotFound" | "NoSuchKey" => return no_key(),
        "FileAlreadyExists" => return precondition(),
        "InvalidOSSBucket.Malformed" => S3ErrorCode::InvalidBucketName,
        "BucketAlreadyExists" => S3ErrorCode::BucketAlreadyExists,
        "BucketAlreadyOwnedByYou" => S3ErrorCode::BucketAlreadyOwnedByYou,
        "BucketNotEmpty" => S3ErrorCode::BucketNotEmpty,
        "NoSuchUpload" => S3ErrorCode::NoSuchUpload,
        "InvalidPart" => S3ErrorCode::InvalidPart,
        "InvalidPartOrder" => S3ErrorCode::InvalidPartOrder,
        "EntityTooSmall" => S3ErrorCode::EntityTooSmall,
        "InvalidDigest" => S3ErrorCode::BadDigest,
        "IncompleteBody" => S3ErrorCode::IncompleteBody,
        "InvalidAccount.NotFound" => S3ErrorCode::InvalidAccessKeyId,
        "Storage.Full" => {
            let mut full = refused(S3ErrorCode::Custom("InsufficientStorage".into()), trouble.message);
            full.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
            return full;
        }
        _ => match trouble.family {
            Family::Refused => S3ErrorCode::InvalidArgument,
            Family::World | Family::Parked | Family::Ended => {
                tracing::warn!(code = trouble.code, message = trouble.message, "an S3 request failed");
                let why = "The service cannot answer now. Please try again.";
                return refused(S3ErrorCode::ServiceUnavailable, why);
            }
            Family::Damaged | Family::Ours => {
                tracing::warn!(code = trouble.code, message = trouble.message, "an S3 request failed");
                return inside();
            }
        },
    };
    refused(code, trouble.message)
}

/// What a failure of the data plane is here.
pub(crate) fn failed(failure: Failure) -> S3Error {
    told(failure.into())
}

/// The answer where the adapter has not even begun.
pub(crate) fn answer(error: &S3Error) -> Response<Body> {
    let code = error.code().as_str();
    // Both are words of ours: there is nothing in them to escape.
    let message = error.message().unwrap_or_default();
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let body =
        Full::new(xml.into()).map_err(|never: std::convert::Infallible| -> io::Error { match never {} });
    let mut response = Response::new(body.boxed());
    *response.status_mut() = error.status_code().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = http::HeaderValue::from_static("application/xml");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
