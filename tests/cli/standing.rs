//! Operations that stand still, go on, and are begun anew.

use std::time::{Duration, Instant};

use crate::kit::{MIB, Place};

/// What `workflow list --open` says, once it says this of some operation.
fn until(place: &Place, wanted: &str) -> serde_json::Value {
    let begun = Instant::now();
    loop {
        let open = place.json(&["workflow", "list", "--open"]);
        let found = open["Workflows"].as_array().unwrap().iter().find(|flow| flow["State"] == wanted);
        if let Some(found) = found {
            return found.clone();
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{open:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn everything_stands_still_until_it_is_let_go_on_and_a_cancel_goes_through() {
    let place = Place::new();
    let id = place.image("web-1", &[]);
    let told = place.done(&["workflow", "pause", "--all", "--reason", "maintenance"]);
    assert_eq!(told, "0 operations that have not ended stand still\n");
    let mut one = place.begin(&["image", "modify", "web-1", "--description", "new"]);
    let paused = until(&place, "Paused");
    assert_eq!((&paused["Name"], &paused["Paused"]), (&"modify_image".into(), &"maintenance".into()));
    let no = place.run(&["workflow", "resume", paused["WorkflowId"].as_str().unwrap()]);
    assert!(no.code != 0 && no.err.contains("stands still together with others"), "{}", no.err);
    assert_eq!(place.json(&["image", "show", &id])["Description"], "");
    place.done(&["workflow", "resume", "--all"]);
    assert!(one.wait().unwrap().success());
    assert_eq!(place.json(&["image", "show", &id])["Description"], "new");

    place.done(&["workflow", "pause", "--kind", "modify_image"]);
    let mut two = place.begin(&["image", "modify", "web-1", "--description", "newer"]);
    let paused = until(&place, "Paused");
    place.done(&["workflow", "cancel", paused["WorkflowId"].as_str().unwrap()]);
    assert!(!two.wait().unwrap().success());
    assert_eq!(place.json(&["image", "show", &id])["Description"], "new");
    let flows = place.json(&["workflow", "list"]);
    let flows = flows["Workflows"].as_array().unwrap();
    let paused = flows.iter().find(|flow| flow["Label"] == "pause all workflows").expect("it is in the log");
    let told = place.done(&["workflow", "show", paused["WorkflowId"].as_str().unwrap()]);
    assert!(told.contains("had all operations stand still: maintenance"), "{told}");
}

#[test]
fn what_cannot_be_paused_or_begun_anew_says_what_there_is() {
    let place = Place::new();
    place.disk("disk.raw", 8 * MIB, MIB, 1);
    place.done(&["image", "import", "disk.raw", "--name", "web-1"]);
    let ended = place.json(&["workflow", "list"])["Workflows"][0]["WorkflowId"].clone();
    let ended = ended.as_str().unwrap();
    let events = place.json(&["audit", "log", "--workflow", ended]);
    let middle = events["Log"][3]["Event"].to_string();
    let middle = middle.as_str();
    for (words, said) in [
        (vec!["workflow", "pause", "--kind", "modify_imag"], "modify_image"),
        (vec!["workflow", "pause", ended], "has ended already"),
        (vec!["workflow", "pause"], "--all"),
        (vec!["workflow", "resume", "--kind", "copy_image"], "all of `copy_image`: that was not paused"),
        (vec!["workflow", "reset", ended, "--before", "4"], "has no event 4"),
        (vec!["workflow", "reset", ended, "--before", middle], "has ended; start the operation once more"),
        (vec!["workflow", "reset", ended], "has ended; start the operation once more"),
        (vec!["workflow", "reset", ended, "--before", "x"], "--before"),
    ] {
        let run = place.run(&words);
        assert!(run.code != 0 && run.err.contains(said), "{words:?}: {}", run.err);
    }
}
