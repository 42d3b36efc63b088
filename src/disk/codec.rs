//! Compressed clusters: decoded into a buffer that bounds them, encoded only where it pays.
//!
//! A cluster is a whole stream of its own. The length that the tables give is rounded up to
//! sectors, so bytes behind the stream are another's and are passed over. Whatever the input claims,
//! no more is decoded than the cluster it has to fill.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use crate::qcow2_header::Codec;

/// QEMU inflates with a window of 4 KiB, so nothing may refer further back.
const DEFLATE_WINDOW_BITS: u8 = 12;
/// Deflate is asked for by those who need to be read everywhere; its default level is what they
/// know from other tools.
pub(crate) const DEFLATE_LEVEL: u32 = 6;
/// The level of the chunk store: higher ones cost twice the time for 3 to 5 % fewer bytes.
const ZSTD_LEVEL: i32 = 1;
/// A cluster has to become smaller than 15/16 to be worth its decoding ever after.
const GAIN_SHIFT: u32 = 4;

/// Decodes clusters; keeps its state between them.
pub(crate) enum Decoder {
    Deflate(Box<Decompress>),
    Zstd(Box<Decompressor<'static>>),
}

impl Decoder {
    pub(crate) fn new(codec: Codec) -> std::io::Result<Self> {
        Ok(match codec {
            Codec::Deflate => Self::Deflate(Box::new(Decompress::new(false))),
            Codec::Zstd => Self::Zstd(Box::new(Decompressor::new()?)),
        })
    }

    /// Fills `cluster` from a stream, or says that the stream does not fill it.
    pub(crate) fn decode(&mut self, stream: &[u8], cluster: &mut [u8]) -> Result<(), Undecodable> {
        match self {
            Self::Deflate(inflate) => {
                inflate.reset(false);
                // `Finish` promises that the stream ends; a buffer that is full first is as good.
                let status = inflate.decompress(stream, cluster, FlushDecompress::Finish);
                let full = inflate.total_out() == cluster.len() as u64;
                if status.is_ok() && full { Ok(()) } else { Err(Undecodable) }
            }
            Self::Zstd(zstd) => {
                let (mut stream, mut filled) = (stream, 0);
                // Usually one frame; each turn consumes at least a frame's header.
                while filled < cluster.len() {
                    let len = zstd_safe::find_frame_compressed_size(stream).map_err(|_| Undecodable)?;
                    let (frame, rest) = stream.split_at_checked(len).ok_or(Undecodable)?;
                    if frame.is_empty() {
                        return Err(Undecodable);
                    }
                    let decoded = zstd.decompress_to_buffer(frame, &mut cluster[filled..]);
                    filled += decoded.map_err(|_| Undecodable)?;
                    stream = rest;
                }
                Ok(())
            }
        }
    }
}

/// The stream is not one, or not of this length.
#[derive(Debug)]
pub(crate) struct Undecodable;

/// Encodes clusters; keeps its state between them.
pub(crate) enum Encoder {
    Deflate(Box<Compress>),
    Zstd(Box<Compressor<'static>>),
}

impl Encoder {
    pub(crate) fn new(codec: Codec) -> std::io::Result<Self> {
        Ok(match codec {
            Codec::Deflate => {
                let level = flate2::Compression::new(DEFLATE_LEVEL);
                Self::Deflate(Box::new(Compress::new_with_window_bits(level, false, DEFLATE_WINDOW_BITS)))
            }
            Codec::Zstd => Self::Zstd(Box::new(Compressor::new(ZSTD_LEVEL)?)),
        })
    }

    /// Encodes a cluster into the beginning of `room`, and gives the length of the stream, or none
    /// if the cluster had better be stored as it is. `room` has to be as long as the cluster.
    pub(crate) fn encode(&mut self, cluster: &[u8], room: &mut [u8]) -> Option<usize> {
        let limit = cluster.len() - (cluster.len() >> GAIN_SHIFT);
        let room = room.get_mut(..limit)?;
        match self {
            Self::Deflate(deflate) => {
                deflate.reset();
                let status = deflate.compress(cluster, room, FlushCompress::Finish);
                let len = usize::try_from(deflate.total_out()).ok()?;
                matches!(status, Ok(Status::StreamEnd)).then_some(len)
            }
            // Too small a buffer is an error of zstd and means the same: it does not pay.
            Self::Zstd(zstd) => zstd.compress_to_buffer(cluster, room).ok(),
        }
    }
}
