//! Places under one key, and who gets the next one that is free.
//!
//! Whoever waits stands in the line of its class, and lines are served first come, first served. A free place goes to
//! the line of people before that of the background; but when the background has been passed by
//! [`PASSED_MAX`] times in a row while it waited, the next place is its. So a person is behind at most one of a
//! crowd of thousands, and the crowd gets at least every fourth place for as long as people keep coming.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::kinds::Class;
use crate::queue::lock;

/// How often in a row the background is passed by.
pub(crate) const PASSED_MAX: u32 = 3;

/// So many places.
#[derive(Debug)]
pub(crate) struct Places(Mutex<Lines>);

#[derive(Debug)]
struct Lines {
    free: usize,
    people: VecDeque<oneshot::Sender<Place>>,
    background: VecDeque<oneshot::Sender<Place>>,
    passed: u32,
}

/// A place that somebody has until this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<Arc<Places>>);

impl Places {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        let (people, background) = (VecDeque::new(), VecDeque::new());
        Arc::new(Self(Mutex::new(Lines { free: count, people, background, passed: 0 })))
    }

    /// A place, if one is free; then nobody waits.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Place> {
        let mut lines = lock(&self.0);
        lines.free = lines.free.checked_sub(1)?;
        Some(Place(Some(self.clone())))
    }

    /// A place, as soon as it is this one's turn. Whoever gives up waiting leaves the line by dropping this.
    pub(crate) fn take(self: &Arc<Self>, class: Class) -> impl Future<Output = Place> + Send + 'static {
        let (sender, turn) = oneshot::channel();
        let mut lines = lock(&self.0);
        let place = if lines.free > 0 {
            lines.free -= 1;
            Some(Place(Some(self.clone())))
        } else {
            lines.line(class).push_back(sender);
            None
        };
        drop(lines);
        // Held while it waits, so that the lines are not dropped with those who stand in them.
        let places = self.clone();
        async move {
            let place = match place {
                Some(place) => place,
                None => turn.await.expect("a line lives as long as those who stand in it"),
            };
            drop(places);
            place
        }
    }
}

impl Lines {
    fn line(&mut self, class: Class) -> &mut VecDeque<oneshot::Sender<Place>> {
        match class {
            Class::Person => &mut self.people,
            Class::Background => &mut self.background,
        }
    }

    /// Who is next, if anybody waits.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        let background_is_due = self.people.is_empty() || self.passed >= PASSED_MAX;
        if background_is_due && let Some(next) = self.background.pop_front() {
            self.passed = 0;
            return Some(next);
        }
        let next = self.people.pop_front();
        if next.is_some() && !self.background.is_empty() {
            self.passed += 1;
        }
        next
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // In a loop: of a crowd that was cancelled nobody takes it.
        while let Some(places) = self.0.take() {
            let next = {
                let mut lines = lock(&places.0);
                let next = lines.next();
                if next.is_none() {
                    lines.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            if let Err(mut refused) = next.send(Place(Some(places))) {
                self.0 = refused.0.take();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a crowd take one place in turns; says who had it.
    fn turns(places: &Arc<Places>, waiting: Vec<(usize, oneshot::Receiver<Place>)>) -> Vec<usize> {
        let mut waiting = waiting;
        let mut had = Vec::new();
        while let Some(at) = waiting.iter_mut().position(|(_, turn)| !turn.is_empty()) {
            let (who, mut turn) = waiting.remove(at);
            let place = turn.try_recv().unwrap();
            assert!(places.try_take().is_none(), "there is one place");
            had.push(who);
            drop(place);
        }
        had
    }

    fn stand(places: &Arc<Places>, class: Class) -> oneshot::Receiver<Place> {
        let (sender, receiver) = oneshot::channel();
        lock(&places.0).line(class).push_back(sender);
        receiver
    }

    #[test]
    fn people_go_before_a_crowd_and_the_crowd_gets_every_fourth_place() {
        let places = Places::new(1);
        let holder = places.try_take().unwrap();
        let mut waiting = Vec::new();
        for who in 0..5 {
            waiting.push((100 + who, stand(&places, Class::Background)));
        }
        for who in 0..8 {
            waiting.push((who, stand(&places, Class::Person)));
        }
        drop(holder);
        assert_eq!(turns(&places, waiting), [0, 1, 2, 100, 3, 4, 5, 101, 6, 7, 102, 103, 104]);
        assert!(places.try_take().is_some(), "and then it is free");
    }

    #[test]
    fn those_who_left_the_line_are_passed_over_however_many_they_are() {
        let places = Places::new(1);
        let holder = places.try_take().unwrap();
        for _ in 0..200_000 {
            drop(stand(&places, Class::Background));
        }
        let last = stand(&places, Class::Person);
        drop(holder);
        assert_eq!(turns(&places, vec![(1, last)]), [1]);
        assert!(places.try_take().is_some());
    }

    #[tokio::test]
    async fn a_place_that_was_given_but_not_taken_goes_on_to_the_next() {
        let places = Places::new(1);
        let holder = places.take(Class::Person).await;
        let first = places.take(Class::Person);
        let second = places.take(Class::Background);
        drop(holder);
        drop(first);
        drop(second.await);
        assert!(places.try_take().is_some());
    }
}
