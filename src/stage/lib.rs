//! A stage for the tests of workflows: the real engine on a simulated disk, with a time that is skipped, failures of
//! steps by script, stories as text, and every fault there is tried by one call.
//!
//! ```
//! use async_trait::async_trait;
//! use engine::{Book, Flow, Halt, Workflow};
//! use event::{Draft, Failure, Scope};
//! use serde::{Deserialize, Serialize};
//! use stage::{Fate, House, paid::Paid, paid::Refunded, story};
//! # type Shop = std::sync::Mutex<std::collections::BTreeSet<String>>;
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Order { name: String }
//!
//! #[async_trait]
//! impl Workflow for Order {
//!     type Ports = Shop;
//!     type Output = ();
//!     const NAME: &'static str = "order";
//!     const VERSION: u32 = 1;
//!     fn scope(&self) -> Scope { Scope::from("shop") }
//!     fn label(&self) -> String { format!("order {}", self.name) }
//!     async fn run(self, flow: &Flow<Shop>) -> Result<(), Halt> {
//!         let (pays, refunds) = (self.name.clone(), self.name);
//!         flow.step(move |at| {
//!             let name = pays.clone();
//!             async move { at.ports().lock().unwrap().insert(name.clone()); Ok::<_, Failure>(Paid { name }) }
//!         })
//!         .undo(move |at| {
//!             let name = refunds.clone();
//!             async move { at.ports().lock().unwrap().remove(&name); Ok::<_, Failure>(Refunded { name }) }
//!         })
//!         .await?;
//!         flow.sleep(std::time::Duration::from_secs(30 * 24 * 60 * 60)).await
//!     }
//! }
//!
//! // A test of it: a month goes by at once, the shop is out of reach at first, and the story is the one on record.
//! let house = House::new(Shop::default(), || Book::default().with::<Order>());
//! house.strike("1", Fate::world("the shop does not answer"));
//! let row = house.run("once", Order { name: "tea".to_owned() });
//! story!(house, row.id, @r#"
//! flow.started/1 order tea
//! 1 order.paid/1 {"name":"tea"}
//! 2 flow.timer-set/1
//! 2+ flow.timer-fired/1
//! flow.ended/1 Done
//! "#);
//! // And whatever strikes wherever, the log is that one in the end, or the shop is as it was.
//! stage::faults(|| House::new(Shop::default(), || Book::default().with::<Order>()),
//!     &Order { name: "tea".to_owned() }, |shop| format!("{:?}", shop.lock().unwrap()));
//! ```
//!
//! Time moves only when nothing else does: every flow that is driven waits for a time, for a word or for another flow,
//! or one of its steps is at work. It then jumps to the next thing that is due. So a limit of an hour is over only if
//! the story really takes that long.

mod clock;
mod faults;
mod house;
mod script;
mod tells;
#[cfg(test)]
mod tests;

pub use clock::VirtualClock;
pub use faults::faults;
pub use house::{House, Life};
pub use insta;
pub use script::Fate;
pub use tells::lines;

/// Two events for the example above.
#[doc(hidden)]
pub mod paid {
    /// It was paid.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    pub struct Paid {
        /// What.
        pub name: String,
    }

    /// It was given back.
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    pub struct Refunded {
        /// What.
        pub name: String,
    }

    impl event::Event for Paid {
        const KIND: &'static str = "order.paid/1";
    }

    impl event::Event for Refunded {
        const KIND: &'static str = "order.refunded/1";
    }
}

/// Compares a flow's story, a line a record, with the text behind `@`, or with the snapshot of a name.
#[macro_export]
macro_rules! story {
    ($house:expr, $flow:expr, @$told:literal) => {
        $crate::insta::assert_snapshot!($house.story($flow), @$told)
    };
    ($house:expr, $flow:expr, $name:expr) => {
        $crate::insta::assert_snapshot!($name, $house.story($flow))
    };
}
