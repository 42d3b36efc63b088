//! Manifests on disk: `<data>/manifests/<account>-<digest>`, written in pieces, whole and durable before any batch
//! speaks of them.
//!
//! A manifest is a file and not a part of the log: the log has each line's operation anyway, as the input of its flow,
//! and the event by which a batch begins has the digest of the file. It is removed when no batch names it: when its
//! batch is forgotten, or when it was sent and nothing came of it within a day. Whoever is about to name one holds it
//! meanwhile, so that it is not removed between being looked at and being named.
//!
//! The account stands in the name, so that nobody learns from an answer what another account has sent.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
/// Bytes of an account's manifests that no batch names: four of the largest, or forty of 100,000 lines, in a day.
const UNNAMED_BYTES_MAX: u64 = 4 * MANIFEST_BYTES_MAX;
/// What the smallest counts as in that, so that there are no more than a thousand of them.
const UNNAMED_BYTES_EACH: u64 = 1 << 20;
/// Bytes read at once: what a disk gives in one go.
const READ_BYTES: usize = 256 << 10;
/// A line as it is kept is longer than as it was written by names, quotes and escapes.
const KEPT_LINE_BYTES_MAX: usize = 8 * LINE_BYTES_MAX;

/// The manifests of a data directory.
#[derive(Debug)]
pub(crate) struct Manifests {
    files: Arc<dyn Files>,
    dir: PathBuf,
    /// By the names of files: how many are about to name them. Held while any is removed.
    held: Mutex<HashMap<String, usize>>,
}

/// A piece of a manifest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    /// Bytes of the whole.
    pub(crate) total: u64,
    /// Where this one belongs.
    pub(crate) offset: u64,
    pub(crate) text: &'a [u8],
}

/// A manifest that is not removed while this is there.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    manifests: &'a Manifests,
    name: String,
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
        Self { files, dir: dir.join(MANIFESTS), held: Mutex::default() }
    }

    fn path(&self, account: &AccountId, digest: &Digest) -> PathBuf {
        self.dir.join(name_of(account, digest))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps one from being removed, until what this yields is dropped.
    pub(crate) fn hold(&self, account: &AccountId, digest: &Digest) -> Held<'_> {
        let name = name_of(account, digest);
        *self.held().entry(name.clone()).or_default() += 1;
        Held { manifests: self, name }
    }

    /// Puts a piece where it belongs, and says how much there is then. Pieces come in order; one that does not
    /// follow what is there changes nothing. Which manifests batches of the account name, `named` says.
    pub(crate) fn put(
        &self,
        account: &AccountId,
        digest: &Digest,
        piece: Piece<'_>,
        now_ms: i64,
        named: impl FnOnce() -> Result<HashSet<Digest>, Trouble>,
    ) -> Result<Have, Trouble> {
        let Piece { total, offset, text: piece } = piece;
        let path = self.path(account, digest);
        let world = |error: io::Error| Trouble::world(format_args!("keeping the manifest `{digest}`"), error);
        if let Some(bytes) = self.touch(&path, now_ms).map_err(world)? {
            return Ok(Have { bytes, whole: true });
        }
        let end = offset.saturating_add(piece.len() as u64);
        if total > MANIFEST_BYTES_MAX || end > total || total == 0 {
            let why = format!("a manifest of {total} bytes; one has 1 to {MANIFEST_BYTES_MAX}");
            return Err(Refusal::new("InvalidManifest.Lines", why)
                .advise("make several manifests of it")
                .into());
        }
        self.check_room(account, piece.len() as u64, named)?;
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

    /// The bytes of one that is whole, which somebody means to use from now on.
    fn touch(&self, path: &Path, now_ms: i64) -> io::Result<Option<u64>> {
        let _held = self.held();
        let Ok(file) = self.files.open(path, Open::Read) else { return Ok(None) };
        file.set_modified_ns(now_ms.saturating_mul(1_000_000))?;
        Ok(Some(file.identity()?.size_bytes))
    }

    /// Whether an account may keep so much more that no batch names.
    fn check_room(
        &self,
        account: &AccountId,
        more: u64,
        named: impl FnOnce() -> Result<HashSet<Digest>, Trouble>,
    ) -> Result<(), Trouble> {
        let world = |error: io::Error| Trouble::world("looking at the manifests", error);
        let (own, mut there) = (format!("{account}-"), Vec::new());
        for name in self.there().map_err(world)?.into_iter().filter(|name| name.starts_with(&own)) {
            match self.files.identity(&self.dir.join(&name)) {
                Ok(file) => there.push((name, file.size_bytes.max(UNNAMED_BYTES_EACH))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // Whatever it is, it is there.
                Err(_) => there.push((name, UNNAMED_BYTES_EACH)),
            }
        }
        let sum = |there: &[(String, u64)]| there.iter().map(|(_, bytes)| bytes).sum::<u64>();
        if sum(&there) + more <= UNNAMED_BYTES_MAX {
            return Ok(());
        }
        let named: HashSet<String> = named()?.iter().map(|digest| name_of(account, digest)).collect();
        there.retain(|(name, _)| !named.contains(name));
        if sum(&there) + more <= UNNAMED_BYTES_MAX {
            return Ok(());
        }
        let why = format!("{} manifests were sent that no batch is of, and take too much room", there.len());
        Err(Refusal::new("QuotaExceed.Manifest", why)
            .advise("run one of them, or wait: what nothing came of is removed after a day")
            .into())
    }

    fn there(&self) -> io::Result<Vec<String>> {
        match self.files.list(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            there => there,
        }
    }

    /// Removes those that are old and that no batch names, and pieces of others.
    pub(crate) fn sweep(
        &self,
        now_ms: i64,
        named: impl FnOnce() -> Option<HashSet<(AccountId, Digest)>>,
    ) -> io::Result<()> {
        let held = self.held();
        let Some(named) = named() else { return Ok(()) };
        let named: HashSet<String> = named.iter().map(|(account, digest)| name_of(account, digest)).collect();
        for name in self.there()?.iter().filter(|name| !named.contains(*name) && !held.contains_key(*name)) {
            let path = self.dir.join(name);
            let Ok(there) = self.files.identity(&path) else { continue };
            let changed_ms = there.modified_ns / 1_000_000;
            if now_ms.saturating_sub(changed_ms) > UNUSED_MS {
                self.files.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes one, unless a batch names it or is about to.
    pub(crate) fn remove(
        &self,
        account: &AccountId,
        digest: &Digest,
        is_named: impl FnOnce() -> Result<bool, Trouble>,
    ) -> Result<(), Trouble> {
        let held = self.held();
        if held.contains_key(&name_of(account, digest)) || is_named()? {
            return Ok(());
        }
        match self.files.remove(&self.path(account, digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| Trouble::world("removing the manifest", error)),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = self.manifests.held();
        if let Some(count) = held.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.name);
            }
        }
    }
}

fn name_of(account: &AccountId, digest: &Digest) -> String {
    format!("{account}-{digest}")
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
