//! The surface: help, usage, completions, output that goes nowhere.

use std::process::{Command, Stdio};

use crate::kit::{Place, Run, plain};

fn bare(words: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    Run::of(command.args(words).env_clear().stdin(Stdio::null()).output().unwrap())
}

#[test]
fn help_is_there_for_every_command_with_examples_and_exit_codes() {
    let run = bare(&["--help"]);
    assert_eq!(run.code, 0);
    for said in ["Exit codes:", "130  interrupted", "Examples:", "KILN_DATA"] {
        assert!(run.out.contains(said), "{said}");
    }
    for words in [
        "image import",
        "image create",
        "image check",
        "image list",
        "image show",
        "image modify",
        "image deprecate",
        "image restore",
        "image delete",
        "image export",
        "image history",
        "image share",
        "image unshare",
        "image shares",
        "image publish",
        "image copy",
        "image cancel-copy",
        "family show",
        "task list",
        "task show",
        "task cancel",
        "explain",
        "family promote",
        "family rollback",
        "family unpin",
        "account create",
        "user create",
        "user show",
        "user delete",
        "policy create",
        "policy show",
        "policy delete",
        "policy attach",
        "policy detach",
        "role create",
        "role show",
        "role delete",
        "key create",
        "key list",
        "key enable",
        "key disable",
        "key delete",
        "quota show",
        "quota set",
        "region add",
        "workflow list",
        "top",
        "workflow watch",
        "workflow cancel",
        "workflow resume",
        "batch plan",
        "batch run",
        "batch show",
        "batch watch",
        "batch pause",
        "batch resume",
        "batch cancel",
        "batch report",
        "batch forget",
        "batch operations",
        "audit log",
        "audit verify",
        "audit archive",
        "region collect",
        "region check",
        "demo",
        "completions",
    ] {
        let words: Vec<_> = words.split(' ').chain(["--help"]).collect();
        let run = bare(&words);
        assert_eq!(run.code, 0, "{words:?}");
        assert!(run.out.contains("Examples:"), "{words:?} shows no example");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_a_usage_error() {
    for words in [
        &["image", "import", "x.raw"][..],
        &["image", "export", "web-1", "--to", "x", "--format", "vhd"],
        &["image", "modify", "web-1"],
        &["image", "import", "x.raw", "--name", "ok", "--tag", "novalue"],
        &["workflow", "show", "m-1"],
        &["nonsense"],
        &[],
    ] {
        let run = bare(words);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{words:?}: {}", run.err);
    }
    let place = Place::new();
    let words = ["image", "export", "web-1", "--to", "x", "--format", "raw", "--compression", "zstd"];
    assert_eq!(place.run(&words).code, 2);
    assert_eq!(bare(&["image", "list"]).code, 2, "no HOME and no --data");
}

#[test]
fn completions_are_made_for_every_shell_and_need_no_data_directory() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = bare(&["completions", shell]);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{shell}");
        assert!(run.out.contains("deprecate"), "{shell}");
    }
}

#[test]
fn the_data_directory_comes_from_the_environment_and_the_flag_wins() {
    let place = Place::new();
    let listed = |name: &str, value: &str| {
        let output = place.command(&["region", "list"]).env(name, value).output().unwrap();
        assert_eq!(Run::of(output).code, 0);
    };
    listed("KILN_DATA", "unused");
    assert!(place.data().join("kiln.redb").exists() && !place.path("unused").exists());
    for (name, value, dir) in [
        ("KILN_DATA", "by-env", "by-env"),
        ("XDG_DATA_HOME", "xdg", "xdg/kiln"),
        ("HOME", "home", "home/.local/share/kiln"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        let value = place.path(value);
        let output =
            command.args(["image", "list"]).current_dir(place.path("")).env_clear().env(name, value).output();
        assert_eq!(Run::of(output.unwrap()).code, 0, "{name}");
        assert!(place.path(dir).join("kiln.redb").exists(), "{name}");
    }
}

#[test]
fn tables_are_for_people_and_json_for_programs() {
    let place = Place::new();
    let run = place.run(&["image", "list"]);
    assert_eq!((run.code, run.out.as_str()), (0, ""), "nothing is nothing");
    assert!(run.err.contains("no images yet"), "{}", run.err);
    assert_eq!(
        place.done(&["image", "list", "--output", "json"]).replace(char::is_whitespace, ""),
        r#"{"Images":[],"TotalCount":0,"PageNumber":1,"PageSize":0}"#
    );
    place.image("web-1", &["--family", "web"]);
    insta::assert_snapshot!(plain(&place, &place.done(&["image", "list"])), @r"
    ID                      NAME   FAMILY  STATUS      SIZE  CREATED
    IMAGE  web-1  web*    Available  8 MiB  DATE
    ");
    insta::assert_snapshot!(plain(&place, &place.done(&["family", "list"])), @r"
    FAMILY  STANDS FOR  ID                      IMAGES  REGION
    web     web-1       IMAGE       1  cn-hangzhou
    ");
    insta::assert_snapshot!(plain(&place, &place.done(&["image", "deprecate", "web-1"])),
        @"deprecated `web-1` (IMAGE), Deprecated; it does not stand for `web`");
    insta::assert_snapshot!(plain(&place, &place.done(&["image", "delete", "web-1", "--yes"])).replace("3.1", "3"),
        @"deleted `web-1` (IMAGE); 3 MiB given back");
    let quiet = place.run(&["image", "list", "--quiet"]);
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn every_list_and_view_exists_as_json() {
    let place = Place::new();
    let image = place.image("web-1", &["--family", "web"]);
    let flows = place.json(&["workflow", "list"]);
    let flow = &flows["Workflows"][0];
    assert_eq!(
        (&flow["Name"], &flow["State"], &flow["Output"]),
        (&"import_image".into(), &"Done".into(), &image.as_str().into())
    );
    let id = flow["WorkflowId"].as_str().unwrap();
    assert_eq!(&place.json(&["workflow", "show", id]), flow);
    for words in [
        "image list",
        "image history web-1",
        "family list",
        "family show web",
        "workflow list --open",
        "workflow list --kind import-image --state done,parked --since 1h --text WEB --image web-1",
        "top --once",
        "task list",
        "explain",
        "audit log",
        "audit head",
        "audit verify",
        "audit rebuild",
        "audit archive",
        "region list",
        "region check",
        "region collect",
    ] {
        place.json(&words.split(' ').collect::<Vec<_>>());
    }
}

#[test]
fn a_reader_that_hangs_up_is_no_error_and_a_full_disk_under_the_output_is() {
    let place = Place::new();
    place.image("web-1", &[]);
    let mut child = place.begin(&["audit", "log", "--count", "100000", "--output", "json"]);
    drop(child.stdout.take());
    assert_eq!(Run::of(child.wait_with_output().unwrap()).err, "");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command(&["image", "list"]).stdout(full).output().unwrap();
    let run = Run::of(output);
    assert_eq!(run.code, 4);
    assert!(run.err.contains("printing the answer"), "{}", run.err);
}
