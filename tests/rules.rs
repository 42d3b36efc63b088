//! The table of rules as a test: what it names is there, what it says of codes is so, and no code is left out.
//!
//! The pages are `docs/rules.md` and those in `docs/rules/`. Each row has a rule, its codes, where it is decided or
//! why it is not, and the tests that show it. This reads text alone: it knows that a test is there and not
//! whether it shows what it is said to, which is for whoever reads the row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What stands where a rule is not decided, before the reason.
const NOT_DECIDED: [&str; 3] = ["out of scope: ", "the wire's: ", "open: "];
/// Of those, the ones under which a code may be one of the house all the same.
const OPEN: &str = "open: ";
/// A reason is a sentence: letters it has at least.
const REASON_LETTERS_MIN: usize = 20;
/// What makes a refusal of a code that stands behind it.
const MAKERS: [&str; 2] = ["Refusal::new(", "room("];
/// What a code without a point begins with, wherever it stands, and nothing else in the domain does.
const BEGINNINGS: [&str; 5] = ["Invalid", "Incorrect", "ImageIs", "ImageUse", "BucketAlready"];
/// Rooms, and folders outside `src`, in which codes are made.
const ROOMS: [&str; 5] = ["src/domain", "src/service", "src/data", "src/disk", "src/engine"];

/// A row of a table.
#[derive(Clone, Debug)]
struct Row {
    page: String,
    line: usize,
    codes: Vec<String>,
    decided: String,
    shown: String,
}

impl Row {
    fn is_decided(&self) -> bool {
        !NOT_DECIDED.iter().any(|word| self.decided.starts_with(word))
    }

    fn at(&self, what: &str) -> String {
        format!("{}:{}: {what}", self.page, self.line)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == "rs")
}

/// The names of the files in a folder of the tree.
fn names(folder: &str) -> Vec<String> {
    let files = std::fs::read_dir(root().join(folder)).expect("the folder is in the tree");
    files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}

/// The pages, by their paths.
fn pages() -> BTreeMap<String, String> {
    let mut pages = vec!["docs/rules.md".to_owned()];
    pages.extend(names("docs/rules").into_iter().map(|name| format!("docs/rules/{name}")));
    pages.into_iter().map(|page| (page.clone(), read(&root().join(page)))).collect()
}

fn rows(page: &str, text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix('|')) else { continue };
        let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
        let [_, codes, decided, shown] = cells[..] else { panic!("{page}:{}: four cells", number + 1) };
        if decided == "decided in" || decided == "---" {
            continue;
        }
        let (decided, shown) = (decided.to_owned(), shown.to_owned());
        rows.push(Row { page: page.to_owned(), line: number + 1, codes: ticked(codes), decided, shown });
    }
    rows
}

fn all_rows() -> Vec<Row> {
    pages().iter().flat_map(|(page, text)| rows(page, text)).collect()
}

/// What stands between backticks.
fn ticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The file and the function that a path names: `room::file::function`, or a path of the tree and a function.
fn file_and_function(path: &str) -> Option<(PathBuf, &str)> {
    let (place, function) = path.rsplit_once("::")?;
    if is_rust(place) {
        return Some((root().join(place), function));
    }
    let (room, file) = place.split_once("::")?;
    let folder = if room == "workflows" { root().join(room) } else { root().join("src").join(room) };
    Some((folder.join(format!("{file}.rs")), function))
}

/// What is wrong with a path to a function, or to a test.
fn wrong_with(path: &str, is_test: bool) -> Option<String> {
    let Some((file, function)) = file_and_function(path) else {
        return Some(format!("`{path}` is no path to a function"));
    };
    let text = read(&file);
    let lines: Vec<&str> = text.lines().collect();
    let named = |line: &str| {
        ["(", "<"].iter().any(|behind| {
            line.trim_start().starts_with("fn ") && line.contains(&format!("fn {function}{behind}"))
                || line.contains(&format!(" fn {function}{behind}"))
        })
    };
    let Some(place) = lines.iter().position(|line| named(line)) else {
        return Some(format!("there is no `{path}`"));
    };
    let above = lines[..place].iter().rev().take_while(|line| !line.trim().is_empty());
    let marked = above.into_iter().any(|line| line.contains("#[test]") || line.contains("::test("));
    (is_test && !marked).then(|| format!("`{path}` is no test"))
}

/// Sources of the house in which codes are made, tests left out.
fn sources(rooms: &[&str]) -> String {
    let mut all = String::new();
    for room in rooms {
        for name in names(room) {
            let is_source = is_rust(&name) && !name.starts_with("test") && !name.starts_with("bench");
            if is_source {
                let path = root().join(room).join(name);
                let text = read(&path);
                all.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
            }
        }
    }
    all
}

