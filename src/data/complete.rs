//! An upload in parts becomes an object.
//!
//! ```text
//! gate closed ─▶ the list held against the parts ─▶ parts that lie elsewhere brought to their place
//!     ─▶ cut to length, synced ─▶ noted as completing, published ─▶ rows and files removed
//! ```
//!
//! A part is brought to a place that no part of the list lies in, so a second try finds all it needs.
//! If a part in the main file is not where it belongs, which takes a client that leaves numbers out
//! or sends a shorter part before longer ones, all parts are copied to a new file instead.

use std::sync::{Arc, PoisonError};

use domain::port_objects::ObjectFacts;
use event::{Failure, Refusal};
use files::{File, Open};

use crate::bucket::Bucket;
use crate::crc::combine;
use crate::fault::Result;
use crate::index::encode;
use crate::known::{self, Kind, ObjectState, seen_of};
use crate::parts::{
    MAIN, Multipart, PARTS, PartRow, UPLOADS, UploadRow, forget_upload, no_upload, part_rows,
};
use crate::publish::Publication;
use crate::upload::hex;

/// Parts but the last have at least so many bytes, as the API documents: 100 KiB.
const PART_BYTES_MIN: u64 = 100 << 10;
/// Bytes copied at once.
const PIECE_BYTES: u64 = 1 << 20;

/// A part of the list: its number, what is known of it, and where it will lie.
struct Listed {
    row: PartRow,
    begin: u64,
}

fn refused(code: &str, why: &str) -> Failure {
    Refusal::new(code, why).into()
}

impl Multipart {
    /// Makes the object.
    pub(crate) fn complete(self, wanted: Option<&[(u32, String)]>, replace: bool) -> Result<ObjectFacts> {
        let mut closed = self.parts.gate.write().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(no_upload(&self.id));
        }
        let facts = match self.completed_before()? {
            Some(facts) => facts,
            None => self.make(wanted, replace)?,
        };
        *closed = true;
        let bucket = Bucket::of(&self.store, &self.to)?;
        self.store.index.write(|tx| forget_upload(tx, bucket.name(), &self.to.path, &self.id))?;
        self.store.wire.forget_parts(&self.id);
        if let Err(failure) = self.remove_files() {
            tracing::warn!(%failure, "files of a completed upload are left until the store is opened again");
        }
        Ok(facts)
    }

    /// The object, if an earlier try has made it and only its rows are left.
    fn completed_before(&self) -> Result<Option<ObjectFacts>> {
        let Some(seen) = self.row.completing else { return Ok(None) };
        let bucket = Bucket::of(&self.store, &self.to)?;
        let Some(there) = bucket.object(&self.to)?.filter(|there| seen_of(there) == seen) else {
            return Ok(None);
        };
        let row = self.store.index.read(|tx| known::row(tx, bucket.name(), &self.to.path))?;
        Ok(Some(row.unwrap_or_default().state(&there).facts(&self.to.path)))
    }

    fn make(&self, wanted: Option<&[(u32, String)]>, replace: bool) -> Result<ObjectFacts> {
        let rows = self.store.index.read(|tx| part_rows(tx, &self.id, 0, usize::MAX))?;
        let listed = listed(&rows, wanted)?;
        let is_listed =
            |number: u32| wanted.is_none_or(|wanted| wanted.iter().any(|(other, _)| *other == number));
        let unlisted: Vec<u32> =
            rows.iter().map(|(number, _)| *number).filter(|number| !is_listed(*number)).collect();
        let total = listed.last().map_or(0, |last| last.begin + last.row.bytes);
        let file = self.gather(&listed, &unlisted, total)?;
        let path = self.path(file.0);
        let found = file.1.identity().map_err(self.say("completing"))?;
        let md5s: Vec<u8> = listed.iter().flat_map(|part| part.row.md5).collect();
        let crc64 = listed.iter().fold(0, |crc64, part| combine(crc64, part.row.crc64, part.row.bytes));
        let state = ObjectState {
            seen: seen_of(&found),
            etag: format!("{}-{}", hex(&md5_of(&md5s)), listed.len()),
            crc64: Some(crc64),
            kind: Kind::Multipart,
            headers: self.row.headers.clone(),
        };
        let bucket = Bucket::of(&self.store, &self.to)?;
        let row = UploadRow { completing: Some(state.seen), ..self.row.clone() };
        Publication { bucket: &bucket, at: &self.to, file: &path, replace }.run(state, |tx| {
            let at = (bucket.name(), self.to.path.as_str(), self.id.as_str());
            tx.open_table(UPLOADS)?.insert(at, encode(&row).as_slice())?;
            Ok(())
        })
    }

    /// Brings all parts to their places in one file, which is whole and synced then.
    fn gather(&self, listed: &[Listed], unlisted: &[u32], total: u64) -> Result<(u32, Arc<dyn File>)> {
        let say = self.say("completing");
        let files = &*self.store.files;
        let in_place = |part: &Listed| part.row.file == MAIN && part.row.offset == part.begin;
        let main_serves = listed.iter().all(|part| part.row.file != MAIN || in_place(part));
        let target = if main_serves { MAIN } else { self.new_file() };
        if main_serves && !unlisted.is_empty() {
            // Their bytes may be cut off or written over.
            self.store.index.write(|tx| {
                let mut parts = tx.open_table(PARTS)?;
                unlisted.iter().try_for_each(|number| parts.remove((self.id.as_str(), *number)).map(drop))?;
                Ok(())
            })?;
        }
        files.create_dirs(&self.dir).map_err(&say)?;
        let file = files.open(&self.path(target), Open::Create).map_err(&say)?;
        let mut changed = false;
        for part in listed.iter().filter(|part| target != MAIN || !in_place(part)) {
            self.store.check_room(part.row.bytes)?;
            let from = files.open(&self.path(part.row.file), Open::Read).map_err(&say)?;
            copy(&*from, part.row.offset, &*file, part.begin, part.row.bytes).map_err(&say)?;
            changed = true;
        }
        if file.identity().map_err(&say)?.size_bytes != total {
            file.set_len(total).map_err(&say)?;
            changed = true;
        }
        if changed {
            file.sync().map_err(&say)?;
        }
        Ok((target, file))
    }
}

