//! Backups while the house is in use, and what comes back of them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::kit::{MIB, Place, Run, assert_same};

/// The program on another data directory of the same place.
fn on(place: &Place, data: &str, words: &[&str]) -> Run {
    let data = place.path(data).to_string_lossy().into_owned();
    // The last word counts.
    place.run(&[&["--data", &data], words].concat())
}

fn done_on(place: &Place, data: &str, words: &[&str]) -> String {
    let run = on(place, data, words);
    assert_eq!(run.code, 0, "{words:?}: {}", run.err);
    run.out
}

fn json_on(place: &Place, data: &str, words: &[&str]) -> Value {
    serde_json::from_str(&done_on(place, data, &[words, &["--output", "json"]].concat())).unwrap()
}

/// What a data directory has to pass.
fn check(place: &Place, data: &str) {
    done_on(place, data, &["audit", "verify", "--projections"]);
    done_on(place, data, &["region", "check", "--deep"]);
}

#[test]
fn a_backup_while_images_arrive_is_whole_and_every_image_in_it_comes_back() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.disk("large.raw", 96 * MIB, 64 * MIB, 5);
    let mut writer = place.begin(&["image", "import", "large.raw", "--name", "large"]);
    let mut made = Vec::new();
    for n in 0.. {
        let backup = format!("backup-{n}");
        place.done(&["backup", &backup]);
        made.push(backup);
        if writer.try_wait().unwrap().is_some() && n > 0 {
            break;
        }
    }
    assert!(writer.wait().unwrap().success());
    // Of a few the one in the middle may be the first or the last as well.
    let looked_at = std::collections::BTreeSet::from([0, made.len() / 2, made.len() - 1]);
    for backup in looked_at.into_iter().map(|at| &made[at]) {
        let data = format!("of-{backup}");
        let restored: Value =
            serde_json::from_str(&place.done(&["restore", backup, "--to", &data, "--output", "json"]))
                .unwrap();
        assert_eq!(restored["Missing"].as_array().unwrap().len(), 0, "{restored}");
        check(&place, &data);
        let images = json_on(&place, &data, &["image", "list"]);
        let available =
            images["Images"].as_array().unwrap().iter().filter(|image| image["Status"] == "Available");
        for image in available {
            let name = image["ImageName"].as_str().unwrap();
            let out = format!("{data}-{name}.raw");
            done_on(&place, &data, &["image", "export", name, "--to", &out, "--format", "raw"]);
            assert_same(&place.path(&format!("{name}.raw")), &place.path(&out));
        }
        let parked = restored["Parked"].as_array().unwrap();
        for flow in parked.iter().map(|flow| flow.as_str().unwrap()) {
            let flow = json_on(&place, &data, &["workflow", "show", flow]);
            assert_eq!(flow["State"], "Parked");
        }
    }
    // The last one has it all; what had not ended in the first is undone when a person says so.
    let last = format!("of-{}", made[made.len() - 1]);
    done_on(&place, &last, &["image", "show", "large"]);
    let open = json_on(&place, &format!("of-{}", made[0]), &["workflow", "list", "--open"]);
    for flow in open["Workflows"].as_array().unwrap() {
        let id = flow["WorkflowId"].as_str().unwrap();
        let data = format!("of-{}", made[0]);
        // It ends undone, which is what was asked for, whatever the code of that is.
        on(&place, &data, &["workflow", "unwind", id, "--reason", "restored"]);
        on(&place, &data, &["workflow", "watch", id]);
        assert_eq!(json_on(&place, &data, &["workflow", "show", id])["State"], "Undone");
        check(&place, &data);
    }
}

#[test]
fn a_restored_house_starts_nothing_by_itself_until_it_may_and_has_the_manifests_of_its_batches() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.write("m.csv", b"operation,image,tag:n\nimage.modify,web-1,1\nimage.modify,nobody,2\n");
    assert_eq!(place.run(&["batch", "run", "m.csv", "--name", "tags"]).code, 1);
    place.done(&["schedule", "create", "often", "every 1s", "disk.create", "size=20GiB"]);
    place.done(&["backup", "one"]);
    place.done(&["restore", "one", "--to", "again"]);
    let report = on(&place, "again", &["batch", "report", "tags", "--failures", "f.csv"]);
    assert_eq!(report.code, 0, "{}", report.err);
    assert!(fs::read_to_string(place.path("f.csv")).unwrap().contains("nobody"));
    let disks = || json_on(&place, "again", &["disk", "list"])["Disks"].as_array().unwrap().len();
    // Whoever waits for something keeps the house meanwhile.
    for made in 1..=3 {
        std::thread::sleep(Duration::from_millis(700));
        done_on(&place, "again", &["disk", "create", "--size", "20GiB"]);
        assert_eq!(disks(), made, "a person's operation is done, and no other");
    }
    done_on(&place, "again", &["workflow", "resume", "--background"]);
    let begun = std::time::Instant::now();
    let mut made = 3;
    while disks() == made {
        assert!(begun.elapsed() < Duration::from_mins(1), "the schedule ticks again");
        std::thread::sleep(Duration::from_millis(300));
        done_on(&place, "again", &["disk", "create", "--size", "20GiB"]);
        made += 1;
    }
}

