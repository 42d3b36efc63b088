//! Signed heads, a log that somebody edited, and the log as lines, as an auditor has them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::Value;

use crate::kit::{Place, Run};

const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");

const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");

const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

/// Changes the log through redb itself, as somebody with the file in hand would.
fn edit(place: &Place, change: impl FnOnce(&redb::WriteTransaction, &[(u64, Vec<u8>)])) {
    let db = Database::create(place.data().join("kiln.redb")).unwrap();
    let rows: Vec<(u64, Vec<u8>)> = {
        let log = db.begin_read().unwrap().open_table(LOG).unwrap();
        let row = |row: Result<(redb::AccessGuard<'_, u64>, redb::AccessGuard<'_, &[u8]>), _>| {
            let (first, row) = row.unwrap();
            (first.value(), row.value().to_vec())
        };
        log.iter().unwrap().map(row).collect()
    };
    let txn = db.begin_write().unwrap();
    change(&txn, &rows);
    txn.commit().unwrap();
}

fn place() -> Place {
    let place = Place::new();
    for name in ["web-1", "web-2"] {
        place.image(name, &[]);
    }
    place
}

fn caught(run: &Run, words: &[&str]) {
    assert_eq!((run.code, run.out.as_str()), (5, ""), "{}", run.err);
    assert!(words.iter().all(|word| run.err.contains(word)), "{words:?} in {}", run.err);
}

#[test]
fn a_head_is_signed_and_a_stranger_checks_it_with_the_public_key_alone() {
    let place = place();
    fs::write(place.path("kiln.pem"), place.done(&["audit", "key"])).unwrap();
    fs::write(place.path("heads"), place.done(&["audit", "head"])).unwrap();
    place.image("web-3", &[]);
    let mut heads = fs::read_to_string(place.path("heads")).unwrap();
    heads += &place.done(&["audit", "head", "--parts", "today", "--output", "json"]);
    heads += &place.done(&["audit", "head", "--unsigned"]);
    fs::write(place.path("heads"), &heads).unwrap();
    let verified = place.json(&["audit", "verify", "--head", "heads"]);
    assert_eq!((&verified["Fault"], &verified["Heads"]), (&Value::Null, &Value::from(3)));

    // Somebody who has nothing but the key and two files.
    let elsewhere = Place::new();
    for name in ["kiln.pem", "today.statement", "today.signature"] {
        fs::copy(place.path(name), elsewhere.path(name)).unwrap();
    }
    let signed: Vec<&str> = heads.lines().filter(|line| line.split(' ').count() == 6).collect();
    fs::write(elsewhere.path("head"), signed[0]).unwrap();
    let only = ["audit", "verify", "--head", "head", "--key", "kiln.pem", "--signature-only"];
    elsewhere.done(&only);
    assert!(!elsewhere.data().exists());
    let words: Vec<&str> = signed[0].split(' ').collect();
    let event = (words[0].parse::<u64>().unwrap() + 1).to_string();
    fs::write(elsewhere.path("head"), signed[0].replacen(words[0], &event, 1)).unwrap();
    caught(&elsewhere.run(&only), &["the signature is not of this head", "code: InvalidHead.Signature"]);
    let openssl = |statement: &str| {
        let mut command = Command::new("openssl");
        command.current_dir(elsewhere.path("")).args(["pkeyutl", "-verify", "-pubin", "-inkey", "kiln.pem"]);
        command
            .args(["-rawin", "-in", statement, "-sigfile", "today.signature"])
            .output()
            .map(|out| out.status)
    };
    // Where there is no OpenSSL nobody can be asked; the signature was checked above all the same.
    if let Ok(status) = openssl("today.statement") {
        assert!(status.success());
        fs::write(elsewhere.path("forged"), "kiln head 1\n").unwrap();
        assert!(!openssl("forged").unwrap().success());
    }
}

#[test]
fn the_signing_key_lies_where_it_is_told_to_and_a_lost_one_is_not_made_anew() {
    let place = Place::new();
    let run = |words: &[&str], key: &str| {
        Run::of(place.command(words).env("KILN_SIGNING_KEY", place.path(key)).output().unwrap())
    };
    let head = run(&["audit", "head"], "keys/one");
    assert_eq!(head.code, 0, "{}", head.err);
    assert_eq!(fs::metadata(place.path("keys/one")).unwrap().permissions().mode() & 0o777, 0o600);
    let inside = fs::read_dir(place.data()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!inside.into_iter().any(|name| name == "kiln.signing-key"));
    let lost = run(&["audit", "head"], "keys/two");
    caught(&lost, &["code: SigningKey.Missing", "KILN_SIGNING_KEY"]);
    assert!(!place.path("keys/two").exists());
    // What needs no key does not ask for one.
    assert_eq!(run(&["image", "list"], "keys/two").code, 0);
    assert_eq!(run(&["audit", "verify"], "keys/two").code, 0);
    assert_eq!(run(&["audit", "head", "--unsigned"], "keys/two").code, 0);
}

