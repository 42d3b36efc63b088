//! Forgetting a batch: what is kept of its refused lines goes first, a stretch at a time, and what it was can be told
//! once more to whoever asks under the same request.

use std::collections::BTreeMap;

use domain::Projections;
use domain::batch::{BATCH_LINES, BATCHES, Batch, BatchChange, FORGOTTEN_MAX};
use domain::events::{BatchForgotten, BatchNoted};
use domain::image::house;
use engine::Snapshot;
use event::{Actor, Event as _, FlowId, Fold as _, Rows, RowsMut};

use crate::{Service, Trouble};

impl Service {
    /// Forgets so many refused lines that few are left for the event that forgets the batch. What is cut short here
    /// goes on when it is asked for again.
    pub(crate) async fn forget_lines(&self, batch: &Batch) -> Result<(), Trouble> {
        while let Some(below) = behind_some(&self.engine.snapshot()?, batch) {
            self.tell_batch(batch, "forget", BatchChange::ForgetLines { below }).await?;
        }
        Ok(())
    }
}

/// The line behind the first so many that were refused; none if there are fewer.
fn behind_some(rows: &Snapshot, batch: &Batch) -> Option<u64> {
    let (mut seen, mut behind) = (0, None);
    let prefix = BATCH_LINES.key(&house(), &[batch.account.as_str(), batch.id.as_str(), ""]);
    rows.scan(&prefix, &mut |_, line| {
        seen += 1;
        if seen > FORGOTTEN_MAX {
            behind = Some(BATCH_LINES.read(line).line);
        }
        behind.is_none()
    });
    behind
}

/// The batch that an operation has forgotten, as it was then.
pub(crate) fn forgotten(rows: &Snapshot, actor: &Actor, flow: FlowId) -> Option<Batch> {
    let batch = rows.flow(flow)?.subjects.first()?.0.clone();
    let mut then = Memory::default();
    for record in rows.history(&batch).ok()? {
        // What was noted meanwhile stands in its end.
        if record.kind != BatchForgotten::KIND && record.kind != BatchNoted::KIND {
            Projections.apply(&mut then, &record);
        }
    }
    BATCHES.get(&then, &house(), &[&actor.account, &batch])
}

/// A few rows.
#[derive(Default)]
struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

impl Rows for Memory {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        let rows = self.0.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        for (key, value) in rows {
            if !visit(key, value) {
                return;
            }
        }
    }
}

impl RowsMut for Memory {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match value {
            Some(value) => _ = self.0.insert(key, value),
            None => _ = self.0.remove(&key),
        }
    }
}
