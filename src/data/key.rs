//! Which file holds the object of which key, and back.
//!
//! A key is cut at its slashes into segments: the last one names a file, those before it name
//! directories. Every legal key has a file, no two keys have the same, and none leads out of the
//! bucket; a plain key is its own path, but for the marks of directories.
//!
//! | what | its name |
//! |---|---|
//! | file, last segment | the segment, escaped |
//! | file, last segment empty (the key ends in `/`) | `%-` |
//! | directory of a segment, empty or not | the segment, escaped, and `%` |
//! | directory in which a segment of 84 bytes or more goes on | its first 84 bytes, escaped, and `%+` |
//!
//! In the last one the rest of the segment follows by the same rules, even if it is empty.
//! Escaped, `%XX` with capital digits, are: control characters, `%`, the characters that some file
//! systems refuse (`\ : * ? " < > |`), a `.` at the beginning, a space or `.` at the end, and the
//! bytes of a character that is cut. So an escaped name never ends in `%`, never begins with `.`
//! (what does is Kiln's own), and has at most 255 bytes with its mark.
//!
//! The cut at a fixed length is for the order: all keys that begin with those 84 bytes, short and
//! long, files and directories, lie in that one directory, so a walk in the order of what entries
//! stand for ([`Entry`]) is a walk in the order of the keys. The file system has to tell apart
//! names that differ in any byte, as those of Linux do.

use std::fmt::Write;
use std::path::PathBuf;

/// A segment of so many bytes or more is cut: escaped and marked it has at most 254 of the 255
/// bytes that file systems take.
const PIECE_BYTES: usize = 84;
const EMPTY: &str = "%-";
const DIRECTORY: &str = "%";
const GOES_ON: &str = "%+";

/// What a name in a bucket's directory stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    /// An object: this is the rest of its key.
    Object(Vec<u8>),
    /// A directory: the keys in it all go on with this.
    Directory(Vec<u8>),
}

impl Entry {
    /// What the key, or the keys, go on with.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Object(bytes) | Self::Directory(bytes) => bytes,
        }
    }
}

/// The path of an object's file below the directory of its bucket.
pub(crate) fn path(key: &str) -> PathBuf {
    let mut path = PathBuf::new();
    let mut segments = key.split('/').peekable();
    while let Some(segment) = segments.next() {
        let mut rest = segment.as_bytes();
        while let Some((piece, more)) = rest.split_at_checked(PIECE_BYTES) {
            path.push(escape(piece) + GOES_ON);
            rest = more;
        }
        match segments.peek() {
            Some(_) => path.push(escape(rest) + DIRECTORY),
            None if rest.is_empty() => path.push(EMPTY),
            None => path.push(escape(rest)),
        }
    }
    path
}

/// What a name stands for; none if no key leads to it.
pub(crate) fn entry(name: &str) -> Option<Entry> {
    if name == EMPTY {
        return Some(Entry::Object(Vec::new()));
    }
    let whole = |escaped: &str| unescape(escaped).filter(|bytes| escape(bytes) == escaped);
    if let Some(escaped) = name.strip_suffix(GOES_ON) {
        return whole(escaped).filter(|bytes| bytes.len() == PIECE_BYTES).map(Entry::Directory);
    }
    if let Some(escaped) = name.strip_suffix(DIRECTORY) {
        let mut bytes = whole(escaped).filter(|bytes| bytes.len() < PIECE_BYTES)?;
        bytes.push(b'/');
        return Some(Entry::Directory(bytes));
    }
    whole(name).filter(|bytes| (1..PIECE_BYTES).contains(&bytes.len())).map(Entry::Object)
}

fn escape(piece: &[u8]) -> String {
    let mut escaped = String::with_capacity(piece.len());
    let mut at = 0;
    for chunk in piece.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let end = at + letter.len_utf8();
            let refused = letter.is_control() || "%\\:*?\"<>|".contains(letter);
            let begins_hidden = letter == '.' && at == 0;
            let ends_unseen = matches!(letter, ' ' | '.') && end == piece.len();
            let plain = !(refused || begins_hidden || ends_unseen);
            if plain {
                escaped.push(letter);
            } else {
                escape_bytes(&piece[at..end], &mut escaped);
            }
            at = end;
        }
        escape_bytes(chunk.invalid(), &mut escaped);
        at += chunk.invalid().len();
    }
    escaped
}

fn escape_bytes(bytes: &[u8], escaped: &mut String) {
    for byte in bytes {
        write!(escaped, "%{byte:02X}").expect("a string takes what is written");
    }
}

fn unescape(escaped: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &behind[2..];
        } else {
            bytes.push(first);
            rest = behind;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::test_support::{Dice, random_key};

    /// The key that a path stands for, by its entries.
    fn key_of(path: &std::path::Path) -> String {
        let entries = path.iter().map(|name| entry(name.to_str().unwrap()).unwrap());
        String::from_utf8(entries.flat_map(|entry| entry.bytes().to_vec()).collect()).unwrap()
    }

    #[test]
    fn a_plain_key_can_be_found_by_eye() {
        for (key, expected) in [
            ("web.raw", "web.raw"),
            ("exports/web_system.raw.tar.gz", "exports%/web_system.raw.tar.gz"),
            ("镜像/一 二", "镜像%/一 二"),
            ("a//b/", "a%/%/b%/%-"),
            ("../../etc/passwd", "%2E%2E%/%2E%2E%/etc%/passwd"),
            (".", "%2E"),
            (".partial/x", "%2Epartial%/x"),
            ("50%", "50%25"),
            ("a\0b\n", "a%00b%0A"),
            ("c:\\x. ", "c%3A%5Cx.%20"),
        ] {
            assert_eq!(path(key).to_str().unwrap(), expected);
            assert_eq!(key_of(&path(key)), key);
        }
    }

    #[test]
    fn every_key_has_a_path_of_its_own_inside_the_bucket() {
        let mut dice = Dice::new(1);
        let mut paths = BTreeMap::new();
        for _ in 0..3000 {
            let key = random_key(&mut dice);
            let path = path(&key);
            assert_eq!(key_of(&path), key);
            for name in &path {
                assert!(
                    name.len() <= 255 && name != ".." && !name.to_str().unwrap().starts_with('.'),
                    "{key:?}"
                );
            }
            assert!(path.is_relative() && path.as_os_str().len() < 3500, "{key:?}");
            if let Some(other) = paths.insert(path, key.clone()) {
                assert_eq!(other, key, "two keys have one path");
            }
        }
        assert!(paths.len() > 1000, "the keys differ");
    }

    #[test]
    fn a_name_that_no_key_leads_to_stands_for_nothing() {
        for name in
            ["", ".partial", ".x", "a%2", "a%zz", "%41", "a%2f", "x%+", "%2d", "a.", "a ", "%--", "a:b"]
        {
            assert_eq!(entry(name), None, "{name:?}");
        }
        assert_eq!(entry(&"x".repeat(84)), None, "a name so long would have been cut");
    }
}
