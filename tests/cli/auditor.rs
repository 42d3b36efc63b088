//! An auditor at the command line: who did what when, what there was, who could have.

use serde_json::Value;

use crate::kit::{Place, plain};

/// The number of the last event.
fn head(place: &Place) -> String {
    place.json(&["audit", "head", "--unsigned"])["Event"].to_string()
}

fn events(log: &Value) -> Vec<u64> {
    log["Log"].as_array().unwrap().iter().map(|line| line["Event"].as_u64().unwrap()).collect()
}

#[test]
fn the_log_of_an_image_is_found_by_its_id_and_its_name_also_when_it_is_gone() {
    let place = Place::new();
    let id = place.image("web-1", &[]);
    place.done(&["image", "deprecate", "web-1"]);
    place.done(&["image", "delete", "web-1", "--yes"]);
    place.image("web-2", &[]);
    let by_id = place.json(&["audit", "log", "--subject", &id]);
    assert_eq!(by_id["Log"][0]["Kind"], "image.reserved/1");
    assert_eq!(by_id["Log"].as_array().unwrap().last().unwrap()["Kind"], "image.deleted/1");
    assert_eq!(place.json(&["audit", "log", "--subject", "web-1"]), by_id);
    let never = place.run(&["audit", "log", "--subject", "web-9"]);
    assert_eq!((never.code, never.out.as_str()), (3, ""), "{}", never.err);
    let story = place.done(&["audit", "story", "web-1"]);
    assert!(story.contains("was deprecated") && story.contains("was deleted"), "{story}");
    assert!(place.done(&["audit", "story", "100000"]).contains("asked to import"));
}

#[test]
fn the_log_is_filtered_and_goes_on_where_it_stopped() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.done(&["image", "deprecate", "web-1"]);
    let all = events(&place.json(&["audit", "log", "--by", "100000", "--since", "1d", "--count", "1000"]));
    assert_eq!(all.last().unwrap().to_string(), head(&place));
    let none = place.run(&["audit", "log", "--until", "2020-01-01"]);
    assert_eq!((none.code, none.err.trim()), (0, "the log was read to its end: nothing like that is in it"));
    let kinds = place.json(&["audit", "log", "--kind", "image.*", "--reverse", "--count", "1"]);
    assert_eq!((&kinds["Log"][0]["Kind"], kinds["Next"].is_u64()), (&"image.deprecated/1".into(), true));

    let (mut found, mut from) = (Vec::new(), "1".to_owned());
    loop {
        let page = place.json(&["audit", "log", "--since", "1d", "--count", "7", "--from", &from]);
        found.extend(events(&page));
        let Some(next) = page["Next"].as_u64() else { break };
        from = next.to_string();
    }
    assert_eq!(found, all);
    let told = place.run(&["audit", "log", "--from", "1", "--count", "2"]);
    assert_eq!(told.err.trim(), "there is more: go on with `--from 3`");
    let end = place.run(&["audit", "log"]);
    assert_eq!(end.err.trim(), format!("the log was read to its end, event {}", head(&place)));
}

