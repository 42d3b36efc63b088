//! The simulation's domain: counters and reservations, whose truth is easy to check.
//!
//! Every event says what its rule saw, so that whoever reads the log can tell whether that was the head: the value
//! before, a sum over all rows of the scope, the time. One row depends on the order of all events there are.

use event::{Event, FlowId, Fold, Record, RowsMut, Scope, Subject, Table, View};
use serde::{Deserialize, Serialize};

/// Reservations of one scope at most: a rule that has to look at a list.
pub(crate) const HELD_MAX: usize = 3;
/// Places under a key, by its number.
pub(crate) const PLACES: [usize; 3] = [1, 1, 2];

/// How many steps may begin in how many milliseconds under a key, by its number.
pub(crate) const RATES: [(u32, u64); 2] = [(1, 400), (3, 1500)];

macro_rules! events {
    ($($name:ident $kind:literal { $($field:ident: $type:ty),* })*) => {
        $(
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            pub(crate) struct $name { $(pub(crate) $field: $type),* }
            impl Event for $name {
                const KIND: &'static str = $kind;
                fn subjects(&self) -> Vec<Subject> { vec![Subject(concerned(self))] }
            }
        )*
        pub(crate) const TOY_KINDS: &[&str] = &[$($kind),*];
    };
}

events! {
    Counted "counter.counted/1" { name: String, add: i64, before: i64, sight: Sight }
    Uncounted "counter.uncounted/1" { name: String, add: i64, before: i64, sight: Sight }
    Reserved "place.reserved/1" { name: String, by: FlowId, sight: Sight }
    Stolen "place.stolen/1" { name: String, by: FlowId, from: Option<FlowId>, sight: Sight }
    Freed "place.freed/1" { name: String, sight: Sight }
    Said "word.said/1" { text: String, sight: Sight }
    Acted "thing.acted/1" { key: String }
    Unacted "thing.unacted/1" { key: String }
    Shut "thing.shut/1" { sight: Sight }
    Taken "parts.taken/1" { count: u64 }
}

/// What an event concerns: the kind of thing, or one by name.
fn concerned(event: &impl Serialize) -> String {
    #[derive(Deserialize)]
    struct Named {
        name: Option<String>,
        key: Option<String>,
    }
    let bytes = rmp_serde::to_vec_named(event).expect("an event is plain data");
    let named: Named = rmp_serde::from_slice(&bytes).expect("other fields are skipped");
    format!("thing-{}", named.name.or(named.key).unwrap_or_default())
}

/// What a rule saw of its scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sight {
    pub(crate) rows: u64,
    pub(crate) sum: u64,
    pub(crate) now_ms: i64,
}

impl Sight {
    /// The sight of these rows, in the order of their names.
    pub(crate) fn of<'a>(
        counters: impl Iterator<Item = &'a Counter>,
        held: impl Iterator<Item = &'a Held>,
        now_ms: i64,
    ) -> Self {
        let mut sight = Self { rows: 0, sum: 0, now_ms };
        let texts = counters.map(|row| format!("{row:?}"));
        for text in texts.chain(held.map(|row| format!("{row:?}"))) {
            sight.rows += 1;
            sight.sum = mix(sight.sum, text.as_bytes());
        }
        sight
    }
}

pub(crate) fn mix(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum.rotate_left(7) ^ 0x9e37_79b9, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counter {
    pub(crate) name: String,
    pub(crate) value: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) name: String,
    pub(crate) by: FlowId,
}

/// There is no row of a counter that stands at zero.
pub(crate) const COUNTERS: Table<Counter> = Table::new("counter");
pub(crate) const HELD: Table<Held> = Table::new("held");
/// Of all records of a scope, in their order.
pub(crate) const SUMS: Table<(u64, u64)> = Table::new("sum");

pub(crate) fn scope(number: u8) -> Scope {
    Scope(format!("10000{number}/cn-a"))
}

pub(crate) fn sight(view: &View<'_>) -> Sight {
    Sight::of(view.list(&COUNTERS, &[]).iter(), view.list(&HELD, &[]).iter(), view.now_ms())
}

#[derive(Debug)]
pub(crate) struct ToyFold;

impl Fold for ToyFold {
    fn version(&self) -> u32 {
        1
    }

    fn knows(&self, kind: &str) -> bool {
        TOY_KINDS.contains(&kind)
    }

    fn apply(&self, rows: &mut dyn RowsMut, record: &Record) {
        let scope = &record.scope;
        let (count, sum) = SUMS.get(rows, scope, &[]).unwrap_or_default();
        let text = format!("{} {} {} {}", record.seq, record.flow, record.path, record.kind);
        SUMS.put(rows, scope, &[], &(count + 1, mix(sum, text.as_bytes())));
        let mut count = |name: String, add: i64| {
            let value = COUNTERS.get(rows, scope, &[&name]).map_or(0, |row| row.value) + add;
            match value {
                0 => COUNTERS.remove(rows, scope, &[&name]),
                _ => COUNTERS.put(rows, scope, &[&name.clone()], &Counter { name, value }),
            }
        };
        if let Ok(counted) = record.get::<Counted>() {
            count(counted.name, counted.add);
        } else if let Ok(uncounted) = record.get::<Uncounted>() {
            count(uncounted.name, -uncounted.add);
        } else if let Ok(Reserved { name, by, .. }) = record.get() {
            HELD.put(rows, scope, &[&name.clone()], &Held { name, by });
        } else if let Ok(Stolen { name, by, .. }) = record.get() {
            HELD.put(rows, scope, &[&name.clone()], &Held { name, by });
        } else if let Ok(freed) = record.get::<Freed>() {
            HELD.remove(rows, scope, &[&freed.name]);
        }
    }
}
