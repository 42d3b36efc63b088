//! Manifests: many operations, a line each, as CSV or as JSON lines, read one line at a time.
//!
//! ```text
//!  operation,image,name,tag:env          {"operation": "image.modify", "image": "web-1", "name": "web-1-lts"}
//!  image.modify,web-1,web-1-lts,prod     {"operation": "image.deprecate", "image": "web-2"}
//!  image.deprecate,web-2,,
//! ```
//!
//! In CSV the first line names the columns: `operation`, unless one operation is said for all, and parameters. A cell
//! without text says nothing. A column `key` names a line for whoever reads the results; one that begins with `#` is
//! for people and not read, and so are fields of JSON that begin so.
//!
//! Both are kept in one form, of which the digest is the manifest's identity: JSON lines of the operation as it is
//! called here, with the line's number. So a file stays the same manifest when its columns are moved or its quotes
//! are written otherwise.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};

use crate::lookup::nearest;
use crate::manifest_csv::{Broken, Csv};
use crate::operation::{OPERATION, Operation, Wrong, operations, plain};

/// Bytes of a line at most: a thousand times an ordinary one.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a manifest in the form it is kept in: a million lines of 256 bytes.
pub const MANIFEST_BYTES_MAX: u64 = 256 << 20;
/// Bad lines that are told of before a check gives up: a screen or two.
pub const BAD_LINES_MAX: usize = 100;
/// Columns of a CSV file; every operation together has fewer parameters.
const COLUMNS_MAX: usize = 200;
/// Lines a file may have, empty ones among them: as many as a line's number has digits for.
const FILE_LINES_MAX: u64 = 9_999_999;
/// Characters of a line's key.
const KEY_CHARS_MAX: usize = 64;
/// What a column or field is called that names a line.
const KEY: &str = "key";
/// What the number of a line is called where it is kept.
const LINE: &str = "line";
/// What a column or field begins with that is not read.
const NOTE: char = '#';

/// How a manifest is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A line of columns, then a line an operation.
    Csv,
    /// An object a line.
    Json,
}

/// A line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: u64,
    /// What it is called, if it has a name of its own.
    pub key: Option<String>,
    /// What it asks for.
    pub operation: Operation,
}

/// A line that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BadLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// The column or field; empty if it is the whole line.
    pub column: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub advice: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.column.is_empty() {
            write!(f, ", `{}`", self.column)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A manifest that is being read and checked.
pub struct Manifest<R> {
    source: Source<R>,
    /// The operation of lines that name none.
    default: Option<String>,
    /// Parameters of lines that do not say otherwise.
    set: Vec<(String, String)>,
    /// Digests of the keys there were.
    keys: HashSet<[u8; 16]>,
}

enum Source<R> {
    Csv { csv: Csv<R>, columns: Vec<String> },
    Json { from: R, number: u64 },
}

impl<R: BufRead> Manifest<R> {
    /// Begins to read a manifest; the columns of CSV are read at once.
    ///
    /// # Errors
    /// If it cannot be read; and, inside, if its columns cannot be.
    pub fn new(mut from: R, form: Form) -> io::Result<Result<Self, BadLine>> {
        let source = match form {
            Form::Json => {
                let mark = "\u{feff}".as_bytes();
                if from.fill_buf()?.starts_with(mark) {
                    from.consume(mark.len());
                }
                Source::Json { from, number: 0 }
            }
            Form::Csv => {
                let mut csv = Csv::new(from)?;
                match csv.next()? {
                    None => {
                        return Ok(Err(bad(1, "", "there is no line of columns", "begin with their names")));
                    }
                    Some(Err(broken)) => return Ok(Err(broken_line(&broken, &[]))),
                    Some(Ok(head)) => match columns(head.line, &head.fields) {
                        Err(bad) => return Ok(Err(bad)),
                        Ok(columns) => Source::Csv { csv, columns },
                    },
                }
            }
        };
        Ok(Ok(Self { source, default: None, set: Vec::new(), keys: HashSet::new() }))
    }

    /// The same, with an operation for lines that name none and parameters for those that do not say otherwise.
    #[must_use]
    pub fn with(mut self, operation: Option<String>, set: Vec<(String, String)>) -> Self {
        self.default = operation;
        self.set = set;
        self
    }

    /// The next line, checked; none at the end.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Result<Line, BadLine>>> {
        let read = match &mut self.source {
            Source::Csv { csv, columns } => match csv.next()? {
                None => return Ok(None),
                Some(Err(broken)) => Err(broken_line(&broken, columns)),
                Some(Ok(record)) => cells(record.line, record.fields, columns),
            },
            Source::Json { from, number } => match json(from, number)? {
                None => return Ok(None),
                Some(line) => line,
            },
        };
        Ok(Some(read.and_then(|line| self.check(line))))
    }

    fn check(&mut self, line: Line) -> Result<Line, BadLine> {
        let Line { number, key, mut operation } = line;
        if number > FILE_LINES_MAX {
            return Err(bad(number, "", "the file has too many lines", "make several manifests of it"));
        }
        if operation.operation.is_empty() {
            operation.operation = self.default.clone().unwrap_or_default();
        }
        for (name, value) in &self.set {
            // What the line says itself counts, however it spells it.
            let is_said = operation.parameters.keys().any(|said| plain(said) == plain(name));
            if !is_said {
                operation.parameters.insert(name.clone(), value.clone());
            }
        }
        let wrong = |Wrong { parameter, refusal }| BadLine {
            line: number,
            column: parameter,
            message: refusal.message,
            advice: refusal.advice,
        };
        operation.read().map_err(wrong)?;
        let operation = operation.canonical().map_err(wrong)?;
        if let Some(key) = &key {
            check_key(key).map_err(|(why, advice)| bad(number, KEY, why, advice))?;
            let digest = blake3::hash(key.as_bytes());
            let short = digest.as_bytes()[..16].try_into().unwrap_or_default();
            if !self.keys.insert(short) {
                let why = format!("the key `{key}` is another line's already");
                return Err(bad(number, KEY, why, "give each line a key of its own, or none a key"));
            }
        }
        Ok(Line { number, key, operation })
    }
}

