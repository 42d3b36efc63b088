//! An object comes from a server in stretches, into a file beside the one it becomes: that has its name only once it is
//! whole and on disk. What was interrupted goes on where it was, unless the object is another one by now.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use http::{Method, StatusCode, header};
use service::{Family, Trouble};

use crate::Remote;
use crate::objects::{Ask, ObjectAt};
use crate::upload::Told;

/// Bytes asked for at once: held in memory until they are written.
const STRETCH_BYTES: u64 = 16 << 20;

impl Remote {
    /// Brings an object into a file. A file that is there stays, and is refused, unless it may be replaced.
    pub async fn download(
        &self,
        at: &ObjectAt,
        path: &Path,
        replace: bool,
        told: Told<'_>,
    ) -> Result<u64, Trouble> {
        if !replace && path.exists() {
            let why = format!("`{}` exists already", path.display());
            let refusal = Trouble::new(Family::Refused, "FileAlreadyExists", why);
            return Err(refusal.advise("choose another name, or replace it with `--force`"));
        }
        let head = self.object(Ask::new(Method::HEAD, at)).await?;
        let said = |name| head.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (size, etag) =
            (said(header::CONTENT_LENGTH).parse::<u64>().unwrap_or_default(), said(header::ETAG).to_owned());
        let partial = partial(path, &etag);
        let failed =
            |error: io::Error| Trouble::world(format_args!("writing `{}`", partial.display()), error);
        let mut file = OpenOptions::new().create(true).append(true).open(&partial).map_err(failed)?;
        let mut done = file.metadata().map_err(failed)?.len();
        if done > size {
            file.set_len(0).map_err(failed)?;
            done = 0;
        }
        told(done, size);
        while done < size {
            let mut ask = Ask::new(Method::GET, at);
            let last = (done + STRETCH_BYTES).min(size) - 1;
            ask.headers = vec![("range", format!("bytes={done}-{last}")), ("if-match", etag.clone())];
            let stretch = self.object(ask).await?;
            let wanted = last + 1 - done;
            let whole = stretch.status() == StatusCode::PARTIAL_CONTENT || (done == 0 && wanted == size);
            if !whole || stretch.body().len() as u64 != wanted {
                return Err(Trouble::world(
                    "reading from the server",
                    "it answered another stretch than was asked for",
                ));
            }
            file.write_all(stretch.body()).map_err(failed)?;
            done += wanted;
            told(done, size);
        }
        file.sync_all().map_err(failed)?;
        fs::rename(&partial, path).map_err(failed)?;
        // The name is durable with its directory.
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        Ok(size)
    }
}

/// Where an object comes in: named by what it is, so that another one does not go on in it.
fn partial(path: &Path, etag: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let version: String = etag.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    path.with_file_name(format!(".{name}.{version}.partial"))
}
