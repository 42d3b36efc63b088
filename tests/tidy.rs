//! The house's style as a test: layering, width, names, orphans, and what must not be in the tree.
//!
//! Every rule is a plain function from text to complaints in `tidy/`, with a test beside it that
//! shows a made-up input it complains about. Here they meet the real tree: all files that git tracks
//! or would track, or simply all files where there is no git. It looks at text only: what the
//! compiler and clippy can know, they are asked to check.

#[path = "tidy/docs.rs"]
mod docs;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/text.rs"]
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that breaks a rule: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    path: String,
    line: usize,
    what: String,
    advice: &'static str,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.what, self.advice)
    }
}

/// The text files of the tree, by their path from its root.
type Tree = BTreeMap<String, String>;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn tree() -> Tree {
    let root = root();
    let paths = git_files(&root).unwrap_or_else(|| walk(&root));
    let text_of = |path: &String| {
        let bytes = std::fs::read(root.join(path)).ok()?;
        if bytes.contains(&0) { None } else { String::from_utf8(bytes).ok() }
    };
    paths.into_iter().filter_map(|path| text_of(&path).map(|text| (path, text))).collect()
}

/// What git tracks, and what it would track if it were added.
fn git_files(root: &Path) -> Option<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let names = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> = names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

fn walk(root: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if name != "target" && name != ".git" && name != ".scratch" {
                    dirs.push(path);
                }
            } else if let Some(path) = path.strip_prefix(root).ok().and_then(Path::to_str) {
                paths.push(path.to_owned());
            }
        }
    }
    paths
}

/// Applies a rule to every file that `applies` picks, and fails with all complaints at once.
fn check(applies: impl Fn(&str) -> bool, rule: impl Fn(&str, &str) -> Vec<Complaint>) {
    let tree = tree();
    let files: Vec<_> = tree.iter().filter(|(path, _)| applies(path)).collect();
    assert!(!files.is_empty(), "the rule applies to no file: has the tree moved?");
    let complaints: Vec<Complaint> = files.into_iter().flat_map(|(path, text)| rule(path, text)).collect();
    report(&complaints);
}

fn report(complaints: &[Complaint]) {
    let lines: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} to tidy up:\n{}\n", lines.len(), lines.join("\n"));
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn is_rust(path: &str) -> bool {
    has_extension(path, "rs")
}

/// Sources that are wrong on purpose: they exist to show that they do not compile.
fn is_fixture(path: &str) -> bool {
    path.contains("compile_fail/")
}

/// These files spell out what they forbid.
fn is_tidy(path: &str) -> bool {
    path == "tests/tidy.rs" || path.starts_with("tests/tidy/")
}

#[test]
fn rooms_depend_only_on_the_rooms_below_them() {
    check(|path| path.ends_with("Cargo.toml"), layers::complaints);
}

#[test]
fn lines_and_files_fit_a_reader() {
    check(is_rust, text::size_complaints);
}

#[test]
fn every_source_opens_by_saying_what_it_is_for() {
    check(|path| is_rust(path) && !is_fixture(path), text::opening_complaints);
}

#[test]
fn event_kinds_are_well_spelt_and_unique() {
    let tree = tree();
    let sources = tree.iter().filter(|(path, _)| {
        is_rust(path) && (path.starts_with("src/") || path.starts_with("workflows/")) && !is_test(path)
    });
    report(&text::kind_complaints(sources.map(|(path, text)| (path.as_str(), text.as_str()))));
}

/// Whether a file of a room holds tests only.
fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "tests.rs"
        || name.starts_with("tests_")
        || name.ends_with("_tests.rs")
        || path.contains("/tests/")
}

#[test]
fn nothing_is_left_unfinished() {
    let is_code = |path: &str| is_rust(path) || has_extension(path, "toml") || path.starts_with(".ci/");
    check(|path| is_code(path) && !is_tidy(path), text::unfinished_complaints);
}

#[test]
fn no_source_is_an_orphan() {
    report(&modules::complaints(&tree()));
}

#[test]
fn nothing_in_the_tree_knows_the_machine_it_was_written_on() {
    check(|path| !path.ends_with("Cargo.lock") && !is_tidy(path), text::machine_complaints);
}

#[test]
fn every_decision_is_in_the_index() {
    report(&docs::complaints(&tree()));
}

#[test]
fn every_dependency_has_a_reason() {
    report(&docs::dependency_complaints(&tree()));
}

#[test]
fn workflows_reach_no_clock_no_disk_and_no_chance() {
    check(
        |path| is_rust(path) && path.starts_with("workflows/") && !is_test(path),
        text::workflow_complaints,
    );
}

/// A source archive has no git, and its tests should still look at the same files.
#[test]
fn without_git_the_same_files_are_found() {
    let (root, walked) = (root(), walk(&root()));
    let tracked = git_files(&root).unwrap_or_default();
    let missed = tracked.iter().find(|path| root.join(path).exists() && !walked.contains(path));
    assert_eq!(missed, None);
    assert!(walked.iter().any(|path| path == "tests/tidy.rs"));
}

#[test]
fn a_complaint_says_where_what_and_what_to_do() {
    let complaint = Complaint { path: "a.rs".into(), line: 3, what: "too long".into(), advice: "cut it" };
    assert_eq!(complaint.to_string(), "a.rs:3: too long; cut it");
}

#[test]
#[should_panic(expected = "1 to tidy up:\na.rs:3: too long; cut it")]
fn a_complaint_fails_the_test() {
    report(&[Complaint { path: "a.rs".into(), line: 3, what: "too long".into(), advice: "cut it" }]);
}
