//! A server elsewhere: the same requests as to a data directory of one's own, signed and sent over HTTP.
//!
//! ```text
//!  command ──Request──▶ Remote ──signed call──▶ POST /kiln/v1 ──▶ service
//! ```
//!
//! A call that got no answer is sent again under the same id, so that nothing is started twice. It deliberately
//! knows no command and prints nothing.

mod connection;
mod endpoint;
mod remote;

pub use endpoint::Endpoint;
pub use remote::{Keys, Remote};
