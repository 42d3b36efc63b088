//! Retention policies and distribution lists on the command line: planned, run, run by a schedule, and refused.

use serde_json::Value;

use crate::kit::Place;

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

fn with_images(names: &[&str]) -> Place {
    let place = Place::new();
    let disk = place.path("disk.raw");
    std::fs::write(&disk, vec![7; 1 << 20]).unwrap();
    for name in names {
        place.done(&["image", "import", disk.to_str().unwrap(), "--name", name, "--family", "web"]);
    }
    place
}

#[test]
fn a_retention_policy_is_planned_run_and_run_by_a_schedule() {
    let place = with_images(&["web-1", "web-2", "web-3"]);
    let words = ["retention", "create", "tidy", "--family", "web", "--keep", "2", "--grace", "none"];
    assert_eq!(text(&place.json(&words), "Kind"), "retention");
    let plan = place.run(&["retention", "plan", "tidy"]);
    assert!(plan.out.contains("2 newer are Available; deleted by the next run"), "{}", plan.out);
    assert!(plan.err.contains("2 stay, 1 to deprecate"), "{}", plan.err);
    let ran = place.done(&["retention", "run", "tidy"]);
    assert!(ran.contains("Deprecated"), "{ran}");
    assert_eq!(text(&place.json(&["image", "show", "web-1"]), "Status"), "Deprecated");
    place.done(&["schedule", "create", "nightly", "at 2999-01-01", "retention.run", "retention=tidy"]);
    let run = place.json(&["schedule", "run-now", "nightly"]);
    assert_eq!(text(&run["Recent"][0], "State"), "Done");
    assert_eq!(place.run(&["image", "show", "web-1"]).code, 3, "its grace was over");
    let left = place.done(&["retention", "run", "tidy"]);
    assert_eq!(left, "nothing was to be done\n");

    let changed = place.json(&["retention", "change", "tidy", "--keep", "none", "--younger-than", "30d"]);
    assert_eq!(changed["Retention"]["Keep"], Value::Null);
    assert_eq!(changed["Retention"]["YoungerThanSeconds"], 30 * 86_400);
    assert!(place.done(&["retention", "list"]).contains("keeps younger than 30d, grace none"));
    assert_eq!(place.run(&["retention", "delete", "tidy"]).code, 2, "nobody is there to be asked");
    place.done(&["retention", "delete", "tidy", "--yes"]);
    let gone = place.run(&["retention", "run", "tidy"]);
    assert_eq!((gone.code, gone.err.contains("kiln retention list")), (3, true), "{}", gone.err);
}

#[test]
fn a_distribution_list_is_planned_run_and_changed() {
    let place = with_images(&["web-1"]);
    place.done(&["account", "create", "other", "--id", "200000"]);
    let words = ["distribution", "create", "out", "--family", "web", "--to-region", "cn-beijing"];
    place.done(&[&words[..], &["--share-with", "200000"]].concat());
    let plan = place.run(&["distribution", "plan", "out"]);
    assert!(plan.err.contains("1 to share, 1 to copy"), "{}", plan.err);
    let ran = place.done(&["distribution", "run", "out"]);
    assert_eq!(ran.matches("Copied").count() + ran.matches("Shared").count(), 3, "{ran}");
    assert!(place.run(&["distribution", "plan", "out"]).err.contains("2 there"));
    let there = place.json(&["image", "list", "--region", "cn-beijing"]);
    assert_eq!(text(&there["Images"][0], "ImageFamily"), "web");
    assert_eq!(place.done(&["distribution", "run", "out"]), "nothing was to be done\n");

    let changed = place.json(&["distribution", "change", "out", "--remove-region", "cn-beijing"]);
    assert_eq!(changed["Distribution"]["ToRegions"], Value::Array(Vec::new()));
    let no = place.run(&["distribution", "change", "out", "--remove-account", "300000"]);
    assert_eq!((no.code, no.err.contains("300000")), (2, true), "{}", no.err);
    let other = place.run(&["retention", "show", "out"]);
    assert!(other.err.contains("kiln distribution show out"), "{}", other.err);
    let home = ["distribution", "create", "x", "--family", "web", "--to-region", "cn-hangzhou"];
    assert_eq!(place.run(&home).code, 3);
}
