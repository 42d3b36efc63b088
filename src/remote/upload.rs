//! A file goes to a server in parts. What was interrupted goes on where it was: the server is asked for the
//! parts it has, and
//! those whose bytes are still those of the file are not sent again.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use bytes::Bytes;
use http::Method;
use md5::{Digest as _, Md5};
use serde::Deserialize;
use service::{Family, Trouble};

use crate::Remote;
use crate::objects::{Ask, ObjectAt, xml};

/// Bytes of a part. Large enough that a part's own cost is nothing, small enough to be held in memory.
const PART_BYTES: u64 = 16 << 20;
/// Parts of an upload at most, as the bucket wire has it; larger files have larger parts.
const PARTS_MAX: u64 = 10_000;
/// Parts that are told at once.
const LISTED_MAX: u32 = 1_000;

/// How far something has come: bytes done, and in all.
pub type Told<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Begun {
    upload_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Uploads {
    #[serde(rename = "Upload")]
    uploads: Vec<Upload>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Upload {
    key: String,
    upload_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Parts {
    #[serde(rename = "Part")]
    parts: Vec<Part>,
    is_truncated: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Part {
    #[serde(rename = "PartNumber")]
    number: u64,
    #[serde(rename = "ETag")]
    etag: String,
    size: u64,
}

impl Remote {
    /// Sends a file to an object. An object that is there stays, and is refused, unless it may be replaced.
    pub async fn upload(
        &self,
        path: &Path,
        at: &ObjectAt,
        replace: bool,
        told: Told<'_>,
    ) -> Result<u64, Trouble> {
        let (file, size) = open(path)?;
        let identity = identity(&file);
        if !replace && self.has(at).await? {
            let why = format!("`oss://{}/{}` exists already", at.bucket, at.key);
            let refusal = Trouble::new(Family::Refused, "FileAlreadyExists", why);
            return Err(refusal.advise("choose another key, or replace it with `--force`"));
        }
        let part_bytes = PART_BYTES.max(size.div_ceil(PARTS_MAX));
        let (upload, known) = match self.unfinished(at).await? {
            Some(upload) => {
                let known = self.parts(at, &upload).await?;
                (upload, known)
            }
            None => (self.begin(at).await?, BTreeMap::new()),
        };
        let mut etags = Vec::new();
        let mut done = 0;
        told(done, size);
        // An empty file has one empty part.
        for number in 1..=size.div_ceil(part_bytes).max(1) {
            let offset = (number - 1) * part_bytes;
            let bytes = read(&file, path, offset, part_bytes.min(size - offset))?;
            let etag = format!("\"{:032X}\"", u128::from_be_bytes(Md5::digest(&bytes).into()));
            done += bytes.len() as u64;
            let same =
                known.get(&number).is_some_and(|part| part.etag == etag && part.size == bytes.len() as u64);
            if !same {
                let mut ask = Ask::new(Method::PUT, at);
                ask.subresources =
                    vec![("partNumber", Some(number.to_string())), ("uploadId", Some(upload.clone()))];
                ask.body = bytes;
                self.object(ask).await?;
            }
            etags.push(format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
            told(done, size);
        }
        if self::identity(&file) != identity {
            let why = format!("`{}` changed while it was sent", path.display());
            let changed = Trouble::new(Family::Refused, "InvalidSource.Changed", why);
            return Err(changed.advise("send it again when nothing writes to it any more"));
        }
        let mut ask = Ask::new(Method::POST, at);
        ask.subresources = vec![("uploadId", Some(upload))];
        ask.body =
            Bytes::from(format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", etags.concat()));
        if !replace {
            ask.headers = vec![("x-oss-forbid-overwrite", "true".to_owned())];
        }
        self.object(ask).await?;
        Ok(size)
    }

    /// Whether there is an object.
    pub async fn has(&self, at: &ObjectAt) -> Result<bool, Trouble> {
        match self.object(Ask::new(Method::HEAD, at)).await {
            Ok(_) => Ok(true),
            Err(trouble) if trouble.code == "NoSuchKey" => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    async fn begin(&self, at: &ObjectAt) -> Result<String, Trouble> {
        let mut ask = Ask::new(Method::POST, at);
        ask.subresources = vec![("uploads", None)];
        let begun: Begun = xml(&self.object(ask).await?)?;
        Ok(begun.upload_id)
    }

    /// An upload of that object that has begun and not ended.
    async fn unfinished(&self, at: &ObjectAt) -> Result<Option<String>, Trouble> {
        let bucket = ObjectAt { bucket: at.bucket.clone(), key: String::new() };
        let mut ask = Ask::new(Method::GET, &bucket);
        ask.subresources = vec![("uploads", None)];
        ask.query = vec![("prefix", at.key.clone())];
        let found: Uploads = xml(&self.object(ask).await?)?;
        Ok(found.uploads.into_iter().find(|upload| upload.key == at.key).map(|upload| upload.upload_id))
    }

    /// The parts the server has of an upload.
    async fn parts(&self, at: &ObjectAt, upload: &str) -> Result<BTreeMap<u64, Part>, Trouble> {
        let mut known = BTreeMap::new();
        loop {
            let after = known.last_key_value().map_or(0, |(number, _)| *number);
            let mut ask = Ask::new(Method::GET, at);
            ask.subresources = vec![("uploadId", Some(upload.to_owned()))];
            ask.query =
                vec![("max-parts", LISTED_MAX.to_string()), ("part-number-marker", after.to_string())];
            let page: Parts = xml(&self.object(ask).await?)?;
            let is_last = !page.is_truncated || page.parts.is_empty();
            known.extend(page.parts.into_iter().map(|part| (part.number, part)));
            if is_last {
                return Ok(known);
            }
        }
    }
}

fn open(path: &Path) -> Result<(File, u64), Trouble> {
    let unread = |error: &dyn std::fmt::Display| {
        let why = format!("`{}` cannot be read: {error}", path.display());
        Trouble::new(Family::Refused, "InvalidSource.NotFound", why)
            .advise("give the path of a file that this user may read")
    };
    let file = File::open(path).map_err(|error| unread(&error))?;
    let about = file.metadata().map_err(|error| unread(&error))?;
    if !about.is_file() {
        let why = format!("`{}` is no regular file", path.display());
        return Err(Trouble::new(Family::Refused, "InvalidSource.NotAFile", why).advise("name a file"));
    }
    Ok((file, about.len()))
}

/// What tells that nobody has written to the file: its length, and when it was last written and changed.
fn identity(file: &File) -> Option<(u64, i64, i64, i64, i64)> {
    let about = file.metadata().ok()?;
    Some((about.len(), about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()))
}

fn read(file: &File, path: &Path, offset: u64, length: u64) -> Result<Bytes, Trouble> {
    let length = usize::try_from(length).expect("a part fits into memory");
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)
        .map_err(|error| Trouble::world(format_args!("reading `{}`", path.display()), error))?;
    Ok(Bytes::from(bytes))
}
