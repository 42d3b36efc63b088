//! Text that is like what disks hold: words of a small vocabulary in lines, the same for one seed.
//! It compresses as text does, and no block of it is found twice.

use std::fmt::Write as _;

/// The vocabulary; its length is a power of two, so that a few bits choose a word.
const WORDS: [&str; 64] = [
    "image",
    "region",
    "family",
    "version",
    "kernel",
    "service",
    "started",
    "stopped",
    "listening",
    "on",
    "port",
    "the",
    "a",
    "of",
    "with",
    "from",
    "to",
    "and",
    "machine",
    "disk",
    "volume",
    "mounted",
    "read",
    "write",
    "block",
    "chunk",
    "pack",
    "index",
    "commit",
    "log",
    "user",
    "group",
    "session",
    "opened",
    "closed",
    "request",
    "answer",
    "took",
    "milliseconds",
    "bytes",
    "network",
    "address",
    "interface",
    "up",
    "down",
    "clock",
    "synchronised",
    "package",
    "installed",
    "removed",
    "configured",
    "update",
    "patch",
    "security",
    "notice",
    "library",
    "shared",
    "static",
    "binary",
    "signed",
    "verified",
    "policy",
    "allow",
    "deny",
];
/// Words in a line, about as many as a log line has.
const WORDS_A_LINE: u64 = 11;

/// A source of choices that depend on nothing but its seed.
#[derive(Clone, Debug)]
pub(crate) struct Choice(u64);

impl Choice {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds would begin alike; a round of mixing sets them apart.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// `bytes` bytes of log-like lines.
pub(crate) fn lines(seed: u64, bytes: usize) -> Vec<u8> {
    let mut choice = Choice::new(seed);
    let mut text = Vec::with_capacity(bytes + 256);
    let mut line = 0u32;
    while text.len() < bytes {
        text.extend_from_slice(format!("{line:08} {:08x} ", choice.next() & 0xffff_ffff).as_bytes());
        let mut bits = choice.next();
        for word in 0..WORDS_A_LINE {
            if word == WORDS_A_LINE / 2 {
                bits = choice.next();
            }
            text.extend_from_slice(WORDS[(bits & 63) as usize].as_bytes());
            text.push(b' ');
            bits >>= 6;
        }
        text.push(b'\n');
        line += 1;
    }
    text.truncate(bytes);
    text
}

/// A configuration file of one package.
pub(crate) fn config(package: u32, version: u32) -> Vec<u8> {
    let mut choice = Choice::new(u64::from(package));
    let mut text =
        format!("# package-{package:03}, version {version}\n[service]\nname = \"package-{package:03}\"\n");
    for number in 0..16 {
        let word = WORDS[(choice.next() & 63) as usize];
        let _ = writeln!(text, "{word}_{number} = {}", choice.next() % 10_000);
    }
    text.into_bytes()
}
