//! gzip members: pieces of a stream, compressed each for itself. A reader takes members that stand
//! one behind the other for one stream, so pieces may be compressed in any thread, and a member of
//! zeros is made once and written as often as it is needed.

use flate2::{Compress, FlushCompress, Status};

use crate::codec::DEFLATE_LEVEL;
use crate::{Error, PIECE_BYTES};

/// The window every gzip reader has.
const WINDOW_BITS: u8 = 15;
/// The largest piece of a disk in one member.
pub(crate) const MEMBER_BYTES: u64 = 1 << 20;
/// Members of zeros that are written at once: about 64 KiB.
const BATCH_MEMBERS: u64 = 64;
/// What a member takes beside what deflate does not shrink: header, trailer and a mark of five bytes
/// in front of each 16 KiB.
const OVERHEAD_BYTES: usize = 64;
const OVERHEAD_SHIFT: usize = 10;

/// Makes members; keeps its state between them.
pub(crate) struct Packer(Compress);

impl Packer {
    pub(crate) fn new() -> Self {
        Self(Compress::new_gzip(flate2::Compression::new(DEFLATE_LEVEL), WINDOW_BITS))
    }

    /// One member, the same for the same bytes: it has no name and no time.
    pub(crate) fn pack(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.reset();
        let mut member = Vec::with_capacity(bytes.len() + (bytes.len() >> OVERHEAD_SHIFT) + OVERHEAD_BYTES);
        loop {
            let taken = usize::try_from(self.0.total_in()).expect("no more than was given");
            match self.0.compress_vec(&bytes[taken..], &mut member, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => break,
                Ok(_) => member.reserve(OVERHEAD_BYTES),
                Err(error) => return Err(Error::ours(format!("gzip does not take a piece: {error}"))),
            }
        }
        member.shrink_to_fit();
        Ok(member)
    }
}

/// The most that pieces of so many bytes take as members, however they are cut on the grid.
pub(crate) fn packed_bytes_max(bytes: u64) -> u64 {
    let pieces = bytes.div_ceil(PIECE_BYTES);
    pieces * (OVERHEAD_BYTES as u64 + (PIECE_BYTES >> OVERHEAD_SHIFT)) + bytes
}

/// Zeros as members: deflate shrinks them a thousandfold and no further, so a batch is kept.
pub(crate) struct Zeros {
    /// A member of [`PIECE_BYTES`], one of [`MEMBER_BYTES`], and a batch of those.
    piece: Vec<u8>,
    member: Vec<u8>,
    batch: Vec<u8>,
}

impl Zeros {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut packer = Packer::new();
        let mut zeros = |len: u64| packer.pack(&vec![0; usize::try_from(len).expect("a mebibyte at most")]);
        let (piece, member) = (zeros(PIECE_BYTES)?, zeros(MEMBER_BYTES)?);
        let batch = member.repeat(usize::try_from(BATCH_MEMBERS).expect("a few"));
        Ok(Self { piece, member, batch })
    }

    /// Gives the members of so many zeros to `write`, in few calls.
    pub(crate) fn write(
        &self,
        bytes: u64,
        packer: &mut Packer,
        mut write: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let batch_bytes = BATCH_MEMBERS * MEMBER_BYTES;
        for _ in 0..bytes / batch_bytes {
            write(&self.batch)?;
        }
        let count = |bytes: u64| usize::try_from(bytes).expect("less than a batch");
        let mut rest = self.member.repeat(count(bytes % batch_bytes / MEMBER_BYTES));
        rest.extend(self.piece.repeat(count(bytes % MEMBER_BYTES / PIECE_BYTES)));
        let last = count(bytes % PIECE_BYTES);
        if last > 0 {
            rest.extend(packer.pack(&vec![0; last])?);
        }
        if rest.is_empty() { Ok(()) } else { write(&rest) }
    }
}
