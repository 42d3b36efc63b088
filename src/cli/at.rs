//! Where disk files are, as a person writes it: a path on this computer, or `oss://bucket/key`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use service::FileAt;

use crate::exit::Stop;

/// What an object's address begins with.
const SCHEME: &str = "oss://";

/// The file or object of that name.
pub(crate) fn file_at(named: &OsStr) -> Result<FileAt, Stop> {
    match object(named)? {
        Some((bucket, key)) => Ok(FileAt { bucket: Some(bucket), path: key }),
        None => Ok(FileAt { bucket: None, path: absolute(Path::new(named))? }),
    }
}

/// The bucket and the key of an object's address; none if it is a path.
pub(crate) fn object(named: &OsStr) -> Result<Option<(String, String)>, Stop> {
    let Some(rest) = named.to_str().and_then(|named| named.strip_prefix(SCHEME)) else { return Ok(None) };
    match rest.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
            Ok(Some((bucket.to_owned(), key.to_owned())))
        }
        _ => Err(Stop::usage(format!("`{SCHEME}{rest}` names no object"), "write `oss://BUCKET/KEY`")),
    }
}

/// The path as the process that does the work can open it.
pub(crate) fn absolute(path: &Path) -> Result<String, Stop> {
    let usage = |why: &str, advice| Stop::usage(format!("`{}` {why}", path.display()), advice);
    let absolute = std::path::absolute(path)
        .map_err(|error| usage(&format!("is no path: {error}"), "name a file or a directory"))?;
    let text = OsString::from(absolute).into_string();
    text.map_err(|_| usage("is not Unicode", "give the file another name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_key_and_everything_else_is_a_path() {
        let at = file_at(OsStr::new("oss://disks/web/v1.raw")).unwrap();
        assert_eq!((at.bucket.as_deref(), at.path.as_str()), (Some("disks"), "web/v1.raw"));
        let at = file_at(OsStr::new("/disks/web.raw")).unwrap();
        assert_eq!((at.bucket, at.path.as_str()), (None, "/disks/web.raw"));
        for wrong in ["oss://", "oss://bucket", "oss:///key", "oss://bucket/"] {
            assert!(file_at(OsStr::new(wrong)).is_err(), "{wrong}");
        }
    }
}
