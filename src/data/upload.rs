//! A whole object on its way into a bucket over the wire.
//!
//! ```text
//! pieces ─▶ hashed, written to .partial/u-N while the next ones are awaited
//!        ─▶ whole: held to what the client said, synced, published
//! ```
//!
//! One batch of pieces is being written and one is being received, so an upload takes two batches
//! of memory whatever its length. Dropped before its end, it removes its file; what a killed process
//! leaves is removed when the store is opened.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::port::Location;
use domain::port_objects::{Ending, ObjectFacts, Upload};
use event::{Failure, Refusal};
use files::{File, Open};
use md5::{Digest, Md5};
use tokio::task::JoinHandle;

use crate::bucket::{Bucket, PARTIAL_DIR};
use crate::fault::{self, Result};
use crate::known::{Kind, ObjectState, seen_of};
use crate::publish::Publication;
use crate::store::{Store, remove_if_there};

/// What the names of whole objects under way begin with.
pub(crate) const UPLOAD_PREFIX: &str = "u-";

/// Where an upload's bytes go.
pub(crate) trait Sink: Send + Sized + 'static {
    fn write(&mut self, pieces: &[Bytes]) -> Result<()>;
    fn finish(self, ending: Ending) -> Result<ObjectFacts>;
}

/// A sink whose work is done where it may block, a batch behind who uploads.
pub(crate) struct Piped<S> {
    idle: Option<S>,
    running: Option<JoinHandle<Result<S>>>,
}

impl<S: Sink> Piped<S> {
    pub(crate) fn new(sink: S) -> Box<Self> {
        Box::new(Self { idle: Some(sink), running: None })
    }

    async fn sink(&mut self) -> Result<S> {
        if let Some(running) = self.running.take() {
            return running.await.unwrap_or_else(|error| Err(ended_early(error)));
        }
        self.idle.take().ok_or_else(|| Failure::World("the upload has failed before".to_owned()))
    }
}

fn ended_early(error: impl std::fmt::Display) -> Failure {
    Failure::Ours(format!("an upload's work ended early: {error}"))
}

#[async_trait]
impl<S: Sink> Upload for Piped<S> {
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<()> {
        let mut sink = self.sink().await?;
        self.running = Some(tokio::task::spawn_blocking(move || sink.write(&pieces).map(|()| sink)));
        Ok(())
    }

    async fn finish(mut self: Box<Self>, ending: Ending) -> Result<ObjectFacts> {
        let sink = self.sink().await?;
        let finish = tokio::task::spawn_blocking(move || sink.finish(ending));
        finish.await.unwrap_or_else(|error| Err(ended_early(error)))
    }
}

/// The digests of what has come so far.
pub(crate) struct Hashes {
    pub(crate) bytes: u64,
    md5: Md5,
    crc64: crc64fast::Digest,
}

/// The digests of all that came.
#[derive(Clone, Copy)]
pub(crate) struct Hashed {
    pub(crate) bytes: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) crc64: u64,
}

impl Hashes {
    pub(crate) fn new() -> Self {
        Self { bytes: 0, md5: Md5::new(), crc64: crc64fast::Digest::new() }
    }

    /// Hashes pieces and writes them behind what was written before; the first byte went to `begin`.
    pub(crate) fn write(&mut self, file: &dyn File, begin: u64, pieces: &[Bytes]) -> std::io::Result<()> {
        for piece in pieces {
            self.md5.update(piece);
            self.crc64.write(piece);
            file.write_at(begin + self.bytes, piece)?;
            self.bytes += piece.len() as u64;
        }
        Ok(())
    }

    /// Ends, and fails unless what came is what the client said.
    pub(crate) fn finish(self, ending: &Ending) -> Result<Hashed> {
        let md5: [u8; 16] = self.md5.finalize().into();
        let crc64 = self.crc64.sum64();
        if ending.md5.is_some_and(|said| said != md5) {
            let why = "the Content-MD5 that came with the request is not that of its body";
            return Err(Refusal::new("InvalidDigest", why).advise("send the body again").into());
        }
        if ending.crc64.is_some_and(|said| said != crc64) {
            let why = "the CRC-64 that came with the request is not that of its body";
            return Err(Refusal::new("InvalidDigest", why).advise("send the body again").into());
        }
        Ok(Hashed { bytes: self.bytes, md5, crc64 })
    }
}

/// Bytes as the wire spells them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02X}").expect("a string takes what is written");
        text
    })
}

/// A partial file that is removed unless it becomes something.
pub(crate) struct Partial {
    pub(crate) store: Arc<Store>,
    pub(crate) to: Location,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    name: String,
}

impl Partial {
    /// Begins a file for an object.
    pub(crate) fn begin(store: Arc<Store>, to: &Location) -> Result<Self> {
        let say = |error| fault::io(format_args!("uploading `{to}`"), &error);
        let (path, file, name) = {
            let bucket = Bucket::of(&store, to)?;
            bucket.file(&to.path)?;
            let dir = bucket.dir.join(PARTIAL_DIR);
            let name = format!("{UPLOAD_PREFIX}{}", store.wire.next_id(&to.path));
            let path = dir.join(&name);
            let _lock = bucket.lock()?;
            bucket.require()?;
            store.files.create_dirs(&dir).map_err(say)?;
            store.wire.begun(&name);
            let file = store.files.open(&path, Open::CreateNew);
            (path, file.inspect_err(|_| store.wire.ended(&name)).map_err(say)?, name)
        };
        Ok(Self { store, to: to.clone(), path, file, name })
    }

    pub(crate) fn say(&self, doing: &str) -> impl Fn(std::io::Error) -> Failure {
        let attempted = format!("{doing} `{}`", self.to);
        move |error| fault::io(&attempted, &error)
    }

    /// Makes it the object of its key.
    pub(crate) fn publish(
        &self,
        hashed: &Hashed,
        etag: String,
        kind: Kind,
        ending: Ending,
    ) -> Result<ObjectFacts> {
        self.file.sync().map_err(self.say("writing"))?;
        let found = self.file.identity().map_err(self.say("writing"))?;
        let crc64 = Some(hashed.crc64);
        let state = ObjectState { seen: seen_of(&found), etag, crc64, kind, headers: ending.headers };
        let bucket = Bucket::of(&self.store, &self.to)?;
        Publication { bucket: &bucket, at: &self.to, file: &self.path, replace: ending.replace }
            .run(state, |_| Ok(()))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone already if it has become an object; what cannot be removed now is when the store is
        // opened again.
        let _ = remove_if_there(&*self.store.files, &self.path);
        self.store.wire.ended(&self.name);
    }
}

/// A whole object under way.
pub(crate) struct Put {
    partial: Partial,
    hashes: Hashes,
}

impl Put {
    pub(crate) fn begin(store: Arc<Store>, to: &Location, bytes: Option<u64>) -> Result<Self> {
        store.check_room(bytes.unwrap_or_default())?;
        Ok(Self { partial: Partial::begin(store, to)?, hashes: Hashes::new() })
    }
}

/// Bytes in pieces.
pub(crate) fn bytes_in(pieces: &[Bytes]) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}

impl Sink for Put {
    fn write(&mut self, pieces: &[Bytes]) -> Result<()> {
        self.partial.store.check_room(bytes_in(pieces))?;
        self.hashes.write(&*self.partial.file, 0, pieces).map_err(self.partial.say("writing"))
    }

    fn finish(self, ending: Ending) -> Result<ObjectFacts> {
        let hashed = self.hashes.finish(&ending)?;
        self.partial.publish(&hashed, hex(&hashed.md5), Kind::Normal, ending)
    }
}
