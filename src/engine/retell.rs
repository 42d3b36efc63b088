//! Telling a story to a log that was written before: whether it is still the story that the log tells.
//!
//! A story may be changed under its version only if every log of it is answered as before. Golden logs, kept beside
//! the source, say so for what is released: each is told to the story of today, which does nothing and writes
//! nothing, for every step of it is answered by a record, and what the log lacks is a difference.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use event::{Event as _, Record};

use crate::Engine;
use crate::branch::Branch;
use crate::flow::{Armed, Flow, Inner, Told};
use crate::kinds::{Ended, Outcome, Started, Turned};
use crate::live::Live;
use crate::queue::{Ticket, lock};
use crate::unwind::{Caught, journal, leftover};
use crate::workflow::Halt;

impl<P: Send + Sync + 'static> Engine<P> {
    /// Tells the story of a flow that has ended to its records, oldest first. The engine has to drive, for a story may
    /// wait for a place; what its own log holds does not matter.
    ///
    /// # Errors
    /// What differs, in words: a step of another kind or in another place, one that the log has and the story does not
    /// come to, one that it lacks, an undo more or less, another output, a story or a version that is not in the book.
    pub async fn retell(&self, records: Vec<Record>) -> Result<(), String> {
        let first = records.first().ok_or("it has no records")?.clone();
        let started: Started = first.get().map_err(|error| format!("its first record: {error}"))?;
        let last = records.last().and_then(|record| record.get::<Ended>().ok());
        let outcome = last.ok_or("its last record is not its end")?.outcome;
        let turned = records.iter().any(|record| record.kind == Turned::KIND);
        let story =
            self.shared.book.find(&started.name, started.version).map_err(|error| error.to_string())?;
        let live = Live::new(&self.shared.queue, false);
        live.remember(&records);
        let told = Told {
            journal: journal(records),
            inherited: HashMap::new(),
            places: HashMap::new(),
            tried: HashMap::new(),
            armed: Vec::new(),
            committed: false,
            turned,
            last: Ticket::default(),
            patches: HashMap::new(),
            children: Vec::new(),
            // Of one that went to its end, whatever is not in the log is a difference.
            broken: (!turned).then(|| "the story does a step that the log does not have".to_owned()),
        };
        // It is nobody that a commit waits for, and was not taken up.
        live.ahead.gone();
        live.takes_counted();
        let (id, scope, name) = (first.flow, Arc::new(first.scope), started.name.clone());
        let (shared, told) = (self.shared.clone(), Mutex::new(told));
        let inner = Inner { id, work: id, resets: 0, name, scope, shared, live, told };
        let flow = Flow { inner: Arc::new(inner), branch: Branch::trunk(first.time_ms, false) };
        let result = Caught(story(flow.clone(), started.input)).await;
        let told = lock(&flow.inner.told);
        match (result, &outcome) {
            (Err(Halt::Park(why)), _) => {
                let number = lock(&flow.branch.line).number;
                return Err(format!("{why} (it came to step {number})"));
            }
            (Err(Halt::Stopped(error)), _) => return Err(error.to_string()),
            (Ok(output), Outcome::Done(known)) if output != *known => {
                return Err("it ends with another output".to_owned());
            }
            (Ok(_), Outcome::Done(_)) | (Err(Halt::Continued(_)), Outcome::Continued(_)) => {}
            (_, Outcome::Continued(_)) => return Err("it no longer goes on as another flow".to_owned()),
            (_, Outcome::Done(_)) => return Err("it no longer comes to its end".to_owned()),
            // It was turned from outside, at the end of its steps or before.
            _ => {}
        }
        if let Some(path) = leftover(&told) {
            return Err(format!("the log has a step {path} that the story never comes to"));
        }
        let undone = |armed: &&Armed<P>| told.journal.contains_key(&format!("{}~", armed.path));
        match told.armed.iter().find(|armed| turned && !undone(armed)) {
            Some(armed) => Err(format!("the story undoes step {}, the log did not", armed.path)),
            None => Ok(()),
        }
    }
}
