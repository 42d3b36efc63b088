//! Stretches of one object that one client asks for side by side go one after another, as long as it takes them
//! without a pause.
//!
//! A client that brings an object by several connections has one processor for them, or as many as it has, and on
//! the way to it there is one line: the stretches together are no faster than the first alone, and what they cost
//! each other (threads of one client that take turns at every piece, bodies that push each other out of caches) is
//! lost. Where one connection does not fill the line, because the way is long or the client is slow, the next
//! stretch goes beside it: nobody waits for who waits.
//!
//! Whoever asks is in a lane of its own, so no client waits for another.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use domain::port::Location;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

/// Bytes a second of a connection that fills its line or keeps its client busy: half of what a gigabit carries. A
/// slower one, on a long way or to a slow client, has others beside it.
const FULL_RATE: u64 = 64 << 20;
/// How long a stretch may be behind that: a client that has much in its buffers takes nothing until it has read some
/// mebibytes of it, which are 30 ms at 100 MiB/s.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// How often who waits looks whether somebody is too slow.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a stretch waits for others at most. Clients give an answer's first byte a minute and longer; a second
/// is what three parts of 64 MiB take that go before.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Bytes that go before whoever waits has its turn: a client's part is of 8 to 64 MiB, and is best not interrupted.
const TURN_BYTES: u64 = 64 << 20;

/// The lanes in which something goes, by whose they are.
#[derive(Clone, Debug)]
pub struct Lanes(Arc<All>);

#[derive(Debug)]
struct All {
    /// How many stretches go in a lane at a time.
    width: usize,
    lanes: Mutex<HashMap<String, Weak<Lane>>>,
}

/// See above.
#[derive(Debug)]
pub struct Lane {
    name: String,
    all: Arc<All>,
    /// Who waits is let in in the order in which it came.
    room: Arc<Semaphore>,
    going: Mutex<Going>,
}

#[derive(Debug, Default)]
struct Going {
    next: u64,
    /// Whose turn it is, and until when if nothing is taken.
    turns: Vec<(u64, Instant)>,
}

impl Default for Lanes {
    /// For as many stretches at a time as half the processors: each keeps about two busy, one that reads and one
    /// that sends.
    fn default() -> Self {
        Self::new(thread::available_parallelism().map_or(1, NonZero::get) / 2)
    }
}

impl Lanes {
    /// Lanes in which so many stretches go at a time, one at least.
    pub fn new(width: usize) -> Self {
        Self(Arc::new(All { width: width.max(1), lanes: Mutex::default() }))
    }

    /// The lane of whoever signs with a key and asks from an address, for an object. A URL that is signed by one
    /// key and given to many is asked for from many addresses.
    pub fn lane(&self, key: &str, from: Option<IpAddr>, at: &Location) -> Arc<Lane> {
        let mut lanes = lock(&self.0.lanes);
        let begun = lanes.entry(format!("{key} {from:?} {at}"));
        if let Entry::Occupied(begun) = &begun
            && let Some(lane) = begun.get().upgrade()
        {
            return lane;
        }
        let lane = Arc::new(Lane {
            name: begun.key().clone(),
            all: Arc::clone(&self.0),
            room: Arc::new(Semaphore::new(self.0.width)),
            going: Mutex::default(),
        });
        begun.insert_entry(Arc::downgrade(&lane));
        lane
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut lanes = lock(&self.all.lanes);
        // Another one of this name may have begun since nobody had this one.
        if lanes.get(&self.name).is_some_and(|lane| lane.strong_count() == 0) {
            lanes.remove(&self.name);
        }
    }
}

impl Lane {
    /// Waits for a turn; none if others took too long.
    pub(crate) async fn turn(self: Arc<Self>) -> Option<Slot> {
        let room = Arc::clone(&self.room);
        let admitted = async {
            let mut entering = std::pin::pin!(room.acquire());
            loop {
                tokio::select! {
                    permit = &mut entering => return permit.expect("it is never closed").forget(),
                    () = sleep(LOOK_EVERY) => self.pass_by_who_is_slow(),
                }
            }
        };
        timeout(WAIT_MAX, admitted).await.ok()?;
        let mut going = lock(&self.going);
        let number = going.next;
        going.next += 1;
        going.turns.push((number, Instant::now() + PAUSE_MAX));
        drop(going);
        Some(Slot { lane: self, number, left: TURN_BYTES })
    }

