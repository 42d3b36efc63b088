//! How what goes wrong below becomes one of the three families of [`Failure`].

use std::fmt::Display;
use std::io;

use domain::Digest;
use event::{Failure, Refusal};

/// Shorthand of this room.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// An error of the file port. A full disk is the caller's, for waiting does not empty it.
pub(crate) fn io(attempted: impl Display, error: &io::Error) -> Failure {
    if is_full(error) { full(attempted) } else { Failure::world(attempted, error) }
}

/// Whether the device, or the share of it we may use, has no room left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// There is no room for what was attempted.
pub(crate) fn full(attempted: impl Display) -> Failure {
    Refusal::new("Storage.Full", format!("{attempted}: the storage is full"))
        .advise(
            "what this operation had stored is given back; delete images that are no longer \
             needed, or give the region a larger disk, and try again",
        )
        .into()
}

/// The code of what is damaged.
pub(crate) const CORRUPT: &str = "Storage.Corrupt";

/// Something stored is not what it was.
pub(crate) fn corrupt(what: impl Display) -> Failure {
    Refusal::new(CORRUPT, format!("{what}"))
        .advise(
            "the disk under the region has lost or changed data; import the image again, and have \
             the disk looked at",
        )
        .into()
}

/// A stored frame is not what it was.
pub(crate) fn corrupt_chunk(id: &Digest, pack: u64, why: impl Display) -> Failure {
    corrupt(format_args!("chunk `{id}` in pack `{}` {why}", crate::pack::name(pack)))
}

/// A disk file cannot be read or written.
pub(crate) fn disk(attempted: impl Display, error: disk::Error) -> Failure {
    match error.below() {
        Some(below) if is_full(below) => full(attempted),
        _ => error.into(),
    }
}
