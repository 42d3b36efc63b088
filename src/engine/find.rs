//! Finding flows: by story, state, account, place, error, subject, time and words, newest first, page by page.
//!
//! Each thing that is asked for is a list of flows in the order in which they began (`index.rs`). The lists are
//! walked together from the newest on: whatever the one says lies behind, the others skip to. Time is a piece of
//! that order. What only the flow itself tells, its label, is looked at last. A page reads [`READS_MAX`] rows and no
//! more; if that was not enough it holds what was found and says where to go on.

use std::ops::Bound;

use event::{FlowId, Seq};

use crate::fold::{self, FLOWS, FlowRow, State, house};
use crate::index::{self, Facet};
use crate::tables::Merged;
use crate::{Error, Snapshot, store};

/// Rows that one page reads at most, blocks of lists and flows together: some ten milliseconds, however many
/// flows there are and however little they have in common.
pub const READS_MAX: usize = 4_096;

/// Flows on one page at most: a page is held in memory, and reads each of them.
pub const FOUND_MAX: usize = 1_000;

/// Blocks of a list that are read one after the other before a walk goes down the tree anew: going down costs as much
/// as reading some of them.
const STEPS_MAX: usize = 8;

/// Values of one kind that may be asked for at once: each is a list of its own that is walked.
pub const VALUES_MAX: usize = 100;

/// What is looked for. Whatever is empty is not asked about; of several values, at most [`VALUES_MAX`], any will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of stories.
    pub names: Vec<String>,
    /// Where they stand.
    pub states: Vec<State>,
    /// The accounts that asked for them.
    pub accounts: Vec<String>,
    /// What stands behind the slash of their scopes.
    pub places: Vec<String>,
    /// Codes of what they failed with or are parked over.
    pub codes: Vec<String>,
    /// What they are about, by id.
    pub subjects: Vec<String>,
    /// They began then or later, milliseconds since 1970 UTC.
    pub since_ms: Option<i64>,
    /// They began then or earlier.
    pub until_ms: Option<i64>,
    /// Stands in their label, in whatever case.
    pub text: String,
}

/// Flows that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Newest first.
    pub flows: Vec<FlowRow>,
    /// Where to go on: behind the flow that began there. None when all has been looked through.
    pub next: Option<Seq>,
}

impl Filter {
    /// Whether a flow is looked for.
    pub fn wants(&self, flow: &FlowRow) -> bool {
        let among = |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|it| it == value);
        among(&self.names, &flow.name)
            && (self.states.is_empty() || self.states.contains(&flow.state))
            && among(&self.accounts, &flow.actor.account)
            && (self.places.is_empty() || flow.place().is_some_and(|place| among(&self.places, place)))
            && (self.codes.is_empty() || flow.trouble().is_some_and(|no| among(&self.codes, &no.code)))
            && self.since_ms.is_none_or(|since_ms| flow.started_ms >= since_ms)
            && self.until_ms.is_none_or(|until_ms| flow.started_ms <= until_ms)
            && (self.text.is_empty() || flow.label.to_lowercase().contains(&self.text.to_lowercase()))
    }

    /// The lists that a flow has to be in: in one of each.
    fn lists(&self) -> Vec<Union> {
        fn of<'a, T>(values: &'a [T], facet: impl Fn(&'a T) -> Facet<'a>) -> Option<Union> {
            assert!(values.len() <= VALUES_MAX, "a page that reads nothing but heads of lists gets nowhere");
            let lists: Vec<_> = values.iter().map(|value| List::of(facet(value))).collect();
            (!lists.is_empty()).then_some(Union { lists })
        }
        let asked = [
            of(&self.subjects, |subject| Facet::Subject(subject)),
            of(&self.codes, |code| Facet::Code(code)),
            of(&self.names, |name| Facet::Name(name)),
            of(&self.accounts, |account| Facet::Account(account)),
            of(&self.states, |state| Facet::State(*state)),
            of(&self.places, |place| Facet::Place(place)),
        ];
        let mut lists: Vec<_> = asked.into_iter().flatten().collect();
        if lists.is_empty() {
            // A flow is in some state always.
            lists.extend(of(&State::ALL, |state| Facet::State(*state)));
        }
        lists
    }
}

impl Snapshot {
    /// The flows that a filter wants, newest first, at most `count` and [`FOUND_MAX`]; those that began before
    /// `after` if it is given, which is the `next` of the page before. Flows that begin meanwhile neither repeat
    /// nor hide any.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn find(&self, filter: &Filter, after: Option<Seq>, count: usize) -> Result<Found, Error> {
        let mut found = Found::default();
        let count = count.min(FOUND_MAX);
        let last = match filter.until_ms {
            Some(until_ms) => self.seq_at(until_ms)?,
            None => self.head()?,
        };
        // Behind the oldest there is none: records are counted from 1.
        let mut at = after.map_or(last, |after| last.min(Seq(after.0.saturating_sub(1))));
        let mut lists = filter.lists();
        let mut reads = Reads { snapshot: &self.0, left: READS_MAX };
        while let Some((seq, id)) = agreed(&mut reads, &mut lists, at)? {
            if reads.left == 0 {
                found.next = Some(seq.next());
                break;
            }
            reads.left -= 1;
            at = Seq(seq.0 - 1);
            let Some(flow) = flow_of(&self.0, seq, id) else { continue };
            if filter.since_ms.is_some_and(|since_ms| flow.started_ms < since_ms) {
                // Time never goes back in the log.
                break;
            }
            if !filter.wants(&flow) {
                continue;
            }
            if found.flows.len() == count {
                found.next = Some(seq.next());
                break;
            }
            found.flows.push(flow);
        }
        Ok(found)
    }
}

