//! The server: one port for all wires. It listens, tells the wires apart, proves who asks, and hands
//! the request to the room that speaks its language.
//!
//! ```text
//!  socket ─▶ listen ─▶ route ─┬─ /health /ready /metrics ─▶ said here, unsigned
//!                             └─ signed, with an action  ─▶ gate ─▶ ecs
//!                                    key, time, signature, nonce, throttle
//! ```
//!
//! Whatever comes in, what goes out is an envelope its client understands. It deliberately knows no
//! action and no rule.

mod access_log;
mod body;
mod collector;
mod gate;
mod listen;
mod metrics;
mod metrics_engine;
mod nonces;
mod own;
mod patient;
mod request_id;
mod route;
mod throttle;
mod tls;
mod traces;

pub use listen::{Listening, Options, serve};
pub use throttle::Limits;
pub use tls::Certificate;
pub use traces::{Traces, TracesTo};
