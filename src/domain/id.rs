//! The names of things. Each is its own type.

use std::fmt;
use std::str::FromStr;

use event::text_id;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

text_id! {
    /// An account: a decimal number that fits in 63 bits, as text.
    AccountId
}
text_id! {
    /// A region: `cn-hangzhou`.
    RegionId
}
text_id! {
    /// An image: `m-` and 20 lower-case letters and digits.
    ImageId
}
/// What the id of every image begins with.
const IMAGE_ID_PREFIX: &str = "m-";

impl ImageId {
    /// Whether a text that names an image may be an id. Most names cannot, and need not be looked for among
    /// the ids.
    pub fn may_be(text: &str) -> bool {
        text.starts_with(IMAGE_ID_PREFIX)
    }
}

text_id! {
    /// A snapshot: `s-` and 20 lower-case letters and digits. It owns one disk's manifest.
    SnapshotId
}
text_id! {
    /// A disk: `d-` and 20 lower-case letters and digits.
    DiskId
}
text_id! {
    /// A task: `t-` and 20 lower-case letters and digits. What the ECS API calls an import or export in progress.
    TaskId
}
text_id! {
    /// The store of a region, as written in its id file: `store-` and 20 letters and digits.
    StoreId
}

/// A BLAKE3 digest; 64 lower-case hexadecimal digits as text, 32 bytes on disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// The digits of a digest as text.
const HEX: &[u8; 16] = b"0123456789abcdef";

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every image that is shown has two: byte by byte they were a fiftieth of the time an answer takes.
        let mut text = [0; 2 * 32];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no digest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no digest: those are 64 hexadecimal digits")]
pub struct NotADigest(pub String);

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let no = || NotADigest(text.to_owned());
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(no());
        }
        for (byte, place) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[place..place + 2], 16).map_err(|_| no())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return text.parse().map_err(serde::de::Error::custom);
        }
        Ok(Self(serde_bytes::ByteArray::<32>::deserialize(deserializer)?.into_array()))
    }
}

/// The identity of a disk's content: a BLAKE3 tree over a fixed 1 MiB grid of guest bytes and the
/// exact size. The same in every region, format and chunking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentRoot(pub Digest);

impl fmt::Display for ContentRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a disk's manifest begins in its store: the digest of its root page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ManifestId(pub Digest);

impl fmt::Display for ManifestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
