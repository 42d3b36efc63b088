//! Manifests on this side: a file, the standard input, or what is asked of images; read, checked, and sent.
//!
//! A file is read twice: once to check every line, and, if what answers has not got it yet, once to send it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use service::{
    BAD_LINES_MAX, BadLine, BatchRequest, Family, Form, ImageQuery, Images, Line, LinesDigest,
    MANIFEST_BYTES_MAX, Manifest, ManifestHave, Request, Trouble, form_of,
};

use crate::exit::Stop;
use crate::session::Session;

/// Bytes of a piece that is sent at once: a server takes a megabyte in a request.
const PIECE_BYTES: usize = 256 << 10;

/// Digits of its digest that a batch has in its name.
const NAME_DIGITS: usize = 8;
/// Characters of a file's name that it has there.
const STEM_CHARS_MAX: usize = 64;

/// Where lines come from.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("from").required(true).args(["manifest", "images"])))]
pub(crate) struct From {
    /// The manifest: CSV or JSON lines; `-` for the standard input
    manifest: Option<PathBuf>,
    /// Images instead, a line each: `family=web`, `name=web-*`, `status=Deprecated`, `tag=env=prod`, `all=yes`;
    /// everything said has to hold
    #[arg(long, value_name = "FILTER", num_args = 1.., requires = "operation", verbatim_doc_comment)]
    images: Vec<String>,
    /// How it is written [default: as its name ends, .csv or .jsonl]
    #[arg(long, value_name = "FORM")]
    format: Option<FormIn>,
    /// The operation of lines that name none
    #[arg(long, value_name = "OPERATION")]
    pub(crate) operation: Option<String>,
    /// A parameter of every line that does not say otherwise; may be given again
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormIn {
    Csv,
    Jsonl,
}

/// A manifest that was checked.
pub(crate) struct Checked {
    source: Source,
    operation: Option<String>,
    set: Vec<(String, String)>,
    pub(crate) digest: String,
    bytes: u64,
    pub(crate) lines: u64,
    pub(crate) actions: Vec<String>,
    pub(crate) names_files: bool,
    /// What a batch of it is called if nobody says.
    pub(crate) name: String,
}

enum Source {
    File(PathBuf, Form),
    Text(String, Form),
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a parameter looks like NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl From {
    /// Reads and checks all of it; bad lines are told, and end it.
    pub(crate) async fn check(self, session: &Session) -> Result<Checked, Stop> {
        let (source, stem) = self.source(session).await?;
        let mut checked = Checked {
            source,
            operation: self.operation,
            set: self.set,
            digest: String::new(),
            bytes: 0,
            lines: 0,
            actions: Vec::new(),
            names_files: false,
            name: String::new(),
        };
        let mut identity = LinesDigest::default();
        let (mut actions, mut names_files, mut bad) = (BTreeSet::new(), false, 0);
        checked.each(|line| {
            match line {
                Ok(line) => {
                    let request = line.operation.request()?;
                    actions.insert(request.action_name());
                    names_files |= request.names_files();
                    identity.add(&line.kept());
                }
                Err(wrong) => {
                    bad += 1;
                    let advice = if wrong.advice.is_empty() { "" } else { "; " };
                    session.screen.error(&format!("{wrong}{advice}{}", wrong.advice));
                }
            }
            Ok(bad < BAD_LINES_MAX)
        })?;
        let no = |code: &str, why: String, advice: &str| {
            Err(Stop::Trouble(Trouble::new(Family::Refused, code, why).advise(advice)))
        };
        if bad > 0 {
            let more = if bad < BAD_LINES_MAX { "" } else { " or more" };
            let lines = if bad == 1 { "line" } else { "lines" };
            let why = format!("{bad}{more} {lines} of the manifest cannot be");
            return no("InvalidManifest.Malformed", why, "nothing was started: mend them and run it again");
        }
        if identity.lines == 0 {
            return no("InvalidManifest.Lines", "the manifest has no lines".to_owned(), "name some work");
        }
        checked.digest = identity.digest();
        (checked.bytes, checked.lines) = (identity.bytes, identity.lines);
        (checked.actions, checked.names_files) = (actions.into_iter().collect(), names_files);
        checked.name = format!("{stem}-{}", &checked.digest[..NAME_DIGITS]);
        Ok(checked)
    }

    /// Where the lines are, and what a batch of them may be called.
    async fn source(&self, session: &Session) -> Result<(Source, String), Stop> {
        let Some(path) = &self.manifest else {
            let text = self.images_text(session).await?;
            return Ok((Source::Text(text, Form::Json), "images".to_owned()));
        };
        let said = self.format.map(|form| match form {
            FormIn::Csv => Form::Csv,
            FormIn::Jsonl => Form::Json,
        });
        let named = path.to_str().and_then(form_of);
        let unknown = || {
            let why =
                format!("`{}` does not say how it is written: add `--format csv` or jsonl", path.display());
            Stop::Usage(why)
        };
        let form = said.or(named).ok_or_else(unknown)?;
        if path.as_os_str() == "-" {
            let read = read_all(io::stdin().lock(), MANIFEST_BYTES_MAX);
            let text = read.map_err(|error| Trouble::world("reading the standard input", error))?;
            let text = text.ok_or_else(|| {
                let why = format!("the standard input has more than {} MiB", MANIFEST_BYTES_MAX >> 20);
                Trouble::new(Family::Refused, "InvalidManifest.Lines", why)
                    .advise("make several manifests of it")
            })?;
            return Ok((Source::Text(text, form), "batch".to_owned()));
        }
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let plain = |letter: char| letter.is_alphanumeric() || "_-.".contains(letter);
        let stem: String =
            stem.chars().map(|c| if plain(c) { c } else { '-' }).take(STEM_CHARS_MAX).collect();
        Ok((Source::File(path.clone(), form), stem))
    }

    /// A line for each image that everything said holds of.
    async fn images_text(&self, session: &Session) -> Result<String, Stop> {
        let mut query = ImageQuery {
            region: session.region.clone(),
            owner: Some("self".to_owned()),
            without_heads: true,
            ..ImageQuery::default()
        };
        for filter in &self.images {
            let (name, value) = filter.split_once('=').unwrap_or((filter, ""));
            let said = Some(value.to_owned());
            match name {
                "all" if value == "yes" => {}
                "family" => query.family = said,
                "name" => query.name = said,
                "status" => query.status = said,
                "os-type" => query.os_type = said,
                "architecture" => query.architecture = said,
                "tag" => query.tags.push(match value.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (value.to_owned(), None),
                }),
                _ => {
                    let words = "family=, name=, status=, os-type=, architecture=, tag= or all=yes";
                    return Err(Stop::Usage(format!("`{filter}` asks nothing of images: give {words}")));
                }
            }
        }
        let images: Images = session.ask(Request::ImageList(query)).await?;
        let line = |image: &service::ImageView| {
            let said = serde_json::json!({ "image": image.image_id, "region": image.region_id });
            format!("{said}\n")
        };
        Ok(images.images.iter().map(line).collect())
    }
}

impl Checked {
    /// Every line, until the visitor has had enough.
    fn each(&self, mut visit: impl FnMut(Result<Line, BadLine>) -> Result<bool, Stop>) -> Result<(), Stop> {
        let mut manifest = match self.read()? {
            Ok(manifest) => manifest,
            Err(bad) => return visit(Err(bad)).map(drop),
        };
        while let Some(line) = manifest.next_line().map_err(|error| self.unread(error))? {
            if !visit(line)? {
                break;
            }
        }
        Ok(())
    }

