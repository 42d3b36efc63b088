//! Several processes on one data directory: one holds it, the others ask it, and when it is gone
//! another takes over.

use std::process::{Child, Command};

use serde_json::Value;

use crate::kit::{MIB, Place, Run};

/// Disks tried, each twice the one before, until an import is caught in the middle.
const CATCHES_MAX: u32 = 6;

/// An import in a process of its own, caught while it moves data.
struct Caught {
    child: Child,
    workflow: String,
    name: String,
}

/// Begins an import and waits until another process sees it moving.
fn catch(place: &Place, name: &str) -> Caught {
    for again in 0..CATCHES_MAX {
        let name = format!("{name}-{again}");
        let disk = format!("{name}.raw");
        let bytes = (128 * MIB) << again;
        place.disk(&disk, bytes, bytes, 11 + u64::from(again));
        let mut child = place.begin(&["image", "import", &disk, "--name", &name, "--output", "json"]);
        while child.try_wait().unwrap().is_none() {
            let flows = place.json(&["workflow", "list", "--open"]);
            let label = format!("import `{name}`");
            let mut flows = flows["Workflows"].as_array().unwrap().iter();
            let moving = |flow: &&Value| {
                flow["Label"] == label.as_str()
                    && flow["Progress"]["DoneBytes"].as_u64().is_some_and(|done| done > 0)
            };
            if let Some(flow) = flows.find(moving) {
                let workflow = flow["WorkflowId"].as_str().unwrap().to_owned();
                return Caught { child, workflow, name };
            }
        }
    }
    panic!("every import was over before it was seen");
}

