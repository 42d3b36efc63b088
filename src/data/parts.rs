//! Uploads in parts: what came before the object is whole, and stays over a restart.
//!
//! Parts are written to where they will lie in the object, so that completing moves nothing: the
//! first part tells how long parts are, and part `n` goes to `(n - 1) ×` that in the upload's *main*
//! file. A part for which this is not known, or whose place is taken (it is sent again, or is longer
//! than it should be), gets a file of its own and is brought to its place in the end (`complete`).
//!
//! ```text
//! .partial/m-ID.0     the main file        │part 1│part 2│      │part 4│5│
//! .partial/m-ID.7     a part of its own                   └ part 3, sent twice
//! ```
//!
//! A part counts once it is in the index, and is synced before. What the index speaks of is never
//! written again; a place that was begun and not finished is. Completing closes the *gate* through
//! which all writing goes: after it nothing is written to what is an object now.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use domain::port::Location;
use domain::port_objects::{Ending, Headers, ObjectFacts, ObjectKind, PartFacts};
use event::{Failure, Refusal};
use files::{File, Open};
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::bucket::{Bucket, PARTIAL_DIR};
use crate::fault::{self, Result};
use crate::index::{Inside, decode, encode};
use crate::landing::Seen;
use crate::store::{Store, remove_if_there};
use crate::upload::{Hashes, Sink, bytes_in, hex};
use crate::wire::now_ms;

/// Uploads in parts, by bucket, key and id.
pub(crate) const UPLOADS: TableDefinition<'static, (&str, &str, &str), &[u8]> =
    TableDefinition::new("uploads");
/// Their parts, by upload and number.
pub(crate) const PARTS: TableDefinition<'static, (&str, u32), &[u8]> = TableDefinition::new("parts");

/// The file in which parts lie where they will lie in the object.
pub(crate) const MAIN: u32 = 0;
/// Lengths of parts remembered until the length of most is known: clients send a handful at a time.
const LENGTHS_MAX: usize = 64;

/// An upload in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UploadRow {
    pub(crate) headers: Headers,
    pub(crate) initiated_ms: i64,
    /// The file that is becoming the object, once all is ready for that.
    pub(crate) completing: Option<Seen>,
}

/// A part that is whole and durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartRow {
    pub(crate) bytes: u64,
    #[serde(with = "serde_bytes")]
    pub(crate) md5: [u8; 16],
    pub(crate) crc64: u64,
    pub(crate) modified_ms: i64,
    /// In which of the upload's files it lies, and where.
    pub(crate) file: u32,
    pub(crate) offset: u64,
}

/// What is kept in memory of an upload.
pub(crate) struct Parts {
    /// Whether nothing may be written any more.
    pub(crate) gate: RwLock<bool>,
    slots: Mutex<Slots>,
}

/// Which places are taken.
#[derive(Default)]
struct Slots {
    /// How long parts are.
    part_bytes: Option<u64>,
    lengths: Vec<u64>,
    /// Parts whose place in the main file is, or may be, written.
    taken: HashSet<u32>,
    next_file: u32,
    /// Whether the main file's name is durable.
    main_named: bool,
}

/// The name of one of an upload's files.
pub(crate) fn part_file(upload: &str, file: u32) -> String {
    format!("m-{upload}.{file}")
}

pub(crate) fn parted(bytes: &[u8]) -> Inside<PartRow> {
    decode(bytes)
}

/// There is no such upload.
pub(crate) fn no_upload(upload: &str) -> Failure {
    let why = "The specified upload does not exist. The upload ID may be invalid, or the upload may have \
               been aborted or completed.";
    Refusal::new("NoSuchUpload", why).advise(format!("begin anew: there is no upload `{upload}`")).into()
}

/// The rows of an upload.
pub(crate) fn upload_row(
    tx: &ReadTransaction,
    bucket: &str,
    key: &str,
    id: &str,
) -> Inside<Option<UploadRow>> {
    tx.open_table(UPLOADS)?.get((bucket, key, id))?.map(|row| decode(row.value())).transpose()
}

/// The parts of an upload from a number on, at most so many.
pub(crate) fn part_rows(
    tx: &ReadTransaction,
    upload: &str,
    from: u32,
    count: usize,
) -> Inside<Vec<(u32, PartRow)>> {
    let table = tx.open_table(PARTS)?;
    let rows = table.range((upload, from)..=(upload, u32::MAX))?.take(count);
    rows.map(|row| {
        let (at, row) = row?;
        Ok((at.value().1, parted(row.value())?))
    })
    .collect()
}

/// Removes the rows of an upload.
pub(crate) fn forget_upload(tx: &WriteTransaction, bucket: &str, key: &str, upload: &str) -> Inside<()> {
    tx.open_table(UPLOADS)?.remove((bucket, key, upload))?;
    tx.open_table(PARTS)?.retain_in((upload, 0)..=(upload, u32::MAX), |_, _| false)?;
    Ok(())
}

