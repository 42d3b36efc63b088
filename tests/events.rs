//! `docs/events.md`: every kind of event, from the code that says what it is.
//!
//! The page is made of the docs of the events and of the types in their fields, of the golden logs and the stories,
//! which say what writes an event, and of the view that a line of the log is told in. This fails while the page is
//! not what they come to; `KILN_EVENTS=write cargo test --test events` writes it. It reads text alone: a macro's
//! `Name "kind/1" about it { field: Type, }`, and structs and enums with their docs.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the page is.
const PAGE: &str = "docs/events.md";
/// Rooms whose types events are made of.
const TYPES: [&str; 2] = ["src/domain", "src/event"];

/// A field, or a variant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Field {
    name: String,
    of: String,
    docs: String,
    optional: bool,
}

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Event {
    name: String,
    kind: String,
    docs: String,
    about: Vec<String>,
    fields: Vec<Field>,
}

/// A type that fields have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Type {
    docs: String,
    is_enum: bool,
    fields: Vec<Field>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The sources in a folder that are no tests, by name.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let rust = entries.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let named = rust.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    let ours = named.filter(|(name, _)| !name.starts_with("test"));
    ours.map(|(name, path)| (name, fs::read_to_string(path).unwrap())).collect()
}

/// What stands before a field: its docs, and whether it may be left out.
#[derive(Default)]
struct Before {
    docs: Vec<String>,
    optional: bool,
}

impl Before {
    /// Takes a line of docs or an attribute; says no to any other.
    fn takes(&mut self, line: &str) -> bool {
        if let Some(doc) = line.strip_prefix("///") {
            self.docs.push(doc.trim().to_owned());
            return true;
        }
        let is_attribute = line.starts_with("#[");
        self.optional |= is_attribute && line.contains("default");
        is_attribute
    }

    fn field(&mut self, name: &str, of: &str) -> Field {
        let Self { docs, optional } = std::mem::take(self);
        let optional = optional || of.starts_with("Option<");
        Field { name: name.trim().to_owned(), of: of.trim().to_owned(), docs: docs.join(" "), optional }
    }
}

/// The fields up to the line that closes them.
fn fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<Field> {
    let (mut fields, mut before, mut depth) = (Vec::new(), Before::default(), 0_i32);
    for line in lines {
        let line = line.trim();
        if depth == 0 && (line.starts_with('}') || line.starts_with(')')) {
            break;
        }
        let opens = i32::try_from(line.matches(['{', '(']).count()).unwrap();
        let closes = i32::try_from(line.matches(['}', ')']).count()).unwrap();
        if depth == 0 && (!line.starts_with("//") || line.starts_with("///")) {
            if before.takes(line) {
                continue;
            }
            let plain = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            let entry = plain.trim_end_matches([',', '{']).trim();
            match entry.split_once(": ") {
                Some((name, of)) => fields.push(before.field(name, of)),
                None if !entry.is_empty() => {
                    let (name, of) = entry.split_once('(').unwrap_or((entry, ""));
                    fields.push(
                        before.field(name.split(" = ").next().unwrap_or(name), of.trim_end_matches(')')),
                    );
                }
                None => {}
            }
        }
        depth += opens - closes;
    }
    fields
}

/// The events of a source: those of the macro, and those that say their kind themselves.
fn events(source: &str) -> Vec<Event> {
    let mut found = Vec::new();
    let mut lines = source.lines();
    let (mut docs, mut inside) = (Vec::new(), false);
    while let Some(line) = lines.next() {
        inside |= line == "events! {";
        let line = line.trim();
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc.trim().to_owned());
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [name, kind, about @ .., "{"] = words.as_slice()
            && inside
            && kind.starts_with('"')
        {
            let about = about.iter().filter(|word| !["about", "and"].contains(word));
            found.push(Event {
                name: (*name).to_owned(),
                kind: kind.trim_matches('"').to_owned(),
                docs: docs.join(" "),
                about: about.map(|word| (*word).to_owned()).collect(),
                fields: fields(&mut lines),
            });
        }
        docs.clear();
    }
    let types = types(source);
    for (begin, _) in source.match_indices("impl Event for ") {
        let rest = &source[begin + "impl Event for ".len()..];
        let name = rest.split(' ').next().unwrap();
        let kind =
            rest.split_once("const KIND: &'static str = \"").and_then(|(_, kind)| kind.split('"').next());
        if let (Some(of), Some(kind)) = (types.get(name), kind)
            && kind.contains('/')
        {
            let (name, kind) = (name.to_owned(), kind.to_owned());
            found.push(Event {
                name,
                kind,
                docs: of.docs.clone(),
                about: Vec::new(),
                fields: of.fields.clone(),
            });
        }
    }
    found
}