/// The texts of a source that are the codes of refusals: those that make one, and those that have a point and
/// are shaped as a code is.
fn codes_in(source: &str) -> BTreeSet<String> {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(|line| [line, "\n"]).collect();
    let parts: Vec<&str> = code.split('"').collect();
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase())
            && part.chars().all(|c| c.is_ascii_alphabetic())
            // What an image check looks at is named in capitals.
            && part.chars().any(|c| c.is_ascii_lowercase())
    };
    let texts = parts.iter().zip(parts.iter().skip(1)).step_by(2);
    let codes = texts.filter(|(before, text)| {
        let made = MAKERS.iter().any(|maker| before.trim_end().ends_with(maker));
        let begins = BEGINNINGS.iter().any(|word| text.starts_with(word) && *text != word);
        let parts: Vec<&str> = text.split('.').collect();
        parts.iter().all(|part| word(part)) && (made || begins || parts.len() > 1)
    });
    codes.map(|(_, text)| (*text).to_owned()).collect()
}

fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}\n", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_is_decided_somewhere_and_shown_by_a_test_or_has_a_reason() {
    let rows = all_rows();
    assert!(rows.len() > 200, "{} rows were found", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        if row.is_decided() {
            let (decided, shown) = (ticked(&row.decided), ticked(&row.shown));
            if decided.is_empty() || shown.is_empty() {
                wrong.push(row.at("neither decided and shown nor given a reason for not"));
            }
            let paths = decided.iter().map(|path| (path, false)).chain(shown.iter().map(|path| (path, true)));
            wrong.extend(paths.filter_map(|(path, is_test)| Some(row.at(&wrong_with(path, is_test)?))));
        } else {
            let reason = row.decided.split_once(": ").map(|(_, reason)| reason).unwrap_or_default();
            if reason.len() < REASON_LETTERS_MIN || !row.shown.is_empty() {
                wrong.push(row.at("a rule that is not decided has a reason and no test"));
            }
        }
    }
    report(&wrong);
}

#[test]
fn codes_are_those_of_the_house_where_a_rule_is_decided_and_none_where_it_is_not() {
    let source = sources(&ROOMS);
    let is_ours = |code: &str| source.contains(&format!("\"{code}\""));
    let rows = all_rows();
    let decided: BTreeSet<&String> =
        rows.iter().filter(|row| row.is_decided()).flat_map(|row| &row.codes).collect();
    let mut wrong = Vec::new();
    for row in &rows {
        for code in &row.codes {
            if row.is_decided() && !is_ours(code) {
                wrong.push(row.at(&format!("`{code}` is no code of the house")));
            }
            let silent = !row.is_decided() && !row.decided.starts_with(OPEN);
            if silent && is_ours(code) && !decided.contains(code) {
                wrong.push(row.at(&format!("`{code}` is a code of the house, and said to be none")));
            }
        }
    }
    report(&wrong);
}

#[test]
fn no_code_of_the_domain_is_left_out() {
    let codes = codes_in(&sources(&["src/domain"]));
    assert!(codes.len() > 60, "codes were found: {codes:?}");
    for known in ["ImageUseShared", "ImageIsImporting", "QuotaExceed.Disk", "InvalidImageSize"] {
        assert!(codes.contains(known), "{known} was not found");
    }
    let rows = all_rows();
    let told: BTreeSet<&String> =
        rows.iter().filter(|row| row.is_decided()).flat_map(|row| &row.codes).collect();
    let left: Vec<String> = codes.iter().filter(|code| !told.contains(code)).cloned().collect();
    report(&left);
}

#[test]
fn pages_lead_to_one_another() {
    let pages = pages();
    let first = &pages["docs/rules.md"];
    let missing: Vec<_> = pages.keys().filter_map(|page| page.strip_prefix("docs/")).collect();
    let missing: Vec<String> = missing
        .into_iter()
        .filter(|page| *page != "rules.md" && !first.contains(&format!("]({page})")))
        .map(str::to_owned)
        .collect();
    report(&missing);
    assert!(pages.values().all(|text| text.lines().count() <= 600), "a page fits a reader");
}

#[test]
fn what_is_not_there_is_found_to_be_missing() {
    for (path, is_test, wrong) in [
        ("domain::rules::reserve", false, None),
        ("domain::rules::reserve", true, Some("`domain::rules::reserve` is no test")),
        ("domain::rules::reserved_for_none", false, Some("there is no `domain::rules::reserved_for_none`")),
        ("domain::no_such_file::reserve", false, Some("there is no `domain::no_such_file::reserve`")),
        ("reserve", false, Some("`reserve` is no path to a function")),
        ("tests/rules.rs::pages_lead_to_one_another", true, None),
        ("tests/rules.rs::pages", true, Some("`tests/rules.rs::pages` is no test")),
    ] {
        assert_eq!(wrong_with(path, is_test).as_deref(), wrong, "{path}");
    }
    let source = r#"
        // "No.Code"
        Refusal::new("Refused", why);
        Refusal::new(
            "Bad.Word",
            why,
        );
        DiskKind::System => "InvalidImageSize",
        let word = "Debian"; let code = ("InvalidImage.Size", 3);
    "#;
    let codes = codes_in(source);
    assert_eq!(
        codes.into_iter().collect::<Vec<_>>(),
        ["Bad.Word", "InvalidImage.Size", "InvalidImageSize", "Refused"]
    );
}
