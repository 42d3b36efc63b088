//! Keys to log in with: reading a public one as OpenSSH writes it, and making a pair.
//!
//! ```text
//!  "ssh-rsa AAAAB3Nz… me@laptop"    a kind, a blob in base64, a remark
//!  blob = string "ssh-rsa", number e, number n; each with its length in four bytes before it
//!  fingerprint = MD5 of the blob, as RFC 4716 writes it
//! ```
//!
//! A private key goes from here to whoever asked, and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::Refusal;
use md5::{Digest as _, Md5};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts as _;
use rsa::{RsaPrivateKey, pkcs8::LineEnding};

use crate::{Family, Trouble};

/// Bits of a key that is made, as the API documents.
const KEY_BITS: usize = 2048;
/// Characters of a public key at most: an RSA key of 16,384 bits has a quarter of that.
const PUBLIC_KEY_MAX: usize = 16 * 1024;
/// Kinds of public keys, and how many parts stand behind the kind.
const KINDS: &[(&str, usize)] = &[
    ("ssh-rsa", 2),
    ("ssh-dss", 4),
    ("ssh-ed25519", 1),
    ("ecdsa-sha2-nistp256", 2),
    ("ecdsa-sha2-nistp384", 2),
    ("ecdsa-sha2-nistp521", 2),
];

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// As OpenSSH writes it, in one line.
    pub(crate) text: String,
    /// MD5 of it, in pairs of digits with colons between them.
    pub(crate) fingerprint: String,
}

impl PublicKey {
    /// Reads a public key.
    pub(crate) fn read(text: &str) -> Result<Self, Refusal> {
        let no = || {
            Refusal::new("InvalidPublicKeyBody.Malformed", "that is no public key as OpenSSH writes it")
                .advise("it is one line like `ssh-rsa AAAA… me@laptop`: the file ends in `.pub`")
        };
        let text = text.trim();
        if text.len() > PUBLIC_KEY_MAX || text.chars().any(char::is_control) {
            return Err(no());
        }
        let mut words = text.split_whitespace();
        let (kind, blob) = (words.next().ok_or_else(no)?, words.next().ok_or_else(no)?);
        let blob = STANDARD.decode(blob).map_err(|_| no())?;
        let (_, count) = KINDS.iter().find(|(known, _)| *known == kind).ok_or_else(no)?;
        let parts = parts(&blob).filter(|parts| parts.len() == count + 1 && parts[0] == kind.as_bytes());
        if parts.is_none_or(|parts| parts.iter().any(|part| part.is_empty())) {
            return Err(no());
        }
        Ok(Self { text: text.to_owned(), fingerprint: fingerprint(&blob) })
    }
}

/// The parts of a blob, if it consists of such and nothing else.
fn parts(blob: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut parts, mut rest) = (Vec::new(), blob);
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, behind) = behind.split_at_checked(length)?;
        parts.push(part);
        rest = behind;
    }
    Some(parts)
}

fn fingerprint(blob: &[u8]) -> String {
    let pairs: Vec<String> = Md5::digest(blob).iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

/// Makes a pair; the private key is the text of a PEM file. It takes a good part of a second of one core.
pub(crate) fn make() -> Result<(PublicKey, String), Trouble> {
    let failed = |error: String| Trouble::new(Family::World, "Stopped", format!("making a key: {error}"));
    let key = RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(|error| failed(error.to_string()))?;
    let pem = key.to_pkcs1_pem(LineEnding::LF).map_err(|error| failed(error.to_string()))?;
    let mut blob = Vec::new();
    put(&mut blob, b"ssh-rsa");
    put(&mut blob, &number(&key.e().to_bytes_be()));
    put(&mut blob, &number(&key.n().to_bytes_be()));
    let public =
        PublicKey { text: format!("ssh-rsa {}", STANDARD.encode(&blob)), fingerprint: fingerprint(&blob) };
    Ok((public, pem.to_string()))
}

fn put(blob: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).expect("parts of a key are short");
    blob.extend_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(part);
}

/// A number as a blob has it: with a zero before it where its first bit would make it less than nothing.
fn number(bytes: &[u8]) -> Vec<u8> {
    let sign = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut number = Vec::with_capacity(bytes.len() + 1);
    number.extend(sign.then_some(0));
    number.extend_from_slice(bytes);
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `ssh-keygen -t ed25519`; its fingerprint is that of `ssh-keygen -l -E md5`.
    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKZ8bT3Uk0WQhYkQd9m0m3aJt0H0Yv8l0m0g0k0h0kzF me@laptop";

    #[test]
    fn a_pair_that_was_made_reads_as_what_it_is() {
        let (public, pem) = make().unwrap();
        assert_eq!(PublicKey::read(&public.text).unwrap(), public);
        assert_eq!(
            PublicKey::read(&format!(" {} me@laptop\n", public.text)).unwrap().fingerprint,
            public.fingerprint
        );
        assert!(
            pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n")
                && pem.ends_with("-----END RSA PRIVATE KEY-----\n")
        );
        assert_eq!(public.fingerprint.len(), 16 * 3 - 1);
        assert_ne!(make().unwrap().0.text, public.text);
    }

    #[test]
    fn a_public_key_is_one_line_of_a_known_kind() {
        assert!(PublicKey::read(ED25519).is_ok());
        let blob = ED25519.split(' ').nth(1).unwrap();
        for text in [
            "",
            "ssh-rsa",
            "ssh-rsa !!",
            "ssh-rsa AAAA",
            &format!("ssh-rsa {blob}"),
            &format!("ssh-ed25519 {}", &blob[..40]),
            &format!("ssh-magic {blob}"),
            &format!("{ED25519}\nssh-rsa AAAA"),
            "-----BEGIN RSA PRIVATE KEY-----",
            &"a".repeat(PUBLIC_KEY_MAX + 1),
        ] {
            assert_eq!(PublicKey::read(text).unwrap_err().code, "InvalidPublicKeyBody.Malformed", "{text}");
        }
    }
}
