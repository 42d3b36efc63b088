//! Nonces that were used: a signed request is answered once.
//!
//! A request may be as old as the skew allows and as far ahead, so its nonce is remembered for twice
//! that. Two generations do: the young one takes new nonces, and becomes the old one when it has
//! lived that long.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use wire::SKEW_MS;

/// How long a nonce is remembered at least, in milliseconds.
const REMEMBERED_MS: i64 = 2 * SKEW_MS;
/// Nonces remembered in a generation at most: 64 MiB. Only requests with a right signature get here.
const NONCES_MAX: usize = 4 << 20;

/// What became of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonce {
    /// Nobody had used it.
    Fresh,
    /// It was used before.
    Used,
    /// There is no room for another one.
    Full,
}

/// The nonces used lately.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<[u8; 16]>,
    old: HashSet<[u8; 16]>,
    young_since_ms: i64,
}

impl Nonces {
    /// Uses a nonce of a key.
    pub(crate) fn spend(&self, key: &str, nonce: &str, now_ms: i64) -> Nonce {
        let mut hasher = blake3::Hasher::new();
        hasher.update(key.as_bytes()).update(&[0]).update(nonce.as_bytes());
        let mut name = [0; 16];
        hasher.finalize_xof().fill(&mut name);
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms - generations.young_since_ms > REMEMBERED_MS {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_since_ms = now_ms;
        }
        if generations.old.contains(&name) || generations.young.contains(&name) {
            return Nonce::Used;
        }
        if generations.young.len() >= NONCES_MAX {
            return Nonce::Full;
        }
        generations.young.insert(name);
        Nonce::Fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_used_once_for_as_long_as_its_request_is_timely() {
        let nonces = Nonces::default();
        assert_eq!(nonces.spend("a", "1", 0), Nonce::Fresh);
        assert_eq!(nonces.spend("b", "1", 0), Nonce::Fresh);
        for now_ms in [0, SKEW_MS, REMEMBERED_MS, REMEMBERED_MS + 1, 2 * REMEMBERED_MS] {
            assert_eq!(nonces.spend("a", "1", now_ms), Nonce::Used, "{now_ms}");
            assert_eq!(nonces.spend("a", &format!("at {now_ms}"), now_ms), Nonce::Fresh);
        }
        assert_eq!(nonces.spend("a", "1", 3 * REMEMBERED_MS + 9), Nonce::Fresh);
    }
}
