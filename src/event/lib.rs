//! The envelope every fact is kept in, and the few words that the engine and the ports share.
//!
//! A [`Record`] is at once the memo that makes an operation resumable, the domain event that the
//! projections fold, and the line an auditor reads. This room knows the envelope and no kind by
//! name: the nouns and their events are in `domain`, the operations in `workflows`.
//!
//! It deliberately does no I/O and reaches no clock.

mod failure;
mod id;
mod order;
mod record;
mod rows;
mod work;

pub use failure::{Failure, Refusal};
pub use id::{Actor, Cause, FlowId, Path, Scope, Seq, Subject};
pub use order::{Hand, Order, Pace, Until, Wait, When};
pub use record::{Draft, Error, Event, Record};
pub use rows::{DECIDE_ROWS_MAX, Fold, Rows, RowsMut, Table, View};
pub use work::{Attempt, Progress, Work};
