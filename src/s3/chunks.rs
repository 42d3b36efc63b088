//! The framing of bodies that are signed or checked chunk by chunk (`aws-chunked`), kept to bounded memory.
//!
//! ```text
//! size in hexadecimal [;chunk-signature=…] ␍␊ bytes ␍␊ … 0 [;chunk-signature=…] ␍␊ trailers ␍␊
//! ```
//!
//! The adapter reads a chunk whole before it hands it on. Some clients send an object of gigabytes as
//! one chunk without a signature: such chunks are cut here into as many as pieces come. A chunk with a
//! signature cannot be cut, so one that is too large is refused; clients that sign chunks make them of
//! 64 KiB to 8 MiB.

use std::collections::VecDeque;

use bytes::Bytes;

/// Bytes of a chunk with a signature at most: twice what the largest known ones have.
const SIGNED_CHUNK_BYTES_MAX: u64 = 16 << 20;
/// Digits of a chunk's size at most; more than 5 GiB take.
const SIZE_DIGITS_MAX: usize = 10;

/// Why the framing cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unframed {
    /// A chunk with a signature is too large.
    TooLarge,
    /// It is no framing.
    Malformed,
}

/// Where in the framing it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// In a size, with the digits so far.
    Size(String),
    /// Behind a size, before the end of its line.
    Line(u64),
    /// In a chunk, with so many bytes left.
    Data(u64),
    /// Behind a chunk, before the end of its line.
    Tail,
    /// Behind the last chunk.
    Trailers,
}

/// A framing on its way to the adapter.
#[derive(Debug)]
pub(crate) struct Frames {
    is_signed: bool,
    state: State,
    ready: VecDeque<Bytes>,
}

impl Frames {
    pub(crate) fn new(is_signed: bool) -> Self {
        Self { is_signed, state: State::Size(String::new()), ready: VecDeque::new() }
    }

    /// What goes on to the adapter.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// Takes what came.
    pub(crate) fn take(&mut self, piece: Bytes) -> Result<(), Unframed> {
        if self.is_signed {
            // It goes on as it is, once it is known to be well.
            self.read(piece.clone())?;
            self.ready.push_back(piece);
            return Ok(());
        }
        self.read(piece)
    }

    fn read(&mut self, mut piece: Bytes) -> Result<(), Unframed> {
        while !piece.is_empty() {
            match &mut self.state {
                State::Size(digits) => match piece.split_to(1)[0] {
                    digit if digit.is_ascii_hexdigit() && digits.len() < SIZE_DIGITS_MAX => {
                        digits.push(char::from(digit));
                    }
                    b';' | b'\r' => {
                        let size = u64::from_str_radix(digits, 16).map_err(|_| Unframed::Malformed)?;
                        if self.is_signed && size > SIGNED_CHUNK_BYTES_MAX {
                            return Err(Unframed::TooLarge);
                        }
                        self.state = State::Line(size);
                    }
                    _ => return Err(Unframed::Malformed),
                },
                State::Line(size) => {
                    if piece.split_to(1)[0] != b'\n' {
                        continue;
                    }
                    self.state = match *size {
                        0 => {
                            self.pass(Bytes::from_static(b"0\r\n"));
                            State::Trailers
                        }
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    let len = usize::try_from(*left).map_or(piece.len(), |left| left.min(piece.len()));
                    *left -= len as u64;
                    if *left == 0 {
                        self.state = State::Tail;
                    }
                    let data = piece.split_to(len);
                    self.pass(format!("{len:x}\r\n").into());
                    self.pass(data);
                    self.pass(Bytes::from_static(b"\r\n"));
                }
                State::Tail => match piece.split_to(1)[0] {
                    b'\r' => {}
                    b'\n' => self.state = State::Size(String::new()),
                    _ => return Err(Unframed::Malformed),
                },
                State::Trailers => {
                    let trailers = std::mem::take(&mut piece);
                    self.pass(trailers);
                }
            }
        }
        Ok(())
    }

    fn pass(&mut self, bytes: Bytes) {
        if !self.is_signed {
            self.ready.push_back(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes on of a body that comes in pieces of that length.
    fn passed(is_signed: bool, body: &str, piece_len: usize) -> Result<String, Unframed> {
        let mut frames = Frames::new(is_signed);
        let mut passed = Vec::new();
        for piece in body.as_bytes().chunks(piece_len) {
            frames.take(Bytes::copy_from_slice(piece))?;
            passed.extend(std::iter::from_fn(|| frames.next()).flatten());
        }
        Ok(String::from_utf8(passed).unwrap())
    }

    #[test]
    fn chunks_without_a_signature_are_cut_into_what_came() {
        let body = "a\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        assert_eq!(passed(false, body, 1000).unwrap(), body);
        let cut = passed(false, body, 8).unwrap();
        assert!(cut.starts_with("5\r\n01234\r\n5\r\n56789\r\n0\r\n"), "{cut}");
        assert!(cut.ends_with("0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n"), "{cut}");
        assert!(passed(false, body, 1).unwrap().starts_with("1\r\n0\r\n1\r\n1\r\n"));
    }

    #[test]
    fn chunks_with_a_signature_go_on_as_they_are() {
        let body = "5;chunk-signature=ab\r\n01234\r\n0;chunk-signature=cd\r\n\r\n";
        for piece_len in [1, 7, 1000] {
            assert_eq!(passed(true, body, piece_len).unwrap(), body);
        }
        assert_eq!(passed(true, "1000001;chunk-signature=ab\r\n", 100), Err(Unframed::TooLarge));
        assert!(passed(true, "1000000;chunk-signature=ab\r\n", 100).is_ok());
        assert!(passed(false, "100000000\r\nx", 100).unwrap().starts_with("1\r\nx\r\n"));
    }

    #[test]
    fn what_is_no_framing_is_refused() {
        for body in ["x", " 5\r\n", "5 \r\n", ";", "\r\n", "fffffffffff\r\n", "1\r\nxy\r\n"] {
            assert_eq!(passed(false, body, 100), Err(Unframed::Malformed), "{body:?}");
            assert_eq!(passed(true, body, 100), Err(Unframed::Malformed), "{body:?}");
        }
    }
}