#[test]
fn a_rollback_a_fork_and_another_log_are_told_apart() {
    let place = place();
    fs::write(place.path("first"), place.done(&["audit", "head"])).unwrap();
    for name in ["kiln.redb", "kiln.head"] {
        fs::copy(place.data().join(name), place.path(name)).unwrap();
    }
    place.image("web-3", &[]);
    fs::write(place.path("second"), place.done(&["audit", "head"])).unwrap();
    for name in ["kiln.redb", "kiln.head"] {
        fs::copy(place.path(name), place.data().join(name)).unwrap();
    }
    place.done(&["audit", "verify", "--head", "first"]);
    caught(
        &place.run(&["audit", "verify", "--head", "second"]),
        &["it was rolled back", "code: Log.Damaged"],
    );
    // It goes on, and comes past that event with others.
    place.image("web-4", &[]);
    place.image("web-5", &[]);
    let both =
        fs::read_to_string(place.path("first")).unwrap() + &fs::read_to_string(place.path("second")).unwrap();
    fs::write(place.path("both"), both).unwrap();
    let forked = place.run(&["audit", "verify", "--head", "both"]);
    let first = fs::read_to_string(place.path("first")).unwrap();
    let since = format!("some event after event {}, whose head is there", first.split(' ').next().unwrap());
    caught(&forked, &["it forked", &since]);
    assert!(!forked.err.contains("rolled back"), "{}", forked.err);

    let other = Place::new();
    other.image("web-1", &[]);
    let mine = other.data().join("kiln.signing-key");
    fs::copy(place.data().join("kiln.signing-key"), mine).unwrap();
    fs::copy(place.data().join("kiln.signers"), other.data().join("kiln.signers")).unwrap();
    fs::copy(place.path("first"), other.path("first")).unwrap();
    caught(&other.run(&["audit", "verify", "--head", "first"]), &["the head is of another log"]);
}

#[test]
fn an_edited_log_names_the_event_its_workflow_its_kind_and_its_bytes() {
    let place = place();
    let log = place.json(&["audit", "log", "--kind", "image.reserved", "--count", "1"]);
    let line = &log["Log"][0];
    edit(&place, |txn, rows| {
        let event = line["Event"].as_u64().unwrap();
        let (key, row) = rows.iter().rev().find(|(key, _)| *key <= event).unwrap();
        let mut row = row.clone();
        let name = line["Payload"]["name"].as_str().unwrap().as_bytes();
        let end =
            row.windows(b"image.reserved".len()).position(|window| window == b"image.reserved").unwrap();
        let at = end + row[end..].windows(name.len()).position(|window| window == name).unwrap();
        row[at] = b'b';
        txn.open_table(LOG).unwrap().insert(key, row.as_slice()).unwrap();
    });
    let run = place.run(&["audit", "verify", "--output", "json"]);
    assert_eq!(run.code, 5, "{}", run.err);
    let found: Value = serde_json::from_str(&run.out).unwrap();
    let fault = &found["Fault"];
    assert_eq!(found["Damaged"], 1);
    assert_eq!((&fault["FirstEvent"], &fault["LastEvent"]), (&line["Event"], &line["Event"]));
    assert_eq!((&fault["WorkflowId"], &fault["Kind"]), (&line["WorkflowId"], &line["Kind"]));
    assert_eq!(fault["Damage"], "changed");
    assert!(fault["FirstByte"].as_u64() < fault["EndByte"].as_u64());
    caught(&place.run(&["audit", "verify"]), &["changed", "kind image.reserved/1", "bytes "]);
}

#[test]
fn a_log_that_does_not_open_is_looked_at_all_the_same() {
    let place = place();
    edit(&place, |txn, rows| {
        let mut log = txn.open_table(LOG).unwrap();
        rows[rows.len() - 2..].iter().for_each(|(key, _)| drop(log.remove(key).unwrap()));
    });
    assert_eq!(place.run(&["image", "list"]).code, 5);
    let run = place.run(&["audit", "verify"]);
    caught(&run, &["it does not open", "cut off", "later events were removed", "code: Log.Damaged"]);
}

