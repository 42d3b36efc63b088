//! What the log says of copies: how many were being made at once, and that the others waited.

use std::collections::BTreeSet;

use domain::events::{ImageBegun, ImageReserved, ImageSealed};
use event::{Event, Seq};

use crate::house::{House, TARGET};

/// How copies came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Copies that came to be.
    pub sealed: usize,
    /// The most that were being made at once.
    pub at_once: usize,
    /// The most that waited while others were being made.
    pub waiting: usize,
}

/// Reads it from the log's first event to its last.
pub fn copies(house: &House) -> Copies {
    let snapshot = house.engine.snapshot().unwrap();
    let kinds = [ImageReserved::KIND, ImageBegun::KIND, ImageSealed::KIND];
    let page = snapshot.records_where(Seq(1), snapshot.head().unwrap(), usize::MAX, |record| {
        kinds.contains(&record.kind.as_str())
    });
    let (mut waiting, mut begun, mut found) = (BTreeSet::new(), BTreeSet::new(), Copies::default());
    for record in page.unwrap().records {
        match record.kind.as_str() {
            ImageReserved::KIND => {
                let reserved: ImageReserved = record.get().unwrap();
                assert_eq!(reserved.waits, reserved.region.as_str() == TARGET, "a copy waits for its turn");
                if reserved.waits {
                    waiting.insert(reserved.image);
                }
            }
            ImageBegun::KIND => {
                let ImageBegun { image } = record.get().unwrap();
                assert!(waiting.remove(&image), "`{image}` begins once, and waited before");
                begun.insert(image);
            }
            _ => {
                let ImageSealed { image } = record.get().unwrap();
                found.sealed += usize::from(begun.remove(&image));
            }
        }
        found.at_once = found.at_once.max(begun.len());
        if !begun.is_empty() {
            found.waiting = found.waiting.max(waiting.len());
        }
    }
    assert!(waiting.is_empty() && begun.is_empty(), "all have come to their end");
    found
}
