//! Manifests on disk: `<data>/manifests/<account>-<digest>`, written in pieces, whole and durable before any batch
//! speaks of them.
//!
//! A manifest is a file and not a part of the log: the log has each line's operation anyway, as the input of its flow,
//! and the event by which a batch begins has the digest of the file. It is removed when no batch names it: when its
//! batch is forgotten, or when it was sent and nothing came of it within a day.
//!
//! The account stands in the name, so that nobody learns from an answer what another account has sent.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{AccountId, Digest};
use event::Refusal;
use files::{File, Files, Open};

use crate::manifest::{LINE_BYTES_MAX, Line, MANIFEST_BYTES_MAX};
use crate::{Family, Trouble};

/// Below the data directory.
pub(crate) const MANIFESTS: &str = "manifests";
/// What the name of one ends with that is not whole.
pub(crate) const PART: &str = ".part";
/// How long one is kept that no batch names.
const UNUSED_MS: i64 = 24 * 60 * 60 * 1000;
/// Bytes read at once: what a disk gives in one go.
const READ_BYTES: usize = 256 << 10;
/// A line as it is kept is longer than as it was written by names, quotes and escapes.
const KEPT_LINE_BYTES_MAX: usize = 8 * LINE_BYTES_MAX;

/// The manifests of a data directory.
#[derive(Debug)]
pub(crate) struct Manifests {
    files: Arc<dyn Files>,
    dir: PathBuf,
}

/// How much of a manifest there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Have {
    pub(crate) bytes: u64,
    pub(crate) whole: bool,
}

/// Where a line of a manifest lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) bytes: u32,
}

/// A manifest that can be read.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    file: Arc<dyn File>,
    pub(crate) bytes: u64,
}

impl Manifests {
    pub(crate) fn of(files: Arc<dyn Files>, dir: &Path) -> Self {
        Self { files, dir: dir.join(MANIFESTS) }
    }

    fn path(&self, account: &AccountId, digest: &Digest) -> PathBuf {
        self.dir.join(format!("{account}-{digest}"))
    }

    /// Puts a piece where it belongs, and says how much there is then. Pieces come in order; one that does not
    /// follow what is there changes nothing.
    pub(crate) fn put(
        &self,
        account: &AccountId,
        digest: &Digest,
        total: u64,
        offset: u64,
        piece: &[u8],
    ) -> Result<Have, Trouble> {
        let path = self.path(account, digest);
        let world = |error: io::Error| Trouble::world(format_args!("keeping the manifest `{digest}`"), error);
        if let Ok(there) = self.files.identity(&path) {
            return Ok(Have { bytes: there.size_bytes, whole: true });
        }
        let end = offset.saturating_add(piece.len() as u64);
        if total > MANIFEST_BYTES_MAX || end > total || total == 0 {
            let why = format!("a manifest of {total} bytes; one has 1 to {MANIFEST_BYTES_MAX}");
            return Err(Refusal::new("InvalidManifest.Lines", why)
                .advise("make several manifests of it")
                .into());
        }
        self.files.create_dirs(&self.dir).map_err(world)?;
        let part = part_of(&path);
        let file = self.files.open(&part, Open::Create).map_err(world)?;
        let there = file.identity().map_err(world)?.size_bytes;
        // A longer one is of an attempt that was cut short in the middle of something else.
        if there > total {
            file.set_len(0).map_err(world)?;
            return Ok(Have { bytes: 0, whole: false });
        }
        if offset != there {
            return Ok(Have { bytes: there, whole: false });
        }
        file.write_at(offset, piece).map_err(world)?;
        if end < total {
            return Ok(Have { bytes: end, whole: false });
        }
        file.sync().map_err(world)?;
        let kept = Kept { file, bytes: total };
        if kept.digest().map_err(world)? != *digest {
            self.files.remove(&part).map_err(world)?;
            let why = format!("what was sent is not the manifest `{digest}`");
            return Err(Refusal::new("InvalidManifest.Digest", why).advise("send it once more").into());
        }
        self.files.rename(&part, &path).map_err(world)?;
        self.files.sync_dir(&self.dir).map_err(world)?;
        // The directory itself may be as new.
        if let Some(above) = self.dir.parent() {
            self.files.sync_dir(above).map_err(world)?;
        }
        Ok(Have { bytes: total, whole: true })
    }

