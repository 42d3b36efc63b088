//! A quick hash for maps by ids and short names, of which each record looks into several.
//!
//! It multiplies by a secret of the process, so that nobody who chooses the ids of his requests can have them all in
//! one place of a map.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};

/// A map with the quick hash.
pub(crate) type KeyedMap<K, V> = HashMap<K, V, Keyed>;
/// A set with the quick hash.
pub(crate) type KeyedSet<K> = HashSet<K, Keyed>;

/// The secret of one map.
#[derive(Clone, Copy)]
pub(crate) struct Keyed {
    begin: u64,
    /// Odd, so that no bit of what is multiplied by it is lost.
    factor: u64,
}

impl Default for Keyed {
    fn default() -> Self {
        let random = RandomState::new();
        Self { begin: random.hash_one(0), factor: random.hash_one(1) | 1 }
    }
}

impl BuildHasher for Keyed {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed { mixed: self.begin, factor: self.factor }
    }
}

/// What has been mixed so far.
pub(crate) struct Mixed {
    mixed: u64,
    factor: u64,
}

impl Mixed {
    fn mix(&self, word: u64) -> u64 {
        let product = u128::from(self.mixed ^ word) * u128::from(self.factor);
        // Both halves: the low bits of a product know nothing of the high ones of what was multiplied.
        let bytes = product.to_le_bytes();
        let low = u64::from_le_bytes(*bytes.first_chunk().expect("it has 16 bytes"));
        let high = u64::from_le_bytes(*bytes.last_chunk().expect("it has 16 bytes"));
        low ^ high
    }
}

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mixed = self.mix(u64::from_le_bytes(word));
        }
    }

    fn finish(&self) -> u64 {
        self.mix(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_lies_apart() {
        let keyed = Keyed::default();
        let hashes = |bits: u32, place: u32| -> KeyedSet<u64> {
            let ids = (0..4096_u128).map(|n| event::FlowId((n << place).to_le_bytes()));
            ids.map(|id| keyed.hash_one(id) >> bits & 0xffff).collect()
        };
        // Of 4,096 thrown into 65,536 places some 3,970 are expected to be first; far fewer would be a pattern.
        for place in [0, 20, 52, 64, 100] {
            assert!(hashes(0, place).len() > 3_700, "low bits, ids that differ at {place}");
            assert!(hashes(48, place).len() > 3_700, "high bits, ids that differ at {place}");
        }
        assert_ne!(keyed.hash_one("one"), keyed.hash_one("two"));
        assert_ne!(
            Keyed::default().hash_one("one"),
            Keyed::default().hash_one("one"),
            "each map has its own"
        );
    }
}
