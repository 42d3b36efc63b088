//! What the bucket wire asks of the data plane: objects as streams, with what HTTP says of them.
//!
//! [`Buckets`](crate::port::Buckets) moves whole files for workflows; here bytes come and go in
//! pieces while somebody waits at the other end of a connection. Nothing of it is in the log: an
//! upload that ends early has never been. What is refused carries the code of the OSS API.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use event::Failure;

use crate::port::{BucketAt, Location};

/// How an object came to be; it decides what may be done to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectKind {
    /// At once.
    #[default]
    Normal,
    /// From parts, or by an operation of Kiln; its tag is no MD5.
    Multipart,
    /// By appending; more may be appended.
    Appendable,
}

/// Headers that are kept with an object, names in lower case.
pub type Headers = BTreeMap<String, String>;

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Its key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// When it was last written, milliseconds since 1970 UTC.
    pub modified_ms: i64,
    /// What changes when its bytes change: the MD5 of an object that came at once.
    pub etag: String,
    /// CRC-64/XZ of its bytes, if it is known.
    pub crc64: Option<u64>,
    /// How it came to be.
    pub kind: ObjectKind,
    /// What was said of it when it came.
    pub headers: Headers,
}

/// What an upload is held to and ends in.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// What is kept with the object.
    pub headers: Headers,
    /// Whether an object of that key may be replaced.
    pub replace: bool,
    /// The MD5 that the bytes have to have.
    pub md5: Option<[u8; 16]>,
    /// The CRC-64 that the bytes have to have.
    pub crc64: Option<u64>,
}

/// A part of an upload in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartFacts {
    /// Its number, from 1.
    pub number: u32,
    /// Its length.
    pub bytes: u64,
    /// When it was whole, milliseconds since 1970 UTC.
    pub modified_ms: i64,
    /// Its MD5.
    pub etag: String,
    /// Its CRC-64/XZ.
    pub crc64: u64,
}

/// An upload in parts that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadFacts {
    /// The key the object will have.
    pub key: String,
    /// The upload's id.
    pub upload: String,
    /// When it began, milliseconds since 1970 UTC.
    pub initiated_ms: i64,
}

/// Which stretch of a listing is asked for.
#[derive(Clone, Debug, Default)]
pub struct ListAsked {
    /// What keys begin with.
    pub prefix: String,
    /// The key, or the common prefix, behind which the stretch begins.
    pub after: String,
    /// Behind which upload of that very key; all of that key are left out if there is none.
    pub after_upload: String,
    /// Keys that go on behind the prefix up to this are told as one common prefix; none if empty.
    pub delimiter: String,
    /// Keys and common prefixes at most.
    pub count: usize,
}

/// A stretch of a listing.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// What there is, by key.
    pub items: Vec<T>,
    /// Common prefixes, in order.
    pub prefixes: Vec<String>,
    /// Whether there is more.
    pub more: bool,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), prefixes: Vec::new(), more: false }
    }
}

/// An upload in progress: a whole object, a part of one, or an appendix. Dropped, it has never been.
#[async_trait]
pub trait Upload: Send {
    /// Takes the next bytes. What was taken before is written while these are awaited.
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<(), Failure>;

    /// Makes it whole and durable, and only then seen. Refuses with `InvalidDigest` if it is held to
    /// another MD5, with `FileAlreadyExists` if there is such an object and may not be replaced.
    /// For a part, headers and replacement say nothing.
    async fn finish(self: Box<Self>, ending: Ending) -> Result<ObjectFacts, Failure>;
}

/// An object that is open: these bytes, whatever becomes of its key.
#[async_trait]
pub trait ObjectBytes: Send + Sync {
    /// So many bytes from there; an error if the object ends before.
    async fn read(&self, offset: u64, len: usize) -> Result<Bytes, Failure>;
}

/// An object that is open, and what is known of it.
pub type Opened = (ObjectFacts, Box<dyn ObjectBytes>);

/// Objects as the bucket wire has them.
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    /// Begins an object, of that length if it is known.
    async fn begin_put(&self, to: &Location, bytes: Option<u64>) -> Result<Box<dyn Upload>, Failure>;

    /// Begins an appendix to an object, which is made if it is not there. Refuses with
    /// `PositionNotEqualToLength` or `ObjectNotAppendable`.
    async fn begin_append(&self, to: &Location, position: u64) -> Result<Box<dyn Upload>, Failure>;

    /// An object, to be read.
    async fn open(&self, at: &Location) -> Result<Option<Opened>, Failure>;

    /// What is known of an object.
    async fn facts(&self, at: &Location) -> Result<Option<ObjectFacts>, Failure>;

    /// Keeps other headers with an object; says whether it was there.
    async fn describe(&self, at: &Location, headers: Headers) -> Result<Option<ObjectFacts>, Failure>;

    /// A stretch of a bucket's listing, by key.
    async fn list(&self, bucket: &BucketAt, asked: &ListAsked) -> Result<Listed<ObjectFacts>, Failure>;

    /// Begins an upload in parts and gives its id.
    async fn initiate(&self, to: &Location, headers: Headers) -> Result<String, Failure>;

    /// Begins a part. What follows about uploads refuses with `NoSuchUpload` if there is none.
    async fn begin_part(
        &self,
        to: &Location,
        upload: &str,
        number: u32,
        bytes: Option<u64>,
    ) -> Result<Box<dyn Upload>, Failure>;

    /// The parts that an upload has, behind that number, at most so many; and whether there are more.
    async fn parts(
        &self,
        to: &Location,
        upload: &str,
        after: u32,
        count: usize,
    ) -> Result<(Vec<PartFacts>, bool), Failure>;

    /// The uploads in parts into a bucket, by key.
    async fn uploads(&self, bucket: &BucketAt, asked: &ListAsked) -> Result<Listed<UploadFacts>, Failure>;

    /// Makes an object of the named parts, or of all there are. Refuses with `InvalidPart`,
    /// `InvalidPartOrder`, `EntityTooSmall` or `FileAlreadyExists`.
    async fn complete(
        &self,
        to: &Location,
        upload: &str,
        parts: Option<Vec<(u32, String)>>,
        replace: bool,
    ) -> Result<ObjectFacts, Failure>;

    /// Gives an upload in parts up.
    async fn abort(&self, to: &Location, upload: &str) -> Result<(), Failure>;
}