#[test]
fn a_moment_is_shown_as_it_was_and_two_are_compared() {
    let place = Place::new();
    let id = place.image("web-1", &["--family", "web"]);
    let (before, shown) = (head(&place), place.json(&["image", "show", "web-1"]));
    place.done(&["image", "modify", "web-1", "--description", "better"]);
    place.done(&["image", "deprecate", "web-1"]);
    let middle = head(&place);
    place.done(&["image", "delete", "web-1", "--yes"]);

    for image in [id.as_str(), "web-1"] {
        let then = place.json(&["audit", "replay", "--at", &before, image]);
        assert_eq!(then["Image"], shown, "as `image show` said it then");
        assert_eq!(then["Event"].to_string(), before);
        assert_eq!(place.run(&["audit", "replay", "--at", "now", image]).code, 3);
    }
    let images = place.json(&["audit", "replay", "--at", &middle]);
    assert_eq!(images["Images"][0]["Status"], "Deprecated");
    for (what, name) in [("families", "Families"), ("snapshots", "Snapshots")] {
        let rows = &place.json(&["audit", "replay", "--at", &before, what])[name];
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "{what}");
    }
    for (what, name) in
        [("shares", "Shares"), ("disks", "Disks"), ("quotas", "Quotas"), ("regions", "Regions")]
    {
        let rows = &place.json(&["audit", "replay", "--at", &before, what])[name];
        assert!(rows.is_array(), "{what}: {rows}");
        place.done(&["audit", "replay", "--at", &before, what]);
    }
    let text = place.run(&["audit", "replay", "--at", &before, "families"]);
    assert!(text.err.contains(&format!("as of event {before}, ")), "{}", text.err);
    assert!(text.err.contains(&format!("{before} events folded")), "{}", text.err);

    let changes = place.json(&["audit", "diff", "--from", &before, "--to", &middle, "--subject", "web-1"]);
    let image = changes["Changes"].as_array().unwrap().iter().find(|it| it["What"] == "image").unwrap();
    assert_eq!(
        image["Text"],
        "its description went from nothing to `better`, it is no more what its family stands for, \
         its status went from `Available` to `Deprecated`"
    );
    let gone = place.done(&["audit", "diff", "--from", &middle]);
    assert!(gone.contains("is gone") && gone.contains(&id), "{gone}");
}

#[test]
fn who_could_is_a_table_with_reasons_and_events() {
    let place = Place::new();
    place.image("web-1", &[]);
    let before = head(&place);
    place.done(&["image", "deprecate", "web-1"]);
    let who = place.done(&["audit", "who-could", "launch", "web-1"]);
    let reason = "its owner since TIME; it was Deprecated, so by its id and not by its family";
    assert!(plain(&place, &who).contains(&format!("\n100000   yes    {reason}")), "{who}");
    let shown = &place.json(&["audit", "who-could", "launch", "web-1"])["Verdicts"][0]["Events"];
    let log = place.json(&["audit", "log", "--subject", "web-1"]);
    let of = |kind: &str| log["Log"].as_array().unwrap().iter().find(|line| line["Kind"] == kind).unwrap();
    let wanted = [&of("image.reserved/1")["Event"], &of("image.deprecated/1")["Event"]];
    assert_eq!(shown.as_array().unwrap().iter().collect::<Vec<_>>(), wanted);
    let share = place.json(&["audit", "who-could", "share", "web-1"]);
    let verdict = &share["Verdicts"][0];
    assert_eq!(
        (&verdict["Allowed"], &verdict["Code"]),
        (&false.into(), &"OperationDenied.InvalidImageStatus".into())
    );
    assert_eq!(
        place.json(&["audit", "who-could", "share", "web-1", "--at", &before])["Verdicts"][0]["Allowed"],
        true
    );
    let could = place.done(&["audit", "could", "100000", "web-1", "--at", &before]);
    assert_eq!(could.lines().filter(|line| line.contains(" yes ")).count(), 6, "{could}");
    let nobody = place.run(&["audit", "could", "999", "web-1"]);
    assert!(nobody.code == 3 && nobody.err.contains("InvalidAccount.NotFound"), "{}", nobody.err);
}

#[test]
fn a_moment_that_is_none_is_a_usage_error_and_one_that_is_not_there_yet_is_refused() {
    let place = Place::new();
    for words in [
        &["audit", "replay", "--at", "soon", "images"][..],
        &["audit", "log", "--since", "03.03.2026"],
        &["audit", "who-could", "fly", "web-1"],
        &["audit", "diff"],
    ] {
        let run = place.run(words);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{words:?}: {}", run.err);
    }
    let ahead = place.run(&["audit", "replay", "--at", "1000000"]);
    assert!(ahead.code == 3 && ahead.err.contains("the log ends at event"), "{}", ahead.err);
    for command in ["log", "replay", "diff", "who-could", "could", "story"] {
        assert!(place.done(&["audit", command, "--help"]).contains("Examples:"), "{command}");
    }
}
