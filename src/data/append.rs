//! Bytes behind the end of an object.
//!
//! The first append makes the object like a whole upload. Later ones write to the object's own file,
//! for it may be long:
//!
//! ```text
//! noted that it is being appended to ─▶ written behind the end ─▶ synced
//!     ─▶ in one transaction: its new length, CRC and tag; the note is taken back
//! ```
//!
//! Until then readers see the length that is noted. An append that ends early, and the opening of a
//! store in which one was under way, cut the file back to that.

use std::sync::Arc;

use bytes::Bytes;
use domain::port::Location;
use domain::port_objects::{Ending, ObjectFacts};
use event::{Failure, Refusal};
use files::{File, Open};
use redb::TableDefinition;

use crate::bucket::{Bucket, no_bucket};
use crate::crc::combine;
use crate::fault::{self, Result};
use crate::known::{self, Kind, ObjectRow, ObjectState, put_row, row_mut, seen_of};
use crate::store::Store;
use crate::upload::{Hashes, Partial, Sink, bytes_in};

/// Objects whose files may be longer than they are, by bucket and key.
pub(crate) const APPENDING: TableDefinition<'static, (&str, &str), ()> = TableDefinition::new("appending");

/// An appendix under way.
pub(crate) struct Append {
    store: Arc<Store>,
    to: Location,
    begin: Begin,
    hashes: Hashes,
    done: bool,
}

enum Begin {
    First(Partial),
    Behind(Arc<dyn File>, ObjectState),
}

fn wrong_position(length: u64) -> Failure {
    Refusal::new("PositionNotEqualToLength", "Position is not equal to file length")
        .advise(format!("append at `{length}`, its length now"))
        .into()
}

fn bucket_name(to: &Location) -> &str {
    to.bucket.as_ref().map_or("", |bucket| &bucket.name)
}

/// Cuts a file back to the length its object has, if it is that object's, and forgets that it was
/// being appended to.
pub(crate) fn settle_size(store: &Store, bucket: &str, key: &str, file: Option<&dyn File>) -> Result<()> {
    let say = |error| fault::io(format_args!("cutting back `oss://{bucket}/{key}`"), &error);
    let row = store.index.read(|tx| known::row(tx, bucket, key))?.unwrap_or_default();
    let mut settled = None;
    if let Some(file) = file {
        let found = file.identity().map_err(say)?;
        let state = row.state(&found);
        if state.kind == Kind::Appendable && state.seen != seen_of(&found) {
            file.set_len(state.seen.2).map_err(say)?;
            file.sync().map_err(say)?;
            let seen = seen_of(&file.identity().map_err(say)?);
            settled = Some(ObjectState { seen, ..state });
        }
    }
    store.index.write(|tx| {
        if let Some(state) = settled {
            put_row(tx, bucket, key, &ObjectRow { states: vec![state] })?;
        }
        tx.open_table(APPENDING)?.remove((bucket, key))?;
        Ok(())
    })
}

impl Append {
    pub(crate) fn begin(store: Arc<Store>, to: &Location, position: u64) -> Result<Self> {
        let (name, key) = (bucket_name(to).to_owned(), to.path.clone());
        if !store.wire.begin_append(&name, &key) {
            let why = format!("something else is being appended to `{to}`");
            return Err(Refusal::new("PositionNotEqualToLength", why).advise("wait for its end").into());
        }
        let begin = Self::begin_alone(&store, to, position);
        match begin {
            Ok(begin) => Ok(Self {
                store: Arc::clone(&store),
                to: to.clone(),
                begin,
                hashes: Hashes::new(),
                done: false,
            }),
            Err(failure) => {
                store.wire.end_append(&name, &key);
                Err(failure)
            }
        }
    }

