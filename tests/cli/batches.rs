//! Batches as a person has them: a manifest, what is wrong with it, what became of it, and what failed once more.

use std::fs;

use crate::kit::Place;

#[test]
fn a_manifest_is_run_once_told_line_by_line_and_what_failed_is_a_manifest_again() {
    let place = Place::new();
    place.image("web-1", &["--family", "web"]);
    place.image("web-2", &["--family", "web"]);
    let manifest = "operation,image,name,tag:env,#why\n\
                    image.modify,web-1,web-1-lts,prod,\"first, and kept\"\n\
                    image.modify,web-9,web-9-lts,,not there yet\n\
                    image.deprecate,web-2,,,\n";
    place.write("rename.csv", manifest.as_bytes());
    let planned = place.run(&["batch", "plan", "rename.csv", "--output", "json"]);
    assert_eq!(planned.code, 5, "{}", planned.err);
    assert!(planned.out.contains("\"Ready\": 2"), "{}", planned.out);
    let run = place.run(&["batch", "run", "rename.csv", "--name", "rename", "--output", "json"]);
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(run.err.contains("kiln batch report rename --failures again.csv"), "{}", run.err);
    let show = place.json(&["batch", "show", "rename"]);
    assert_eq!(
        (show["State"].as_str(), show["Done"].as_u64(), show["Failed"].as_u64()),
        (Some("Done"), Some(2), Some(1))
    );
    let again = place.run(&["batch", "run", "rename.csv"]);
    assert!(again.err.contains("`rename` has the same manifest, and is Done"), "{}", again.err);
    assert_eq!(place.json(&["batch", "list"])["Batches"].as_array().unwrap().len(), 1);
    place.done(&["batch", "report", "rename", "--results", "results.csv", "--failures", "again.csv"]);
    let results = fs::read_to_string(place.path("results.csv")).unwrap();
    let states: Vec<&str> = results.lines().skip(1).map(|line| line.split(',').nth(4).unwrap()).collect();
    assert_eq!(states, ["Done", "Refused", "Done"], "{results}");
    let failures = fs::read_to_string(place.path("again.csv")).unwrap();
    assert_eq!(
        failures,
        "#line,#error,operation,image,name\n3,InvalidImageId.NotFound,image.modify,web-9,web-9-lts\n"
    );
    place.image("web-9", &[]);
    place.done(&["batch", "run", "again.csv", "--name", "again", "--no-wait"]);
    place.done(&["batch", "watch", "again"]);
    assert_eq!(place.json(&["image", "show", "web-9-lts"])["ImageName"], "web-9-lts");
    place.done(&["batch", "forget", "rename", "--yes"]);
    assert_eq!(place.run(&["batch", "show", "rename"]).code, 3);
}

#[test]
fn bad_lines_are_told_with_their_numbers_before_anything_starts() {
    let place = Place::new();
    place.image("web-1", &[]);
    let lines =
        [r#"{"operation":"image.deprecate","image":"web-1"}"#, r#"{"operation":"image.modfiy"}"#, "nonsense"];
    place.write("bad.jsonl", lines.join("\n").as_bytes());
    let run = place.run(&["batch", "run", "bad.jsonl"]);
    assert_eq!(run.code, 3, "{}", run.err);
    for said in
        ["line 2, `operation`: there is no operation `image.modfiy`; did you mean `image.modify`?", "line 3"]
    {
        assert!(run.err.contains(said), "{}", run.err);
    }
    assert_eq!(place.json(&["image", "show", "web-1"])["Status"], "Available");
    for (named, code) in [("nothing.csv", "InvalidSource.NotFound"), (".", "InvalidSource.NotAFile")] {
        let run = place.run(&["batch", "run", named, "--format", "csv", "--operation", "image.check"]);
        assert_eq!(run.code, 3, "{}", run.err);
        let said = [&format!("the manifest `{named}` cannot be read"), code, "give the path of a file"];
        assert!(said.iter().all(|said| run.err.contains(*said)), "{}", run.err);
    }
    place.write("one.csv", b"image\nweb-1\n\n");
    let run = place.run(&["batch", "run", "one.csv", "--operation", "image.modify"]);
    assert!(run.err.contains("1 line of the manifest cannot be"), "{}", run.err);
}

#[test]
fn lines_are_sorted_by_what_they_say_and_by_nothing_else() {
    let place = Place::new();
    place.image("web-1", &[]);
    place.write("tags.csv", b"operation,image,tag:n\nimage.modify,web-1,1\nimage.modify,web-1,2\n");
    let run = place.run(&["batch", "run", "tags.csv", "--sort", "imagee"]);
    assert_eq!(run.code, 3, "{}", run.err);
    let said = ["no line of the manifest says `imagee`", "did you mean `image`?"];
    assert!(said.iter().all(|said| run.err.contains(said)), "{}", run.err);
    let sorted = ["batch", "run", "tags.csv", "--sort", "Tag:n", "--descending", "--concurrency", "1"];
    assert_eq!(place.json(&sorted)["Done"], 2);
    assert_eq!(place.json(&["image", "show", "web-1"])["Tags"]["n"], "1", "the last is the least");
}

#[test]
fn images_that_are_asked_for_are_a_manifest() {
    let place = Place::new();
    for name in ["web-1", "web-2", "db-1"] {
        place.image(name, &[]);
    }
    let words =
        ["batch", "run", "--images", "name=web-*", "--operation", "image.tag", "--set", "tag=env=prod"];
    let done = place.json(&words);
    assert_eq!((done["State"].as_str(), done["Done"].as_u64()), (Some("Done"), Some(2)));
    let tagged = place.json(&["image", "list", "--tag", "env=prod"]);
    assert_eq!(tagged["Images"].as_array().unwrap().len(), 2);
}

#[test]
fn operations_are_listed_with_what_they_take() {
    let place = Place::new();
    assert!(place.done(&["batch", "operations"]).contains("image.copy"));
    assert!(place.done(&["batch", "operations", "image.copy"]).contains("to-region"));
    assert_eq!(place.run(&["batch", "operations", "image.cpoy"]).code, 3);
}