#[test]
fn a_backup_that_is_killed_leaves_nothing_that_is_taken_for_one() {
    let place = Place::new();
    place.disk("large.raw", 64 * MIB, 48 * MIB, 9);
    place.done(&["image", "import", "large.raw", "--name", "large"]);
    let mut cut = 0;
    for wait_ms in [0, 5, 10, 20, 30, 40, 60, 80] {
        let mut backup = place.begin(&["backup", "one"]);
        std::thread::sleep(Duration::from_millis(wait_ms));
        backup.kill().unwrap();
        let ended = backup.wait().unwrap();
        assert_eq!(
            place.path("one").exists(),
            place.path("one/backup.json").exists(),
            "half a backup has the name"
        );
        if place.path("one").exists() {
            place.done(&["restore", "one", "--to", "of-one"]);
            fs::remove_dir_all(place.path("one")).unwrap();
            fs::remove_dir_all(place.path("of-one")).unwrap();
        } else {
            assert!(!ended.success());
            cut += 1;
            let run = place.run(&["restore", "one.partial", "--to", "never"]);
            assert_eq!(run.code, 5, "{}", run.err);
            assert!(!place.path("never").exists() && run.err.contains("code: Backup.Damaged"), "{}", run.err);
        }
    }
    assert!(cut > 0, "none was cut short");
    // The house is as it was, and the next one is whole.
    check(&place, "data");
    assert!(!place.data().join("regions/cn-hangzhou/pinned").exists());
    place.done(&["backup", "one"]);
    assert!(!place.path("one.partial").exists());
    place.done(&["restore", "one", "--to", "again"]);
    check(&place, "again");
}

#[test]
fn as_of_each_of_several_events_a_restore_is_the_replay_as_of_then() {
    let place = Place::new();
    let id = place.image("web-1", &["--family", "web"]);
    place.image("web-2", &["--family", "web"]);
    place.done(&["account", "create", "friend", "--id", "200000"]);
    place.done(&["image", "share", &id, "--with", "200000"]);
    place.done(&["image", "deprecate", "web-2"]);
    place.done(&["backup", "all"]);
    let head = place.json(&["audit", "head"]);
    let last = head["Event"].as_u64().unwrap();
    fs::write(place.path("head"), place.done(&["audit", "head"])).unwrap();
    let whats = ["images", "families", "shares", "snapshots", "disks", "quotas", "regions"];
    for at in [0, 3, last / 3, last / 2, last - 4, last] {
        let (data, at_text) = (format!("at-{at}"), at.to_string());
        place.done(&["restore", "all", "--to", &data, "--at", &at_text]);
        if at > 20 {
            check(&place, &data);
        }
        for what in whats {
            let words = ["audit", "replay", "--at", &at_text, what];
            let mut then = place.json(&words);
            let mut again = json_on(&place, &data, &words);
            // Asked as of event 0, the time is that of the clock.
            for view in [&mut then, &mut again] {
                view.as_object_mut().unwrap().remove("Time");
            }
            assert_eq!(then, again, "{what} as of {at}");
        }
        if at < last {
            fs::copy(place.path("head"), place.path(&format!("{data}/head"))).unwrap();
            let head = format!("{data}/head");
            let run = on(&place, &data, &["audit", "verify", "--head", &head]);
            assert_eq!(run.code, 5, "{}", run.err);
            let told = format!("restored as of event {at}");
            assert!(
                run.err.contains(&told) && run.err.contains("the very head of the backup"),
                "{}",
                run.err
            );
            assert!(!run.err.contains("rolled back") && !run.err.contains("forked"), "{}", run.err);
        }
        let verified = json_on(&place, &data, &["audit", "verify"]);
        assert_eq!(
            (&verified["Lineage"][0]["At"], &verified["Lineage"][0]["BackupEvent"]),
            (&at.into(), &last.into())
        );
    }
}