    fn begin_alone(store: &Arc<Store>, to: &Location, position: u64) -> Result<Begin> {
        let bucket = Bucket::of(store, to)?;
        if !bucket.is_there()? {
            return Err(no_bucket(bucket.name()));
        }
        let Some(found) = bucket.object(to)? else {
            return if position == 0 {
                Partial::begin(Arc::clone(store), to).map(Begin::First)
            } else {
                Err(wrong_position(0))
            };
        };
        let row = store.index.read(|tx| known::row(tx, bucket.name(), &to.path))?.unwrap_or_default();
        let state = row.state(&found);
        if state.kind != Kind::Appendable {
            return Err(Refusal::new("ObjectNotAppendable", "The object is not appendable").into());
        }
        if state.seen.2 != position {
            return Err(wrong_position(state.seen.2));
        }
        let say = |error| fault::io(format_args!("appending to `{to}`"), &error);
        let file = store.files.open(&bucket.file(&to.path)?, Open::Write).map_err(say)?;
        if file.identity().map_err(say)?.inode != found.inode {
            return Err(wrong_position(0));
        }
        store.index.write(|tx| {
            Ok(tx.open_table(APPENDING)?.insert((bucket.name(), to.path.as_str()), ()).map(drop)?)
        })?;
        Ok(Begin::Behind(file, state))
    }

    fn behind(
        &self,
        file: &dyn File,
        state: &ObjectState,
        hashed: &crate::upload::Hashed,
    ) -> Result<ObjectFacts> {
        let say = |error| fault::io(format_args!("appending to `{}`", self.to), &error);
        file.sync().map_err(say)?;
        let found = file.identity().map_err(say)?;
        let bucket = Bucket::of(&self.store, &self.to)?;
        let _lock = bucket.lock()?;
        // Replaced or removed meanwhile: then there is nothing that these bytes are behind.
        if bucket.object(&self.to)?.is_none_or(|there| there.inode != found.inode) {
            return Err(wrong_position(0));
        }
        let crc64 = combine(state.crc64.unwrap_or_default(), hashed.crc64, hashed.bytes);
        let state = ObjectState {
            seen: seen_of(&found),
            etag: appended_etag(crc64, found.size_bytes),
            crc64: Some(crc64),
            ..state.clone()
        };
        let (name, key) = (bucket.name(), self.to.path.as_str());
        self.store.index.write(|tx| {
            let others =
                row_mut(tx, name, key)?.states.into_iter().filter(|other| other.seen.1 != found.inode);
            let states = others.chain([state.clone()]).collect();
            put_row(tx, name, key, &ObjectRow { states })?;
            tx.open_table(APPENDING)?.remove((name, key))?;
            Ok(())
        })?;
        Ok(state.facts(key))
    }
}

fn appended_etag(crc64: u64, bytes: u64) -> String {
    format!("{crc64:016X}{bytes:016X}")
}

impl Sink for Append {
    fn write(&mut self, pieces: &[Bytes]) -> Result<()> {
        self.store.check_room(bytes_in(pieces))?;
        let (file, begin) = match &self.begin {
            Begin::First(partial) => (&*partial.file, 0),
            Begin::Behind(file, state) => (&**file, state.seen.2),
        };
        let say = |error| fault::io(format_args!("appending to `{}`", self.to), &error);
        self.hashes.write(file, begin, pieces).map_err(say)
    }

    fn finish(mut self, ending: Ending) -> Result<ObjectFacts> {
        let hashed = std::mem::replace(&mut self.hashes, Hashes::new()).finish(&ending)?;
        let facts = match &self.begin {
            Begin::First(partial) => {
                let etag = appended_etag(hashed.crc64, hashed.bytes);
                partial.publish(&hashed, etag, Kind::Appendable, Ending { replace: false, ..ending })?
            }
            Begin::Behind(file, state) => self.behind(&**file, state, &hashed)?,
        };
        self.done = true;
        Ok(facts)
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        let name = bucket_name(&self.to).to_owned();
        if let (false, Begin::Behind(file, _)) = (self.done, &self.begin) {
            // If it cannot be cut back now, it is when the store is opened again.
            if let Err(failure) = settle_size(&self.store, &name, &self.to.path, Some(&**file)) {
                tracing::warn!(%failure, "an append that ended early was not cut back");
            }
        }
        self.store.wire.end_append(&name, &self.to.path);
    }
}
