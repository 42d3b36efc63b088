//! Nonces that were used: a signed request is answered once, also by a server that was started anew.
//!
//! A request may be as old as the skew allows and as far ahead, so its nonce is remembered for twice
//! that. Two generations do: the young one takes new nonces, and becomes the old one when it has
//! lived that long. Each generation is a file as well, to which a nonce is appended before its request is done:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | since when the generation is the young one, milliseconds since 1970 UTC, little-endian |
//! | 16 each | the hash of a key and a nonce; zeros where none has come yet |
//!
//! Each has its place before it is written, so that requests do not wait for each other's writes; and the file is
//! longer than what it holds, so that a write does not make it longer.
//!
//! Nobody waits for the disk: what was appended outlives the process, and a sync a second bounds what a power cut
//! takes. Where a file cannot be written, requests are answered all the same.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wire::SKEW_MS;

/// How long a nonce is remembered at least, in milliseconds.
const REMEMBERED_MS: i64 = 2 * SKEW_MS;
/// Nonces remembered in a generation at most: 64 MiB. Only requests with a right signature get here.
const NONCES_MAX: usize = 4 << 20;
/// The files of the two generations; either may be the young one.
const FILES: [&str; 2] = ["nonces-0", "nonces-1"];
/// Bytes by which a file grows: four thousand names.
const GROWTH_BYTES: u64 = 4096 * size_of::<Name>() as u64;
/// Bytes before the first name.
const HEAD_BYTES: u64 = size_of::<i64>() as u64;
/// How often what was appended is made durable.
pub(crate) const SYNC_EVERY: Duration = Duration::from_secs(1);

type Name = [u8; 16];

/// What became of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonce {
    /// Nobody had used it.
    Fresh,
    /// It was used before.
    Used,
    /// There is no room for another one.
    Full,
}

/// The nonces used lately.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
    /// Whether something was appended that was not synced.
    is_dirty: bool,
}

#[derive(Debug, Default)]
struct Generation {
    names: HashSet<Name>,
    since_ms: i64,
    /// None where nothing is kept.
    file: Option<Arc<File>>,
    /// Where the next name goes in the file, and how long that is.
    next: u64,
    length: u64,
}

impl Nonces {
    /// Those that are kept in a directory, of before as well.
    pub(crate) fn kept(dir: &Path) -> io::Result<Self> {
        let [a, b] = FILES.map(|name| Generation::read(&dir.join(name)));
        let (a, b) = (a?, b?);
        let (young, old) = if a.since_ms > b.since_ms { (a, b) } else { (b, a) };
        Ok(Self(Mutex::new(Generations { young, old, is_dirty: false })))
    }

    /// Uses a nonce of a key.
    pub(crate) fn spend(&self, key: &str, nonce: &str, now_ms: i64) -> Nonce {
        let mut hasher = blake3::Hasher::new();
        hasher.update(key.as_bytes()).update(&[0]).update(nonce.as_bytes());
        let mut name = [0; 16];
        hasher.finalize_xof().fill(&mut name);
        let place = {
            let mut generations = self.lock();
            if now_ms - generations.young.since_ms > REMEMBERED_MS {
                generations.turn(now_ms);
            }
            if generations.old.names.contains(&name) {
                return Nonce::Used;
            }
            let young = &mut generations.young;
            if young.names.len() >= NONCES_MAX {
                return if young.names.contains(&name) { Nonce::Used } else { Nonce::Full };
            }
            if !young.names.insert(name) {
                return Nonce::Used;
            }
            let place = young.place();
            generations.is_dirty = true;
            place
        };
        if let Some((file, at)) = place
            && file.write_all_at(&name, at).is_err()
        {
            self.lock().young.give_up(&file);
        }
        Nonce::Fresh
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes durable what was appended.
    pub(crate) fn sync(&self) {
        let file = {
            let mut generations = self.lock();
            let is_dirty = std::mem::take(&mut generations.is_dirty);
            generations.young.file.clone().filter(|_| is_dirty)
        };
        // What cannot be synced is still in the kernel's memory, which outlives the process.
        let _ = file.map(|file| file.sync_data());
    }
}

impl Generations {
    /// The young generation becomes the old one, whose place a new one takes.
    fn turn(&mut self, now_ms: i64) {
        std::mem::swap(&mut self.young, &mut self.old);
        // Neither is from the time of any request that may still come, if nobody asked for so long.
        if now_ms - self.old.since_ms > 2 * REMEMBERED_MS {
            self.old.names.clear();
        }
        self.young.begin(now_ms);
    }
}

impl Generation {
    fn read(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (mut generation, mut held) = (Self::default(), 0);
        if let Some((since, names)) = bytes.split_first_chunk() {
            generation.since_ms = i64::from_le_bytes(*since);
            // A name that was cut short is of a request that was not begun.
            let (names, _) = names.as_chunks();
            let is_name = |name: &&Name| **name != Name::default();
            generation.names = names.iter().filter(is_name).copied().collect();
            held = names.iter().rposition(|name| is_name(&name)).map_or(0, |last| last + 1);
        }
        generation.next = HEAD_BYTES + (held * size_of::<Name>()) as u64;
        generation.length = bytes.len() as u64;
        generation.file = Some(Arc::new(file));
        Ok(generation)
    }

