//! Stretches of what a bucket holds, from the rows of the index: objects, and uploads in parts.
//!
//! A common prefix costs one look: the walk goes on behind everything that begins with it. A row
//! whose file is not there (see `known`) is passed over.

use std::ops::Bound;

use domain::port_objects::{ListAsked, Listed, ObjectFacts, UploadFacts};

use crate::bucket::{Bucket, is_missing};
use crate::fault::{self, Result};
use crate::index::{Inside, decode};
use crate::known::{OBJECTS, ObjectRow};
use crate::parts::{UPLOADS, UploadRow};

/// Objects and common prefixes of one stretch at most: what the OSS API gives at once.
const LISTED_MAX: usize = 1000;

/// The least text behind all that begins with this.
fn behind(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

/// The common prefix a key is told as, if it is.
fn common<'k>(asked: &ListAsked, key: &'k str) -> Option<&'k str> {
    if asked.delimiter.is_empty() {
        return None;
    }
    let begin = asked.prefix.len();
    let at = key[begin..].find(&asked.delimiter)?;
    Some(&key[..begin + at + asked.delimiter.len()])
}

/// What the walk does next.
enum Next {
    /// Looks at what comes behind.
    Go,
    /// Goes to the first key from there on.
    Jump(Option<String>),
    Stop,
}

/// A stretch that is filled key by key.
struct Stretch<'a, T> {
    asked: &'a ListAsked,
    count: usize,
    listed: Listed<T>,
}

impl<'a, T> Stretch<'a, T> {
    fn new(asked: &'a ListAsked) -> Self {
        Self { asked, count: asked.count.min(LISTED_MAX), listed: Listed::default() }
    }

    /// The key at which the walk begins.
    fn begin(&self) -> Bound<&str> {
        let ListAsked { prefix, after, after_upload, .. } = self.asked;
        if after >= prefix && !after.is_empty() {
            return if after_upload.is_empty() { Bound::Excluded(after) } else { Bound::Included(after) };
        }
        Bound::Included(prefix)
    }

    /// Takes the next key; `look` says what it holds, if anything.
    fn take(&mut self, key: &str, look: impl FnOnce() -> Option<T>) -> Next {
        if !key.starts_with(&self.asked.prefix) {
            return Next::Stop;
        }
        let prefix = common(self.asked, key);
        if let Some(prefix) = prefix.filter(|prefix| *prefix == self.asked.after) {
            return Next::Jump(behind(prefix));
        }
        let Some(item) = look() else { return Next::Go };
        if self.listed.items.len() + self.listed.prefixes.len() == self.count {
            self.listed.more = true;
            return Next::Stop;
        }
        match prefix {
            Some(prefix) => {
                self.listed.prefixes.push(prefix.to_owned());
                Next::Jump(behind(prefix))
            }
            None => {
                self.listed.items.push(item);
                Next::Go
            }
        }
    }
}

/// Objects of a bucket.
pub(crate) fn objects(bucket: &Bucket<'_>, asked: &ListAsked) -> Result<Listed<ObjectFacts>> {
    bucket.require()?;
    let mut trouble = None;
    let listed = bucket.store.index.read(|tx| {
        let table = tx.open_table(OBJECTS)?;
        let mut stretch = Stretch::new(asked);
        let mut begin = owned(stretch.begin());
        loop {
            let mut jump = None;
            let bound = begin.as_ref().map(|key| (bucket.name(), key.as_str()));
            for row in table.range::<(&str, &str)>((bound, Bound::Unbounded))? {
                let (at, row) = row?;
                let (of, key) = at.value();
                if of != bucket.name() {
                    break;
                }
                let row: ObjectRow = decode(row.value())?;
                let look = || match look(bucket, key, &row) {
                    Ok(facts) => facts,
                    Err(failure) => {
                        trouble = Some(failure);
                        None
                    }
                };
                match stretch.take(key, look) {
                    Next::Go => {}
                    Next::Jump(to) => {
                        jump = to;
                        break;
                    }
                    Next::Stop => break,
                }
                if trouble.is_some() {
                    break;
                }
            }
            match jump {
                Some(to) => begin = Bound::Included(to),
                None => return Ok(stretch.listed),
            }
        }
    })?;
    trouble.map_or(Ok(listed), Err)
}

fn owned(bound: Bound<&str>) -> Bound<String> {
    bound.map(str::to_owned)
}

fn look(bucket: &Bucket<'_>, key: &str, row: &ObjectRow) -> Result<Option<ObjectFacts>> {
    match bucket.store.files.identity(&bucket.file(key)?) {
        Ok(found) if found.kind == files::Kind::File => Ok(Some(row.state(&found).facts(key))),
        Ok(_) => Ok(None),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(fault::io(format_args!("looking at object `{key}`"), &error)),
    }
}

/// Uploads in parts into a bucket.
pub(crate) fn uploads(bucket: &Bucket<'_>, asked: &ListAsked) -> Result<Listed<UploadFacts>> {
    bucket.require()?;
    bucket.store.index.read(|tx| {
        let table = tx.open_table(UPLOADS)?;
        let mut stretch = Stretch::new(asked);
        let mut begin = owned(stretch.begin());
        loop {
            let mut jump = None;
            // Behind a key is in front of its first upload; all of the key are left out by `take_upload`.
            let (Bound::Included(from) | Bound::Excluded(from)) = &begin else { return Ok(stretch.listed) };
            for row in table.range((bucket.name(), from.as_str(), "")..)? {
                let (at, row) = row?;
                let (of, key, upload) = at.value();
                if of != bucket.name() {
                    break;
                }
                match take_upload(&mut stretch, key, upload, row.value())? {
                    Next::Go => {}
                    Next::Jump(to) => {
                        jump = to;
                        break;
                    }
                    Next::Stop => break,
                }
            }
            match jump {
                Some(to) => begin = Bound::Included(to),
                None => return Ok(stretch.listed),
            }
        }
    })
}

fn take_upload(stretch: &mut Stretch<'_, UploadFacts>, key: &str, upload: &str, row: &[u8]) -> Inside<Next> {
    let asked = stretch.asked;
    let passed =
        asked.after == key && (asked.after_upload.is_empty() || upload <= asked.after_upload.as_str());
    if passed && !asked.after.is_empty() {
        return Ok(Next::Go);
    }
    let row: UploadRow = decode(row)?;
    let (key, upload) = (key.to_owned(), upload.to_owned());
    let initiated_ms = row.initiated_ms;
    Ok(stretch.take(&key.clone(), || Some(UploadFacts { key, upload, initiated_ms })))
}

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn behind_a_prefix_comes_what_does_not_begin_with_it() {
        for (prefix, expected) in [
            ("a/", Some("a0")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("", None),
        ] {
            assert_eq!(behind(prefix).as_deref(), expected);
        }
    }
}
