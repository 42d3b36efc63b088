//! Rules that need one file's text: width, openings, kinds, leftovers, traces, and what a workflow
//! must not name.

use std::collections::BTreeMap;

use crate::Complaint;

/// A line a reader need not scroll for.
const LINE_CHARS_MAX: usize = 120;
/// Past this a file has two subjects.
const FILE_LINES_MAX: usize = 600;

fn complaint(path: &str, index: usize, what: impl Into<String>, advice: &'static str) -> Complaint {
    Complaint { path: path.to_owned(), line: index + 1, what: what.into(), advice }
}

pub(crate) fn size_complaints(path: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let chars = line.chars().count();
        if chars > LINE_CHARS_MAX {
            let what = format!("{chars} characters are more than {LINE_CHARS_MAX}");
            complaints.push(complaint(path, index, what, "break the line"));
        }
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        let what = format!("{lines} lines are more than {FILE_LINES_MAX}");
        complaints.push(complaint(
            path,
            FILE_LINES_MAX,
            what,
            "look for the second subject and give it a file",
        ));
    }
    complaints
}

pub(crate) fn opening_complaints(path: &str, text: &str) -> Vec<Complaint> {
    if text.starts_with("//! ") {
        return Vec::new();
    }
    let advice = "open it with `//!`: what it is for, how, and what it deliberately does not do";
    vec![complaint(path, 0, "the file does not say what it is for", advice)]
}

/// Participles that do not end in `ed`; extend it with English words only.
const IRREGULAR: &[&str] = &[
    "begun",
    "bound",
    "broken",
    "built",
    "chosen",
    "cut",
    "done",
    "drawn",
    "found",
    "frozen",
    "given",
    "held",
    "hidden",
    "kept",
    "known",
    "left",
    "lost",
    "made",
    "met",
    "overridden",
    "paid",
    "put",
    "read",
    "run",
    "seen",
    "sent",
    "set",
    "shown",
    "shut",
    "split",
    "spent",
    "taken",
    "torn",
    "undone",
    "withdrawn",
    "won",
    "written",
];

pub(crate) fn kind_complaints<'a>(sources: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for (path, text) in sources {
        for (index, line) in without_tests(text) {
            let Some(kind) = kind_in(line) else { continue };
            if !is_kind(kind) {
                let what = format!("the kind `{kind}` is not `noun.past-participle/version`");
                complaints.push(complaint(
                    path,
                    index,
                    what,
                    "say what became true, as in `image.target-reserved/1`",
                ));
            }
            if let Some(first) = seen.insert(kind, format!("{path}:{}", index + 1)) {
                let what = format!("the kind `{kind}` is also at {first}");
                complaints.push(complaint(path, index, what, "give one of them another name or version"));
            }
        }
    }
    complaints
}

fn kind_in(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("const KIND: &")?;
    let (_, rest) = rest.split_once("str = \"")?;
    rest.split('"').next()
}

fn is_kind(kind: &str) -> bool {
    let word = |text: &str| {
        !text.is_empty()
            && text
                .split('-')
                .all(|part| !part.is_empty() && part.chars().all(|char| char.is_ascii_lowercase()))
    };
    let Some(((noun, verb), version)) =
        kind.rsplit_once('/').and_then(|(name, version)| Some((name.split_once('.')?, version)))
    else {
        return false;
    };
    let last = verb.rsplit('-').next().unwrap_or(verb);
    word(noun)
        && word(verb)
        && (last.ends_with("ed") || IRREGULAR.contains(&last))
        && !version.starts_with('0')
        && version.parse::<u32>().is_ok()
}

/// The numbered lines before the unit tests, which close a file.
fn without_tests(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().enumerate()
}

/// What is fine for an hour and wrong in a commit.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!", "#[ignore", "FIXME", "XXX", "HACK"];

pub(crate) fn unfinished_complaints(path: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
            complaints.push(complaint(
                path,
                index,
                format!("`{word}` is left over"),
                "finish it, or open an issue",
            ));
        }
        if has_word(line, "TODO") && !line.contains("TODO(#") {
            complaints.push(complaint(
                path,
                index,
                "a `TODO` without an issue",
                "write `TODO(#issue)`, or do it",
            ));
        }
    }
    complaints
}

/// Whether a line holds a word that is not part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let in_word = |char: char| char.is_alphanumeric() || char == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(in_word);
        let after = line[at + word.len()..].chars().next().is_some_and(in_word);
        !(before && word.starts_with(in_word) || after && word.ends_with(in_word))
    })
}

/// What a path or address begins with that only one machine, or one network, knows.
const MACHINE_PATHS: &[&str] =
    &[concat!("/", "home/"), concat!("/", "root/"), concat!("/", "work/"), concat!("/", "Users/")];
/// Put together from halves, so that this file names none itself.
const REGISTRIES: &[&str] = &[
    concat!("crates.io", "-index"),
    concat!("crates.io", "/api"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    "sparse+http",
    "registry+http",
    "replace-with",
    concat!("pypi.", "org/simple"),
    concat!("registry.", "npmjs.org"),
    concat!("proxy.", "golang.org"),
];

pub(crate) fn machine_complaints(path: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for start in MACHINE_PATHS.iter().filter(|start| begins_path(line, start)) {
            let what = format!("a path under `{start}`");
            complaints.push(complaint(
                path,
                index,
                what,
                "use a path from the root of the tree, or a temporary one",
            ));
        }
        for registry in REGISTRIES.iter().filter(|registry| line.contains(**registry)) {
            let what = format!("the address of a registry, `{registry}`");
            complaints.push(complaint(
                path,
                index,
                what,
                "leave registries to each machine's own configuration",
            ));
        }
    }
    complaints
}