/// The structs and enums of a source.
fn types(source: &str) -> BTreeMap<String, Type> {
    let mut found = BTreeMap::new();
    let mut docs = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if let Some(doc) = line.trim().strip_prefix("///") {
            docs.push(doc.trim().to_owned());
            continue;
        }
        if line.trim().starts_with("#[") {
            continue;
        }
        let begins = |word: &str| line.strip_prefix(word).filter(|rest| rest.ends_with('{'));
        let (is_enum, name) = (begins("pub enum "), begins("pub struct "));
        if let Some(rest) = is_enum.or(name) {
            let name = rest.trim_end_matches(['{', ' ']).split('<').next().unwrap().to_owned();
            let of = Type { docs: docs.join(" "), is_enum: is_enum.is_some(), fields: fields(&mut lines) };
            found.insert(name, of);
        } else if let Some(rest) = line.trim().strip_prefix("pub struct ").filter(|rest| rest.contains('(')) {
            // A number or a text with a name.
            let (name, of) = rest.split_once('(').unwrap();
            let of = of.trim_end_matches([';', ')']).trim_start_matches("pub ");
            let field = Field { of: of.to_owned(), ..Field::default() };
            found.insert(name.to_owned(), Type { docs: docs.join(" "), is_enum: false, fields: vec![field] });
        }
        docs.clear();
    }
    found
}

/// The text that a payload in hexadecimal has behind a key, and the byte behind that.
fn after_key(payload: &str, key: &str) -> Option<Vec<u8>> {
    let digits = key.bytes().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"));
    let place = payload.find(&format!("{:02x}{digits}", 0xa0 + key.len()))? + 2 + digits.len();
    let bytes = payload.as_bytes()[place..].chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    Some(bytes.map_while(|pair| u8::from_str_radix(pair, 16).ok()).collect())
}

/// Which stories wrote a kind, by the golden logs.
fn written() -> BTreeMap<String, BTreeSet<String>> {
    let mut written: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in fs::read_dir(root().join("snapshots/logs")).unwrap() {
        let mut stories: BTreeMap<String, String> = BTreeMap::new();
        for line in fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let (kind, flow) = (text("kind"), text("flow"));
            if kind == "flow.started/1" {
                let name = after_key(&text("payload"), "name").unwrap();
                let version = after_key(&text("payload"), "version").unwrap()[0];
                let (begin, length) = match name[0] {
                    0xd9 => (2, usize::from(name[1])),
                    short => (1, usize::from(short & 0x1f)),
                };
                let name = String::from_utf8_lossy(&name[begin..begin + length]).into_owned();
                stories.insert(flow.clone(), format!("{name}@{version}"));
            }
            if let Some(story) = stories.get(&flow) {
                written.entry(kind).or_default().insert(story.clone());
            }
        }
    }
    written
}

/// Which stories name an event: those write it in a turn that no golden log takes.
fn told(name: &str, stories: &BTreeMap<String, String>) -> BTreeSet<String> {
    let names = |text: &str| text.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == name);
    let by_arrival = stories.get("arrival.rs").is_some_and(|text| names(text));
    let mut told = BTreeSet::new();
    for (file, text) in stories {
        let is_told = names(text) || by_arrival && text.contains("arrival::");
        let story =
            text.split_once("const NAME: &'static str = \"").and_then(|(_, name)| name.split('"').next());
        let version =
            text.split_once("const VERSION: u32 = ").and_then(|(_, version)| version.split(';').next());
        if let (true, Some(story), Some(version)) = (is_told && file != "lib.rs", story, version) {
            told.insert(format!("{story}@{version}"));
        }
    }
    told
}

/// The names in a type: `BTreeMap<String, AccountId>` has three.
fn names_in(of: &str) -> impl Iterator<Item = &str> {
    of.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|name| !name.is_empty())
}

fn table(page: &mut String, head: &str, fields: &[Field], types: &BTreeMap<String, Type>) {
    let _ = writeln!(page, "| {head} | type | |\n|---|---|---|");
    for Field { name, of, docs, optional } in fields {
        let of = of.replace("domain::", "").replace('|', "\\|");
        let linked = match names_in(&of).find(|name| types.contains_key(*name)) {
            Some(name) => format!("[`{of}`](#{})", name.to_lowercase()),
            None if of.is_empty() => String::new(),
            None => format!("`{of}`"),
        };
        let may = if *optional { " *May be left out.*" } else { "" };
        let _ = writeln!(page, "| `{name}` | {linked} | {docs}{may} |");
    }
    page.push('\n');
}