    /// A manifest that is there whole.
    pub(crate) fn open(&self, account: &AccountId, digest: &Digest) -> Result<Kept, Trouble> {
        let path = self.path(account, digest);
        match self.files.open(&path, Open::Read) {
            Ok(file) => {
                let bytes =
                    file.identity().map_err(|error| Trouble::world("reading a manifest", error))?.size_bytes;
                Ok(Kept { file, bytes })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let why = format!("there is no manifest `{digest}`");
                Err(Refusal::new("InvalidManifest.NotFound", why).advise("send it first").into())
            }
            Err(error) => Err(Trouble::world(format_args!("opening the manifest `{digest}`"), error)),
        }
    }

    /// Removes what no batch names: those that were whole at once if they are old, and pieces of others.
    pub(crate) fn sweep(&self, named: &HashSet<(AccountId, Digest)>, now_ms: i64) -> io::Result<()> {
        let there = match self.files.list(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            there => there?,
        };
        let keep: HashSet<String> =
            named.iter().map(|(account, digest)| format!("{account}-{digest}")).collect();
        for name in there.iter().filter(|name| !keep.contains(*name)) {
            let path = self.dir.join(name);
            let changed_ms = self.files.identity(&path)?.modified_ns / 1_000_000;
            if now_ms.saturating_sub(changed_ms) > UNUSED_MS {
                self.files.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes one that no batch names any more.
    pub(crate) fn remove(&self, account: &AccountId, digest: &Digest) -> io::Result<()> {
        match self.files.remove(&self.path(account, digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PART);
    PathBuf::from(name)
}

impl Kept {
    fn digest(&self) -> io::Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        let mut from = self.reader(0);
        loop {
            let bytes = from.fill_buf()?;
            if bytes.is_empty() {
                return Ok(Digest(*hasher.finalize().as_bytes()));
            }
            hasher.update(bytes);
            let count = bytes.len();
            from.consume(count);
        }
    }

    /// Where each line lies.
    pub(crate) fn places(&self) -> io::Result<Vec<Place>> {
        let mut places = Vec::new();
        let mut from = self.reader(0);
        let mut offset = 0;
        loop {
            let bytes = from.skip_until(b'\n')?;
            if bytes == 0 {
                return Ok(places);
            }
            if bytes > KEPT_LINE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
            }
            places.push(Place { offset, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) });
            offset += bytes as u64;
        }
    }

    /// The line that lies there.
    pub(crate) fn line(&self, place: Place) -> io::Result<Line> {
        let mut bytes = vec![0; place.bytes as usize];
        self.file.read_at(place.offset, &mut bytes)?;
        let line = std::str::from_utf8(&bytes).ok().and_then(Line::read_kept);
        line.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a line is not one of a manifest"))
    }

    /// Its lines from an offset on, each with where the next begins.
    pub(crate) fn lines(&self, offset: u64) -> impl Iterator<Item = io::Result<(Line, u64)>> + use<> {
        let mut from = self.reader(offset);
        let mut offset = offset;
        std::iter::from_fn(move || {
            let mut text = String::new();
            match from.by_ref().take(KEPT_LINE_BYTES_MAX as u64).read_line(&mut text) {
                Ok(0) => None,
                Err(error) => Some(Err(error)),
                Ok(bytes) => {
                    offset += bytes as u64;
                    let line = Line::read_kept(&text).map(|line| (line, offset));
                    let wrong =
                        || io::Error::new(io::ErrorKind::InvalidData, "a line is not one of a manifest");
                    Some(line.ok_or_else(wrong))
                }
            }
        })
    }

    fn reader(&self, offset: u64) -> io::BufReader<At> {
        let at = At { file: self.file.clone(), offset, end: self.bytes };
        io::BufReader::with_capacity(READ_BYTES, at)
    }
}

/// What went wrong with a manifest that was whole when its batch began.
pub(crate) fn damaged(digest: &Digest, error: &io::Error) -> Trouble {
    let message = format!("the manifest `{digest}` cannot be read: {error}");
    Trouble::new(Family::Damaged, "Storage.Corrupt", message)
        .advise("cancel the batch, and run what is left of its manifest as another")
}

/// A file read from its beginning to its end.
struct At {
    file: Arc<dyn File>,
    offset: u64,
    end: u64,
}

impl Read for At {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let count = out.len().min(left);
        if count > 0 {
            self.file.read_at(self.offset, &mut out[..count])?;
            self.offset += count as u64;
        }
        Ok(count)
    }
}
