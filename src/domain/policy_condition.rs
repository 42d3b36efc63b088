//! Conditions of policies: the operators and keys that there are, each as documented.
//!
//! | key | operators |
//! |---|---|
//! | `acs:SourceIp` | `IpAddress`, `NotIpAddress`, and those of texts |
//! | `acs:CurrentTime` | `DateEquals`, `DateNotEquals`, `DateLessThan…`, `DateGreaterThan…` with or without `Equals` |
//! | `acs:SecureTransport` | `Bool` |
//!
//! Of several values one has to fit, with a negated operator none may; all conditions of a statement have to hold.
//! A key or an operator that is not here is refused when the document is created: a condition that nobody looks at
//! would let through what it was written against.

use std::net::IpAddr;

use event::Refusal;
use jiff::Timestamp;

use crate::policy::{Context, is_like};
use crate::policy_read::malformed;

/// The address a request comes from.
const SOURCE_IP: &str = "acs:SourceIp";
/// When it is judged.
const CURRENT_TIME: &str = "acs:CurrentTime";
/// Whether it came over TLS.
const SECURE: &str = "acs:SecureTransport";

/// One condition, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    test: Test,
    /// Whether it holds when no value fits.
    negated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Ip(Vec<Net>),
    IpText(Vec<String>, TextHow),
    Time(Vec<i64>, TimeHow),
    Secure(Vec<bool>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextHow {
    Equals,
    IgnoreCase,
    Like,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeHow {
    Equals,
    Less,
    LessEquals,
    Greater,
    GreaterEquals,
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Net {
    address: IpAddr,
    bits: u32,
}

impl Condition {
    /// Reads one: an operator, a key and its values.
    pub(crate) fn read(operator: &str, key: &str, values: &[String]) -> Result<Self, Refusal> {
        let unfit = || {
            malformed(format!("the condition `{operator}` on `{key}` is none that is known here")).advise(
                "they are on `acs:SourceIp`, `acs:CurrentTime` and `acs:SecureTransport`; none is ignored",
            )
        };
        let wrong = |value: &str, what: &str| {
            malformed(format!("`{}` in the condition on `{key}` is no {what}", value.escape_debug()))
        };
        if values.is_empty() {
            return Err(malformed(format!("the condition `{operator}` on `{key}` has no value")));
        }
        let (test, negated) = match (operator, key) {
            ("IpAddress" | "NotIpAddress", SOURCE_IP) => {
                let nets = values.iter().map(|value| {
                    Net::read(value).ok_or_else(|| wrong(value, "address, with or without `/` and bits"))
                });
                (Test::Ip(nets.collect::<Result<_, _>>()?), operator == "NotIpAddress")
            }
            (_, SOURCE_IP) => {
                let (how, negated) = match operator {
                    "StringEquals" => (TextHow::Equals, false),
                    "StringNotEquals" => (TextHow::Equals, true),
                    "StringEqualsIgnoreCase" => (TextHow::IgnoreCase, false),
                    "StringNotEqualsIgnoreCase" => (TextHow::IgnoreCase, true),
                    "StringLike" => (TextHow::Like, false),
                    "StringNotLike" => (TextHow::Like, true),
                    _ => return Err(unfit()),
                };
                (Test::IpText(values.to_vec(), how), negated)
            }
            (_, CURRENT_TIME) => {
                let (how, negated) = match operator {
                    "DateEquals" => (TimeHow::Equals, false),
                    "DateNotEquals" => (TimeHow::Equals, true),
                    "DateLessThan" => (TimeHow::Less, false),
                    "DateLessThanEquals" => (TimeHow::LessEquals, false),
                    "DateGreaterThan" => (TimeHow::Greater, false),
                    "DateGreaterThanEquals" => (TimeHow::GreaterEquals, false),
                    _ => return Err(unfit()),
                };
                let time = |value: &String| {
                    let time = value.parse::<Timestamp>().map(Timestamp::as_millisecond);
                    time.map_err(|_| wrong(value, "time such as `2026-03-01T12:00:00+08:00`"))
                };
                (Test::Time(values.iter().map(time).collect::<Result<_, _>>()?, how), negated)
            }
            ("Bool", SECURE) => {
                let truth = |value: &String| match value.as_str() {
                    "true" => Ok(true),
                    "false" => Ok(false),
                    _ => Err(wrong(value, "`true` or `false`")),
                };
                (Test::Secure(values.iter().map(truth).collect::<Result<_, _>>()?), false)
            }
            _ => return Err(unfit()),
        };
        Ok(Self { test, negated })
    }

    /// Whether it holds; none if the request does not tell.
    pub(crate) fn holds(&self, context: &Context) -> Option<bool> {
        let fits = match &self.test {
            Test::Ip(nets) => {
                let ip = context.source_ip?;
                nets.iter().any(|net| net.has(ip))
            }
            Test::IpText(texts, how) => {
                let ip = plain(context.source_ip?).to_string();
                texts.iter().any(|text| match how {
                    TextHow::Equals => *text == ip,
                    TextHow::IgnoreCase => text.eq_ignore_ascii_case(&ip),
                    TextHow::Like => is_like(text, &ip),
                })
            }
            Test::Time(times, how) => times.iter().any(|time| match how {
                TimeHow::Equals => context.now_ms == *time,
                TimeHow::Less => context.now_ms < *time,
                TimeHow::LessEquals => context.now_ms <= *time,
                TimeHow::Greater => context.now_ms > *time,
                TimeHow::GreaterEquals => context.now_ms >= *time,
            }),
            Test::Secure(wanted) => wanted.contains(&context.secure),
        };
        Some(fits != self.negated)
    }
}

impl Net {
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => {
                let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
                (address, Some(bits.parse::<u32>().ok().filter(|_| digits)?))
            }
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let all = width(address);
        let bits = bits.unwrap_or(all);
        (bits <= all).then_some(Self { address, bits })
    }

    fn has(self, ip: IpAddr) -> bool {
        let head = |number: u128, all: u32| number.checked_shr(all - self.bits).unwrap_or_default();
        match (self.address, plain(ip)) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                head(u128::from(net.to_bits()), 32) == head(u128::from(ip.to_bits()), 32)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => head(net.to_bits(), 128) == head(ip.to_bits(), 128),
            _ => false,
        }
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// An address of version 4 that a socket of version 6 gave is what it is.
fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