/// Whether a path on the line begins so, rather than having it in its middle.
fn begins_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        !line[..at]
            .chars()
            .next_back()
            .is_some_and(|before| before.is_alphanumeric() || "._-~}/)".contains(before))
    })
}

/// What would let a story depend on anything but its records.
const BEYOND_A_WORKFLOW: &[&str] = &[
    "std::time",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "SystemTime",
    "Instant",
    "HashMap",
    "HashSet",
    "rand",
    "tokio",
];

pub(crate) fn workflow_complaints(path: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (index, line) in without_tests(text) {
        // A length of time is only a number; and prose may say what it likes.
        let line = line.replace("std::time::Duration", "");
        if line.trim_start().starts_with("//") {
            continue;
        }
        for name in BEYOND_A_WORKFLOW.iter().filter(|name| has_word(&line, name)) {
            let what = format!("a workflow names `{name}`");
            let advice = "ask the flow (`now`, `new_id`, `sleep`) or do it in a step, through its `at`";
            complaints.push(complaint(path, index, what, advice));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rule = fn(&str, &str) -> Vec<Complaint>;

    fn check(rule: Rule, text: &str, lines: &[usize]) {
        let found: Vec<usize> = rule("a.rs", text).iter().map(|complaint| complaint.line).collect();
        assert_eq!(found, lines, "{text}");
    }

    #[test]
    fn a_long_line_and_a_long_file_are_found() {
        let fits = "é".repeat(LINE_CHARS_MAX);
        check(size_complaints, &fits, &[]);
        check(size_complaints, &format!("\n{fits}x\n"), &[2]);
        check(size_complaints, &"\n".repeat(FILE_LINES_MAX), &[]);
        check(size_complaints, &"\n".repeat(FILE_LINES_MAX + 1), &[FILE_LINES_MAX + 1]);
    }

    #[test]
    fn a_file_that_does_not_introduce_itself_is_found() {
        check(opening_complaints, "//! What it is for.\n", &[]);
        check(opening_complaints, "use std::fmt;\n//! Too late.\n", &[1]);
        check(opening_complaints, "", &[1]);
    }

    fn check_kinds(kinds: &[&str], lines: &[usize]) {
        let lines_of: Vec<String> =
            kinds.iter().map(|kind| format!("    const KIND: &'static str = \"{kind}\";")).collect();
        let text = lines_of.join("\n");
        let found: Vec<usize> =
            kind_complaints([("a.rs", text.as_str())].into_iter()).iter().map(|c| c.line).collect();
        assert_eq!(found, lines, "{text}");
    }

    #[test]
    fn a_kind_says_what_became_true_of_what_in_which_version() {
        check_kinds(&["image.target-reserved/1", "flow.timer-set/12", "data-plane.moved/2"], &[]);
        for wrong in [
            "image.reserve/1",
            "image/1",
            "image.sealed",
            "Image.sealed/1",
            "image.sealed/0",
            "image..sealed/1",
        ] {
            check_kinds(&[wrong], &[1]);
        }
    }

    #[test]
    fn a_kind_is_written_once_and_tests_may_make_up_their_own() {
        check_kinds(&["image.sealed/1", "image.sealed/2", "image.sealed/1"], &[3]);
        let text = "#[cfg(test)]\nmod tests {\n    const KIND: &'static str = \"nonsense\";\n}\n";
        assert_eq!(kind_complaints([("a.rs", text)].into_iter()), []);
    }

    #[test]
    fn leftovers_are_found_and_words_that_contain_them_are_not() {
        for left in [
            "todo!()",
            "unimplemented!()",
            "dbg!(x)",
            "#[ignore]",
            "// FIXME: x",
            "// XXX",
            "// HACK",
            "// TODO",
        ] {
            check(unfinished_complaints, &format!("fn a() {{}}\n{left}\n"), &[2]);
        }
        check(unfinished_complaints, "// TODO(#12): soon\nlet xxx = HACKS;\nmy_todo!()\n", &[]);
    }

    #[test]
    fn traces_of_a_machine_are_found() {
        for trace in [
            concat!("cd /", "home/me"),
            concat!("\"/", "work/main\""),
            concat!("(/", "root/x)"),
            "sparse+https://x",
            concat!("https://index.", "crates.io/"),
        ] {
            check(machine_complaints, &format!("fine\n{trace}\n"), &[2]);
        }
        check(
            machine_complaints,
            concat!("src/work", "/a.rs, https://docs.rs/work", "/x, $HOME/x, ${ROOT}/work", "/x\n"),
            &[],
        );
    }

    #[test]
    fn a_workflow_that_looks_at_the_world_is_found() {
        for name in
            ["use std::fs;", "let now = SystemTime::now();", "std::thread::sleep(x)", "rand::random()"]
        {
            check(workflow_complaints, &format!("//! A story.\n{name}\n"), &[2]);
        }
        let story = "use std::time::Duration;\n// no rand here\nlet operand = 1;\n";
        let tests = "#[cfg(test)]\nmod tests {\nuse std::fs;\n";
        check(workflow_complaints, &format!("{story}{tests}"), &[]);
    }
}
