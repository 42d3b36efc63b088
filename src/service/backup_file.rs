//! What a backup is made of.
//!
//! ```text
//! backup.json            what is in it; the last that is written, so that a backup without it is none
//! log/FIRST.rows         rows of the log, from the one that begins with that event on
//! regions/REGION/…       the store of a region, see the data plane's `backup`
//! kiln.seal kiln.signers the seal, and the public keys by which heads are signed
//! manifests/NAME         what batches are made of
//!
//! rows = "KILNROWS", then for each row: first event(8) length(4) the row, all least significant byte first
//! ```
//!
//! Files of rows end at the same events in every backup of a log, but for the last one: so a later backup has
//! those of an earlier one by further names.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use domain::port::BackedUp;
use serde::{Deserialize, Serialize};

use crate::view::SignedHead;
use crate::{Family, Trouble};

/// What says that a backup is whole.
pub(crate) const MANIFEST: &str = "backup.json";
/// The directory of rows.
pub(crate) const LOG: &str = "log";
const MAGIC: &[u8; 8] = b"KILNROWS";
/// The version of what is written here.
pub(crate) const VERSION: u32 = 1;
/// A file of rows is ended when it has so many bytes.
const SEGMENT_BYTES: u64 = if cfg!(test) { 16 << 10 } else { 64 << 20 };
/// The longest row that is read: one event has at most so many bytes, and a few more.
const ROW_BYTES_MAX: u32 = 256 << 20;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) version: u32,
    /// The program that wrote it.
    pub(crate) program: String,
    /// The request it was written for: asked again, because an answer was lost, it is there.
    pub(crate) request: String,
    /// The head of the log; signed, if there is a key.
    pub(crate) head: SignedHead,
    /// When the log was looked at, milliseconds since 1970 UTC.
    pub(crate) time_ms: i64,
    pub(crate) incarnation: u64,
    /// Whether stores are in it.
    pub(crate) has_stores: bool,
    pub(crate) regions: Vec<String>,
    pub(crate) log: Vec<Segment>,
    pub(crate) stores: Vec<BackedUp>,
    /// Small files by name, with their BLAKE3.
    pub(crate) keys: Vec<(String, String)>,
    /// Manifests of batches by name, with their BLAKE3.
    #[serde(default)]
    pub(crate) manifests: Vec<(String, String)>,
}

/// A file of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// Its first event, which it is named by.
    pub(crate) first: u64,
    /// Its last.
    pub(crate) last: u64,
    /// The chain's hash there: two with the same hash are the same.
    pub(crate) hash: String,
    pub(crate) bytes: u64,
    pub(crate) reused: bool,
}

impl Segment {
    pub(crate) fn name(first: u64) -> String {
        format!("{first:020}.rows")
    }
}

/// What is told of a backup that is none, or not whole.
pub(crate) fn not_whole(dir: &Path, why: impl std::fmt::Display) -> Trouble {
    Trouble::new(Family::Damaged, "Backup.Damaged", format!("`{}` is no whole backup: {why}", dir.display()))
        .advise("use another one; a backup that was cut short has `.partial` behind its name and is no use")
}

impl Manifest {
    pub(crate) fn read(dir: &Path) -> Result<Self, Trouble> {
        let text = std::fs::read_to_string(dir.join(MANIFEST))
            .map_err(|error| not_whole(dir, format_args!("`{MANIFEST}` cannot be read: {error}")))?;
        let manifest: Self = serde_json::from_str(&text)
            .map_err(|error| not_whole(dir, format_args!("`{MANIFEST}` does not read: {error}")))?;
        if manifest.version == VERSION {
            return Ok(manifest);
        }
        let why = format!(
            "the backup `{}` is of version {}, this program reads {VERSION}",
            dir.display(),
            manifest.version
        );
        Err(Trouble::new(Family::World, "Backup.Newer", why)
            .advise("use the program that wrote it, or a newer one"))
    }
}

/// Writes rows into files.
pub(crate) struct RowsOut<'a> {
    dir: &'a Path,
    file: Option<(u64, u64, BufWriter<File>)>,
    /// Files that are whole: first event, bytes.
    pub(crate) done: Vec<(u64, u64)>,
}

impl<'a> RowsOut<'a> {
    pub(crate) fn new(dir: &'a Path) -> Self {
        Self { dir, file: None, done: Vec::new() }
    }

    /// Whether the next row begins a file.
    pub(crate) fn begins(&self) -> bool {
        self.file.is_none()
    }

    /// Takes a row; says whether a file ended with it.
    pub(crate) fn row(&mut self, first: u64, row: &[u8]) -> io::Result<bool> {
        let (begun, mut bytes, mut file) = if let Some(file) = self.file.take() {
            file
        } else {
            let mut file = BufWriter::new(File::create_new(self.dir.join(Segment::name(first)))?);
            file.write_all(MAGIC)?;
            (first, MAGIC.len() as u64, file)
        };
        let length = u32::try_from(row.len()).map_err(io::Error::other)?;
        file.write_all(&first.to_le_bytes())?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(row)?;
        bytes += 12 + u64::from(length);
        self.file = Some((begun, bytes, file));
        if bytes >= SEGMENT_BYTES {
            self.end()?;
        }
        Ok(self.begins())
    }

    /// Ends the file that is being written.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        let Some((first, bytes, file)) = self.file.take() else { return Ok(()) };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        self.done.push((first, bytes));
        Ok(())
    }
}

/// Reads rows out of files, one after the other.
pub(crate) struct RowsIn<'a> {
    dir: &'a Path,
    left: std::slice::Iter<'a, Segment>,
    file: Option<BufReader<File>>,
}

impl<'a> RowsIn<'a> {
    /// The rows of a backup in this directory.
    pub(crate) fn new(dir: &'a Path, segments: &'a [Segment]) -> Self {
        Self { dir, left: segments.iter(), file: None }
    }

    fn read(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let Some(file) = &mut self.file else {
                let Some(segment) = self.left.next() else { return Ok(None) };
                let path = self.dir.join(LOG).join(Segment::name(segment.first));
                let mut file = BufReader::new(File::open(path)?);
                let mut magic = [0; 8];
                file.read_exact(&mut magic)?;
                if magic != *MAGIC {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no rows"));
                }
                self.file = Some(file);
                continue;
            };
            let mut head = [0; 12];
            match file.read(&mut head[..1])? {
                0 => {
                    self.file = None;
                    continue;
                }
                _ => file.read_exact(&mut head[1..])?,
            }
            let first = u64::from_le_bytes(*head.first_chunk().expect("eight of twelve bytes"));
            let length = u32::from_le_bytes(*head.last_chunk().expect("four of twelve bytes"));
            if length > ROW_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a row is too long"));
            }
            let mut row = Vec::new();
            file.by_ref().take(u64::from(length)).read_to_end(&mut row)?;
            if row.len() as u64 != u64::from(length) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            return Ok(Some((first, row)));
        }
    }
}

impl Iterator for RowsIn<'_> {
    type Item = Result<(u64, Vec<u8>), engine::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let read =
            self.read().map_err(|error| engine::Error::Read { why: format!("rows of the backup: {error}") });
        read.transpose()
    }
}
