//! The identifiers of the envelope. Each is its own type, so that none is taken for another.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A record's place in the one total order, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seq(pub u64);

impl Seq {
    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A running or ended operation. Time-ordered (random ids halve the speed of the log), 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub [u8; 16]);

/// Lower-case Crockford base 32: no letter can be mistaken for a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits in fives.
const TEXT_LEN: usize = 26;
/// Digits of an id that a flow mints.
const MINTED_LEN: usize = 20;
/// Digits of it that are the time: 48 bits in fives.
const TIME_LEN: usize = 10;

impl FlowId {
    /// An id that sorts by `time_ms` and is otherwise a digest of `seed`.
    pub fn derive(time_ms: i64, seed: &[u8]) -> Self {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&time_ms.cast_unsigned().to_be_bytes()[2..]);
        id[6..].copy_from_slice(&blake3::hash(seed).as_bytes()[..10]);
        Self(id)
    }

    /// An id made from this one and a path in its story: 20 characters, the length the ECS API gives the
    /// part of an id behind its prefix. The first half is the flow's time, so that what is made later
    /// sorts later (rows of one hour lie together); 50 bits of digest tell apart what one millisecond made.
    pub fn mint(self, path: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(path.as_bytes());
        let digest = *hasher.finalize().as_bytes();
        let mut text = [0; MINTED_LEN];
        let (time, digits) = text.split_at_mut(TIME_LEN);
        write_digits(time, u128::from_be_bytes(self.0) >> 80);
        for (digit, byte) in digits.iter_mut().zip(digest) {
            *digit = ALPHABET[usize::from(byte & 31)];
        }
        text.iter().copied().map(char::from).collect()
    }
}

/// Writes a number in as many digits as there is room for.
fn write_digits(out: &mut [u8], number: u128) {
    for (place, digit) in out.iter_mut().rev().enumerate() {
        *digit = ALPHABET[usize::try_from((number >> (5 * place)) & 31).expect("five bits fit")];
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"w-00000000000000000000000000";
        write_digits(&mut text[2..], u128::from_be_bytes(self.0));
        f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no flow id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no workflow id: those look like `w-` and 26 letters and digits")]
pub struct NotAFlowId(pub String);

impl FromStr for FlowId {
    type Err = NotAFlowId;

    fn from_str(text: &str) -> Result<Self, NotAFlowId> {
        let no = || NotAFlowId(text.to_owned());
        let digits = text.strip_prefix("w-").ok_or_else(no)?;
        if digits.len() != TEXT_LEN || !digits.starts_with(|c: char| c.is_ascii_digit() && c < '8') {
            return Err(no());
        }
        let mut bits = 0u128;
        for byte in digits.bytes() {
            let digit = ALPHABET.iter().position(|&letter| letter == byte).ok_or_else(no)?;
            bits = bits << 5 | digit as u128;
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

impl Serialize for FlowId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for FlowId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = <Cow<'de, str>>::deserialize(deserializer)?;
            return text.parse().map_err(serde::de::Error::custom);
        }
        let bytes = serde_bytes::ByteArray::<16>::deserialize(deserializer)?;
        Ok(Self(bytes.into_array()))
    }
}

/// Declares an identifier that is a text: its own type, read and written as the text alone.
#[macro_export]
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

text_id! {
    /// Where decides exclude each other and what a decide may read: an account in a region
    /// (`100000/cn-hangzhou`), or the whole house (`kiln`).
    Scope
}
text_id! {
    /// A step's identity in its story: a number at top level, branches and keys before it, `~`
    /// behind it for its undo. Does not depend on the order in which things happened to run.
    Path
}
text_id! {
    /// Something a record concerns, by its id: `m-…`. History is indexed by it.
    Subject
}

/// Who asked: an account and the access key it used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// Decimal account id.
    pub account: String,
    /// Access key id; empty for a person at the machine itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
}

/// What made an operation start.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A request, by its id.
    Request(String),
    /// A step of another flow.
    Parent(FlowId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_id_reads_back_from_its_text_and_sorts_by_time() {
        let early = FlowId::derive(1_700_000_000_000, b"a");
        let late = FlowId::derive(1_700_000_000_001, b"b");
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn a_text_that_is_no_flow_id_is_refused() {
        for text in [
            "",
            "w-",
            "w-zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "m-00000000000000000000000000",
            "w-0000000000000000000000000i",
        ] {
            assert!(text.parse::<FlowId>().is_err(), "{text}");
        }
    }

    #[test]
    fn minted_ids_differ_by_path_and_have_the_shape_of_the_api() {
        let flow = FlowId::derive(1, b"a");
        assert_ne!(flow.mint("1"), flow.mint("2"));
        assert_eq!(flow.mint("1"), flow.mint("1"));
        assert!(flow.mint("1").len() == 20 && flow.mint("1").bytes().all(|b| ALPHABET.contains(&b)));
        assert!(flow.mint("9") < FlowId::derive(2, b"a").mint("0"), "what is made later sorts later");
    }
}
