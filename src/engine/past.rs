//! Time travel: the projections as they were at a moment, folded anew from the log.
//!
//! Nothing of the past is kept but the records, so a moment costs a fold from the first record to
//! it, by the same code that made the rows of today; the rows are in memory and gone with what
//! holds them. It deliberately keeps no copies beside the log that could differ from it.

use std::collections::VecDeque;
use std::sync::Arc;

use event::{Fold, Record, Rows, Seq};

use crate::audit::guarded;
use crate::fold::{self, EngineFold, FlowRow};
use crate::fresh::Fresh;
use crate::{Engine, Error, Snapshot, chain, store};

/// A place in time: what holds is everything up to the last record at or before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Just after the record at this place.
    Event(Seq),
    /// The end of this millisecond, counted since 1970 UTC.
    TimeMs(i64),
}

impl From<Seq> for Moment {
    fn from(seq: Seq) -> Self {
        Self::Event(seq)
    }
}

/// The projections as they were.
///
/// They are what a reader would have seen if a commit had ended with that record. Where none did,
/// nobody ever saw these rows from outside, but the next decide in that commit did.
pub struct Past {
    rows: Fresh,
    seq: Seq,
}

impl Past {
    /// The last record that is in it; 0 before the first.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// One flow as it was then; none in the past of one subject.
    pub fn flow(&self, id: event::FlowId) -> Option<FlowRow> {
        fold::flow(&self.rows, id)
    }
}

impl Rows for Past {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.rows.get(key)
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        self.rows.scan(prefix, visit);
    }
}

impl<P: Send + Sync + 'static> Engine<P> {
    /// The projections at a moment: those of today if it lies ahead, none before the first record.
    /// Reads and folds every record up to it, and holds all its rows in memory.
    pub fn at(&self, moment: impl Into<Moment>) -> Result<Past, Error> {
        let mut replay = self.replay()?;
        let seq = replay.snapshot.seq_of(moment.into())?;
        replay.advance_to(seq)?;
        Ok(Past { rows: replay.rows, seq: replay.seq })
    }

    /// The past moment by moment, for whoever looks at many: each record is folded once.
    pub fn replay(&self) -> Result<Replay, Error> {
        let fold = self.shared.fold.clone();
        Ok(Replay {
            snapshot: self.snapshot()?,
            engine: EngineFold::new(fold.clone()),
            fold,
            rows: Fresh::default(),
            seq: Seq(0),
            read: VecDeque::new(),
        })
    }

    /// The domain's rows about one subject at a moment, from the records that name it among their
    /// subjects and no others. Costs one read for each record of the flows that concern it, however
    /// long the log is.
    ///
    /// A row is right if all that was ever folded into it, or looked at for that, names the
    /// subject. Counts, families and indexes, which others change as well, hold this subject's
    /// share alone; and there are no flows in it. Ask [`Engine::at`] for those.
    pub fn past_of(&self, subject: &str, moment: impl Into<Moment>) -> Result<Past, Error> {
        guarded(|| {
            let snapshot = self.snapshot()?;
            let seq = snapshot.seq_of(moment.into())?;
            let mut past = Past { rows: Fresh::default(), seq: Seq(0) };
            for record in snapshot.history(subject)?.iter().take_while(|record| record.seq <= seq) {
                self.shared.fold.apply(&mut past.rows, record);
                past.seq = record.seq;
            }
            Ok(past)
        })
    }
}

/// The past, moment by moment, over one snapshot of the log.
pub struct Replay {
    snapshot: Snapshot,
    fold: Arc<dyn Fold>,
    engine: EngineFold,
    rows: Fresh,
    seq: Seq,
    /// Records of the row of the log that the last moment ended in, not yet folded.
    read: VecDeque<Record>,
}

impl Replay {
    /// Folds on to a record, or to the last there is if that comes before it; says which. A record
    /// before the present one is come to by folding from the first again.
    pub fn advance_to(&mut self, seq: Seq) -> Result<Seq, Error> {
        if seq < self.seq {
            self.engine = EngineFold::new(self.fold.clone());
            self.rows = Fresh::default();
            self.seq = Seq(0);
            self.read.clear();
        }
        guarded(|| {
            while self.seq < seq {
                if self.read.is_empty() && !self.read_row()? {
                    break;
                }
                while let Some(record) = self.read.pop_front_if(|record| record.seq <= seq) {
                    self.engine.apply(&mut self.rows, &record);
                    self.seq = record.seq;
                }
                // After each row of the log, as flows that ended stay in memory until then.
                self.engine.flush(&mut self.rows);
            }
            Ok(self.seq)
        })
    }

    /// The projections as they were then, as [`Past`] has them.
    pub fn rows(&self) -> &dyn Rows {
        &self.rows
    }

    /// The last record that is in them; 0 before the first.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Takes the next row of the log; says no at its end.
    fn read_row(&mut self) -> Result<bool, Error> {
        let next = self.seq.next();
        let Some((first, row)) = self.snapshot.0.row_at(next)? else { return Ok(false) };
        let records = store::records_in(first, &row)?;
        self.read.extend(records.into_iter().filter(|record| record.seq >= next));
        Ok(!self.read.is_empty())
    }
}

impl Snapshot {
    /// The last record at or before a time, in milliseconds since 1970 UTC: of several in one
    /// millisecond the last; 0 if all are later. Reads one row of the log (4 KB) for each halving:
    /// some 20 for a million records.
    pub fn seq_at(&self, time_ms: i64) -> Result<Seq, Error> {
        // Of what is archived it is known where to look, without reading it.
        let (mut before, after) = self.0.archive.around_ms(time_ms)?;
        let end = self.head()?.next();
        let mut end = after.map_or(end, |after| end.min(after));
        // The record asked for is `before` or lies between them.
        while before.next() < end {
            let middle = Seq(u64::midpoint(before.0, end.0));
            let Some((first, row)) = self.0.row_at(middle)? else { break };
            let records = store::records_in(first, &row)?;
            let earlier = records.iter().take_while(|record| record.time_ms <= time_ms).count();
            if earlier == 0 {
                end = Seq(first);
                continue;
            }
            before = before.max(records[earlier - 1].seq);
            if earlier < records.len() {
                break;
            }
            if chain::last_of(&records, first) < middle {
                return Err(Error::read(format!("event {middle} is missing")));
            }
        }
        Ok(before)
    }

    /// The last record at or before a moment.
    fn seq_of(&self, moment: Moment) -> Result<Seq, Error> {
        match moment {
            Moment::Event(seq) => Ok(seq.min(self.head()?)),
            Moment::TimeMs(time_ms) => self.seq_at(time_ms),
        }
    }
}