impl Line {
    /// The line in the form it is kept in, with its line feed.
    pub fn kept(&self) -> String {
        let number = self.number.to_string();
        let operation = &self.operation;
        let parameters = operation.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut fields: BTreeMap<&str, &str> = parameters.collect();
        fields.insert(LINE, &number);
        fields.insert(OPERATION, &operation.operation);
        fields.extend(self.key.as_deref().map(|key| (KEY, key)));
        let mut text = serde_json::to_string(&fields).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The line of such text.
    pub fn read_kept(text: &str) -> Option<Self> {
        let mut fields: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
        let number = fields.remove(LINE)?.parse().ok()?;
        let (key, operation) = (fields.remove(KEY), fields.remove(OPERATION)?);
        Some(Self { number, key, operation: Operation { operation, parameters: fields } })
    }
}

/// Lines in the form they are kept in, as they are counted and hashed.
#[derive(Clone, Debug, Default)]
pub struct LinesDigest {
    hasher: blake3::Hasher,
    /// Bytes of them.
    pub bytes: u64,
    /// How many.
    pub lines: u64,
}

impl LinesDigest {
    /// Takes the next line.
    pub fn add(&mut self, kept: &str) {
        self.hasher.update(kept.as_bytes());
        self.bytes += kept.len() as u64;
        self.lines += 1;
    }

