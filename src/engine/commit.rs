//! How a commit is made: durable in the journal and seen in the database, or both in the database.

use std::io;
use std::time::Instant;

use files::Syncs;
use redb::Durability;

use crate::aside::Aside;
use crate::journal::Taken;
use crate::queue::lock;
use crate::seal::seal;
use crate::store::{
    Changes, ENDED_MARK, FOLD, HEAD, INCARNATION, LOG, META, ROWS, SEGMENTS, Staged, Store, TOLD, WORK,
};
use crate::witness;

impl Store {
    /// Makes what was decided durable: in the journal, if it can, which is synced aside where that pays. Says whether
    /// the database is to be written behind it. After an error nothing may be written any more.
    pub(crate) fn append(&self, changes: &Changes, aside: Option<&Aside>) -> Result<bool, redb::Error> {
        let begun = Instant::now();
        let journal = self.journal();
        let taken = journal.take(changes, || self.is_written()).map_err(redb::Error::Io)?;
        if let Some(Taken { number, .. }) = taken {
            let syncing = Aside::sync(aside, journal, changes).map_err(redb::Error::Io)?;
            self.backend.sync_as(Syncs::Length);
            let put = self.put(changes, Some(number), Durability::None, || syncing.wait());
            self.backend.sync_as(Syncs::Now);
            put?;
        } else {
            self.put_durably(changes)?;
        }
        self.acknowledges(changes, begun)?;
        Ok(taken.is_some_and(|taken| taken.turns))
    }

    /// Has the database written as it is, and waits for nothing: until it is on disk, the journal has what it lacks.
    pub(crate) fn write_behind(&self) -> Result<(), redb::Error> {
        self.show_anew();
        self.backend.wait().map_err(redb::Error::Io)?;
        let txn = self.db().begin_write()?;
        self.backend.sync_as(Syncs::Behind);
        let committed = txn.commit();
        self.backend.sync_as(Syncs::Now);
        Ok(committed?)
    }

    /// Waits until the database that was last written behind is on disk.
    fn is_written(&self) -> io::Result<()> {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::JournalEarly) {
            return Ok(());
        }
        self.backend.wait()
    }

    /// Makes the changes durable in the database. After an error nothing may be written any more.
    pub(crate) fn commit(&self, changes: &Changes) -> Result<(), redb::Error> {
        let begun = Instant::now();
        self.put_durably(changes)?;
        self.acknowledges(changes, begun)
    }

    /// The same, and nothing is said of what was acknowledged.
    pub(crate) fn put_durably(&self, changes: &Changes) -> Result<(), redb::Error> {
        // Before redb locks anything.
        self.backend.wait().map_err(redb::Error::Io)?;
        self.put(changes, changes.told, Durability::Immediate, || Ok(()))?;
        self.journal().is_kept(changes);
        Ok(())
    }

    fn acknowledges(&self, changes: &Changes, begun: Instant) -> Result<(), redb::Error> {
        if let Some(head) = &changes.head {
            self.measures.committed(head.seq.0, begun.elapsed());
            self.witness.write_at(0, &witness::bytes(head)).map_err(redb::Error::Io)?;
        }
        Ok(())
    }

    /// Puts the changes into the database, which has the journal's entries up to `told` then; they are seen once
    /// `may_show` says that they may be.
    fn put(
        &self,
        changes: &Changes,
        told: Option<u64>,
        durability: Durability,
        may_show: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), redb::Error> {
        self.show_anew();
        self.marks.begin(&changes.rows);
        let mut txn = self.db().begin_write()?;
        txn.set_durability(durability).expect("no savepoint is made here");
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::NoSync) {
            txn.set_durability(Durability::None).expect("it may be set");
        }
        {
            let mut log = txn.open_table(LOG)?;
            for (first, row) in &changes.log {
                log.insert(first, row.as_slice())?;
            }
            if let Some(segment) = &changes.segment {
                // Named and forgotten at once: each event is counted once at any moment.
                log.retain_in(segment.first.0..=segment.last.0, |_, _| false)?;
                let bytes = rmp_serde::to_vec_named(segment).expect("a segment is plain data");
                let sealed = seal(&segment.first.0.to_be_bytes(), &bytes);
                txn.open_table(SEGMENTS)?.insert(segment.first.0, sealed.as_slice())?;
            }
        }
        write_rows(&txn, &changes.rows)?;
        if let Some(moved) = &changes.moved {
            let mut rows = txn.open_table(ROWS)?;
            for key in &moved.keys {
                rows.remove(key.as_slice())?;
            }
        }
        if !changes.work.is_empty() {
            let mut table = txn.open_table(WORK)?;
            for (key, value) in &changes.work {
                match value {
                    Some(value) => _ = table.insert(key.as_slice(), seal(key, value).as_slice())?,
                    None => _ = table.remove(key.as_slice())?,
                }
            }
        }
        {
            let mut meta = txn.open_table(META)?;
            if let Some(head) = &changes.head {
                let head = rmp_serde::to_vec_named(head).expect("a head is plain data");
                meta.insert(HEAD, seal(HEAD.as_bytes(), &head).as_slice())?;
            }
            if let Some(told) = told {
                meta.insert(TOLD, seal(TOLD.as_bytes(), &told.to_le_bytes()).as_slice())?;
            }
            if let Some(fold) = changes.fold {
                meta.insert(FOLD, seal(FOLD.as_bytes(), &fold.to_le_bytes()).as_slice())?;
            }
            if let Some(incarnation) = changes.incarnation {
                let sealed = seal(INCARNATION.as_bytes(), &incarnation.to_le_bytes());
                meta.insert(INCARNATION, sealed.as_slice())?;
            }
            if let Some(moved) = &changes.moved {
                let mark = rmp_serde::to_vec_named(&moved.mark).expect("a mark is plain data");
                meta.insert(ENDED_MARK, seal(ENDED_MARK.as_bytes(), &mark).as_slice())?;
            }
        }
        may_show().map_err(redb::Error::Io)?;
        #[cfg(test)]
        let is_seen = !crate::planted::is(crate::planted::Planted::StaleSecond);
        #[cfg(not(test))]
        let is_seen = true;
        if let Some(moved) = changes.moved.as_ref().filter(|_| is_seen) {
            // Before they are forgotten here, where they are still the same.
            let mut second = lock(&self.second);
            (second.rows, second.is_lost) = (Some(moved.rows.clone()), false);
        }
        let committed = txn.commit();
        // Before anybody is told of it: whoever was told sees it.
        self.marks.end();
        self.show_anew();
        Ok(committed?)
    }

    /// Saves the allocator's state, so that opening after a kill takes milliseconds. Two syncs, so
    /// only when there is nothing else to do.
    pub(crate) fn settle(&self) -> Result<(), redb::Error> {
        self.show_anew();
        self.backend.wait().map_err(redb::Error::Io)?;
        let mut txn = self.db().begin_write()?;
        txn.set_quick_repair(true);
        txn.commit()?;
        self.journal().is_kept(&Changes::default());
        Ok(())
    }
}

fn write_rows(txn: &redb::WriteTransaction, changes: &Staged) -> Result<(), redb::Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut table = txn.open_table(ROWS)?;
    for (key, value) in changes {
        match value {
            Some(value) => _ = table.insert(key.as_slice(), value.as_slice())?,
            None => _ = table.remove(key.as_slice())?,
        }
    }
    Ok(())
}
