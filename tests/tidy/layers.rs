//! Which room may depend on which, read from the manifests.
//!
//! The compiler keeps dependencies one-way once a manifest allows them; this keeps the manifests.

use crate::Complaint;

/// A room, and the rooms it may build on. A room that is not here may build on none.
const BELOW: &[(&str, &[&str])] = &[
    ("calendar", &[]),
    ("event", &[]),
    ("files", &[]),
    ("domain", &["calendar", "event"]),
    ("engine", &["event", "files"]),
    ("disk", &["event", "domain", "files"]),
    ("guest", &["domain"]),
    ("data", &["event", "domain", "files", "disk", "guest"]),
    ("compute", &["event", "domain", "files", "disk"]),
    ("cluster", &["event", "domain", "engine", "files"]),
    ("workflows", &["event", "domain", "engine"]),
    ("service", &["calendar", "event", "domain", "engine", "workflows", "files"]),
    ("wire", &[]),
    ("kiln-fuzz", &["wire"]),
    ("kiln-peers", &["event", "files", "engine"]),
    ("ecs", &["event", "domain", "service", "wire"]),
    ("oss", &["event", "domain", "service"]),
    ("s3", &["event", "domain", "service", "oss"]),
    ("server", &["service", "wire", "ecs", "oss", "s3"]),
    ("remote", &["event", "service", "wire"]),
    ("console", &["event", "domain", "service"]),
    ("cli", &["event", "domain", "service", "remote", "server", "demo"]),
    ("demo", &["files"]),
    ("sim", &["event", "domain", "engine", "files"]),
    ("stage", &["event", "engine", "sim"]),
    // The product wires all of them, but ships no simulation.
    (
        "kiln",
        &[
            "event",
            "files",
            "domain",
            "engine",
            "disk",
            "data",
            "compute",
            "cluster",
            "workflows",
            "service",
            "console",
            "cli",
        ],
    ),
    ("xtask", &[]),
];

/// All that `workflows` may depend on: nothing here reaches a clock, a disk, a socket or chance.
const WORKFLOWS_MAY_USE: &[&str] =
    &["event", "domain", "engine", "async-trait", "serde", "serde_bytes", "thiserror", "tracing"];

/// The end of the chain: what a room may use in its tests is anything that does not build on it.
fn builds_on(room: &str, other: &str) -> bool {
    below(room).is_some_and(|below| below.iter().any(|next| *next == other || builds_on(next, other)))
}

fn below(room: &str) -> Option<&'static [&'static str]> {
    BELOW.iter().find(|(name, _)| *name == room).map(|(_, below)| *below)
}

/// A dependency as a manifest has it: the line, the section, the name of the crate.
struct Dependency<'a> {
    line: usize,
    for_tests: bool,
    name: &'a str,
}

fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut section: Option<bool> = None;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let table = header.rsplit_once("dependencies");
            section = table
                .filter(|_| !header.starts_with("workspace"))
                .map(|(before, _)| before.ends_with("dev-"));
            // `[dependencies.engine]` is a section of its own.
            if let (Some(for_tests), Some((_, name))) = (section, header.split_once("dependencies.")) {
                found.push(Dependency { line: index + 1, for_tests, name });
                section = None;
            }
        } else if let Some(for_tests) = section
            && let Some((key, _)) = line.split_once('=')
            && !line.starts_with('#')
        {
            let name = key.trim().trim_matches('"').split('.').next().unwrap_or_default();
            found.push(Dependency { line: index + 1, for_tests, name });
        }
    }
    found
}

fn package_name(manifest: &str) -> Option<&str> {
    let package = manifest.split("[package]").nth(1)?;
    let line = package.lines().find(|line| line.starts_with("name"))?;
    line.split('"').nth(1)
}

/// What one manifest breaks.
pub(crate) fn complaints(path: &str, manifest: &str) -> Vec<Complaint> {
    let Some(room) = package_name(manifest) else {
        return Vec::new();
    };
    let complain =
        |line: usize, what: String, advice: &'static str| Complaint { path: path.into(), line, what, advice };
    let Some(may_use) = below(room) else {
        let what = format!("the room `{room}` has no place in the layering");
        return vec![complain(
            1,
            what,
            "give it one in `BELOW` of tests/tidy/layers.rs, with the rooms it builds on",
        )];
    };
    let mut complaints = Vec::new();
    for Dependency { line, for_tests, name } in dependencies(manifest) {
        let is_room = below(name).is_some();
        if is_room && for_tests && builds_on(name, room) && name != "sim" {
            let what = format!("the tests of `{room}` use `{name}`, which builds on it");
            complaints.push(complain(line, what, "move the test to `tests/` of the product"));
        } else if is_room && !for_tests && !may_use.contains(&name) {
            let what = format!("`{room}` depends on `{name}`");
            let advice = "depend only on the rooms below it: declare a port (a trait) and let `main` wire it";
            complaints.push(complain(line, what, advice));
        } else if room == "workflows" && !for_tests && !WORKFLOWS_MAY_USE.contains(&name) {
            let what = format!("`workflows` depends on `{name}`");
            complaints.push(complain(
                line,
                what,
                "reach the world through a step's `at`, or add it to the allow-list",
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::complaints;

    fn check(room: &str, dependencies: &str, expected: &[usize]) {
        let manifest = format!("[package]\nname = \"{room}\"\n\n{dependencies}");
        let lines: Vec<usize> = complaints("Cargo.toml", &manifest).iter().map(|found| found.line).collect();
        assert_eq!(lines, expected, "{manifest}");
    }

    #[test]
    fn a_room_may_use_what_is_below_it_and_not_what_is_beside_or_above() {
        check("engine", "[dependencies]\nevent.workspace = true\nredb = \"4\"\n", &[]);
        check("engine", "[dependencies]\nevent.workspace = true\ndomain.workspace = true\n", &[6]);
        check("engine", "[dependencies.data]\npath = \"x\"\n", &[4]);
        check("domain", "[dependencies]\nengine = { path = \"../engine\" }\n", &[5]);
        check("files", "[target.'cfg(unix)'.dependencies]\nevent.workspace = true\n", &[5]);
    }

    #[test]
    fn the_simulation_is_for_tests_only() {
        check("data", "[dev-dependencies]\nsim.workspace = true\n", &[]);
        check("data", "[dependencies]\nsim.workspace = true\n", &[5]);
        check("kiln", "[dependencies]\nsim.workspace = true\n", &[5]);
    }

    #[test]
    fn tests_may_not_turn_the_layering_round() {
        check("workflows", "[dev-dependencies]\ndata.workspace = true\ntokio.workspace = true\n", &[]);
        check("event", "[dev-dependencies]\nservice.workspace = true\n", &[5]);
    }

    #[test]
    fn workflows_may_use_only_what_is_allowed() {
        check("workflows", "[dependencies]\nserde.workspace = true\ntokio.workspace = true\n", &[6]);
    }

    #[test]
    fn a_new_room_has_to_be_given_its_place() {
        check("attic", "", &[1]);
    }
}