/// An upload in parts, found.
pub(crate) struct Multipart {
    pub(crate) store: Arc<Store>,
    pub(crate) to: Location,
    pub(crate) id: String,
    pub(crate) dir: PathBuf,
    pub(crate) row: UploadRow,
    pub(crate) parts: Arc<Parts>,
}

/// Begins an upload and gives its id.
pub(crate) fn initiate(store: &Store, to: &Location, headers: Headers) -> Result<String> {
    let bucket = Bucket::of(store, to)?;
    bucket.file(&to.path)?;
    let id = store.wire.next_id(&to.path);
    let row = UploadRow { headers, initiated_ms: now_ms(), completing: None };
    let _lock = bucket.lock()?;
    bucket.require()?;
    store.index.write(|tx| {
        let at = (bucket.name(), to.path.as_str(), id.as_str());
        tx.open_table(UPLOADS)?.insert(at, encode(&row).as_slice())?;
        Ok(())
    })?;
    Ok(id)
}

impl Multipart {
    /// Finds an upload.
    pub(crate) fn find(store: Arc<Store>, to: &Location, id: &str) -> Result<Self> {
        let (dir, row, parts) = {
            let bucket = Bucket::of(&store, to)?;
            bucket.require()?;
            let row = store.index.read(|tx| upload_row(tx, bucket.name(), &to.path, id))?;
            let row = row.ok_or_else(|| no_upload(id))?;
            let parts = store.wire.parts(id, || {
                let rows = store.index.read(|tx| part_rows(tx, id, 0, usize::MAX))?;
                Ok(Parts { gate: RwLock::new(false), slots: Mutex::new(Slots::of(&rows)) })
            })?;
            (bucket.dir.join(PARTIAL_DIR), row, parts)
        };
        Ok(Self { store, to: to.clone(), id: id.to_owned(), dir, row, parts })
    }

    pub(crate) fn path(&self, file: u32) -> PathBuf {
        self.dir.join(part_file(&self.id, file))
    }

    pub(crate) fn say(&self, doing: &str) -> impl Fn(std::io::Error) -> Failure + use<> {
        let attempted = format!("{doing} `{}`", self.to);
        move |error| fault::io(&attempted, &error)
    }

    /// The parts behind a number, at most so many, and whether there are more.
    pub(crate) fn list(&self, after: u32, count: usize) -> Result<(Vec<PartFacts>, bool)> {
        let Some(from) = after.checked_add(1) else { return Ok((Vec::new(), false)) };
        let mut rows = self.store.index.read(|tx| part_rows(tx, &self.id, from, count.saturating_add(1)))?;
        let more = rows.len() > count;
        rows.truncate(count);
        let facts = rows.into_iter().map(|(number, row)| PartFacts {
            number,
            bytes: row.bytes,
            modified_ms: row.modified_ms,
            etag: hex(&row.md5),
            crc64: row.crc64,
        });
        Ok((facts.collect(), more))
    }

    /// Gives the upload up.
    pub(crate) fn abort(self) -> Result<()> {
        let mut closed = self.parts.gate.write().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(no_upload(&self.id));
        }
        let bucket = Bucket::of(&self.store, &self.to)?;
        self.store.index.write(|tx| forget_upload(tx, bucket.name(), &self.to.path, &self.id))?;
        *closed = true;
        self.store.wire.forget_parts(&self.id);
        self.remove_files()
    }

    /// Removes the upload's files; what is left of them when this fails is removed when the store is
    /// opened.
    pub(crate) fn remove_files(&self) -> Result<()> {
        let files = &*self.store.files;
        let next_file = self.slots().next_file;
        (MAIN..next_file.max(1))
            .try_for_each(|file| remove_if_there(files, &self.path(file)))
            .map_err(self.say("removing the parts of"))
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.parts.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a file that nothing is in.
    pub(crate) fn new_file(&self) -> u32 {
        self.slots().own_file()
    }
}

impl Slots {
    fn of(rows: &[(u32, PartRow)]) -> Self {
        let main = || rows.iter().filter(|(_, row)| row.file == MAIN);
        let by_place = main().find(|(_, row)| row.offset > 0);
        let part_bytes = by_place
            .map(|(number, row)| row.offset / u64::from(number - 1))
            .or_else(|| main().next().map(|(_, row)| row.bytes));
        let last_file = rows.iter().map(|(_, row)| row.file).max().unwrap_or(MAIN);
        Self {
            part_bytes,
            lengths: Vec::new(),
            taken: main().map(|(number, _)| *number).collect(),
            next_file: last_file + 1,
            main_named: false,
        }
    }

    fn own_file(&mut self) -> u32 {
        self.next_file = self.next_file.max(MAIN + 1) + 1;
        self.next_file - 1
    }