#[test]
fn a_later_backup_takes_no_room_for_what_an_earlier_one_has() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.done(&["bucket", "create", "disks"]);
    place.done(&["bucket", "put", "web-1.raw", "oss://disks/a/web-1.raw"]);
    place.done(&["backup", "one"]);
    place.image("web-2", &[]);
    let made: Value =
        serde_json::from_str(&place.done(&["backup", "two", "--reuse", "one", "--output", "json"])).unwrap();
    assert!(made["ReusedBytes"].as_u64().unwrap() > MIB, "{made}");
    let packs = |backup: &str| -> Vec<(String, u64)> {
        let dir = place.path(backup).join("regions/cn-hangzhou/packs");
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        let mut packs: Vec<_> = entries
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().ino()))
            .collect();
        packs.sort();
        packs
    };
    let (one, two) = (packs("one"), packs("two"));
    assert!(one.iter().all(|pack| two.contains(pack)) && two.len() > one.len(), "{one:?} {two:?}");
    // Each stands for itself.
    fs::remove_dir_all(place.path("one")).unwrap();
    place.done(&["restore", "two", "--to", "of-two"]);
    check(&place, "of-two");
    done_on(&place, "of-two", &["bucket", "get", "oss://disks/a/web-1.raw", "back.raw"]);
    assert_same(&place.path("web-1.raw"), &place.path("back.raw"));
}

#[test]
fn a_backup_takes_nothing_from_one_of_a_history_that_was_given_up() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.done(&["backup", "one"]);
    place.done(&["restore", "one", "--to", "again"]);
    // One chunk each: packs of one number and one length, and of other bytes.
    place.disk("web-2.raw", MIB, 16 << 10, 2);
    place.disk("web-3.raw", MIB, 16 << 10, 3);
    place.done(&["image", "import", "web-2.raw", "--name", "web-2"]);
    place.done(&["backup", "two"]);
    done_on(&place, "again", &["image", "import", "web-3.raw", "--name", "web-3"]);
    done_on(&place, "again", &["backup", "three", "--reuse", "two"]);
    let packs = |backup: &str| -> Vec<(String, u64)> {
        let manifest = fs::read_to_string(place.path(backup).join("backup.json")).unwrap();
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let files = manifest["stores"].as_array().unwrap().iter();
        let files =
            files.map(|file| (file["path"].as_str().unwrap().to_owned(), file["bytes"].as_u64().unwrap()));
        files.filter(|(path, _)| path.contains("/packs/")).collect()
    };
    assert_eq!(packs("two"), packs("three"), "or this proves nothing");
    done_on(&place, "again", &["backup", "four", "--reuse", "three"]);
    for backup in ["three", "four"] {
        let data = format!("of-{backup}");
        place.done(&["restore", backup, "--to", &data]);
        check(&place, &data);
    }
    let made = json_on(&place, "again", &["backup", "five", "--reuse", "one"]);
    assert!(made["ReusedBytes"].as_u64().unwrap() > MIB, "what both have is taken: {made}");
}

#[test]
fn an_export_goes_on_only_in_the_log_that_it_was_begun_of() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.done(&["audit", "export", "--to", "early.jsonl"]);
    place.done(&["backup", "one"]);
    // More than a restore and its first opening write themselves.
    for _ in 0..4 {
        place.done(&["image", "deprecate", "web-1"]);
        place.done(&["image", "restore", "web-1"]);
    }
    place.done(&["audit", "export", "--to", "late.jsonl"]);
    place.done(&["restore", "one", "--to", "again"]);
    let cut = fs::read_to_string(place.path("late.jsonl")).unwrap() + "{\"Event\":";
    fs::write(place.path("late.jsonl"), &cut).unwrap();
    let refused = |why: &str| {
        let run = on(&place, "again", &["audit", "export", "--to", "late.jsonl", "--resume"]);
        assert!(run.code == 3 && run.err.contains(why), "{}", run.err);
        assert!(run.err.contains("of another history") && run.err.contains("InvalidExport.History"));
        assert_eq!(fs::read_to_string(place.path("late.jsonl")).unwrap(), cut, "nothing of it is touched");
    };
    refused("the log ends at event");
    for _ in 0..5 {
        done_on(&place, "again", &["image", "deprecate", "web-1"]);
        done_on(&place, "again", &["image", "restore", "web-1"]);
    }
    refused("is another in the log");
    // What was exported before the moment is of both.
    done_on(&place, "again", &["audit", "export", "--to", "early.jsonl", "--resume"]);
    assert_eq!(
        fs::read_to_string(place.path("early.jsonl")).unwrap(),
        done_on(&place, "again", &["audit", "export"])
    );
    place.done(&["audit", "export", "--to", "late.jsonl", "--resume"]);
}

