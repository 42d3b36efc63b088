//! Finding operations and looking on, from the command line.

use crate::kit::Place;

#[test]
fn operations_are_found_by_what_they_are_and_pages_say_where_to_go_on() {
    let place = Place::new();
    let image = place.image("web-1", &[]);
    place.image("db-1", &[]);
    let list = |words: &[&str]| {
        let words: Vec<&str> = ["workflow", "list"].iter().chain(words).copied().collect();
        let found = place.json(&words);
        let flows = found["Workflows"].as_array().unwrap().iter();
        let labels = flows.map(|flow| flow["Label"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (labels, found["Next"].as_u64())
    };
    let imports = vec!["import `db-1`".to_owned(), "import `web-1`".to_owned()];
    assert_eq!(list(&["--kind", "import-image"]).0, imports);
    assert_eq!(list(&["--image", "web-1"]).0, imports[1..]);
    assert_eq!(list(&["--image", &image, "--state", "done"]).0, imports[1..]);
    assert_eq!(list(&["--text", "DB-"]).0, imports[..1]);
    assert_eq!(list(&["--state", "parked,undone"]).0, Vec::<String>::new());
    assert_eq!(list(&["--region", "cn-beijing", "--kind", "import-image"]).0, Vec::<String>::new());
    assert_eq!(list(&["--until", "2020-01-01"]).0, Vec::<String>::new());
    let (first, next) = list(&["--kind", "import-image", "--limit", "1"]);
    assert_eq!(first, imports[..1]);
    let next = next.unwrap().to_string();
    assert_eq!(list(&["--kind", "import-image", "--after", &next]), (imports[1..].to_vec(), None));
    let run = place.run(&["workflow", "list", "--limit", "1"]);
    assert!(run.err.contains("go on with `--after "), "{}", run.err);
    for (words, code, says) in [
        (["--state", "lost"], 3, "`abandoned`"),
        (["--kind", "import-imgae"], 3, "did you mean `import_image`?"),
        (["--error", "InvalidImageName.Duplicate"], 2, "`InvalidImageName.Duplicated`"),
        (["--since", "tomorrow"], 2, "`2h`"),
    ] {
        let run = place.run(&["workflow", "list", words[0], words[1]]);
        assert_eq!(run.code, code, "{words:?}: {}", run.err);
        assert!(run.err.contains(says), "{words:?}: {}", run.err);
    }
}

#[test]
fn top_prints_what_there_is_once_and_draws_on_a_terminal_alone() {
    let place = Place::new();
    place.image("web-1", &[]);
    let once = place.done(&["top", "--once"]);
    assert!(
        once.contains("0 in progress  0 parked") && once.contains("no operation is in progress"),
        "{once}"
    );
    assert!(!once.contains('\x1b') && !once.contains("q quit"), "{once}");
    let top = place.json(&["top", "--once"]);
    assert_eq!((&top["Running"], &top["Workflows"]), (&0.into(), &serde_json::json!([])));
    assert!(top["Engine"]["Commits"].is_u64());
    let run = place.run(&["top"]);
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.contains("`kiln top --once`"), "{}", run.err);
}
