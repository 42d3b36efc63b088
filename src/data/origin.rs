//! Where the segments of a transfer come from: a file, a disk in a store, or nowhere, for a disk of
//! zeros.
//!
//! An [`Origin`] is what a job is made from, for as long as it lives; a [`Supply`] is that, opened
//! for one attempt. What is common to all three is in `transfer`.

use domain::port::Source;
use domain::{ContentRoot, ManifestId};
use event::{Failure, Refusal};

use crate::copy::{Copying, Stored};
use crate::fault::{self, Result};
use crate::grid::{DISK_BYTES_MAX, SEGMENT_BYTES, segment_begin};
use crate::index::{JobRow, StoredSource};
use crate::manifest::SegmentRef;
use crate::source::{changed, check_source, open_source};
use crate::store::Store;
use crate::transfer::Transfer;

/// What guests and disk formats count in.
const SECTOR_BYTES: u64 = 512;

/// What a transfer is made from.
pub(crate) enum Origin<'a> {
    File(&'a Source),
    Stored(Stored<'a>),
    /// So many bytes.
    Zeros(u64),
}

/// A segment to be transferred.
pub(crate) struct Next {
    pub(crate) segment: u64,
    /// What its branch page says, if it is stored already.
    pub(crate) stored: Option<SegmentRef>,
}

/// An origin that is open.
pub(crate) enum Supply<'a> {
    File(Box<dyn disk::Source>),
    Stored(Box<Copying<'a>>),
    Zeros,
}

impl<'a> Origin<'a> {
    /// A disk of zeros, if there can be one of that size.
    pub(crate) fn zeros(disk_bytes: u64) -> Result<Self> {
        if disk_bytes == 0 || disk_bytes > DISK_BYTES_MAX || !disk_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(Refusal::new(
                "InvalidImageSize",
                format!("there can be no disk of `{disk_bytes}` bytes"),
            )
            .advise(format!("give a multiple of {SECTOR_BYTES} bytes, at most {DISK_BYTES_MAX}"))
            .into());
        }
        Ok(Self::Zeros(disk_bytes))
    }

    /// Size of the disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        match self {
            Self::File(source) => source.disk_bytes,
            Self::Stored(stored) => stored.disk.disk_bytes,
            Self::Zeros(disk_bytes) => *disk_bytes,
        }
    }

    /// What a user is told is being done.
    pub(crate) fn doing(&self) -> &'static str {
        match self {
            Self::File(_) => "importing",
            Self::Stored(_) => "copying",
            Self::Zeros(_) => "making a blank disk",
        }
    }

    /// As the index keeps it, if it is no file.
    fn stored_source(&self) -> Option<StoredSource> {
        match self {
            Self::File(_) => None,
            Self::Stored(stored) => Some(StoredSource::Disk(stored.place.clone(), *stored.disk)),
            Self::Zeros(disk_bytes) => Some(StoredSource::Zeros(*disk_bytes)),
        }
    }

    /// Writes it down where nothing is written yet.
    pub(crate) fn note(&self, row: &mut JobRow) {
        if row.source.is_none() && row.stored.is_none() {
            row.stored = self.stored_source();
            if let Self::File(source) = self {
                row.source = Some((*source).clone());
            }
        }
    }

    /// Fails unless the job began with this very origin.
    pub(crate) fn check_same(&self, job: &str, row: &JobRow) -> Result<()> {
        match self {
            Self::File(source) if row.source.as_ref() == Some(*source) => Ok(()),
            Self::File(source) => Err(changed(&source.at)),
            _ if row.source.is_none() && row.stored == self.stored_source() => Ok(()),
            _ => Err(Failure::Ours(format!("`{job}` began as another transfer"))),
        }
    }

    /// Fails if it is not there any more, or not what it was.
    pub(crate) fn check(&self, store: &Store) -> Result<()> {
        match self {
            Self::File(source) => check_source(store, source),
            Self::Stored(stored) => stored.check(),
            Self::Zeros(_) => Ok(()),
        }
    }

    /// Fails if the disk has become another on the way.
    pub(crate) fn check_answer(&self, root: &ContentRoot, manifest: &ManifestId) -> Result<()> {
        match self {
            Self::Stored(stored) if stored.disk.root != *root || stored.disk.manifest != *manifest => {
                Err(fault::corrupt(format_args!(
                    "manifest `{}` with the content root `{}` became `{manifest}` with `{root}` when \
                     it was copied",
                    stored.disk.manifest, stored.disk.root
                )))
            }
            _ => Ok(()),
        }
    }

    /// Opens it for an attempt.
    pub(crate) fn open(&'a self, transfer: &'a Transfer<'a>) -> Result<Supply<'a>> {
        match self {
            Self::File(source) => open_source(transfer.store, source).map(Supply::File),
            Self::Stored(stored) => {
                Copying::open(stored, transfer).map(|copying| Supply::Stored(Box::new(copying)))
            }
            Self::Zeros(_) => Ok(Supply::Zeros),
        }
    }
}

impl Supply<'_> {
    /// The first segment that holds anything, from this one on. To be asked in ascending order.
    pub(crate) fn next(&self, from: u64) -> Result<Option<Next>> {
        match self {
            Self::File(disk) => {
                let begin = segment_begin(from);
                let say = |error| fault::disk("reading the source", error);
                Ok(disk.next_data(begin).map_err(say)?.map(|data| {
                    let segment = data.start.max(begin) / SEGMENT_BYTES as u64;
                    Next { segment, stored: None }
                }))
            }
            Self::Stored(copying) => copying.next(),
            Self::Zeros => Ok(None),
        }
    }

    /// Bytes after which the keeper records, if `usual` is what it does otherwise.
    pub(crate) fn checkpoint_bytes(&self, usual: u64) -> u64 {
        match self {
            Self::Stored(copying) => copying.checkpoint_bytes(usual),
            Self::File(_) | Self::Zeros => usual,
        }
    }
}
