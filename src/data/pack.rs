//! Pack files: frames one behind the other, written once, sealed with a footer.
//!
//! ```text
//! header  "KILNPACK" version domain                                     32 bytes
//! frame   "KF" kind codec id(32) raw_len(4) len(4) · len bytes          repeated
//! footer  per frame: offset(8) id(32) · count(8) data_bytes(8) "KILNDONE"
//! ```
//!
//! A frame needs no checksum: its id is the digest of what it decodes to. The footer lets an index
//! be made again from packs alone. A pack belongs to one account and is filled by one thread.

use std::io::Cursor;
use std::sync::Arc;

use domain::Digest;
use files::File;

use crate::fault::{self, Result};
use crate::index::{Domain, Kind, Place};

const MAGIC: &[u8; 8] = b"KILNPACK";
const MAGIC_END: &[u8; 8] = b"KILNDONE";
const VERSION: u32 = 1;
/// Bytes before the first frame.
pub(crate) const HEADER_BYTES: u64 = 32;
/// Bytes before a frame's content.
pub(crate) const FRAME_HEADER_BYTES: usize = 44;
/// Frames are gathered to writes of about this size: large enough that the system call is nothing.
const WRITE_BYTES: usize = 4 << 20;

/// The file name of a pack.
pub(crate) fn name(pack: u64) -> String {
    format!("{pack:016x}.pack")
}

/// The pack a file name stands for.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".pack")?;
    if digits.len() != 16 {
        return None;
    }
    u64::from_str_radix(digits, 16).ok().filter(|&pack| self::name(pack) == name)
}

/// A frame that was appended.
#[derive(Clone, Debug)]
pub(crate) struct Appended {
    pub(crate) pack: u64,
    pub(crate) id: Digest,
    pub(crate) place: Place,
}

/// A frame's header.
pub(crate) fn frame_header(id: &Digest, place: &Place) -> [u8; FRAME_HEADER_BYTES] {
    let mut header = [0; FRAME_HEADER_BYTES];
    header[..2].copy_from_slice(b"KF");
    header[2] = place.kind as u8;
    header[3] = u8::from(place.zstd);
    header[4..36].copy_from_slice(&id.0);
    header[36..40].copy_from_slice(&place.raw_len.to_le_bytes());
    header[40..].copy_from_slice(&place.len.to_le_bytes());
    header
}

/// A pack that is being filled.
pub(crate) struct Writer {
    pub(crate) pack: u64,
    file: Arc<dyn File>,
    /// Bytes given to the file.
    written: u64,
    buffer: Vec<u8>,
    footer: Vec<u8>,
}

impl Writer {
    /// Begins a pack in an empty file.
    pub(crate) fn new(pack: u64, file: Arc<dyn File>, domain: &Domain) -> Self {
        let mut buffer = Vec::with_capacity(WRITE_BYTES + (1 << 20));
        buffer.extend_from_slice(MAGIC);
        buffer.extend_from_slice(&VERSION.to_le_bytes());
        buffer.extend_from_slice(domain);
        buffer.extend_from_slice(&[0; 4]);
        debug_assert_eq!(buffer.len() as u64, HEADER_BYTES);
        Self { pack, file, written: 0, buffer, footer: Vec::new() }
    }

    /// The file, for syncing it.
    pub(crate) fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// Bytes of header and frames so far.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Appends a frame, compressed if that makes it smaller.
    pub(crate) fn append(&mut self, zstd: &mut Zstd, id: Digest, kind: Kind, raw: &[u8]) -> Result<Appended> {
        let raw_len = u32::try_from(raw.len()).expect("chunks and pages are far below 4 GiB");
        let offset = self.data_bytes();
        let begin = self.buffer.len();
        let content = begin + FRAME_HEADER_BYTES;
        self.buffer.resize(content, 0);
        let squeezed = zstd.squeeze(raw, &mut self.buffer);
        if squeezed.is_none() {
            self.buffer.extend_from_slice(raw);
        }
        let len = squeezed.map_or(raw_len, |len| u32::try_from(len).expect("less than raw"));
        let place = Place { offset, len, raw_len, kind, zstd: squeezed.is_some(), condemned: 0 };
        self.buffer[begin..content].copy_from_slice(&frame_header(&id, &place));
        self.note(offset, &id)?;
        Ok(Appended { pack: self.pack, id, place })
    }

    /// Appends a frame as it stands in another pack, header included.
    pub(crate) fn append_frame(&mut self, id: Digest, mut place: Place, frame: &[u8]) -> Result<Appended> {
        place.offset = self.data_bytes();
        self.buffer.extend_from_slice(frame);
        self.note(place.offset, &id)?;
        Ok(Appended { pack: self.pack, id, place })
    }

    fn note(&mut self, offset: u64, id: &Digest) -> Result<()> {
        self.footer.extend_from_slice(&offset.to_le_bytes());
        self.footer.extend_from_slice(&id.0);
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    /// Gives all frames to the file; not yet durable.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        write(&*self.file, self.pack, self.written, &self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the pack with its footer and tells its length; not yet durable.
    pub(crate) fn seal(mut self) -> Result<u64> {
        self.flush()?;
        write_footer(&*self.file, self.pack, self.written, &self.footer)
    }
}

fn write(file: &dyn File, pack: u64, offset: u64, bytes: &[u8]) -> Result<()> {
    file.write_at(offset, bytes)
        .map_err(|error| fault::io(format_args!("writing pack `{}`", name(pack)), &error))
}

fn write_footer(file: &dyn File, pack: u64, data_bytes: u64, entries: &[u8]) -> Result<u64> {
    let mut footer = entries.to_vec();
    footer.extend_from_slice(&(entries.len() as u64 / 40).to_le_bytes());
    footer.extend_from_slice(&data_bytes.to_le_bytes());
    footer.extend_from_slice(MAGIC_END);
    write(file, pack, data_bytes, &footer)?;
    Ok(data_bytes + footer.len() as u64)
}

/// Seals a pack that a crash left open: cuts what is not recorded, writes the footer, syncs.
pub(crate) fn seal_cut(file: &dyn File, pack: u64, data_bytes: u64, frames: &[(u64, Digest)]) -> Result<u64> {
    let say = |error| fault::io(format_args!("sealing pack `{}`", name(pack)), &error);
    file.set_len(data_bytes).map_err(say)?;
    let mut entries = Vec::with_capacity(frames.len() * 40);
    for (offset, id) in frames {
        entries.extend_from_slice(&offset.to_le_bytes());
        entries.extend_from_slice(&id.0);
    }
    let file_bytes = write_footer(file, pack, data_bytes, &entries)?;
    file.sync().map_err(say)?;
    Ok(file_bytes)
}

/// A compressor whose context is used again and again; the same input gives the same output.
pub(crate) struct Zstd(zstd::bulk::Compressor<'static>);

impl Zstd {
    pub(crate) fn new(level: i32) -> Self {
        Self(zstd::bulk::Compressor::new(level).expect("the level is one zstd has"))
    }

    /// Appends what it makes of `raw` and tells its length; if that is no gain, appends nothing.
    fn squeeze(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let begin = out.len();
        out.reserve(raw.len());
        let mut cursor = Cursor::new(&mut *out);
        cursor.set_position(begin as u64);
        let squeezed = self.0.compress_to_buffer(raw, &mut cursor).ok().filter(|&len| len < raw.len());
        out.truncate(begin + squeezed.unwrap_or(0));
        squeezed
    }
}
