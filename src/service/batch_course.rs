//! How far a batch is: which of its lines have ended, how they did, and how fast that goes.

use std::collections::VecDeque;
use std::time::Duration;

use domain::batch::{BatchNote, Counts, Unstarted};
use tokio::time::Instant;

/// The stretch of time by which speed is told.
const SPEED_SPAN: Duration = Duration::from_secs(10);
/// Which lines have ended.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// So many in a row have.
    pub(crate) settled: u64,
    /// How those did.
    pub(crate) row: Counts,
    /// How all that have ended did.
    pub(crate) all: Counts,
    /// Behind those in a row: how each did that has ended.
    behind: VecDeque<Option<Counts>>,
    /// Those that never became operations, since the last note.
    pub(crate) unstarted: Vec<Unstarted>,
}

impl Course {
    /// The course of a batch that had come so far.
    pub(crate) fn from(settled: u64, counts: Counts) -> Self {
        Self { settled, row: counts, all: counts, ..Self::default() }
    }

    pub(crate) fn put(&mut self, place: u64, how: Counts) {
        add(&mut self.all, how);
        let at = usize::try_from(place - self.settled).unwrap_or(usize::MAX);
        while self.behind.len() <= at {
            self.behind.push_back(None);
        }
        self.behind[at] = Some(how);
        while let Some(Some(how)) = self.behind.front().copied() {
            self.behind.pop_front();
            add(&mut self.row, how);
            self.settled += 1;
        }
    }

    pub(crate) fn note(&mut self) -> BatchNote {
        BatchNote { settled: self.settled, counts: self.row, unstarted: std::mem::take(&mut self.unstarted) }
    }
}

fn add(counts: &mut Counts, more: Counts) {
    counts.done += more.done;
    counts.failed += more.failed;
    counts.parked += more.parked;
}

/// How many lines ended, and when.
#[derive(Debug)]
pub(crate) struct Speed {
    marks: VecDeque<(Instant, u64)>,
}

impl Speed {
    /// From now on, when so many lines have ended.
    pub(crate) fn from(all: u64) -> Self {
        Self { marks: VecDeque::from([(Instant::now(), all)]) }
    }

    /// So many lines have ended; how many do in a second, lately.
    pub(crate) fn mark(&mut self, all: u64) -> f64 {
        let now = Instant::now();
        let is_new = self.marks.back().is_none_or(|(at, _)| now - *at > SPEED_SPAN / 100);
        if is_new {
            self.marks.push_back((now, all));
        }
        while self.marks.len() > 2 && self.marks.front().is_some_and(|(at, _)| now - *at > SPEED_SPAN) {
            self.marks.pop_front();
        }
        let Some((since, before)) = self.marks.front() else { return 0.0 };
        let seconds = (now - *since).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a speed for people")]
        let lines = all.saturating_sub(*before) as f64;
        if seconds > 0.0 { lines / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_is_settled_as_far_as_every_line_has_ended() {
        let (well, badly) =
            (Counts { done: 1, ..Counts::default() }, Counts { failed: 1, ..Counts::default() });
        let mut course = Course { settled: 10, ..Course::default() };
        course.put(12, well);
        course.put(11, badly);
        assert_eq!((course.settled, course.row.all(), course.all.all()), (10, 0, 2));
        course.put(10, well);
        assert_eq!((course.settled, course.row.done, course.row.failed), (13, 2, 1));
        course.put(13, well);
        assert_eq!((course.note().settled, course.behind.len()), (14, 0));
    }
}
