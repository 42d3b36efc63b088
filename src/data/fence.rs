//! One run at a time for each job, and the newest wins.
//!
//! The engine begins an attempt only when the one before has ended. This is the belt to that
//! brace: a newer run tells an older one that is still moving to stop, and waits until it has; an
//! attempt older than one already seen is turned away.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use domain::port::Job;
use event::{Attempt, Failure};

use crate::fault::Result;

/// Jobs remembered: more than can be under way in one process, a few hundred bytes each.
const JOBS_REMEMBERED: usize = 16 * 1024;

/// All jobs of this process.
#[derive(Default)]
pub(crate) struct Fences {
    jobs: Mutex<Jobs>,
    ended: Condvar,
}

#[derive(Default)]
struct Jobs {
    rows: HashMap<String, Row>,
    /// Oldest first, to forget them.
    order: VecDeque<String>,
    turns: u64,
}

#[derive(Default)]
struct Row {
    /// The highest attempt seen, by what is done; attempts are counted for each step.
    seen: HashMap<&'static str, Attempt>,
    running: Option<Arc<AtomicBool>>,
    newest: u64,
    waiting: usize,
    read: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
}

/// The right to work on a job; ends when dropped.
pub(crate) struct Turn<'a> {
    fences: &'a Fences,
    job: String,
    fenced: Arc<AtomicBool>,
    /// Bytes read from the source for this job in this process.
    pub(crate) read: Arc<AtomicU64>,
    /// Bytes a copy sent for this job in this process.
    pub(crate) sent: Arc<AtomicU64>,
}

impl Fences {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of this run.
    pub(crate) fn begin(&self, job: &Job, doing: &'static str, attempt: Attempt) -> Result<Turn<'_>> {
        let mut jobs = self.jobs();
        jobs.remember(&job.0);
        jobs.turns += 1;
        let turn = jobs.turns;
        let row = jobs.rows.entry(job.0.clone()).or_default();
        let seen = *row.seen.entry(doing).or_insert(attempt);
        if seen > attempt {
            return Err(fenced(&job.0));
        }
        row.seen.insert(doing, attempt);
        row.newest = turn;
        row.waiting += 1;
        let fenced_here = Arc::new(AtomicBool::new(false));
        loop {
            let row = jobs.rows.get_mut(&job.0).expect("a row that is waited for is not forgotten");
            if row.newest != turn {
                row.waiting -= 1;
                return Err(fenced(&job.0));
            }
            match &row.running {
                None => {
                    row.waiting -= 1;
                    row.running = Some(Arc::clone(&fenced_here));
                    let (read, sent) = (Arc::clone(&row.read), Arc::clone(&row.sent));
                    return Ok(Turn { fences: self, job: job.0.clone(), fenced: fenced_here, read, sent });
                }
                Some(older) => older.store(true, Ordering::Relaxed),
            }
            jobs = self.ended.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Bytes read from sources for this job since the process began.
    pub(crate) fn read(&self, job: &Job) -> u64 {
        self.jobs().rows.get(&job.0).map_or(0, |row| row.read.load(Ordering::Relaxed))
    }

    /// Bytes sent by copies for this job since the process began.
    pub(crate) fn sent(&self, job: &Job) -> u64 {
        self.jobs().rows.get(&job.0).map_or(0, |row| row.sent.load(Ordering::Relaxed))
    }
}

impl Jobs {
    fn remember(&mut self, job: &str) {
        if self.rows.contains_key(job) {
            return;
        }
        self.order.push_back(job.to_owned());
        while self.order.len() > JOBS_REMEMBERED {
            let Some(oldest) = self.order.pop_front() else { return };
            if self.rows.get(&oldest).is_some_and(|row| row.running.is_some() || row.waiting > 0) {
                self.order.push_back(oldest);
                return;
            }
            self.rows.remove(&oldest);
        }
    }
}

impl Turn<'_> {
    /// Fails once a newer run wants this job.
    pub(crate) fn check(&self) -> Result<()> {
        if self.fenced.load(Ordering::Relaxed) { Err(fenced(&self.job)) } else { Ok(()) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(row) = self.fences.jobs().rows.get_mut(&self.job) {
            row.running = None;
        }
        self.fences.ended.notify_all();
    }
}

/// What an older run is told.
pub(crate) fn fenced(job: &str) -> Failure {
    Failure::Ours(format!("a newer attempt at `{job}` has fenced this one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u32) -> Attempt {
        Attempt { incarnation: 1, number }
    }

    #[test]
    fn an_attempt_older_than_one_seen_is_turned_away() {
        let fences = Fences::default();
        let job = Job("a".into());
        drop(fences.begin(&job, "transfer", attempt(2)).unwrap());
        assert!(matches!(fences.begin(&job, "transfer", attempt(1)), Err(Failure::Ours(_))));
        assert!(fences.begin(&job, "verify", attempt(1)).is_ok(), "another step counts for itself");
    }

    #[test]
    fn a_newer_attempt_stops_the_older_and_waits_for_its_end() {
        let fences = Fences::default();
        let job = Job("a".into());
        let older = fences.begin(&job, "transfer", attempt(1)).unwrap();
        std::thread::scope(|scope| {
            let newer = scope.spawn(|| fences.begin(&job, "transfer", attempt(2)).map(drop));
            while older.check().is_ok() {
                std::thread::yield_now();
            }
            assert!(!newer.is_finished());
            drop(older);
            assert!(newer.join().unwrap().is_ok());
        });
    }
}