/// A flow that began at a place, looked for first where it most likely is.
fn flow_of(snapshot: &store::Snapshot, first: Seq, id: FlowId) -> Option<FlowRow> {
    let ended = snapshot.ended.as_ref().filter(|_| first <= snapshot.archive.end());
    let row = ended.and_then(|ended| store::get_row(ended, &FLOWS.key(house(), &[&id.to_string()])));
    row.map(|row| FLOWS.read(&row)).or_else(|| fold::flow(snapshot, id))
}

/// The newest flow at or before a place that all lists have; or where they have come to, if no more may be read.
fn agreed(reads: &mut Reads<'_>, lists: &mut [Union], mut at: Seq) -> Result<Option<(Seq, FlowId)>, Error> {
    loop {
        let mut come = None;
        let mut all_agree = true;
        for list in lists.iter_mut() {
            let before = come.map(|(seq, _)| seq);
            let Some((seq, id)) = list.at_or_before(reads, before.unwrap_or(at))? else { return Ok(None) };
            all_agree &= before.is_none_or(|before| before == seq);
            come = Some((seq, id));
        }
        let Some((seq, _)) = come else { return Ok(None) };
        if all_agree || reads.left == 0 {
            return Ok(come);
        }
        at = seq;
    }
}

/// What may still be read, and of what.
struct Reads<'a> {
    snapshot: &'a crate::store::Snapshot,
    left: usize,
}

/// Lists of which a flow has to be in one.
struct Union {
    lists: Vec<List>,
}

impl Union {
    fn at_or_before(&mut self, reads: &mut Reads<'_>, at: Seq) -> Result<Option<(Seq, FlowId)>, Error> {
        let mut newest = None;
        for list in &mut self.lists {
            newest = newest.max(list.at_or_before(reads, at)?);
        }
        Ok(newest)
    }
}

/// A list, walked from its end.
struct List {
    prefix: Vec<u8>,
    /// The block that was read last, with its number.
    block: Option<(u64, Vec<u8>)>,
    /// What lies before it, where the walk has come to.
    rows: Option<Merged>,
    /// Nothing lies before what was read last.
    is_over: bool,
    /// Nothing lies there in the log's own database.
    live_is_over: bool,
}

impl List {
    fn of(facet: Facet<'_>) -> Self {
        Self { prefix: facet.prefix(), block: None, rows: None, is_over: false, live_is_over: false }
    }

    /// The newest flow of the list at or before a place; each place asked for lies before the last one.
    fn at_or_before(&mut self, reads: &mut Reads<'_>, at: Seq) -> Result<Option<(Seq, FlowId)>, Error> {
        let wanted = index::block_of(at);
        let mut steps = 0;
        loop {
            if let Some((number, row)) = &self.block
                && *number <= wanted
                && let Some(entry) = index::entries(*number, row).rev().find(|(seq, _)| *seq <= at)
            {
                return Ok(Some(entry));
            }
            if self.is_over {
                return Ok(None);
            }
            let is_far = self.block.as_ref().is_none_or(|(number, _)| *number > wanted);
            if is_far && steps == STEPS_MAX {
                self.rows = None;
            }
            steps += 1;
            self.step(reads, wanted)?;
        }
    }

    /// Reads the block before the one that was read last; where the walk begins anew, from the one that is wanted on.
    fn step(&mut self, reads: &mut Reads<'_>, wanted: u64) -> Result<(), Error> {
        let rows = if let Some(rows) = &mut self.rows {
            rows
        } else {
            let before = self.block.as_ref().map_or(u64::MAX, |(number, _)| *number);
            let end_key = index::key(&self.prefix, before.min(wanted.saturating_add(1)));
            let (begin, end) = (Bound::Included(self.prefix.as_slice()), Bound::Excluded(end_key.as_slice()));
            let rows = if self.live_is_over {
                reads.snapshot.ended_rows_in(begin, end)?
            } else {
                reads.snapshot.rows_in(&self.prefix, begin, end, true)?
            };
            self.rows.insert(rows)
        };
        let row = rows.next()?;
        // It asks for ever earlier blocks, so what has none now has none later.
        self.live_is_over = rows.live_is_over;
        reads.left = reads.left.saturating_sub(1);
        match row {
            None => (self.is_over, self.block) = (true, None),
            Some((key, row)) => {
                let number = index::number(&self.prefix, key.value());
                self.block = Some((number, row.value().to_vec()));
            }
        }
        Ok(())
    }
}
