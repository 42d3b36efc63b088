//! Where the archive is not as it was written: which segment, and in it which events.
//!
//! A segment that is the one its digest is kept of is walked like the log. Of one that is not, it is told what can
//! be: that it is gone, of another log, of other events, cut off; and what can still be unpacked is walked all the
//! same, so that a record that somebody changed in it is named. The walk goes on behind it with the hash that the log
//! knows it ends with.

use std::io;

use event::Seq;

use crate::Error;
use crate::segment::{Opened, Segment};
use crate::tamper::{Damage, Fault, Walk};

impl Walk<'_> {
    /// Walks the segments of the archive.
    pub(crate) fn archive(&mut self) -> Result<(), Error> {
        let archive = self.snapshot.archive.clone();
        let segments = match (archive.segments(), archive.last()) {
            (Err(error), Some(last)) => {
                let what = format!("changed: what names the segments of the archive is damaged: {error}");
                self.note(Fault::of(Damage::Changed, (Seq(1), last.last), what));
                self.goes_on_behind(last);
                return Ok(());
            }
            (segments, _) => segments?,
        };
        for segment in &*segments {
            let (damaged, named) = (self.damaged, self.faults.len());
            let fault = match archive.bytes_of(segment) {
                Ok(bytes) => self.segment(segment, bytes)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Some((Damage::Removed, "removed: its file is gone".to_owned()))
                }
                Err(error) => Some((Damage::Changed, format!("its file cannot be read: {error}"))),
            };
            self.segment = None;
            if let Some((damage, what)) = fault.filter(|_| self.damaged == damaged) {
                self.note(Fault::of(damage, (segment.first, segment.last), what));
            }
            if self.damaged > damaged {
                // What is missing or another in it is told; what follows it is known.
                for fault in &mut self.faults[named..] {
                    *fault = fault.clone().within(segment);
                    fault.what = format!("{} (in `{}` of the archive)", fault.what, segment.name());
                }
                self.goes_on_behind(segment);
            }
        }
        Ok(())
    }

    /// What follows a segment is known, whatever is wrong in it.
    fn goes_on_behind(&mut self, segment: &Segment) {
        self.before = Some(segment.hash);
        (self.last, self.expected) = (segment.last, Some(segment.last.0 + 1));
        self.last_ms = segment.last_ms;
    }

    /// Walks a segment's file, and tells what is wrong with all of it if nothing is told of a part.
    fn segment(&mut self, segment: &Segment, bytes: Vec<u8>) -> Result<Option<(Damage, String)>, Error> {
        let there = bytes.len() as u64;
        let opened = match Opened::of(bytes) {
            Ok(opened) => opened,
            Err(why) => return Ok(Some((Damage::Changed, format!("changed: {why}, so it cannot be read")))),
        };
        let is_it = opened.segment == *segment;
        let said = &opened.segment;
        if said.log != segment.log {
            let what = "changed: that file is a segment of another log";
            return Ok(Some((Damage::Changed, what.to_owned())));
        }
        if (said.first, said.last) != (segment.first, segment.last) {
            let what = format!("swapped: that file holds events {} to {}", said.first, said.last);
            return Ok(Some((Damage::Swapped, what)));
        }
        let blocks = opened.blocks();
        self.segment = Some((segment.clone(), opened));
        for index in 0..blocks {
            self.block(index)?;
        }
        let next = self.expected.unwrap_or(segment.first.0);
        if next <= segment.last.0 {
            let what = format!("cut off: {there} bytes are left of {}", segment.file_bytes);
            self.note(Fault::of(Damage::CutOff, (Seq(next), segment.last), what));
        }
        let what = "changed: that file is not the one that was archived, though what is in it can be read and is of \
                    one chain";
        Ok((!is_it).then(|| (Damage::Changed, what.to_owned())))
    }

    fn block(&mut self, index: usize) -> Result<(), Error> {
        let Some((segment, opened)) = &self.segment else { return Ok(()) };
        let Some((first, bytes)) = opened.place(index) else { return Ok(()) };
        // Where a block begins is told by the rows before it, and by its header only if that can be.
        let first = self.expected.filter(|_| self.before.is_some()).unwrap_or(first.max(segment.first.0));
        let next = opened.place(index + 1).map(|(next, _)| next);
        let next = next.filter(|next| (first + 1..=segment.last.0).contains(next));
        let last = next.map_or(segment.last.0.max(first), |next| next - 1);
        let in_place = |key: u64| (first..=last).contains(&key);
        let unpacked = opened.block(index).and_then(|(block, is_sound)| {
            let mut rows = (0..block.len()).filter_map(|row| block.row(row));
            // A flipped bit may unpack to rows that nobody ever wrote.
            if is_sound || rows.all(|(key, _)| in_place(key)) {
                Ok(block)
            } else {
                Err("it is damaged".to_owned())
            }
        });
        match unpacked {
            Ok(block) => {
                for (key, row) in (0..block.len()).filter_map(|row| block.row(row)) {
                    self.row(key, row)?;
                }
            }
            Err(why) => {
                let what = format!("changed: the block they are packed in cannot be unpacked: {why}");
                let mut fault = Fault::of(Damage::Changed, (Seq(first), Seq(last)), what);
                fault.bytes = Some(bytes);
                self.note(fault);
                // The next row says what it follows.
                (self.before, self.expected, self.last_ms) = (None, None, i64::MIN);
                self.last = Seq(last);
            }
        }
        Ok(())
    }

    /// A row by its first event, in the segment that is walked or in the database.
    pub(crate) fn row_at(&self, key: u64) -> Result<Option<Vec<u8>>, Error> {
        if let Some((_, opened)) = &self.segment {
            let block = opened.block_of(key).and_then(|index| opened.block(index).ok());
            let row = block.as_ref().and_then(|(block, _)| block.row(block.row_of(key)?));
            return Ok(row.filter(|(first, _)| *first == key).map(|(_, row)| row.to_vec()));
        }
        Ok(self.snapshot.log.get(key).map_err(Error::read)?.map(|row| row.value().to_vec()))
    }

    /// The first row behind a key, in the segment that is walked or in the database.
    pub(crate) fn row_after(&self, key: u64) -> Result<Option<(u64, Vec<u8>)>, Error> {
        if let Some((_, opened)) = &self.segment {
            for index in opened.block_of(key).unwrap_or(0)..opened.blocks() {
                let Ok((block, _)) = opened.block(index) else { return Ok(None) };
                let row = (0..block.len()).filter_map(|row| block.row(row)).find(|(first, _)| *first > key);
                if let Some((first, row)) = row {
                    return Ok(Some((first, row.to_vec())));
                }
            }
            return Ok(None);
        }
        let next = self.snapshot.log.range(key + 1..).map_err(Error::read)?.next();
        let next = next.transpose().map_err(Error::read)?;
        Ok(next.map(|(first, row)| (first.value(), row.value().to_vec())))
    }
}
