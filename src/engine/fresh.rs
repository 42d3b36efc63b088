//! Rows in memory, for a fold from nothing: a million of them are held while a log is folded, so what the keys of a
//! table and scope begin with is held once, and each row is one piece of memory of just its size.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use event::{Rows, RowsMut};

use crate::store::Staged;

/// Bytes that say how long the key is.
const LENGTH_BYTES: usize = 4;

/// A row: the length of its key, its key, its value; of the key only what is its own.
struct Packed(Box<[u8]>);

impl Packed {
    fn new(key: &[u8], value: &[u8]) -> Self {
        let length = u32::try_from(key.len()).expect("a key is some dozen bytes");
        Self([&length.to_le_bytes(), key, value].concat().into_boxed_slice())
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let (length, rest) = self.0.split_first_chunk::<LENGTH_BYTES>().expect("it was put there");
        rest.split_at(usize::try_from(u32::from_le_bytes(*length)).expect("32 bits are an address"))
    }

    fn key(&self) -> &[u8] {
        self.parts().0
    }

    fn value(&self) -> Vec<u8> {
        self.parts().1.to_vec()
    }
}

impl Borrow<[u8]> for Packed {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Packed {}

impl PartialOrd for Packed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

/// A key's table and scope, and what is its own.
fn split(key: &[u8]) -> (&[u8], &[u8]) {
    let scope_end = key.iter().enumerate().filter(|(_, byte)| **byte == 0).nth(1);
    key.split_at(scope_end.map_or(key.len(), |(end, _)| end + 1))
}

/// Rows in memory.
#[derive(Default)]
pub(crate) struct Fresh {
    /// By table and scope.
    scopes: BTreeMap<Vec<u8>, BTreeSet<Packed>>,
}

impl Fresh {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.scopes.values().map(BTreeSet::len).sum()
    }

    /// Whether there is one under a key.
    pub(crate) fn has(&self, key: &[u8]) -> bool {
        let (scope, own) = split(key);
        self.scopes.get(scope).is_some_and(|rows| rows.contains(own))
    }

    /// Takes a row out.
    pub(crate) fn take(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let (scope, own) = split(key);
        self.scopes.get_mut(scope)?.take(own).map(|row| row.value())
    }

    /// All of them, to be put.
    pub(crate) fn staged(self) -> Staged {
        let all = self.scopes.into_iter().flat_map(|(scope, rows)| {
            rows.into_iter().map(move |row| ([&scope, row.key()].concat(), Some(row.value())))
        });
        all.collect()
    }
}

impl Rows for Fresh {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let (scope, own) = split(key);
        self.scopes.get(scope)?.get(own).map(Packed::value)
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        let (first, from) = split(prefix);
        let mut key = Vec::new();
        for (scope, rows) in self.scopes.range::<[u8], _>((Bound::Included(first), Bound::Unbounded)) {
            let from = if scope == first { from } else { &[] };
            for row in rows.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)) {
                let (own, value) = row.parts();
                key.clear();
                key.extend_from_slice(scope);
                key.extend_from_slice(own);
                if !key.starts_with(prefix) || !visit(&key, value) {
                    return;
                }
            }
        }
    }
}

impl RowsMut for Fresh {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let (scope, own) = split(&key);
        match (self.scopes.get_mut(scope), value) {
            (Some(rows), Some(value)) => _ = rows.replace(Packed::new(own, &value)),
            (Some(rows), None) => _ = rows.remove(own),
            (None, Some(value)) => {
                self.scopes.insert(scope.to_vec(), BTreeSet::from([Packed::new(own, &value)]));
            }
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_keys_whatever_their_values_are() {
        let mut rows = Fresh::default();
        let put = |rows: &mut Fresh, key: &str, value: &str| rows.set(key.into(), Some(value.into()));
        // Keys that begin with one another, of a table alone, of several scopes; values that would put them in another
        // order; an empty one.
        let expected = [
            ("", "e"),
            ("a", "once more"),
            ("a\0s", "7"),
            ("a\0s\0", "m"),
            ("a\0s\0k", "z"),
            ("a\0s\0k\0l", ""),
            ("a\0s\0kk", "b"),
            ("a\0t\0k", "a"),
            ("ab\0s\0k", "0"),
        ];
        for (key, value) in [8, 3, 1, 5, 0, 7, 2, 6, 4].map(|place| expected[place]) {
            put(&mut rows, key, "other");
            put(&mut rows, key, value);
        }
        put(&mut rows, "a\0s\0gone", "x");
        rows.set("a\0s\0gone".into(), None);
        rows.set("never\0there\0".into(), None);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let all = |rows: &Fresh, prefix: &str| {
            let mut all = Vec::new();
            rows.scan(prefix.as_bytes(), &mut |key, value| {
                all.push((text(key), text(value)));
                true
            });
            all
        };
        for prefix in
            ["", "a", "a\0", "a\0s", "a\0s\0", "a\0s\0k", "a\0s\0k\0", "a\0t\0", "ab", "b", "a\0r\0"]
        {
            let wanted = expected.iter().filter(|(key, _)| key.starts_with(prefix));
            let wanted: Vec<_> =
                wanted.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(all(&rows, prefix), wanted, "{prefix:?}");
        }
        for (key, value) in expected {
            assert_eq!(rows.get(key.as_bytes()), Some(value.into()), "{key:?}");
            assert!(rows.has(key.as_bytes()));
        }
        assert!(!rows.has(b"a\0s\0gone") && rows.get(b"b\0s\0k").is_none());
        assert_eq!(rows.take(b"a\0s\0k"), Some(b"z".to_vec()));
        assert_eq!((rows.take(b"a\0s\0k"), rows.len()), (None, expected.len() - 1));
        let staged = rows.staged();
        assert_eq!(staged.len(), expected.len() - 1);
        assert_eq!(staged.get(b"a\0t\0k".as_slice()), Some(&Some(b"a".to_vec())));
    }
}