#[test]
fn a_directory_that_does_not_open_is_never_called_whole_however_sound_its_log_is() {
    let place = place();
    let event = &place.json(&["audit", "head"])["Event"];
    edit(&place, |txn, _| {
        let mut meta = txn.open_table(META).unwrap();
        assert!(meta.insert("incarnation", b"not what was sealed".as_slice()).unwrap().is_some());
    });
    assert_eq!(place.run(&["image", "list"]).code, 5);
    let run = place.run(&["audit", "verify"]);
    let words = ["the log is whole, and the data directory is damaged", "the row `incarnation` is damaged"];
    caught(&run, &[&words[..], &["code: Log.Damaged", "from the last backup"]].concat());
    let run = place.run(&["audit", "verify", "--output", "json"]);
    let found: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.code, &found["Damaged"], &found["Fault"]["Damage"]), (5, &1.into(), &"unopened".into()));
    assert_eq!(&found["Head"]["Event"], event);
}

#[test]
fn a_changed_projection_is_told_with_the_event_that_wrote_it() {
    let place = place();
    let db = Database::create(place.data().join("kiln.redb")).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let mut rows = txn.open_table(ROWS).unwrap();
        let key = b"account\0kiln\x00100000".as_slice();
        assert!(rows.remove(key).unwrap().is_some());
    }
    txn.commit().unwrap();
    drop(db);
    place.done(&["audit", "verify"]);
    let run = place.run(&["audit", "verify", "--projections"]);
    caught(&run, &["row `account/kiln/100000`", "it is missing", "kind account.created/1"]);
}

#[test]
fn the_log_is_exported_line_by_line_and_a_file_that_was_cut_off_goes_on() {
    let place = place();
    place.done(&["account", "create", "friend"]);
    place.done(&["key", "create"]);
    place.done(&["audit", "export", "--to", "all.jsonl"]);
    let whole = fs::read_to_string(place.path("all.jsonl")).unwrap();
    let lines: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let head = place.json(&["audit", "head"]);
    let events: Vec<u64> = lines.iter().map(|line| line["Event"].as_u64().unwrap()).collect();
    assert_eq!(events, (1..=head["Event"].as_u64().unwrap()).collect::<Vec<_>>());
    assert_eq!(place.done(&["audit", "export"]), whole);
    let sealed = lines.iter().find(|line| line["Kind"] == "access-key.created/1").unwrap();
    assert_eq!(sealed["Payload"]["sealed"], "(sealed)");

    for cut in [0, 1, whole.len() / 3, whole.len() / 2, whole.len() - 1, whole.len()] {
        fs::write(place.path("cut.jsonl"), &whole[..cut]).unwrap();
        place.done(&["audit", "export", "--to", "cut.jsonl", "--resume"]);
        assert!(fs::read_to_string(place.path("cut.jsonl")).unwrap() == whole, "cut at {cut}");
    }
    fs::write(place.path("list"), "milk\n").unwrap();
    for (words, advice) in [
        (&["audit", "export", "--to", "all.jsonl"][..], "try: go on with it by `--resume`"),
        (&["audit", "export", "--to", "list", "--resume"], "try: name another file"),
        (&["audit", "verify", "--head", "list"], "try: print heads into a file of their own"),
        (&["audit", "verify", "--head", "none"], "try: name a file with what `kiln audit head` printed"),
        (&["audit", "verify", "--head", "all.jsonl", "--key", "list"], "try: print heads into a file"),
        (&["--endpoint", "http://127.0.0.1:9", "audit", "head"], "try: set them to a key"),
    ] {
        let run = place.run(words);
        assert!(run.code == 2 && run.err.contains(advice), "{words:?}: {}", run.err);
    }
    assert_eq!(fs::read_to_string(place.path("list")).unwrap(), "milk\n");

    let some = |words: &[&str]| -> Vec<u64> {
        let text = place.done(&[&["audit", "export"], words].concat());
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["Event"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(some(&["--after", "5", "--through", "9"]), [6, 7, 8, 9]);
    let of_region: Vec<u64> = lines
        .iter()
        .filter(|line| line["Scope"].as_str().unwrap().ends_with("/cn-hangzhou"))
        .map(|line| line["Event"].as_u64().unwrap())
        .collect();
    assert!(!of_region.is_empty());
    assert_eq!(some(&["--region", "cn-hangzhou"]), of_region);
    assert_eq!(some(&["--owner", "100000", "--region", "cn-hangzhou"]), of_region);
    let of_image = place.json(&["audit", "log", "--subject", "web-1", "--count", "1000"]);
    let of_image: Vec<u64> =
        of_image["Log"].as_array().unwrap().iter().map(|line| line["Event"].as_u64().unwrap()).collect();
    assert_eq!(some(&["--subject", "web-1"]), of_image);
}
