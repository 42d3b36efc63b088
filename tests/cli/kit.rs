//! A place to work in, disks in it, and the program run there.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;

/// A directory with a data directory in it.
pub(crate) struct Place {
    dir: TempDir,
}

/// How a run ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The program with these words, in this place.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        command.arg("--data").arg(self.data()).args(words);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Run {
        Run::of(self.command(words).output().unwrap())
    }

    /// Runs it, and it has to end well; what it printed.
    pub(crate) fn done(&self, words: &[&str]) -> String {
        let run = self.run(words);
        assert_eq!(run.code, 0, "{words:?}: {}", run.err);
        run.out
    }

    /// Runs it for JSON, and it has to end well.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let text = self.done(&[words, &["--output", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error} in {text}"))
    }

    /// Starts it and does not wait.
    pub(crate) fn begin(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A raw disk: `data_bytes` that look like chance and no two the same, then a hole.
    pub(crate) fn disk(&self, name: &str, disk_bytes: u64, data_bytes: u64, seed: u64) -> PathBuf {
        let path = self.path(name);
        let mut file = fs::File::create(&path).unwrap();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut block = vec![0; 1 << 16];
        let mut left = data_bytes;
        while left > 0 {
            for word in block.chunks_exact_mut(8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                word.copy_from_slice(&state.to_le_bytes());
            }
            let count = left.min(block.len() as u64);
            file.write_all(&block[..usize::try_from(count).unwrap()]).unwrap();
            left -= count;
        }
        file.set_len(disk_bytes).unwrap();
        path
    }

    /// A disk of 8 MiB with 3 MiB in it, imported under a name; its image's id.
    pub(crate) fn image(&self, name: &str, more: &[&str]) -> String {
        let disk = format!("{name}.raw");
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
        self.disk(&disk, 8 * MIB, 3 * MIB, seed);
        let image = self.json(&[&["image", "import", &disk, "--name", name], more].concat());
        image["ImageId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Whether two files hold the same bytes, and the second takes no more room.
pub(crate) fn assert_same(one: &Path, other: &Path) {
    assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{} and {}", one.display(), other.display());
}

/// The text with ids, times and the place replaced by words, so that it is the same in each run.
pub(crate) fn plain(place: &Place, text: &str) -> String {
    let text = text.replace(&*place.dir.path().to_string_lossy(), "PLACE");
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some(letter) = rest.chars().next() {
        let (word, length) = stand_in(rest, plain.chars().next_back()).unwrap_or(("", 0));
        if length == 0 {
            plain.push(letter);
            rest = &rest[letter.len_utf8()..];
        } else {
            plain.push_str(word);
            rest = &rest[length..];
        }
    }
    plain
}

/// The word for an id or a time that the text begins with, and how long that is.
fn stand_in(text: &str, before: Option<char>) -> Option<(&'static str, usize)> {
    if before.is_some_and(|before| before.is_ascii_alphanumeric() || before == '-') {
        return None;
    }
    let letters = |from: usize, count: usize| {
        let word = text.get(from..from + count)?;
        let next = text[from + count..].chars().next();
        let whole = next.is_none_or(|next| !next.is_ascii_alphanumeric());
        (whole && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())).then_some(())
    };
    for (prefix, count, word) in [
        ("m-", 20, "IMAGE"),
        ("s-", 20, "SNAPSHOT"),
        ("t-", 20, "TASK"),
        ("w-", 26, "WORKFLOW"),
        ("store-", 20, "STORE"),
    ] {
        if text.starts_with(prefix) && letters(prefix.len(), count).is_some() {
            return Some((word, prefix.len() + count));
        }
    }
    let shaped = |shape: &str| {
        let start = text.get(..shape.len())?;
        let fits = |(letter, wanted): (u8, u8)| {
            if wanted == b'0' { letter.is_ascii_digit() } else { letter == wanted }
        };
        start.bytes().zip(shape.bytes()).all(fits).then_some(shape.len())
    };
    let time = shaped("0000-00-00T00:00:00Z").map(|length| ("TIME", length));
    time.or_else(|| shaped("0000-00-00").map(|length| ("DATE", length)))
        .or_else(|| shaped("00:00:00").map(|length| ("CLOCK", length)))
}
