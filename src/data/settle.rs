//! The two ends of a transfer: its packs serve the account, or they are gone.

use redb::ReadableTable;

use crate::fault::Result;
use crate::fence::Turn;
use crate::index::{JOBS, OWNED, PACKS, PackRow, SEGMENTS, decode, encode};
use crate::store::{Store, owned};

/// Rows changed in one transaction.
const ROWS_AT_ONCE: usize = 4096;

/// Gives a job's packs to its account, then forgets the job. In bounded steps, each of which may
/// have been done before.
pub(crate) fn settle(store: &Store, job: &str, turn: &Turn<'_>) -> Result<()> {
    loop {
        turn.check()?;
        let packs = store.index.read(|tx| owned(tx, job))?;
        let some = &packs[..packs.len().min(ROWS_AT_ONCE)];
        if some.is_empty() {
            return forget(store, job, turn);
        }
        store.index.write(|tx| {
            let (mut rows, mut mine) = (tx.open_table(PACKS)?, tx.open_table(OWNED)?);
            for &pack in some {
                let row = rows.get(pack)?.map(|row| decode::<PackRow>(row.value())).transpose()?;
                if let Some(row) = row {
                    rows.insert(pack, encode(&PackRow { owner: None, ..row }).as_slice())?;
                }
                mine.remove((job, pack))?;
            }
            // The usual case is one transaction for all of it.
            if some.len() == packs.len() { forget_some(tx, job).map(drop) } else { Ok(()) }
        })?;
    }
}

/// Removes a job's packs, then forgets the job. Fine if it never began.
pub(crate) fn discard(store: &Store, job: &str, turn: &Turn<'_>) -> Result<()> {
    turn.check()?;
    let packs = store.index.read(|tx| owned(tx, job))?;
    store.remove_packs(&packs)?;
    // What was being filled when the last attempt stopped has no row.
    store.sweep()?;
    forget(store, job, turn)
}

fn forget(store: &Store, job: &str, turn: &Turn<'_>) -> Result<()> {
    loop {
        turn.check()?;
        let there = store.index.read(|tx| {
            let segment = tx.open_table(SEGMENTS)?.range((job, 0)..=(job, u64::MAX))?.next().is_some();
            Ok(segment || tx.open_table(JOBS)?.get(job)?.is_some())
        })?;
        if !there || store.index.write(|tx| forget_some(tx, job))? {
            return Ok(());
        }
    }
}

/// Forgets segments of a job and, behind the last of them, the job. Whether that is all.
fn forget_some(tx: &redb::WriteTransaction, job: &str) -> crate::index::Inside<bool> {
    let mut segments = tx.open_table(SEGMENTS)?;
    let some: Vec<u64> = segments
        .range((job, 0)..=(job, u64::MAX))?
        .take(ROWS_AT_ONCE)
        .map(|row| Ok(row?.0.value().1))
        .collect::<crate::index::Inside<_>>()?;
    for &segment in &some {
        segments.remove((job, segment))?;
    }
    if some.len() == ROWS_AT_ONCE {
        return Ok(false);
    }
    tx.open_table(JOBS)?.remove(job)?;
    Ok(true)
}