    /// Where a part goes: a file and an offset in it.
    fn place(&mut self, number: u32, bytes: Option<u64>) -> (u32, u64) {
        let Some(bytes) = bytes.filter(|bytes| *bytes > 0) else { return (self.own_file(), 0) };
        if self.part_bytes.is_none() && (number == 1 || self.lengths.contains(&bytes)) {
            self.part_bytes = Some(bytes);
        }
        if let Some(part_bytes) = self.part_bytes
            && bytes <= part_bytes
            && let Some(offset) = u64::from(number - 1).checked_mul(part_bytes)
            && self.taken.insert(number)
        {
            return (MAIN, offset);
        }
        if self.part_bytes.is_none() && self.lengths.len() < LENGTHS_MAX {
            self.lengths.push(bytes);
        }
        (self.own_file(), 0)
    }
}

/// A part under way.
pub(crate) struct Part {
    multipart: Multipart,
    number: u32,
    expected: Option<u64>,
    place: (u32, u64),
    file: Arc<dyn File>,
    hashes: Hashes,
    done: bool,
}

impl Part {
    pub(crate) fn begin(multipart: Multipart, number: u32, bytes: Option<u64>) -> Result<Self> {
        let store = &multipart.store;
        store.check_room(bytes.unwrap_or_default())?;
        let say = multipart.say("uploading a part of");
        let place = multipart.slots().place(number, bytes);
        let open = || {
            let bucket = Bucket::of(store, &multipart.to)?;
            let _lock = bucket.lock()?;
            bucket.require()?;
            store.files.create_dirs(&multipart.dir).map_err(&say)?;
            let file = store.files.open(&multipart.path(place.0), Open::Create).map_err(&say)?;
            Ok(file)
        };
        let file = match open() {
            Ok(file) => file,
            Err(failure) => {
                release(&multipart, number, place);
                return Err(failure);
            }
        };
        Ok(Self { multipart, number, expected: bytes, place, file, hashes: Hashes::new(), done: false })
    }

    /// Makes the name of its file durable.
    fn sync_name(&self) -> Result<()> {
        let (file, _) = self.place;
        if file == MAIN && self.multipart.slots().main_named {
            return Ok(());
        }
        let bucket = Bucket::of(&self.multipart.store, &self.multipart.to)?;
        bucket.sync_above(&self.multipart.path(file)).map_err(self.multipart.say("writing a part of"))?;
        if file == MAIN {
            self.multipart.slots().main_named = true;
        }
        Ok(())
    }
}

/// Lets a place be written again that a part was not finished in.
fn release(multipart: &Multipart, number: u32, (file, _): (u32, u64)) {
    if file == MAIN {
        multipart.slots().taken.remove(&number);
    } else {
        // If it cannot be removed now, it is when the store is opened again.
        let _ = remove_if_there(&*multipart.store.files, &multipart.path(file));
    }
}

impl Sink for Part {
    fn write(&mut self, pieces: &[Bytes]) -> Result<()> {
        let bytes = bytes_in(pieces);
        if self.expected.is_some_and(|expected| self.hashes.bytes + bytes > expected) {
            return Err(incomplete());
        }
        self.multipart.store.check_room(bytes)?;
        let closed = self.multipart.parts.gate.read().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(no_upload(&self.multipart.id));
        }
        let say = self.multipart.say("writing a part of");
        self.hashes.write(&*self.file, self.place.1, pieces).map_err(say)
    }

    fn finish(mut self, ending: Ending) -> Result<ObjectFacts> {
        let hashed = std::mem::replace(&mut self.hashes, Hashes::new()).finish(&ending)?;
        if self.expected.is_some_and(|expected| hashed.bytes != expected) {
            return Err(incomplete());
        }
        self.file.sync().map_err(self.multipart.say("writing a part of"))?;
        self.sync_name()?;
        let modified_ms = now_ms();
        let (file, offset) = self.place;
        let (bytes, md5, crc64) = (hashed.bytes, hashed.md5, hashed.crc64);
        let row = PartRow { bytes, md5, crc64, modified_ms, file, offset };
        let multipart = &self.multipart;
        let (id, key) = (multipart.id.as_str(), multipart.to.path.as_str());
        let bucket = Bucket::of(&multipart.store, &multipart.to)?;
        let closed = multipart.parts.gate.read().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(no_upload(id));
        }
        let old = multipart.store.index.write(|tx| {
            if tx.open_table(UPLOADS)?.get((bucket.name(), key, id))?.is_none() {
                return Ok(None);
            }
            let mut parts = tx.open_table(PARTS)?;
            let old = parts.insert((id, self.number), encode(&row).as_slice())?;
            old.map_or(Ok(Some(None)), |old| parted(old.value()).map(|old| Some(Some(old.file))))
        })?;
        let old = old.ok_or_else(|| no_upload(id))?;
        drop(closed);
        self.done = true;
        if let Some(old) = old.filter(|old| *old != MAIN && *old != file) {
            let _ = remove_if_there(&*multipart.store.files, &multipart.path(old));
        }
        Ok(ObjectFacts {
            key: key.to_owned(),
            bytes,
            modified_ms,
            etag: hex(&md5),
            crc64: Some(crc64),
            kind: ObjectKind::Multipart,
            headers: Headers::new(),
        })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            release(&self.multipart, self.number, self.place);
        }
    }
}

fn incomplete() -> Failure {
    let why = "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    Refusal::new("IncompleteBody", why).into()
}
