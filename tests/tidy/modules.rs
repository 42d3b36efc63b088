//! Which sources the compiler ever sees, followed from the crate roots by `mod` lines.
//!
//! It knows `#[path]`, and the targets that cargo finds by itself; it does not know a `mod x;`
//! inside an inline module, of which there is none.

use std::collections::BTreeSet;

use crate::{Complaint, Tree, is_fixture, is_rust};

/// The sources that no crate root leads to.
pub(crate) fn complaints(tree: &Tree) -> Vec<Complaint> {
    let mut open: Vec<(String, bool)> = roots(tree).into_iter().map(|root| (root, true)).collect();
    let mut seen = BTreeSet::new();
    while let Some((path, is_root)) = open.pop() {
        if let Some(text) = tree.get(&path)
            && seen.insert(path.clone())
        {
            open.extend(children(tree, &path, is_root, text).into_iter().map(|child| (child, false)));
        }
    }
    let orphans = tree.keys().filter(|path| is_rust(path) && !is_fixture(path) && !seen.contains(*path));
    orphans.map(|path| complaint(path)).collect()
}

fn complaint(path: &str) -> Complaint {
    let what = "no `mod` line leads to this file, so nobody compiles it".to_owned();
    Complaint { path: path.to_owned(), line: 1, what, advice: "declare it in its crate root, or delete it" }
}

fn roots(tree: &Tree) -> Vec<String> {
    let mut roots = Vec::new();
    for (manifest_path, manifest) in tree.iter().filter(|(path, _)| path.ends_with("Cargo.toml")) {
        if !manifest.contains("[package]") {
            continue;
        }
        let folder = manifest_path.trim_end_matches("Cargo.toml");
        let given =
            manifest.lines().filter_map(|line| line.trim().strip_prefix("path = \"")?.split('"').next());
        roots.extend(given.filter(|path| is_rust(path)).map(|path| format!("{folder}{path}")));
        roots.extend(["src/lib.rs", "src/main.rs", "build.rs"].map(|path| format!("{folder}{path}")));
        let found = [
            ("autobins", "src/bin/"),
            ("autotests", "tests/"),
            ("autobenches", "benches/"),
            ("autoexamples", "examples/"),
        ];
        for (switch, subfolder) in found {
            if !manifest.contains(&format!("{switch} = false")) {
                roots.extend(targets(tree, &format!("{folder}{subfolder}")));
            }
        }
    }
    roots
}

/// What cargo takes for targets in a folder: its files, and `main.rs` of its folders.
fn targets(tree: &Tree, folder: &str) -> Vec<String> {
    let is_target = |path: &&String| {
        path.strip_prefix(folder).is_some_and(|rest| match rest.split_once('/') {
            None => is_rust(rest),
            Some((_, file)) => file == "main.rs",
        })
    };
    tree.keys().filter(is_target).cloned().collect()
}

fn children(tree: &Tree, path: &str, is_root: bool, text: &str) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let inner = if is_root || file == "mod.rs" {
        folder.clone()
    } else {
        format!("{folder}{}/", file.trim_end_matches(".rs"))
    };
    let mut children = Vec::new();
    let mut given: Option<&str> = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            given = rest.split('"').next();
        } else if let Some(name) = module_name(line) {
            match given.take() {
                Some(given) => children.push(normal(&format!("{folder}{given}"))),
                None => children.extend(
                    [format!("{inner}{name}.rs"), format!("{inner}{name}/mod.rs")]
                        .into_iter()
                        .filter(|child| tree.contains_key(child)),
                ),
            }
        } else if let Some((_, rest)) = line.split_once("include!(\"") {
            children.extend(rest.split('"').next().map(|included| normal(&format!("{folder}{included}"))));
        }
    }
    children
}

fn module_name(line: &str) -> Option<&str> {
    let mut line = line;
    if let Some(rest) = line.strip_prefix("pub") {
        line = rest
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .map_or(rest, |(_, rest)| rest)
            .trim();
    }
    line.strip_prefix("mod ")?.strip_suffix(';')
}

/// A path without `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => _ = parts.pop(),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::complaints;
    use crate::Tree;

    fn check(files: &[(&str, &str)], orphans: &[&str]) {
        let tree: Tree = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let found: Vec<String> = complaints(&tree).into_iter().map(|complaint| complaint.path).collect();
        assert_eq!(found, orphans);
    }

    #[test]
    fn a_file_without_a_mod_line_is_an_orphan() {
        let manifest = ("src/a/Cargo.toml", "[package]\n[lib]\npath = \"lib.rs\"\n");
        let lib =
            ("src/a/lib.rs", "mod used;\npub(crate) mod also;\n#[cfg(test)]\nmod tests;\n// mod left;\n");
        let used = [("src/a/used.rs", "mod inner;"), ("src/a/used/inner.rs", ""), ("src/a/also.rs", "")];
        let rest = [("src/a/tests.rs", ""), ("src/a/left.rs", "")];
        check(&[&[manifest, lib], &used[..], &rest].concat(), &["src/a/left.rs"]);
    }

    #[test]
    fn paths_and_includes_and_targets_are_followed_and_fixtures_are_left_alone() {
        let files = [
            ("Cargo.toml", "[package]\nname = \"kiln\"\n"),
            ("src/main.rs", "#[path = \"../shared/a.rs\"]\nmod a;\n"),
            ("shared/a.rs", "include!(\"b.rs\");\n"),
            ("shared/b.rs", ""),
            ("tests/crash.rs", "mod world;"),
            ("tests/world/mod.rs", ""),
            ("tests/compile_fail/no_undo.rs", ""),
            ("benches/deep/main.rs", ""),
            ("benches/deep/lost.rs", ""),
        ];
        check(&files, &["benches/deep/lost.rs"]);
    }

    #[test]
    fn tests_that_cargo_is_told_not_to_find_are_orphans() {
        let manifest = "[package]\nautotests = false\n[[test]]\nname = \"all\"\npath = \"tests/all.rs\"\n";
        check(&[("Cargo.toml", manifest), ("tests/all.rs", ""), ("tests/lone.rs", "")], &["tests/lone.rs"]);
    }
}
