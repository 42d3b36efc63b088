//! What a request looks like on the wire of the ECS API, before anybody knows what it asks for:
//! percent-encoding, flattened parameters, both signature styles, and the envelopes of answers.
//!
//! ```text
//!  query, form ──▶ Pairs ──▶ Params        names with dots become lists and objects
//!        │            └────▶ Signed        what was signed, by which key, and when
//!  Object ──▶ JSON or XML                  the envelope its client understands
//!  Fault  ──▶ JSON or XML, status, headers
//! ```
//!
//! The same functions sign what `kiln --endpoint` sends. It deliberately knows no action, no account
//! and no socket: those are the rooms above.

mod encode;
mod fault;
mod form;
mod params;
mod sign;
mod time;
mod value;

pub use encode::{decode_form, percent};
pub use fault::{Denied, Fault};
pub use form::{Answer, Form};
pub use params::{PARAMS_MAX, Pairs, Params, Reads};
pub use sign::{ACS3, SKEW_MS, Seen, Signed, Style, sha256_hex, sign_acs3, sign_rpc};
pub use time::{http_date, minutes, parse_time, seconds};
pub use value::{Object, Value};