fn md5_of(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest;
    md5::Md5::digest(bytes).into()
}

fn copy(from: &dyn File, mut at: u64, to: &dyn File, mut begin: u64, bytes: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; usize::try_from(bytes.min(PIECE_BYTES)).expect("at most a piece")];
    let end = at + bytes;
    while at < end {
        let len = usize::try_from((end - at).min(PIECE_BYTES)).expect("at most a piece");
        from.read_at(at, &mut buffer[..len])?;
        to.write_at(begin, &buffer[..len])?;
        at += len as u64;
        begin += len as u64;
    }
    Ok(())
}

/// Holds the list against the parts there are.
fn listed(rows: &[(u32, PartRow)], wanted: Option<&[(u32, String)]>) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    let mut begin = 0_u64;
    let mut add = |row: &PartRow| {
        listed.push(Listed { row: row.clone(), begin });
        begin += row.bytes;
    };
    match wanted {
        None => rows.iter().for_each(|(_, row)| add(row)),
        Some(wanted) => {
            if !wanted.is_sorted_by(|one, next| one.0 < next.0) {
                return Err(refused("InvalidPartOrder", "The list of parts was not in ascending order."));
            }
            for (number, etag) in wanted {
                let found = rows.binary_search_by_key(number, |(number, _)| *number).ok();
                let row = found.map(|at| &rows[at].1).filter(|row| hex(&row.md5).eq_ignore_ascii_case(etag));
                add(row.ok_or_else(|| {
                    let why = "One or more of the specified parts could not be found or the specified \
                               entity tag might not have matched the part's entity tag.";
                    refused("InvalidPart", why)
                })?);
            }
        }
    }
    if listed.is_empty() {
        return Err(refused("InvalidPart", "There are no parts to make an object of."));
    }
    let (_, all_but_last) = listed.split_last().expect("there is one at least");
    if all_but_last.iter().any(|part| part.row.bytes < PART_BYTES_MIN) {
        let why = "Your proposed upload is smaller than the minimum allowed object size.";
        return Err(refused("EntityTooSmall", why));
    }
    Ok(listed)
}
