//! Checksums that clients send beside a body, before it or behind it: computed as it passes, and compared.
//!
//! They are not kept: what an object is known by is its tag and its CRC-64, as OSS has them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::Checksum;
use s3s::{S3ErrorCode, S3Result, TrailingHeaders};

use crate::error::refused;

/// The headers that hold one.
const NAMES: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-crc64nvme",
];
/// The header that says what comes behind the body.
const TRAILER: &str = "x-amz-trailer";

/// What a body is held to.
#[derive(Default)]
pub(crate) struct Checks {
    hasher: ChecksumHasher,
    /// What was said before the body, in the order of [`NAMES`].
    said: [Option<String>; 5],
    trailers: Option<TrailingHeaders>,
    found: Checksum,
}

/// The parts of a checksum in the order of [`NAMES`].
fn values(checksum: &Checksum) -> [Option<&str>; 5] {
    [
        checksum.checksum_crc32.as_deref(),
        checksum.checksum_crc32c.as_deref(),
        checksum.checksum_sha1.as_deref(),
        checksum.checksum_sha256.as_deref(),
        checksum.checksum_crc64nvme.as_deref(),
    ]
}

impl Checks {
    /// Those that a request's headers name.
    pub(crate) fn of(headers: &HeaderMap, trailers: Option<TrailingHeaders>) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let announced = text(TRAILER).unwrap_or_default().to_ascii_lowercase();
        let is_wanted =
            |name: &str| headers.contains_key(name) || announced.split(',').any(|other| other.trim() == name);
        let [crc32, crc32c, sha1, sha256, crc64nvme] = NAMES;
        let hasher = ChecksumHasher {
            crc32: is_wanted(crc32).then(Crc32::new),
            crc32c: is_wanted(crc32c).then(Crc32c::new),
            sha1: is_wanted(sha1).then(Sha1::new),
            sha256: is_wanted(sha256).then(Sha256::new),
            crc64nvme: is_wanted(crc64nvme).then(Crc64Nvme::new),
        };
        Self { hasher, said: NAMES.map(|name| text(name).map(str::to_owned)), trailers, ..Self::default() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Fails unless the body is what it was said to be.
    pub(crate) fn verify(&mut self) -> S3Result<()> {
        self.found = std::mem::take(&mut self.hasher).finalize();
        let trailers = self.trailers.as_ref().and_then(TrailingHeaders::take).unwrap_or_default();
        for ((name, said), found) in NAMES.iter().zip(&self.said).zip(values(&self.found)) {
            let behind = trailers.get(*name).and_then(|value| value.to_str().ok());
            let mut all = said.as_deref().into_iter().chain(behind);
            if let Some(found) = found
                && all.any(|said| said != found)
            {
                let why = format!("The {name} you specified did not match the calculated checksum.");
                return Err(refused(S3ErrorCode::BadDigest, why));
            }
        }
        Ok(())
    }

    /// What was computed and compared.
    pub(crate) fn found(self) -> Checksum {
        self.found
    }
}

/// The MD5 that a request says its body has.
pub(crate) fn content_md5(text: Option<&str>) -> S3Result<Option<[u8; 16]>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let digest = BASE64_STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let why = "The Content-MD5 you specified is not valid.";
    digest.map(Some).ok_or_else(|| refused(S3ErrorCode::InvalidDigest, why))
}
