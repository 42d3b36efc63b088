//! The access log: a line a request, on standard error, in JSON.

use std::io::Write as _;
use std::time::Duration;

use wire::Object;

/// What a line says. A secret is in none of it: neither the query nor the headers are.
pub(crate) struct Line<'a> {
    /// When it was answered.
    pub(crate) time_ms: i64,
    /// The request's id.
    pub(crate) request_id: &'a str,
    /// From where.
    pub(crate) peer: &'a str,
    /// The method.
    pub(crate) method: &'a str,
    /// The action, or the path.
    pub(crate) what: &'a str,
    /// The account and its key; empty where nobody was proved.
    pub(crate) account: &'a str,
    /// The key.
    pub(crate) key: &'a str,
    /// The status.
    pub(crate) status: u16,
    /// The code of a fault; empty for none.
    pub(crate) code: &'a str,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Writes a line. If nobody can read it the request is answered all the same.
pub(crate) fn write(line: &Line<'_>) {
    let micros = u64::try_from(line.took.as_micros()).unwrap_or(u64::MAX);
    let object = Object::new()
        .put("time", wire::seconds(line.time_ms))
        .put("request_id", line.request_id)
        .put("peer", line.peer)
        .put("method", line.method)
        .put("what", line.what)
        .put("account", line.account)
        .put("key", line.key)
        .put("status", u32::from(line.status))
        .put("code", line.code)
        .put("micros", micros);
    let _ = writeln!(std::io::stderr().lock(), "{}", object.json());
}