#[test]
fn nothing_is_removed_that_kiln_did_not_begin_whatever_its_name_is() {
    let place = Place::new();
    place.done(&["account", "create", "friend"]);
    place.done(&["backup", "one"]);
    fs::create_dir_all(place.path("two.partial/letters")).unwrap();
    place.write("two.partial/letters/a", b"dear friend");
    std::os::unix::fs::symlink(place.path("two.partial"), place.path("three.partial")).unwrap();
    place.write("four.partial", b"a file");
    for name in ["two", "three", "four"] {
        for words in [&["backup", name][..], &["restore", "one", "--to", name]] {
            let run = place.run(words);
            assert!(run.code == 3 && run.err.contains("code: InvalidTarget.Taken"), "{words:?}: {}", run.err);
            assert!(run.err.contains(&format!("{name}.partial` is in the way")), "{}", run.err);
        }
        assert!(!place.path(name).exists());
    }
    assert_eq!(fs::read(place.path("two.partial/letters/a")).unwrap(), b"dear friend");
    assert_eq!(fs::read(place.path("four.partial")).unwrap(), b"a file");
    // What was begun here, and what is empty, makes room.
    fs::remove_dir_all(place.path("two.partial/letters")).unwrap();
    place.done(&["backup", "two"]);
    fs::rename(place.path("two"), place.path("five.partial")).unwrap();
    place.write("five.partial/kiln.unfinished", b"");
    place.done(&["backup", "five"]);
    place.done(&["restore", "five", "--to", "six"]);
    for name in ["two.partial", "five.partial", "five/kiln.unfinished", "six/kiln.unfinished"] {
        assert!(!place.path(name).exists(), "{name}");
    }
}

#[test]
fn buckets_come_back_also_those_that_are_empty_and_none_that_nobody_had_yet() {
    let place = Place::new();
    place.write("notes", b"of the one who had it");
    place.done(&["bucket", "create", "empty"]);
    let before = place.json(&["audit", "head", "--unsigned"])["Event"].to_string();
    place.done(&["bucket", "create", "later"]);
    place.done(&["bucket", "put", "notes", "oss://later/notes"]);
    place.done(&["backup", "one"]);
    for (data, at) in [("now", None), ("then", Some(before.as_str()))] {
        let at = at.map_or_else(Vec::new, |at| vec!["--at", at]);
        place.done(&[&["restore", "one", "--to", data], &at[..]].concat());
        done_on(&place, data, &["bucket", "put", "notes", "oss://empty/a/notes"]);
        done_on(&place, data, &["bucket", "get", "oss://empty/a/notes", &format!("of-{data}")]);
        assert_same(&place.path("notes"), &place.path(&format!("of-{data}")));
    }
    done_on(&place, "now", &["bucket", "get", "oss://later/notes", "of-later"]);
    // Whoever takes the name as of then has an empty bucket.
    done_on(&place, "then", &["bucket", "create", "later"]);
    let objects = json_on(&place, "then", &["bucket", "ls", "oss://later"]);
    assert_eq!(objects["Objects"].as_array().map(Vec::len), Some(0), "{objects}");
    assert_eq!(on(&place, "then", &["bucket", "get", "oss://later/notes", "never"]).code, 3);
}

#[test]
fn a_backup_that_was_changed_is_refused_and_nothing_is_made_of_it() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.done(&["key", "create"]);
    place.done(&["backup", "one"]);
    let pack =
        fs::read_dir(place.path("one/regions/cn-hangzhou/packs")).unwrap().next().unwrap().unwrap().path();
    let log = fs::read_dir(place.path("one/log")).unwrap().next().unwrap().unwrap().path();
    for file in [pack, log, place.path("one/kiln.seal"), place.path("one/regions/cn-hangzhou/index.redb")] {
        let whole = fs::read(&file).unwrap();
        let mut changed = whole.clone();
        let place_of_it = changed.len() / 2;
        changed[place_of_it] ^= 1;
        fs::write(&file, changed).unwrap();
        let run = place.run(&["restore", "one", "--to", "never"]);
        assert!(run.code == 5 && !place.path("never").exists(), "{}: {}", file.display(), run.err);
        fs::write(&file, whole).unwrap();
    }
    let made = place.run(&["backup", "one"]);
    assert!(made.code == 3 && made.err.contains("InvalidTarget.Exists"), "{}", made.err);
    let inside = place.run(&["backup", "data/inside"]);
    assert!(inside.code == 3 && inside.err.contains("InvalidTarget.Inside"), "{}", inside.err);
    let full = place.run(&["restore", "one", "--to", "data"]);
    assert!(full.code == 3 && full.err.contains("is not empty"), "{}", full.err);
    place.done(&["restore", "one", "--to", "well"]);
    let keys = done_on(&place, "well", &["key", "list"]);
    assert!(keys.contains("LTAI"), "{keys}");
    assert!(Path::new(&place.path("well/kiln.seal")).exists());
    let log_only = place.done(&["backup", "log", "--log-only"]);
    assert!(log_only.contains("the log only"), "{log_only}");
    place.done(&["restore", "log", "--to", "of-log"]);
    done_on(&place, "of-log", &["audit", "verify", "--projections"]);
}
