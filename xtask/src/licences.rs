//! Whether every dependency may be used: by its licence, and by a short list of crates we decided against.
//!
//! `cargo deny` does this and the security advisories when it is there. It is not required: a clean machine may have
//! neither it nor its database, and a check that needs the network would make the test run depend on it. So the
//! licences are always checked here, out of what cargo knows, and the output says plainly when advisories were not.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::error::Result;
use crate::place;
use crate::run;

/// Licences whose terms fit a program handed out under Apache-2.0. `deny.toml` repeats this list.
const ALLOWED: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Exceptions only ever widen what a licence permits, but each is looked at once before it stands here.
const ALLOWED_EXCEPTIONS: [&str; 1] = ["LLVM-exception"];

/// Crates not to be used, and why. `deny.toml` repeats this list.
const REFUSED: [(&str, &str); 4] = [
    ("cron", "is wrong where daylight saving begins or ends"),
    ("serde_yml", "is not maintained"),
    ("vhd", "is slow"),
    ("vmdk", "has all its recent versions yanked"),
];

/// Checks every dependency; returns whether all may be used, and a note.
pub(crate) fn check(deadline: Instant) -> Result<(bool, String)> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let mut tree = run::cargo()?;
    tree.args([
        "tree",
        "--workspace",
        "--prefix",
        "none",
        "--edges",
        "normal,build,dev",
        "--format",
        "{p}|{l}",
    ]);
    for line in run::quietly(&mut tree)?.lines() {
        // A package met before is marked `(*)`.
        let line = line.trim_end_matches(" (*)");
        let Some((package, licence)) = line.split_once('|') else {
            continue;
        };
        if seen.insert(package.to_owned()) {
            problems.extend(problem(package, licence));
        }
    }
    for problem in &problems {
        println!("{problem}");
    }
    let (deny_is_well, advisories) = cargo_deny(deadline)?;
    println!("{advisories}");
    Ok((problems.is_empty() && deny_is_well, format!("{} crates; {advisories}", seen.len())))
}

fn problem(package: &str, licence: &str) -> Option<String> {
    let name = package.split(' ').next().unwrap_or(package);
    if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Some(format!("`{package}` is not to be used: it {reason}"));
    }
    let allowed = Expression::new(licence).holds();
    (!allowed).then(|| format!("`{package}` is licensed as `{licence}`, which is not on the list"))
}

/// Runs `cargo deny` if it is there, with the advisories if their database is.
fn cargo_deny(deadline: Instant) -> Result<(bool, String)> {
    let Some(deny) = place::tool("cargo-deny") else {
        return Ok((true, "advisories NOT checked: cargo-deny is not installed".into()));
    };
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || std::path::PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        std::path::PathBuf::from,
    );
    let database = ["advisory-dbs", "advisory-db"].iter().any(|name| home.join(name).is_dir());
    let mut command = run::program(deny);
    command.args(["--offline", "check", "licenses", "bans", "sources"]);
    if database {
        command.arg("advisories");
    }
    let well = run::watched(&mut command, deadline)?.well;
    let note =
        if database { "advisories checked" } else { "advisories NOT checked: no database is here offline" };
    Ok((well, note.into()))
}

/// The words of an expression that are not names.
const NO_NAMES: [&str; 5] = ["(", ")", "AND", "OR", "WITH"];

/// An SPDX licence expression, read from left to right: `OR` of `AND`s of licences or brackets.
struct Expression<'a> {
    rest: Vec<&'a str>,
    broken: bool,
}

impl<'a> Expression<'a> {
    fn new(text: &'a str) -> Self {
        let mut rest = Vec::new();
        for word in text.split_whitespace() {
            // Old manifests separate alternatives by a slash.
            for (index, part) in word.split('/').enumerate() {
                if index > 0 {
                    rest.push("OR");
                }
                split_brackets(part, &mut rest);
            }
        }
        rest.reverse();
        Self { rest, broken: false }
    }

    /// Whether the licence gives permission; what cannot be read gives none.
    fn holds(mut self) -> bool {
        self.any() && self.rest.is_empty() && !self.broken
    }

    fn any(&mut self) -> bool {
        let mut holds = self.all();
        while self.take("OR") {
            holds |= self.all();
        }
        holds
    }

    fn all(&mut self) -> bool {
        let mut holds = self.one();
        while self.take("AND") {
            holds &= self.one();
        }
        holds
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let holds = self.any();
            self.broken |= !self.take(")");
            return holds;
        }
        let permitted = self.name(&ALLOWED);
        if self.take("WITH") {
            return self.name(&ALLOWED_EXCEPTIONS) && permitted;
        }
        permitted
    }

    /// Whether the next word is a name on the list; a word that cannot be a name breaks the expression.
    fn name(&mut self, list: &[&str]) -> bool {
        let word = self.rest.pop();
        self.broken |= word.is_none_or(|word| NO_NAMES.contains(&word));
        word.is_some_and(|word| list.contains(&word))
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.rest.last() == Some(&word);
        if there {
            self.rest.pop();
        }
        there
    }
}

fn split_brackets<'a>(word: &'a str, parts: &mut Vec<&'a str>) {
    let mut rest = word;
    while let Some(at) = rest.find(['(', ')']) {
        if at > 0 {
            parts.push(&rest[..at]);
        }
        parts.push(&rest[at..=at]);
        rest = &rest[at + 1..];
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(licence: &str, allowed: bool) {
        assert_eq!(Expression::new(licence).holds(), allowed, "{licence}");
    }

    #[test]
    fn one_permitted_alternative_is_enough() {
        check("MIT OR Apache-2.0", true);
        check("GPL-3.0 OR MIT", true);
        check("MIT/GPL-3.0", true);
        check("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true);
        check("GPL-3.0 OR AGPL-3.0", false);
    }

    #[test]
    fn every_part_of_a_conjunction_must_be_permitted() {
        check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        check("(MIT OR Apache-2.0) AND GPL-3.0", false);
        check("BSD-3-Clause AND BSD-2-Clause", true);
        check("MIT OR GPL-3.0 AND AGPL-3.0", true);
    }

    #[test]
    fn what_cannot_be_read_permits_nothing() {
        for licence in
            ["", "(MIT", "MIT)", "MIT Apache-2.0", "MIT OR", "MIT WITH", "MIT WITH Strange-exception"]
        {
            check(licence, false);
        }
    }

    #[test]
    fn a_crate_we_decided_against_is_refused_whatever_its_licence() {
        assert!(problem("serde_yml v0.0.12", "MIT").is_some_and(|text| text.contains("not maintained")));
        assert_eq!(problem("serde v1.0.0", "MIT OR Apache-2.0"), None);
    }

    #[test]
    fn the_lists_of_cargo_deny_are_the_same() {
        let text =
            std::fs::read_to_string(place::root().join("deny.toml")).expect("the file lies in the root");
        for name in ALLOWED.into_iter().chain(REFUSED.iter().map(|(name, _)| *name)) {
            assert!(text.contains(&format!("\"{name}\"")), "deny.toml lacks `{name}`");
        }
    }
}