    /// The digest of all.
    pub fn digest(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}

/// What a file of that name is written in, if its name says so.
pub fn form_of(name: &str) -> Option<Form> {
    let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
    match ending.as_str() {
        "csv" => Some(Form::Csv),
        "jsonl" | "ndjson" | "json" => Some(Form::Json),
        _ => None,
    }
}

/// A row of CSV of these fields.
pub fn csv_row<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let fields: Vec<String> = fields.into_iter().map(crate::manifest_csv::quoted).collect();
    let mut row = fields.join(",");
    row.push('\n');
    row
}

fn bad(line: u64, column: &str, why: impl Into<String>, advice: impl Into<String>) -> BadLine {
    BadLine { line, column: column.to_owned(), message: why.into(), advice: advice.into() }
}

fn broken_line(broken: &Broken, columns: &[String]) -> BadLine {
    let column = columns.get(broken.field - 1).cloned().unwrap_or_else(|| format!("field {}", broken.field));
    bad(broken.line, &column, broken.why, broken.advice)
}

/// The columns, if they can be told apart and each is something.
fn columns(line: u64, names: &[String]) -> Result<Vec<String>, BadLine> {
    if names.len() > COLUMNS_MAX {
        return Err(bad(line, "", format!("{} columns; there are at most {COLUMNS_MAX}", names.len()), ""));
    }
    let mut seen = HashSet::new();
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    for (place, name) in names.iter().enumerate() {
        if name.is_empty() {
            let why = format!("column {} has no name", place + 1);
            return Err(bad(line, "", why, "the first line names the columns"));
        }
        if !name.starts_with(NOTE) && !seen.insert(name.to_lowercase()) {
            return Err(bad(line, name, "two columns have this name", "name each once"));
        }
        let tag = name.get(..4).is_some_and(|tag| tag.eq_ignore_ascii_case("tag:"));
        if !name.starts_with(NOTE) && !tag && !is_column(name) {
            let words = operations().iter().flat_map(|known| known.parameters).map(|one| one.name);
            let advice = match nearest(&name.to_lowercase(), words.chain([OPERATION, KEY])) {
                Some(meant) => format!("did you mean `{meant}`? A column for people begins with `#`"),
                None => {
                    "name parameters as `kiln batch operations` does; a column for people begins with `#`"
                        .to_owned()
                }
            };
            return Err(bad(line, name, "no operation has a parameter of this name", advice));
        }
    }
    Ok(names)
}

fn is_column(name: &str) -> bool {
    let is = |word: &str| plain(name) == plain(word);
    let parameters = operations().iter().flat_map(|known| known.parameters);
    is(OPERATION) || is(KEY) || parameters.into_iter().any(|parameter| is(parameter.name))
}

/// The line of a record's cells.
fn cells(number: u64, cells: Vec<String>, columns: &[String]) -> Result<Line, BadLine> {
    if cells.len() != columns.len() {
        let why = format!("{} fields where there are {} columns", cells.len(), columns.len());
        return Err(bad(number, "", why, "a field with a comma in it stands between quotes"));
    }
    let mut line = Line { number, key: None, operation: Operation::default() };
    for (name, value) in columns.iter().zip(cells) {
        if value.is_empty() || name.starts_with(NOTE) {
            continue;
        }
        match plain(name).as_str() {
            OPERATION => line.operation.operation = value,
            KEY => line.key = Some(value),
            _ => _ = line.operation.parameters.insert(name.clone(), value),
        }
    }
    Ok(line)
}

/// The next line of JSON that is not empty.
fn json(from: &mut impl BufRead, number: &mut u64) -> io::Result<Option<Result<Line, BadLine>>> {
    loop {
        let mut bytes = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        if io::Read::take(&mut *from, limit).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        *number += 1;
        if bytes.len() > LINE_BYTES_MAX {
            if bytes.last() != Some(&b'\n') {
                from.skip_until(b'\n')?;
            }
            return Ok(Some(Err(bad(*number, "", "the line is too long", "a line has at most 64 KiB"))));
        }
        let Ok(text) = String::from_utf8(bytes) else {
            return Ok(Some(Err(bad(*number, "", "the line is not UTF-8", "write the file as UTF-8"))));
        };
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        return Ok(Some(object(*number, text)));
    }
}

fn object(number: u64, text: &str) -> Result<Line, BadLine> {
    let mut operation: Operation = serde_json::from_str(text).map_err(|error| {
        let column = format!("character {}", error.column());
        let why = error.to_string();
        let why = why.split(" at line ").next().unwrap_or_default().to_owned();
        bad(number, &column, why, "a line is an object: {\"operation\": \"image.modify\", \"image\": …}")
    })?;
    operation.parameters.retain(|name, _| !name.starts_with(NOTE));
    let named = operation.parameters.keys().find(|name| plain(name) == KEY).cloned();
    let key = named.and_then(|name| operation.parameters.remove(&name));
    Ok(Line { number, key, operation })
}

/// Whether a line may be called so; or what is wrong with that, and what to do.
pub(crate) fn check_key(key: &str) -> Result<(), (String, String)> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
    if !key.is_empty() && key.len() <= KEY_CHARS_MAX && key.bytes().all(plain) {
        return Ok(());
    }
    let why = format!("`{}` is no key", key.escape_debug());
    Err((why, format!("a key has 1 to {KEY_CHARS_MAX} visible ASCII characters without `/`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, form: Form) -> Result<Vec<Result<Line, BadLine>>, BadLine> {
        let mut manifest = Manifest::new(text.as_bytes(), form).unwrap()?;
        Ok(std::iter::from_fn(|| manifest.next_line().unwrap()).collect())
    }

    #[test]
    fn the_same_line_is_kept_in_the_same_form_however_it_is_written() {
        let csv = "Operation,IMAGE,name,tag:env,#why\nimage.modify,web-1,\"a-b\",prod,because\n";
        let json = "{\"operation\":\"image.modify\",\"Image\":\"web-1\",\"tag\":{\"env\":\"prod\"},\"name\":\"a-b\"}";
        let csv = read(csv, Form::Csv).unwrap().remove(0).unwrap();
        let json = read(&format!("\u{feff}\n{json}\n"), Form::Json).unwrap().remove(0).unwrap();
        assert_eq!(csv, json);
        assert_eq!(csv.number, 2);
        let kept = csv.kept();
        let (image, rest) = (r#"{"image":"web-1","line":"2","name":"a-b","#, r#""tag:env":"prod"}"#);
        assert_eq!(kept, format!("{image}\"operation\":\"image.modify\",{rest}\n"));
        assert_eq!(Line::read_kept(&kept), Some(csv));
    }

    #[test]
    fn every_bad_line_is_told_with_its_number_and_column_and_the_others_are_read() {
        let csv = "operation,image,name,bandwidth\n\
                   image.modify,web-1,new,\n\
                   image.copy,web-1,,fast\n\
                   image.modfiy,web-1,new,\n\
                   image.deprecate,,,\n\
                   image.deprecate,web-1,x,\n\
                   image.deprecate,web-1\n\
                   image.deprecate,\"we\"b,,\n\
                   image.deprecate,web-2,,\n";
        let all = read(csv, Form::Csv).unwrap();
        let told: Vec<_> = all.iter().filter_map(|line| line.as_ref().err()).collect();
        let places: Vec<_> = told.iter().map(|bad| (bad.line, bad.column.as_str())).collect();
        let expected = [(3, "bandwidth"), (4, "operation"), (5, "image"), (6, "name"), (7, ""), (8, "image")];
        assert_eq!(places, expected);
        assert_eq!(told[1].advice, "did you mean `image.modify`?");
        assert_eq!(told[0].to_string(), "line 3, `bandwidth`: `fast` is no `bandwidth`");
        assert_eq!(all.iter().filter(|line| line.is_ok()).count(), 2);
        let json = "{\"operation\":\"image.check\",\"image\":\"a\"}\nnonsense\n{\"image\":{\"a\":7}}\n[1]\n";
        let all = read(json, Form::Json).unwrap();
        let places: Vec<_> = all.iter().filter_map(|line| line.as_ref().err().map(|bad| bad.line)).collect();
        assert_eq!(places, [2, 3, 4]);
    }

    #[test]
    fn columns_that_no_operation_has_and_columns_that_come_twice_are_told_at_once() {
        for (head, column, advice) in [
            ("operation,imagee\n", "imagee", "did you mean `image`?"),
            ("image,Image\n", "Image", "name each once"),
            ("image,\n", "", "names the columns"),
            ("", "", "begin with their names"),
            ("image;name\n", "image;name", "kiln batch operations"),
        ] {
            let bad = read(head, Form::Csv).unwrap_err();
            assert_eq!(bad.column, column, "{head}");
            assert!(bad.advice.contains(advice), "{bad:?}");
        }
    }

    #[test]
    fn keys_are_plain_and_no_two_lines_have_one() {
        let csv = "key,image\na,web-1\nb,web-2\na,web-3\nc/d,web-4\n,web-5\n";
        let mut manifest = Manifest::new(csv.as_bytes(), Form::Csv).unwrap().unwrap();
        manifest = manifest.with(Some("image.check".to_owned()), Vec::new());
        let all: Vec<_> = std::iter::from_fn(|| manifest.next_line().unwrap()).collect();
        let bad: Vec<_> = all.iter().filter_map(|line| line.as_ref().err().map(|bad| bad.line)).collect();
        assert_eq!(bad, [4, 5]);
        assert_eq!(all[4].as_ref().unwrap().key, None);
    }

    #[test]
    fn what_is_set_for_all_lines_counts_where_a_line_says_nothing() {
        let csv = "image,to-region\nweb-1,\nweb-2,cn-shanghai\n";
        let set = vec![("ToRegion".to_owned(), "cn-beijing".to_owned())];
        let manifest = Manifest::new(csv.as_bytes(), Form::Csv).unwrap().unwrap();
        let mut manifest = manifest.with(Some("image.copy".to_owned()), set);
        let mut to =
            || manifest.next_line().unwrap().unwrap().unwrap().operation.parameters["to-region"].clone();
        assert_eq!((to(), to()), ("cn-beijing".to_owned(), "cn-shanghai".to_owned()));
    }

    #[test]
    fn a_line_that_is_too_long_is_told_and_the_next_is_read() {
        let long = format!("{{\"operation\":\"{}\"}}\n", "x".repeat(LINE_BYTES_MAX));
        let text = format!("{long}{{\"operation\":\"image.check\",\"image\":\"a\"}}\n");
        let all = read(&text, Form::Json).unwrap();
        assert_eq!(all[0].as_ref().unwrap_err().message, "the line is too long");
        assert_eq!(all[1].as_ref().unwrap().number, 2);
    }
}