    fn read(&self) -> Result<Result<Manifest<Box<dyn BufRead + '_>>, BadLine>, Stop> {
        let (from, form): (Box<dyn BufRead + '_>, Form) = match &self.source {
            Source::File(path, form) => (Box::new(open(path).map_err(|error| self.unread(error))?), *form),
            Source::Text(text, form) => (Box::new(text.as_bytes()), *form),
        };
        let manifest = Manifest::new(from, form).map_err(|error| self.unread(error))?;
        Ok(manifest.map(|manifest| manifest.with(self.operation.clone(), self.set.clone())))
    }

    fn unread(&self, error: io::Error) -> Trouble {
        match &self.source {
            Source::File(path, _) => unreadable(path, error),
            Source::Text(..) => Trouble::world("reading the manifest", error),
        }
    }

    /// Has all of it where batches are run; what an earlier run has sent is not sent again.
    pub(crate) async fn send(&self, session: &Session) -> Result<(), Stop> {
        let changed = || Stop::Usage("the manifest was changed while it was read: run it again".to_owned());
        let mut have = self.put(session, 0, String::new()).await?;
        let mut manifest = self.read()?.map_err(|_| changed())?;
        let (mut piece, mut offset) = (String::new(), 0);
        while !have.whole {
            let line = manifest.next_line().map_err(|error| self.unread(error))?;
            let is_last = line.is_none();
            if let Some(line) = line {
                piece.push_str(&line.map_err(|_| changed())?.kept());
            }
            if piece.len() < PIECE_BYTES && !is_last {
                continue;
            }
            let end = offset + piece.len() as u64;
            let piece = std::mem::take(&mut piece);
            if end > have.bytes {
                have = self.put(session, offset, piece).await?;
            }
            offset = end;
            if is_last && !have.whole {
                return Err(changed());
            }
        }
        Ok(())
    }

    async fn put(&self, session: &Session, offset: u64, text: String) -> Result<ManifestHave, Stop> {
        let (manifest, bytes) = (self.digest.clone(), self.bytes);
        session.ask(Request::Batch(BatchRequest::Put { manifest, bytes, offset, text })).await
    }
}

/// A manifest that is no file to be read is for whoever named it to put right.
fn unreadable(path: &Path, error: io::Error) -> Trouble {
    let code = match error.kind() {
        io::ErrorKind::NotFound => "InvalidSource.NotFound",
        io::ErrorKind::PermissionDenied => "InvalidSource.Forbidden",
        io::ErrorKind::IsADirectory => "InvalidSource.NotAFile",
        _ => return Trouble::world(format_args!("reading `{}`", path.display()), error),
    };
    let why = format!("the manifest `{}` cannot be read: {error}", path.display());
    Trouble::new(Family::Refused, code, why).advise("give the path of a file that this user may read")
}

/// All of it as text; none if it is longer than so many bytes.
fn read_all(from: impl io::Read, bytes_max: u64) -> io::Result<Option<String>> {
    let mut text = String::new();
    from.take(bytes_max + 1).read_to_string(&mut text)?;
    Ok((text.len() as u64 <= bytes_max).then_some(text))
}

fn open(path: &Path) -> io::Result<BufReader<File>> {
    Ok(BufReader::new(File::open(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_not_cut() {
        assert_eq!(read_all("four".as_bytes(), 4).unwrap().as_deref(), Some("four"));
        assert_eq!(read_all("fives".as_bytes(), 4).unwrap(), None);
    }
}
