//! The seal: one secret of the data directory, from which come the keys that seal all others.
//!
//! ```text
//!  kiln.seal, 32 bytes of chance ──BLAKE3 derive_key, account──▶ a key of the account
//!  secret ──XChaCha20-Poly1305, bound to the id of its access key──▶ what the log holds
//!
//!  kiln.seal ──BLAKE3 derive_key──▶ the key of tokens, which are handed out and kept nowhere
//! ```
//!
//! | bytes | of what is sealed |
//! |---|---|
//! | 0 | version, 1 |
//! | 1..25 | nonce, by chance |
//! | 25.. | ciphertext and its tag |
//!
//! The log can be copied, archived and read by an auditor without a secret in it coming along, as long as
//! this file stays behind. It is made when the first secret is, and never anew: a directory
//! whose rows hold secrets and whose seal is gone or another's says so.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{Key, KeyInit as _, XChaCha20Poly1305, XNonce};

use crate::{Family, Trouble};

/// The seal's file name in the data directory.
pub const SEAL: &str = "kiln.seal";
/// The same while it is being written.
const SEAL_BEGUN: &str = "kiln.seal.new";
/// Bytes of the seal, and of every key made of it.
const SEAL_BYTES: usize = 32;
/// Bytes of a nonce; so many that chance alone never repeats one.
const NONCE_BYTES: usize = 24;
/// How what is sealed is written.
const VERSION: u8 = 1;
/// What sets these keys apart from any other that is derived of the seal.
const ACCOUNT_KEYS: &str = "kiln 2026-01 secrets of the access keys of an account";
/// What a token is bound to: it says itself which key it belongs to.
const TOKEN_NAME: &str = "token";
/// What sets the key of tokens apart.
const TOKENS: &str = "kiln 2026-01 security tokens of sessions";

/// The code of a seal that is gone.
pub(crate) const MISSING: &str = "Seal.Missing";
/// The code of a seal that is another's.
pub(crate) const MISMATCH: &str = "Seal.Mismatch";

type Bytes = [u8; SEAL_BYTES];

/// The seal of a data directory, read when it is first needed.
pub(crate) struct Seal {
    dir: PathBuf,
    master: Mutex<Option<Bytes>>,
}

impl Seal {
    pub(crate) fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), master: Mutex::new(None) }
    }

    /// Seals a secret of an account, bound to a name. Makes the seal if there is none; `sealed` is something
    /// that was sealed before, with its account and name, if there is any.
    pub(crate) fn seal(
        &self,
        account: &str,
        name: &str,
        secret: &str,
        sealed: Option<(&str, &str, &[u8])>,
    ) -> Result<Vec<u8>, Trouble> {
        // What was sealed before has to open, or half of the secrets would be of one seal and half of another.
        let master = match sealed {
            Some((account, name, before)) => {
                self.open(account, name, before)?;
                self.master()?.ok_or_else(|| self.missing())?
            }
            None => self.made()?,
        };
        seal_with(&account_cipher(&master, account), name, secret.as_bytes())
    }

    /// Opens what was sealed.
    pub(crate) fn open(&self, account: &str, name: &str, sealed: &[u8]) -> Result<String, Trouble> {
        let master = self.master()?.ok_or_else(|| self.missing())?;
        let opened = open_with(&account_cipher(&master, account), name, sealed);
        let opened = opened.and_then(|opened| String::from_utf8(opened).ok());
        opened.ok_or_else(|| {
            let path = self.dir.join(SEAL);
            let why = format!("the secret of `{name}` was not sealed with `{}`", path.display());
            Trouble::new(Family::Damaged, MISMATCH, why).advise(
                "put the seal back that belongs to this data directory, or delete the keys and make new ones",
            )
        })
    }

    /// Seals what a token says.
    pub(crate) fn seal_token(&self, said: &[u8]) -> Result<Vec<u8>, Trouble> {
        let master = self.master()?.ok_or_else(|| self.missing())?;
        seal_with(&token_cipher(&master), TOKEN_NAME, said)
    }

    /// Opens a token; none if it was not made here, or has been changed. Where there is no seal, none was.
    pub(crate) fn open_token(&self, sealed: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        Ok(self.master()?.and_then(|master| open_with(&token_cipher(&master), TOKEN_NAME, sealed)))
    }

    /// The seal, if there is one.
    fn master(&self) -> Result<Option<Bytes>, Trouble> {
        let mut master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        if master.is_none() {
            *master = self.read()?;
        }
        Ok(*master)
    }

    /// The seal, made if there is none.
    fn made(&self) -> Result<Bytes, Trouble> {
        let mut master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(master) = *master {
            return Ok(master);
        }
        let made = match self.read()? {
            Some(there) => there,
            None => self.make()?,
        };
        *master = Some(made);
        Ok(made)
    }

    fn read(&self) -> Result<Option<Bytes>, Trouble> {
        let path = self.dir.join(SEAL);
        match fs::read(&path) {
            Ok(bytes) => match Bytes::try_from(bytes) {
                Ok(master) => Ok(Some(master)),
                Err(bytes) => {
                    let why = format!("`{}` has {} bytes, not {SEAL_BYTES}", path.display(), bytes.len());
                    Err(Trouble::new(Family::Damaged, MISMATCH, why).advise("put the seal back as it was"))
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Trouble::world(format_args!("reading `{}`", path.display()), error)),
        }
    }

    /// Makes the seal; it is durable before anything is sealed with it.
    fn make(&self) -> Result<Bytes, Trouble> {
        let mut master = [0; SEAL_BYTES];
        chance(&mut master)?;
        let (begun, path) = (self.dir.join(SEAL_BEGUN), self.dir.join(SEAL));
        let write = || {
            match fs::remove_file(&begun) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&begun)?;
            file.write_all(&master)?;
            file.sync_all()?;
            fs::rename(&begun, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|error| Trouble::world(format_args!("writing `{}`", path.display()), error))?;
        Ok(master)
    }

    fn missing(&self) -> Trouble {
        let why = format!("`{}` is gone, and secrets were sealed with it", self.dir.join(SEAL).display());
        Trouble::new(Family::Damaged, MISSING, why).advise(
            "put it back from where the data directory was kept; without it the keys can only be deleted and made anew",
        )
    }
}

