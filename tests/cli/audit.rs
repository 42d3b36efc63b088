//! The log and its proof, from the command line.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::kit::Place;

#[test]
fn a_whole_log_verifies_and_rebuilds_and_shows_every_event() {
    let place = Place::new();
    let id = place.image("web-1", &[]);
    let verified = place.json(&["audit", "verify"]);
    assert_eq!(verified["Fault"], serde_json::Value::Null);
    let head = place.json(&["audit", "head"]);
    assert_eq!((&verified["Head"]["Event"], &verified["Head"]["Hash"]), (&head["Event"], &head["Hash"]));
    assert_eq!(place.json(&["audit", "rebuild"])["Differing"], 0);

    let log = place.json(&["audit", "log", "--from", "1", "--count", "100000"]);
    let events: Vec<u64> =
        log["Log"].as_array().unwrap().iter().map(|line| line["Event"].as_u64().unwrap()).collect();
    assert_eq!(events, (1..=head["Event"].as_u64().unwrap()).collect::<Vec<_>>());
    let of_image = place.json(&["audit", "log", "--subject", &id]);
    let reserved = &of_image["Log"][0];
    assert_eq!(
        (reserved["Kind"].as_str(), reserved["Payload"]["name"].as_str()),
        (Some("image.reserved/1"), Some("web-1"))
    );
}

#[test]
fn a_head_kept_elsewhere_catches_a_rollback() {
    let place = Place::new();
    place.image("web-1", &[]);
    for name in ["kiln.redb", "kiln.head"] {
        fs::copy(place.data().join(name), place.path(name)).unwrap();
    }
    place.image("web-2", &[]);
    fs::write(place.path("text.head"), place.done(&["audit", "head"])).unwrap();
    fs::write(place.path("json.head"), place.done(&["audit", "head", "--output", "json"])).unwrap();
    place.image("web-3", &[]);
    for head in ["text.head", "json.head"] {
        place.done(&["audit", "verify", "--head", head]);
    }
    for name in ["kiln.redb", "kiln.head"] {
        fs::copy(place.path(name), place.data().join(name)).unwrap();
    }
    place.done(&["audit", "verify"]);
    let caught = place.run(&["audit", "verify", "--head", "text.head"]);
    assert_eq!(caught.code, 5);
    assert!(
        caught.err.contains("it was rolled back") && caught.err.contains("code: Log.Damaged"),
        "{}",
        caught.err
    );
}

#[test]
fn a_log_cut_short_or_overwritten_is_an_error_and_never_a_fresh_start() {
    let place = Place::new();
    place.image("web-1", &[]);
    let log = place.data().join("kiln.redb");
    let whole = fs::read(&log).unwrap();
    for cut in [0, 100, whole.len() / 2] {
        fs::write(&log, &whole[..cut]).unwrap();
        let run = place.run(&["image", "list"]);
        assert_eq!((run.code, run.out.as_str()), (5, ""), "cut to {cut}: {}", run.err);
        assert!(run.err.starts_with("error: ") && !run.err.contains("panicked"), "{}", run.err);
    }
    fs::remove_file(&log).unwrap();
    let run = place.run(&["image", "list"]);
    assert_eq!((run.code, run.out.as_str()), (5, ""), "{}", run.err);

    // Every page but the first holds rubbish: whatever is read first, it is told as an error.
    fs::write(&log, &whole).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.write_all_at(&vec![0xa5; whole.len() - 4096], 4096).unwrap();
    let run = place.run(&["audit", "verify"]);
    assert_eq!((run.code, run.out.as_str()), (5, ""), "{}", run.err);
    assert!(run.err.starts_with("error: ") && !run.err.contains("panicked"), "{}", run.err);

    fs::write(&log, &whole).unwrap();
    place.done(&["audit", "verify"]);
    place.done(&["image", "show", "web-1"]);
}

#[test]
fn a_lost_pack_is_found_by_a_check() {
    let place = Place::new();
    place.image("web-1", &[]);
    let packs = fs::read_dir(place.data().join("regions/cn-hangzhou/packs")).unwrap();
    for pack in packs {
        fs::remove_file(pack.unwrap().path()).unwrap();
    }
    let run = place.run(&["region", "check"]);
    assert_eq!(run.code, 5, "{}", run.err);
    assert!(run.err.contains("code: Storage.Corrupt"), "{}", run.err);
    let export = place.run(&["image", "export", "web-1", "--to", "out.raw", "--format", "raw"]);
    assert_ne!(export.code, 0);
    assert!(!place.path("out.raw").exists(), "nothing that is not whole has the name");
}
