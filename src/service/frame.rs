//! Frames on the socket: four bytes of length, least significant first, then rmp-serde with field
//! names. One question, one answer, in turn.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame. Ten thousand images, all an account may have in a region, are some 8 MB.
pub(crate) const FRAME_BYTES_MAX: u32 = 64 << 20;

/// Writes a value as one frame.
pub(crate) async fn write<T: Serialize>(stream: &mut (impl AsyncWrite + Unpin), value: &T) -> io::Result<()> {
    let bytes = encode(value)?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "a frame is too long"))?;
    stream.write_all(&length.to_le_bytes()).await?;
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// A value as it is in frames, and in what servers and clients of other computers send each other.
pub fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    rmp_serde::to_vec_named(value).map_err(io::Error::other)
}

/// The value of such bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    rmp_serde::from_slice(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Reads one frame; none if the other side has nothing more to say.
pub(crate) async fn read<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let length = u32::from_le_bytes(length);
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    // Grows with what comes, so that a length alone takes no memory.
    let mut bytes = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if bytes.len() != length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    decode(&bytes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_comes_back_as_it_was_and_an_end_is_an_end() {
        let mut bytes = Vec::new();
        write(&mut bytes, &"hello".to_owned()).await.unwrap();
        let mut stream = bytes.as_slice();
        assert_eq!(read::<String>(&mut stream).await.unwrap().as_deref(), Some("hello"));
        assert_eq!(read::<String>(&mut stream).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_frame_that_is_too_long_or_cut_short_is_an_error() {
        let mut long = (FRAME_BYTES_MAX + 1).to_le_bytes().to_vec();
        long.push(0);
        assert_eq!(
            read::<String>(&mut long.as_slice()).await.unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        let cut = [5, 0, 0, 0, 1];
        assert_eq!(
            read::<String>(&mut cut.as_slice()).await.unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