fn page() -> String {
    let domain = sources("src/domain");
    let engine = sources("src/engine");
    let stories = sources("workflows");
    let types: BTreeMap<String, Type> =
        TYPES.iter().flat_map(|room| sources(room)).flat_map(|(_, source)| types(&source)).collect();
    let mut all: Vec<Event> = Vec::new();
    for (_, source) in domain.iter().filter(|(name, _)| name.starts_with("events")) {
        all.extend(events(source));
    }
    for source in engine.values() {
        all.extend(events(source));
    }
    all.sort_by(|one, other| one.kind.cmp(&other.kind));
    let written = written();
    let mut page = String::from(
        "# Kinds of events\n\n\
         Made from the code by `KILN_EVENTS=write cargo test --test events`; do not edit. A kind is written once, for\n\
         ever: `noun.past-participle/version`. Another meaning is another version; fields that may be left out are\n\
         added under the same one.\n\n\
         ## A line\n\n\
         What `kiln audit export` writes a line of, and `kiln audit log --output json` a list. The names are stable:\n\
         fields are added, none is renamed or removed. `Payload` is the event itself, with the fields below; secrets\n\
         are in no line, `\"(sealed)\"` stands for them.\n\n",
    );
    let view = fs::read_to_string(root().join("src/service/view.rs")).unwrap();
    let (_, line) = view.split_once("    LogLine {\n").unwrap();
    let mut fields_of_line = fields(&mut line.lines());
    for field in &mut fields_of_line {
        let words = field.name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        field.name = words.collect();
        if field.name == "Payload" {
            "object".clone_into(&mut field.of);
            "The event itself.".clone_into(&mut field.docs);
        }
    }
    table(&mut page, "field", &fields_of_line, &BTreeMap::new());
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    page.push_str("## Kinds\n\n");
    for Event { name, kind, docs, about, fields } in &all {
        let _ = writeln!(page, "### `{kind}`\n\n{docs}\n");
        let writers: BTreeSet<String> =
            written.get(kind).into_iter().flatten().cloned().chain(told(name, &stories)).collect();
        let writers = match kind.as_str() {
            kind if kind.starts_with("flow.") => "the engine, for any operation".to_owned(),
            "log.restored/1" => "`kiln restore`".to_owned(),
            _ if writers.is_empty() => "nothing in this version".to_owned(),
            _ => writers.iter().map(|story| format!("`{story}`")).collect::<Vec<_>>().join(", "),
        };
        let _ = writeln!(page, "Written by {writers}.");
        if !about.is_empty() {
            let about: Vec<_> = about.iter().map(|field| format!("`{field}`")).collect();
            let _ = writeln!(page, "It concerns {}.", about.join(", "));
        }
        page.push('\n');
        if !fields.is_empty() {
            table(&mut page, "field", fields, &types);
        }
        wanted.extend(fields.iter().flat_map(|field| names_in(&field.of)).map(str::to_owned));
    }
    page.push_str("## Types\n\n");
    let mut shown: BTreeSet<String> = BTreeSet::new();
    while let Some(name) =
        wanted.iter().find(|name| types.contains_key(*name) && !shown.contains(*name)).cloned()
    {
        let fields = &types[&name].fields;
        wanted.extend(fields.iter().flat_map(|field| names_in(&field.of)).map(str::to_owned));
        shown.insert(name);
    }
    for name in &shown {
        let Type { docs, is_enum, fields } = &types[name];
        let _ = writeln!(page, "### {name}\n\n{docs}\n");
        match fields.as_slice() {
            [Field { name, of, .. }] if name.is_empty() => {
                let _ = writeln!(page, "Written as `{of}`.\n");
            }
            _ => table(&mut page, if *is_enum { "one of" } else { "field" }, fields, &types),
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

#[test]
fn the_page_of_events_is_what_the_code_says() {
    let (path, page) = (root().join(PAGE), page());
    if std::env::var_os("KILN_EVENTS").is_some_and(|value| value == "write") {
        fs::write(&path, &page).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(page.lines()).find(|(there, made)| there != made);
    assert!(
        there == page,
        "`{PAGE}` is not what the code says{}; `KILN_EVENTS=write cargo test --test events` writes it",
        differs.map(|(there, made)| format!(": `{there}` instead of `{made}`")).unwrap_or_default()
    );
}

#[test]
fn every_kind_that_golden_logs_hold_is_on_the_page_with_what_it_means() {
    let page = page();
    for kind in written().keys() {
        let (_, rest) =
            page.split_once(&format!("### `{kind}`\n\n")).unwrap_or_else(|| panic!("no `{kind}`"));
        assert!(rest.starts_with(|letter: char| letter.is_uppercase()), "`{kind}` says nothing");
    }
    let nothing = page.lines().filter(|line| line.ends_with("|  |")).collect::<Vec<_>>();
    assert!(nothing.is_empty(), "fields without a word about them: {nothing:?}");
}

#[test]
fn an_event_is_read_from_the_macro_with_its_docs_fields_and_subjects() {
    let source = [
        "events! {",
        "    /// A thing",
        "    /// is there.",
        "    ThingMade \"thing.made/2\" about thing and other {",
        "        /// Its id.",
        "        thing: ThingId,",
        "        /// Another.",
        "        #[serde(default)]",
        "        other: Vec<ThingId>,",
        "    }",
        "}",
        "",
    ]
    .join("\n");
    let found = events(&source);
    assert_eq!(
        (found.len(), found[0].kind.as_str(), found[0].docs.as_str()),
        (1, "thing.made/2", "A thing is there.")
    );
    assert_eq!(found[0].about, ["thing", "other"]);
    let told: Vec<_> = found[0].fields.iter().map(|field| (field.name.as_str(), field.optional)).collect();
    assert_eq!(told, [("thing", false), ("other", true)]);
    assert!(Path::new(PAGE).is_relative());
}
