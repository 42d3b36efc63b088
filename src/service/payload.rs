//! A payload as JSON text, whatever its kind: bytes become hexadecimal digits, or, where they hold
//! a map of their own (a story's input), that map.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Maps inside bytes inside maps: deeper than any event, and an end for a crafted one.
const NESTED_MAX: u8 = 4;

/// The field that every event and every story keeps a secret in, encrypted. Nobody is shown even that.
const SEALED: &str = "sealed";

/// A value of no type in particular.
enum Plain {
    Nothing,
    Truth(bool),
    Whole(u64),
    Negative(i64),
    Fraction(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Plain>),
    Map(Vec<(Plain, Plain)>),
}

/// The payload as JSON text; if it is no rmp-serde, its bytes as text.
pub(crate) fn json(payload: &[u8]) -> String {
    let plain = rmp_serde::from_slice::<Plain>(payload).unwrap_or_else(|_| Plain::Bytes(payload.to_vec()));
    serde_json::to_string(&Shown(&plain, 0)).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain data")
    }

    fn visit_unit<E>(self) -> Result<Plain, E> {
        Ok(Plain::Nothing)
    }

    fn visit_none<E>(self) -> Result<Plain, E> {
        Ok(Plain::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Plain, D::Error> {
        Plain::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain::Truth(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Plain, E> {
        Ok(Plain::Whole(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Plain, E> {
        Ok(Plain::Negative(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Plain, E> {
        Ok(Plain::Fraction(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Plain, E> {
        Ok(Plain::Text(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Plain, E> {
        Ok(Plain::Bytes(value.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Plain, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Plain::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plain, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Plain::Map(pairs))
    }
}

/// A value to be shown, and how many bytes-with-a-map-in-them it lies in.
struct Shown<'a>(&'a Plain, u8);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Plain::Nothing => serializer.serialize_unit(),
            Plain::Truth(value) => serializer.serialize_bool(*value),
            Plain::Whole(value) => serializer.serialize_u64(*value),
            Plain::Negative(value) => serializer.serialize_i64(*value),
            Plain::Fraction(value) => serializer.serialize_f64(*value),
            Plain::Text(value) => serializer.serialize_str(value),
            Plain::Bytes(bytes) => match rmp_serde::from_slice(bytes) {
                Ok(inner @ Plain::Map(_)) if self.1 < NESTED_MAX => {
                    Shown(&inner, self.1 + 1).serialize(serializer)
                }
                _ => serializer.collect_str(&Hex(bytes)),
            },
            Plain::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|value| seq.serialize_element(&Shown(value, self.1)))?;
                seq.end()
            }
            Plain::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    let sealed = matches!((key, value), (Plain::Text(key), Plain::Bytes(_)) if key == SEALED);
                    if sealed {
                        map.serialize_entry(SEALED, "(sealed)")?;
                        continue;
                    }
                    let key = match key {
                        Plain::Text(text) => text.clone(),
                        other => serde_json::to_string(&Shown(other, self.1)).unwrap_or_default(),
                    };
                    map.serialize_entry(&key, &Shown(value, self.1))?;
                }
                map.end()
            }
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize)]
    struct Outer {
        name: &'static str,
        size: u64,
        #[serde(with = "serde_bytes")]
        digest: Vec<u8>,
        #[serde(with = "serde_bytes")]
        input: Vec<u8>,
    }

    #[derive(serde::Serialize)]
    struct Inner {
        path: &'static str,
    }

    #[test]
    fn a_payload_reads_as_json_with_what_is_packed_in_it_unpacked() {
        let input = rmp_serde::to_vec_named(&Inner { path: "/x" }).unwrap();
        let outer = Outer { name: "a", size: 7, digest: vec![0xc1, 2], input };
        let payload = rmp_serde::to_vec_named(&outer).unwrap();
        assert_eq!(json(&payload), r#"{"name":"a","size":7,"digest":"c102","input":{"path":"/x"}}"#);
    }

    #[test]
    fn what_is_sealed_is_not_shown_however_deep_it_lies() {
        #[derive(serde::Serialize)]
        struct Sealed {
            #[serde(with = "serde_bytes")]
            sealed: Vec<u8>,
        }
        let input = rmp_serde::to_vec_named(&Sealed { sealed: vec![0xab, 0xcd] }).unwrap();
        let outer = Outer { name: "a", size: 7, digest: vec![1], input };
        let payload = rmp_serde::to_vec_named(&outer).unwrap();
        assert_eq!(json(&payload), r#"{"name":"a","size":7,"digest":"01","input":{"sealed":"(sealed)"}}"#);
    }

    #[test]
    fn bytes_that_are_no_payload_are_shown_as_they_are() {
        assert_eq!(json(&[0xc1, 0xff]), r#""c1ff""#);
    }
}
