//! Raw: the guest's bytes as they are, holes included. A fixed VHD is read here too: it is a raw
//! disk with a footer behind it, which is not part of the disk.

use std::ops::Range;
use std::sync::Arc;

use domain::port::Format;
use files::File;

use crate::{BLOCK_BYTES, Error, SECTOR_BYTES, Sink, Source, check_disk_bytes, is_zero};

/// A raw file that is read.
pub(crate) struct RawSource {
    file: Arc<dyn File>,
    format: Format,
    /// Bytes of the disk that are in the file.
    file_bytes: u64,
    disk_bytes: u64,
}

impl RawSource {
    pub(crate) fn new(file: Arc<dyn File>, file_bytes: u64) -> Result<Self, Error> {
        // A partial last sector belongs to the disk: half a sector lost is a file system lost.
        let disk_bytes = file_bytes.checked_next_multiple_of(SECTOR_BYTES).unwrap_or(u64::MAX);
        check_disk_bytes(disk_bytes)?;
        Ok(Self { file, format: Format::Raw, file_bytes, disk_bytes })
    }

    /// The disk in the first bytes of a file of another format; checked that they are there.
    pub(crate) fn at_begin(file: Arc<dyn File>, format: Format, disk_bytes: u64) -> Self {
        Self { file, format, file_bytes: disk_bytes, disk_bytes }
    }
}

impl Source for RawSource {
    fn format(&self) -> Format {
        self.format
    }

    fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        crate::check_inside(offset, out.len(), self.disk_bytes)?;
        let in_file = usize::try_from(self.file_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (stored, missing) = out.split_at_mut(in_file.min(out.len()));
        missing.fill(0);
        if stored.is_empty() {
            return Ok(());
        }
        self.file
            .read_at(offset, stored)
            .map_err(|e| Error::io(format!("reading the raw disk at byte `{offset}`"), e))
    }

    fn next_data(&self, from: u64) -> Result<Option<Range<u64>>, Error> {
        if from >= self.file_bytes {
            return Ok(None);
        }
        let found = self
            .file
            .next_data(from)
            .map_err(|e| Error::io(format!("looking for data in the raw disk from byte `{from}`"), e))?;
        let clipped = found.map(|data| data.start.max(from)..data.end.min(self.file_bytes));
        Ok(clipped.filter(|data| !data.is_empty()))
    }
}

/// A raw file that is written.
pub(crate) struct RawSink {
    file: Arc<dyn File>,
    disk_bytes: u64,
}

impl RawSink {
    pub(crate) fn new(file: Arc<dyn File>, disk_bytes: u64) -> Result<Self, Error> {
        let resize = |len| file.set_len(len).map_err(|e| Error::io("giving the raw disk its size", e));
        resize(0)?;
        resize(disk_bytes)?;
        Ok(Self { file, disk_bytes })
    }
}

impl Sink for RawSink {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        crate::check_piece(offset, bytes.len(), self.disk_bytes)?;
        let mut begin = 0;
        while begin < bytes.len() {
            let end = data_run(&bytes[begin..]) + begin;
            if end > begin {
                let at = offset + begin as u64;
                self.file
                    .write_at(at, &bytes[begin..end])
                    .map_err(|e| Error::io(format!("writing the raw disk at byte `{at}`"), e))?;
            }
            begin = end + BLOCK_BYTES;
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), Error> {
        self.file.sync().map_err(|e| Error::io("making the raw disk durable", e))
    }
}

/// Length of the blocks before the first all-zero one.
fn data_run(bytes: &[u8]) -> usize {
    let blocks = bytes.chunks(BLOCK_BYTES).take_while(|block| !is_zero(block));
    blocks.map(<[u8]>::len).sum()
}