fn account_cipher(master: &Bytes, account: &str) -> XChaCha20Poly1305 {
    let key = blake3::derive_key(ACCOUNT_KEYS, &[master, account.as_bytes()].concat());
    XChaCha20Poly1305::new(Key::from_slice(&key))
}

fn token_cipher(master: &Bytes) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(Key::from_slice(&blake3::derive_key(TOKENS, master)))
}

fn seal_with(cipher: &XChaCha20Poly1305, name: &str, secret: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut nonce = [0; NONCE_BYTES];
    chance(&mut nonce)?;
    let payload = Payload { msg: secret, aad: name.as_bytes() };
    let text = cipher.encrypt(XNonce::from_slice(&nonce), payload);
    let text =
        text.map_err(|_| Trouble::new(Family::Ours, "InternalError", "a secret could not be sealed"))?;
    Ok([&[VERSION], &nonce[..], &text].concat())
}

fn open_with(cipher: &XChaCha20Poly1305, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (version, rest) = sealed.split_first()?;
    let (nonce, text) = rest.split_at_checked(NONCE_BYTES)?;
    let payload = Payload { msg: text, aad: name.as_bytes() };
    cipher.decrypt(XNonce::from_slice(nonce), payload).ok().filter(|_| *version == VERSION)
}

fn chance(out: &mut [u8]) -> Result<(), Trouble> {
    getrandom::fill(out).map_err(|error| Trouble::world("asking the system for randomness", error))
}

/// Letters and digits by chance, each as likely as any other.
pub(crate) fn letters(count: usize) -> Result<String, Trouble> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    /// Bytes from here on would make some letters likelier than others.
    const FAIR: usize = 256 / 62 * 62;
    let mut text = String::with_capacity(count);
    let mut bytes = [0; 64];
    while text.len() < count {
        chance(&mut bytes)?;
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < FAIR);
        text.extend(fair.take(count - text.len()).map(|byte| char::from(LETTERS[byte % LETTERS.len()])));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_for_its_account_under_its_name_and_unchanged() {
        let place = tempfile::tempdir().unwrap();
        let seal = Seal::of(place.path());
        let sealed = seal.seal("100000", "LTAI1", "open sesame", None).unwrap();
        assert!(!sealed.windows(4).any(|window| window == b"open"));
        assert_eq!(seal.open("100000", "LTAI1", &sealed).unwrap(), "open sesame");
        let code = |answer: Result<String, Trouble>| answer.unwrap_err().code;
        assert_eq!(code(seal.open("200000", "LTAI1", &sealed)), MISMATCH);
        assert_eq!(code(seal.open("100000", "LTAI2", &sealed)), MISMATCH);
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(code(seal.open("100000", "LTAI1", &changed)), MISMATCH, "byte {place}");
            assert_eq!(code(seal.open("100000", "LTAI1", &sealed[..place])), MISMATCH, "{place} bytes");
        }
        assert_ne!(seal.seal("100000", "LTAI1", "open sesame", None).unwrap(), sealed, "a nonce of its own");
    }

    #[test]
    fn the_seal_is_this_users_alone_and_is_never_made_anew_while_something_is_sealed_with_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(SEAL);
        let sealed = Seal::of(place.path()).seal("100000", "LTAI1", "one", None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Seal::of(place.path()).open("100000", "LTAI1", &sealed).unwrap(), "one");
        let before = Some(("100000", "LTAI1", sealed.as_slice()));
        fs::remove_file(&path).unwrap();
        let gone = Seal::of(place.path());
        assert_eq!(gone.seal("100000", "LTAI2", "two", before).unwrap_err().code, MISSING);
        assert_eq!(gone.open("100000", "LTAI1", &sealed).unwrap_err().code, MISSING);
        assert!(!path.exists());
        fs::write(&path, [7; SEAL_BYTES]).unwrap();
        assert_eq!(gone.seal("100000", "LTAI2", "two", before).unwrap_err().code, MISMATCH);
        fs::write(&path, [7; 31]).unwrap();
        assert_eq!(Seal::of(place.path()).open("100000", "LTAI1", &sealed).unwrap_err().code, MISMATCH);
    }

    #[test]
    fn secrets_are_letters_and_digits_of_which_none_is_likelier() {
        let text = letters(62_000).unwrap();
        assert_eq!(text.len(), 62_000);
        let mut counts = std::collections::BTreeMap::new();
        text.chars().for_each(|letter| *counts.entry(letter).or_insert(0u32) += 1);
        assert_eq!(counts.len(), 62);
        // A thousand each, give or take; ten times the spread that chance has.
        assert!(counts.values().all(|count| count.abs_diff(1000) < 320), "{counts:?}");
    }
}
