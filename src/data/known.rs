//! Which objects there are, and what is known of each: a row in the index for every key.
//!
//! An object is there if its file is; the row only says what the file cannot: tag, CRC, headers.
//! It is written before the file gets its name, so for a moment, and after a power cut in that
//! moment, a row may speak of the file that was there, of the one that should have come, or of none.
//! So it holds a *state* for each, told apart by the file's inode, length and time of change, and
//! only the one that fits the file counts. The number of the device is no part of it: it may be
//! another after the next start. A file that has come back from a copy of the directory has another
//! inode; then length and time are enough, if only one state has them.
//!
//! Lists go through the rows, for a directory of a million files cannot be read for each page.

use std::collections::BTreeMap;

use domain::port_objects::{Headers, ObjectFacts, ObjectKind};
use files::Identity;
use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::index::{Inside, decode, encode};
use crate::landing::Seen;

/// What is known of objects, by bucket and key.
pub(crate) const OBJECTS: TableDefinition<'static, (&str, &str), &[u8]> = TableDefinition::new("objects");

/// The row of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ObjectRow {
    pub(crate) states: Vec<ObjectState>,
}

/// What is known of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ObjectState {
    /// Device, inode, length, time of change.
    pub(crate) seen: Seen,
    /// The tag; empty if it did not come over the wire.
    pub(crate) etag: String,
    pub(crate) crc64: Option<u64>,
    pub(crate) kind: Kind,
    pub(crate) headers: BTreeMap<String, String>,
}

/// [`ObjectKind`] as it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    #[default]
    Normal,
    Multipart,
    Appendable,
}

impl From<Kind> for ObjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Normal => Self::Normal,
            Kind::Multipart => Self::Multipart,
            Kind::Appendable => Self::Appendable,
        }
    }
}

/// A file's identity as the index keeps it.
pub(crate) fn seen_of(found: &Identity) -> Seen {
    (found.device, found.inode, found.size_bytes, found.modified_ns)
}

impl ObjectState {
    /// The state of a file that an operation of Kiln makes, of which nothing more is known.
    pub(crate) fn bare(seen: Seen) -> Self {
        Self { seen, ..Self::default() }
    }

    fn fits(&self, found: &Identity) -> bool {
        let (_, inode, bytes, modified_ns) = self.seen;
        // What is being appended counts only when it is whole.
        let same = (bytes, modified_ns) == (found.size_bytes, found.modified_ns);
        inode == found.inode && (same || self.kind == Kind::Appendable && bytes <= found.size_bytes)
    }

    /// What the wire says of it.
    pub(crate) fn facts(self, key: &str) -> ObjectFacts {
        let (_, inode, bytes, modified_ns) = self.seen;
        let (etag, kind) = if self.etag.is_empty() {
            (foreign_etag(inode, bytes, modified_ns), Kind::Multipart)
        } else {
            (self.etag, self.kind)
        };
        ObjectFacts {
            key: key.to_owned(),
            bytes,
            modified_ms: modified_ns.div_euclid(1_000_000),
            etag,
            crc64: self.crc64,
            kind: kind.into(),
            headers: self.headers,
        }
    }
}

/// The tag of an object whose MD5 nobody has computed: it differs when the file does, and its end
/// says that it is no MD5.
fn foreign_etag(inode: u64, bytes: u64, modified_ns: i64) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(&inode.to_le_bytes()).update(&bytes.to_le_bytes()).update(&modified_ns.to_le_bytes());
    format!("{}-1", hash.finalize().to_hex()[..32].to_uppercase())
}

impl ObjectRow {
    /// The state of the file that is there.
    pub(crate) fn state(&self, found: &Identity) -> ObjectState {
        if let Some(state) = self.states.iter().find(|state| state.fits(found)) {
            return state.clone();
        }
        let alike =
            |state: &&ObjectState| (state.seen.2, state.seen.3) == (found.size_bytes, found.modified_ns);
        let mut alike = self.states.iter().filter(alike);
        match (alike.next(), alike.next()) {
            (Some(state), None) => ObjectState { seen: seen_of(found), ..state.clone() },
            _ => ObjectState::bare(seen_of(found)),
        }
    }
}

/// The row of a key.
pub(crate) fn row(tx: &ReadTransaction, bucket: &str, key: &str) -> Inside<Option<ObjectRow>> {
    tx.open_table(OBJECTS)?.get((bucket, key))?.map(|row| decode(row.value())).transpose()
}

/// The row of a key, for changing it.
pub(crate) fn row_mut(tx: &WriteTransaction, bucket: &str, key: &str) -> Inside<ObjectRow> {
    let row = tx.open_table(OBJECTS)?.get((bucket, key))?.map(|row| decode(row.value())).transpose()?;
    Ok(row.unwrap_or_default())
}

/// Writes a row.
pub(crate) fn put_row(tx: &WriteTransaction, bucket: &str, key: &str, row: &ObjectRow) -> Inside<()> {
    tx.open_table(OBJECTS)?.insert((bucket, key), encode(row).as_slice())?;
    Ok(())
}

/// Notes what is about to get the key, beside what has it now.
pub(crate) fn expect(
    tx: &WriteTransaction,
    bucket: &str,
    key: &str,
    there: Option<&Identity>,
    coming: ObjectState,
) -> Inside<()> {
    let row = row_mut(tx, bucket, key)?;
    let mut states: Vec<ObjectState> = there.map(|there| row.state(there)).into_iter().collect();
    states.push(coming);
    put_row(tx, bucket, key, &ObjectRow { states })
}

/// Forgets a key.
pub(crate) fn forget(tx: &WriteTransaction, bucket: &str, key: &str) -> Inside<()> {
    tx.open_table(OBJECTS)?.remove((bucket, key))?;
    Ok(())
}

/// Forgets all keys of a bucket.
pub(crate) fn forget_all(tx: &WriteTransaction, bucket: &str) -> Inside<()> {
    let next = format!("{bucket}\0");
    tx.open_table(OBJECTS)?.retain_in((bucket, "")..(next.as_str(), ""), |_, _| false)?;
    Ok(())
}

/// Keeps headers with an object in place of those it has.
pub(crate) fn describe(
    tx: &WriteTransaction,
    bucket: &str,
    key: &str,
    there: &Identity,
    headers: Headers,
) -> Inside<ObjectFacts> {
    let mut state = row_mut(tx, bucket, key)?.state(there);
    if state.etag.is_empty() {
        let (_, inode, bytes, modified_ns) = state.seen;
        (state.etag, state.kind) = (foreign_etag(inode, bytes, modified_ns), Kind::Multipart);
    }
    state.headers = headers;
    put_row(tx, bucket, key, &ObjectRow { states: vec![state.clone()] })?;
    Ok(state.facts(key))
}