    fn pass_by_who_is_slow(&self) {
        let now = Instant::now();
        let mut going = lock(&self.going);
        let before = going.turns.len();
        going.turns.retain(|(_, until)| now < *until);
        self.room.add_permits(before - going.turns.len());
    }
}

/// A stretch's turn; whoever waits has its own when this one is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    lane: Arc<Lane>,
    number: u64,
    left: u64,
}

/// What is to be done after something was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The turn goes on.
    GoOn,
    /// Enough has gone: whoever waits is next, and then this one again.
    WaitAgain,
    /// Too slow: others go already, and this one beside them.
    GoBeside,
}

impl Slot {
    /// So many bytes were taken.
    pub(crate) fn took(&mut self, bytes: usize) -> Then {
        self.left = self.left.saturating_sub(bytes as u64);
        let mut going = lock(&self.lane.going);
        let Some((_, until)) = going.turns.iter_mut().find(|(number, _)| *number == self.number) else {
            return Then::GoBeside;
        };
        let worth = Duration::from_nanos(bytes as u64 * 1_000_000_000 / FULL_RATE);
        *until = (*until + worth).min(Instant::now() + PAUSE_MAX);
        if self.left == 0 { Then::WaitAgain } else { Then::GoOn }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut going = lock(&self.lane.going);
        let before = going.turns.len();
        going.turns.retain(|(number, _)| *number != self.number);
        self.lane.room.add_permits(before - going.turns.len());
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use bytes::Bytes;
    use domain::port::Location;
    use domain::port_objects::ObjectBytes;
    use event::Failure;
    use http_body_util::BodyExt;
    use tokio::time::{Instant, sleep, timeout};

    use super::{LOOK_EVERY, Lanes, PAUSE_MAX, TURN_BYTES, WAIT_MAX};
    use crate::Outgoing;

    /// An object of nothing but zeros.
    struct Zeros;

    #[async_trait]
    impl ObjectBytes for Zeros {
        async fn read(&self, _: u64, len: usize) -> Result<Bytes, Failure> {
            Ok(Bytes::from(vec![0; len]))
        }
    }

    /// What a piece takes at the rate of a line that is full.
    const PIECE_TIME: Duration = Duration::from_millis(8);
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const PIECE: u64 = 512 << 10;
    const PART: u64 = 8 << 20;

    fn part(lanes: &Lanes, key: &str, path: &str, bytes: u64) -> Outgoing {
        Outgoing::new(Arc::new(Zeros), 0, bytes, lanes.lane(key, Some(HERE), &Location::file(path)))
    }

    /// Takes what is next; how many bytes.
    async fn take(part: &mut Outgoing) -> u64 {
        let frame = part.frame().await.expect("there is more").expect("zeros can be read");
        frame.into_data().expect("it is data").len() as u64
    }

    async fn take_all(part: &mut Outgoing) -> u64 {
        let mut taken = 0;
        while let Some(frame) = part.frame().await {
            taken += frame.expect("zeros can be read").into_data().expect("it is data").len() as u64;
        }
        taken
    }

    /// Whether nothing comes within a few milliseconds.
    async fn waits(part: &mut Outgoing) -> bool {
        timeout(LOOK_EVERY / 2, part.frame()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_goes_when_the_one_before_is_through() {
        let lanes = Lanes::new(1);
        let (mut first, mut second) = (part(&lanes, "K", "/disk", PART), part(&lanes, "K", "/disk", PART));
        let begun = take(&mut first).await;
        assert!(waits(&mut second).await);
        assert_eq!(begun + take_all(&mut first).await, PART);
        let through = Instant::now();
        assert_eq!(take_all(&mut second).await, PART);
        assert_eq!(through.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_go_side_by_side_as_the_lane_is_wide() {
        let lanes = Lanes::new(2);
        let mut parts: Vec<_> = (0..3).map(|_| part(&lanes, "K", "/disk", PART)).collect();
        take(&mut parts[0]).await;
        take(&mut parts[1]).await;
        assert!(waits(&mut parts[2]).await);
        // A client that breaks off gives its turn away.
        drop(parts.remove(0));
        assert_eq!(take_all(&mut parts[1]).await, PART);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_part_that_pauses() {
        let lanes = Lanes::new(1);
        let (mut slow, mut second) = (part(&lanes, "K", "/disk", PART), part(&lanes, "K", "/disk", PART));
        let begun = take(&mut slow).await;
        let paused = Instant::now();
        let next = take(&mut second).await;
        assert!(paused.elapsed() <= PAUSE_MAX + LOOK_EVERY, "{:?}", paused.elapsed());
        // And the slow one goes on beside the other.
        assert_eq!(begun + take_all(&mut slow).await, PART);
        assert_eq!(next + take_all(&mut second).await, PART);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_part_that_is_slow() {
        let lanes = Lanes::new(1);
        let (mut slow, mut second) = (part(&lanes, "K", "/disk", PART), part(&lanes, "K", "/disk", PART));
        let begin = Instant::now();
        let slowly = async {
            for _ in 0..PART / PIECE {
                take(&mut slow).await;
                sleep(PIECE_TIME * 4).await;
            }
        };
        let waited = async {
            take(&mut second).await;
            begin.elapsed()
        };
        let ((), waited) = tokio::join!(slowly, waited);
        // The slow one owes three quarters of the time it takes.
        assert!(waited <= PAUSE_MAX * 4 / 3 + LOOK_EVERY + PIECE_TIME * 4, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_waits_for_others_no_longer_than_a_second() {
        let lanes = Lanes::new(1);
        let (mut long, mut second) = (part(&lanes, "K", "/disk", 1 << 30), part(&lanes, "K", "/disk", PART));
        let begin = Instant::now();
        let going = async {
            loop {
                take(&mut long).await;
                sleep(PIECE_TIME).await;
            }
        };
        let waited = async {
            take(&mut second).await;
            begin.elapsed()
        };
        let waited = tokio::select! {
            () = going => unreachable!("it goes on"),
            waited = waited => waited,
        };
        assert!(waited >= WAIT_MAX && waited < WAIT_MAX + PIECE_TIME, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_part_lets_others_go_before_its_end() {
        let lanes = Lanes::new(1);
        let (mut long, mut second) =
            (part(&lanes, "K", "/disk", TURN_BYTES * 2), part(&lanes, "K", "/disk", PART));
        let mut taken = 0;
        while taken < TURN_BYTES {
            assert!(waits(&mut second).await);
            taken += take(&mut long).await;
        }
        take(&mut second).await;
        assert!(waits(&mut long).await);
        take_all(&mut second).await;
        assert_eq!(taken + take_all(&mut long).await, TURN_BYTES * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn neither_other_clients_nor_other_objects_nor_short_parts_wait() {
        let lanes = Lanes::new(1);
        let mut first = part(&lanes, "K", "/disk", PART);
        take(&mut first).await;
        let from_elsewhere = lanes.lane("K", None, &Location::file("/disk"));
        let others = [
            part(&lanes, "L", "/disk", PART),
            part(&lanes, "K", "/other", PART),
            Outgoing::new(Arc::new(Zeros), 0, PART, from_elsewhere),
        ];
        for mut other in others.into_iter().chain([part(&lanes, "K", "/disk", 1 << 20)]) {
            assert!(!waits(&mut other).await);
        }
        drop(first);
        // Nothing is kept of lanes in which nothing goes. What read ahead has its turn to come to its end.
        sleep(LOOK_EVERY).await;
        assert!(super::lock(&lanes.0.lanes).is_empty());
    }
}