impl Caught {
    fn end(self) -> Run {
        Run::of(self.child.wait_with_output().unwrap())
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
}

#[test]
fn beside_an_import_others_list_watch_and_cancel() {
    let place = Place::new();
    let caught = catch(&place, "big");
    let creating = place.json(&["image", "list"]);
    assert!(
        creating["Images"]
            .as_array()
            .unwrap()
            .iter()
            .any(|image| image["ImageName"] == caught.name.as_str() && image["Status"] == "Creating")
    );
    let delete = place.run(&["image", "delete", &caught.name, "--yes"]);
    assert_eq!(delete.code, 3);
    assert!(delete.err.contains("is being imported"), "{}", delete.err);

    let watch = place.begin(&["workflow", "watch", &caught.workflow]);
    let cancel = place.done(&["workflow", "cancel", &caught.workflow, "--reason", "not needed"]);
    assert!(cancel.contains("everything it had begun is undone"), "{cancel}");
    for run in [caught.end(), Run::of(watch.wait_with_output().unwrap())] {
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{}", run.err);
        assert!(run.err.contains("it was cancelled: not needed"), "{}", run.err);
    }
    let check = place.json(&["region", "check"]);
    assert_eq!((&check["Chunks"], &check["PackBytes"]), (&0.into(), &0.into()), "its space came back");
    assert_eq!(place.json(&["image", "list"])["Images"].as_array().unwrap().len(), 0);
}

#[test]
fn when_the_holder_is_killed_who_waits_takes_over_and_nothing_is_lost() {
    let place = Place::new();
    let mut caught = catch(&place, "big");
    let disk = format!("{}.raw", caught.name);
    // The same import from another process: it joins the one in progress.
    let joined = place.begin(&["image", "import", &disk, "--name", &caught.name, "--output", "json"]);
    // It asks only once it is there; what it says when it has joined is what to wait for.
    let (joined, first) = wait_for_a_line(joined);
    assert!(first.contains("going on with the import"), "{first}");
    caught.child.kill().unwrap();
    caught.child.wait().unwrap();
    let run = Run::of(joined.wait_with_output().unwrap());
    assert_eq!(run.code, 0, "{}", run.err);
    let image: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(image["Status"], "Available");
    let flow = place.json(&["workflow", "show", &caught.workflow]);
    assert_eq!((&flow["State"], &flow["Output"]), (&"Done".into(), &image["ImageId"]));
    place.done(&["image", "export", &caught.name, "--to", "out.raw", "--format", "raw"]);
    crate::kit::assert_same(&place.path(&disk), &place.path("out.raw"));
    place.done(&["audit", "verify"]);
    place.done(&["audit", "rebuild"]);
}

/// The first line a process says on stderr; it goes on.
fn wait_for_a_line(mut child: Child) -> (Child, String) {
    use std::io::Read;
    let mut line = Vec::new();
    let mut byte = [0];
    let stderr = child.stderr.as_mut().unwrap();
    while stderr.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    (child, String::from_utf8(line).unwrap())
}

#[test]
fn an_interrupt_keeps_the_work_and_says_how_to_go_on() {
    let place = Place::new();
    let caught = catch(&place, "big");
    let (workflow, name) = (caught.workflow.clone(), caught.name.clone());
    signal(&caught.child, "INT");
    let run = caught.end();
    assert_eq!((run.code, run.out.as_str()), (130, ""), "{}", run.err);
    for said in [format!("kiln workflow watch {workflow}"), format!("kiln workflow cancel {workflow}")] {
        assert!(run.err.contains(&said), "{}", run.err);
    }
    let kept = place.json(&["workflow", "show", &workflow]);
    assert_eq!(
        (&kept["State"], &kept["Driven"]),
        (&"Running".into(), &false.into()),
        "looking drives nothing"
    );
    // The same command goes on with the same operation.
    let disk = format!("{name}.raw");
    place.done(&["image", "import", &disk, "--name", &name]);
    assert_eq!(place.json(&["workflow", "show", &workflow])["State"], "Done");
}

#[test]
fn what_was_started_without_waiting_goes_on_under_the_next_that_waits() {
    let place = Place::new();
    place.disk("disk.raw", 8 * MIB, 3 * MIB, 2);
    // A first start drives what makes account and regions; let that be over.
    place.done(&["region", "list"]);
    let started = place.json(&["image", "import", "disk.raw", "--name", "web-1", "--no-wait"]);
    let workflow = started["WorkflowId"].as_str().unwrap();
    for _ in 0..2 {
        let shown = place.json(&["workflow", "show", workflow]);
        assert_eq!(
            (&shown["State"], &shown["Events"]),
            (&"Running".into(), &1.into()),
            "looking drives nothing"
        );
    }
    place.done(&["workflow", "watch"]);
    assert_eq!(place.json(&["image", "show", "web-1"])["Status"], "Available");

    let started = place.json(&["image", "import", "disk.raw", "--name", "web-2", "--no-wait"]);
    let again = place.json(&["image", "import", "disk.raw", "--name", "web-2", "--no-wait"]);
    assert_eq!(started["WorkflowId"], again["WorkflowId"], "the same again joins it");
    place.done(&["workflow", "cancel", started["WorkflowId"].as_str().unwrap(), "--no-wait"]);
    place.done(&["workflow", "watch", workflow]);
    let undone = place.run(&["workflow", "watch", started["WorkflowId"].as_str().unwrap()]);
    assert_eq!(undone.code, 1);
    assert_eq!(place.run(&["image", "show", "web-2"]).code, 3);

    for words in [
        &["image", "deprecate", "web-1", "--no-wait"][..],
        &["image", "delete", "web-1", "--no-wait", "--yes"],
    ] {
        place.done(words);
        place.done(&["workflow", "watch"]);
    }
    assert_eq!(place.run(&["image", "show", "web-1"]).code, 3);
}

#[test]
fn many_at_once_on_a_fresh_directory_all_get_their_answer() {
    let place = Place::new();
    place.disk("disk.raw", 4 * MIB, MIB, 2);
    let names: Vec<String> = (0..8).map(|number| format!("web-{number}")).collect();
    let imports: Vec<Child> = names
        .iter()
        .map(|name| {
            place.begin(&[
                "image", "import", "disk.raw", "--name", name, "--family", "web", "--output", "json",
            ])
        })
        .collect();
    let lists: Vec<Child> = (0..8).map(|_| place.begin(&["image", "list", "--output", "json"])).collect();
    let mut ids = std::collections::BTreeSet::new();
    for child in imports {
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.code, 0, "{}", run.err);
        let image: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(image["Status"], "Available");
        ids.insert(image["ImageId"].as_str().unwrap().to_owned());
    }
    for child in lists {
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.code, 0, "{}", run.err);
    }
    assert_eq!(ids.len(), 8);
    assert_eq!(place.json(&["image", "list"])["Images"].as_array().unwrap().len(), 8);
    let starts = place.json(&["workflow", "list"]);
    let firsts =
        starts["Workflows"].as_array().unwrap().iter().filter(|flow| flow["Name"] != "import_image").count();
    assert_eq!(firsts, 3, "one account and two regions were made, once");
    place.done(&["audit", "verify"]);
    place.done(&["audit", "rebuild"]);
}

#[test]
fn the_same_import_from_two_processes_at_once_is_one_operation() {
    let place = Place::new();
    place.disk("disk.raw", 64 * MIB, 48 * MIB, 2);
    let words = ["image", "import", "disk.raw", "--name", "web-1", "--output", "json"];
    let both = [place.begin(&words), place.begin(&words)];
    let runs = both.map(|child| Run::of(child.wait_with_output().unwrap()));
    // One that came only after the other was done finds the name taken.
    let ended: Vec<i32> = runs.iter().map(|run| run.code).collect();
    assert!(
        ended == [0, 0] || ended == [0, 3] || ended == [3, 0],
        "{ended:?}: {}",
        runs[0].err.clone() + &runs[1].err
    );
    let flows = place.json(&["workflow", "list"]);
    let imports =
        flows["Workflows"].as_array().unwrap().iter().filter(|flow| flow["Name"] == "import_image").count();
    assert_eq!(imports, 1);
}

#[test]
fn a_data_directory_with_a_very_long_path_works_for_holder_and_client() {
    let place = Place::new();
    let long = place.path(&"d".repeat(120));
    let data = long.to_str().unwrap();
    place.disk("disk.raw", 64 * MIB, 32 * MIB, 2);
    let words = |name: &'static str| ["--data", data, "image", "import", "disk.raw", "--name", name];
    let children = ["web-1", "web-2", "web-3"].map(|name| place.begin(&words(name)));
    for child in children {
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.code, 0, "{}", run.err);
    }
}
