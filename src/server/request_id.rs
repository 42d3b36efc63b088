//! Ids of requests: an upper-case UUID, as clients print them.

use std::cell::RefCell;

/// Bytes that are asked of the kernel at once: one call for 64 ids.
const DRAWN_BYTES: usize = 64 * 16;

thread_local! {
    /// Random bytes that are in no id yet.
    static DRAWN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A fresh id.
pub(crate) fn fresh() -> String {
    let mut bytes = DRAWN.with_borrow_mut(drawn);
    // Version 4, variant 1: random.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            id.push(char::from(HEX[usize::from(digit)]));
        }
    }
    id
}

/// The next of the random bytes. An id is no secret: that more of them lie here is nobody's loss.
fn drawn(kept: &mut Vec<u8>) -> [u8; 16] {
    if kept.is_empty() {
        kept.resize(DRAWN_BYTES, 0);
        // Without randomness nothing here is safe; the kernel has it from boot on.
        getrandom::fill(kept).expect("the kernel gives random bytes");
    }
    let at = kept.len() - 16;
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&kept[at..]);
    kept.truncate(at);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_an_upper_case_uuid_and_no_other_is_like_it() {
        let id = fresh();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F' | b'-')), "{id}");
        // More than are drawn at once.
        let ids: std::collections::BTreeSet<String> = (0..200).map(|_| fresh()).collect();
        assert_eq!(ids.len(), 200);
    }
}
