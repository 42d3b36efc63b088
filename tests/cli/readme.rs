//! The commands of the README's tour are run as they stand there.

use std::process::{Command, Stdio};

use crate::kit::{Place, Run};

/// The commands of the blocks marked `console`: the lines that begin with a prompt.
fn tour() -> Vec<String> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks = readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
}

#[test]
fn the_tour_of_the_readme_works_as_it_is_written() {
    let place = Place::new();
    let commands = tour();
    assert!(commands.len() > 10, "the tour was found: {commands:?}");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_kiln"));
    let path =
        format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    for command in commands {
        let mut shell = Command::new("sh");
        shell.args(["-ec", &command]).current_dir(place.path("")).stdin(Stdio::null());
        shell.env_clear().env("PATH", &path).env("KILN_DATA", place.data());
        let run = Run::of(shell.output().unwrap());
        assert_eq!(run.code, 0, "{command}: {}", run.err);
    }
}