    fn begin(&mut self, now_ms: i64) {
        (self.names, self.since_ms, self.next, self.length) = (HashSet::new(), now_ms, HEAD_BYTES, 0);
        let begin = |file: &File| {
            file.set_len(0)?;
            file.write_all_at(&now_ms.to_le_bytes(), 0)
        };
        if self.file.as_deref().is_some_and(|file| begin(file).is_err()) {
            self.file = None;
        }
    }

    /// Where the next name is to be written; none where nothing is kept.
    fn place(&mut self) -> Option<(Arc<File>, u64)> {
        let file = self.file.clone()?;
        let at = self.next;
        self.next += size_of::<Name>() as u64;
        if self.next > self.length {
            self.length = self.next + GROWTH_BYTES;
            if file.set_len(self.length).is_err() {
                self.file = None;
                return None;
            }
        }
        Some((file, at))
    }

    /// A file that takes nothing (the disk is full) or half of a name is not written to any more before the next
    /// start: what is in it stays right, and to answer nobody would be worse than what a restart then forgets.
    fn give_up(&mut self, file: &Arc<File>) {
        self.file = self.file.take().filter(|kept| !Arc::ptr_eq(kept, file));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_used_once_for_as_long_as_its_request_is_timely() {
        let nonces = Nonces::default();
        assert_eq!(nonces.spend("a", "1", 0), Nonce::Fresh);
        assert_eq!(nonces.spend("b", "1", 0), Nonce::Fresh);
        for now_ms in [0, SKEW_MS, REMEMBERED_MS, REMEMBERED_MS + 1, 2 * REMEMBERED_MS] {
            assert_eq!(nonces.spend("a", "1", now_ms), Nonce::Used, "{now_ms}");
            assert_eq!(nonces.spend("a", &format!("at {now_ms}"), now_ms), Nonce::Fresh);
        }
        assert_eq!(nonces.spend("a", "1", 3 * REMEMBERED_MS + 9), Nonce::Fresh);
    }

    #[test]
    fn a_nonce_stays_used_when_the_server_is_started_anew() {
        let dir = tempfile::tempdir().unwrap();
        let begin = 1_700_000_000_000;
        let mut now_ms = begin;
        for start in 0..8_i64 {
            // Nothing is told to the one before that it ends.
            let nonces = Nonces::kept(dir.path()).unwrap();
            for before in 0..start {
                let is_timely = now_ms - (begin + before * SKEW_MS) <= REMEMBERED_MS;
                let spent = nonces.spend("a", &before.to_string(), now_ms);
                assert!(!is_timely || spent == Nonce::Used, "{before} at start {start}");
            }
            assert_eq!(nonces.spend("a", &start.to_string(), now_ms), Nonce::Fresh);
            assert_eq!(nonces.spend("a", &start.to_string(), now_ms), Nonce::Used);
            now_ms += SKEW_MS;
        }
    }

    #[test]
    fn nonces_that_come_at_once_and_outgrow_the_file_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let now_ms = 1_700_000_000_000;
        let each = 4096;
        let name = |thread: i32, number: i32| format!("{thread}/{number}");
        let nonces = Nonces::kept(dir.path()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let nonces = &nonces;
                scope.spawn(move || {
                    for number in 0..each {
                        assert_eq!(nonces.spend("a", &name(thread, number), now_ms), Nonce::Fresh);
                    }
                });
            }
        });
        let again = Nonces::kept(dir.path()).unwrap();
        for (thread, number) in (0..3).flat_map(|thread| (0..each).map(move |number| (thread, number))) {
            assert_eq!(again.spend("a", &name(thread, number), now_ms), Nonce::Used);
        }
        assert_eq!(again.spend("a", "another", now_ms), Nonce::Fresh);
    }

    #[test]
    fn files_that_were_cut_anywhere_are_read_and_written_on() {
        let dir = tempfile::tempdir().unwrap();
        let now_ms = 1_700_000_000_000;
        let nonces = Nonces::kept(dir.path()).unwrap();
        for number in 0..4 {
            nonces.spend("a", &number.to_string(), now_ms);
        }
        let written = FILES.map(|name| std::fs::read(dir.path().join(name)).unwrap());
        let place = usize::from(written[1].len() > written[0].len());
        let (path, bytes) = (dir.path().join(FILES[place]), &written[place]);
        let held = 8 + 4 * 16;
        assert!(bytes[held..].iter().all(|byte| *byte == 0) && bytes[held - 1] != 0);
        for cut in 0..=held {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let kept = cut.saturating_sub(8) / 16;
            let nonces = Nonces::kept(dir.path()).unwrap();
            for number in 0..4 {
                let expected = if number < kept { Nonce::Used } else { Nonce::Fresh };
                assert_eq!(nonces.spend("a", &number.to_string(), now_ms), expected, "cut at {cut}");
            }
            drop(nonces);
            let again = Nonces::kept(dir.path()).unwrap();
            assert_eq!(again.spend("a", "3", now_ms), Nonce::Used, "cut at {cut}");
        }
    }
}
