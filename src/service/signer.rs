//! The key by which a head of the log is signed, and what a signature says.
//!
//! ```text
//! kiln head 1
//! log <the chain's hash behind the log's first row: no other log has it>
//! event <number>
//! hash <the chain's hash there>
//! time <when it was signed>
//! key <SHA-256 of the public key, as DER>
//! ```
//!
//! Those six lines, each with its line feed, are what is signed, by Ed25519: whoever has the public key checks
//! it with any tool. The private key is a PEM file (PKCS #8) and no part of the log or of its database; where it
//! lies is for whoever runs the house to say (`docs/decisions/0018-a-signed-head.md`). Beside the database stands
//! `kiln.signers` with the public keys that have signed here, so that a key which is gone is never silently
//! another.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::view::SignedHead;
use crate::{Family, Trouble};

/// The signing key's file name in the data directory, where no other place is said.
pub const SIGNING_KEY: &str = "kiln.signing-key";
/// The public keys that have signed here.
pub const SIGNERS: &str = "kiln.signers";

const MISSING: &str = "SigningKey.Missing";
const MISMATCH: &str = "SigningKey.Mismatch";
/// The code of a head that is not what was signed.
const FORGED: &str = "InvalidHead.Signature";
/// The code of what is no head, and of what is no key.
pub(crate) const MALFORMED: &str = "InvalidHead.Malformed";

/// Bytes of a seed, and of a public key.
const KEY_BYTES: usize = 32;
/// What a private key begins with in PKCS #8, behind its length and version.
const PRIVATE_HEAD: [u8; 11] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// The same of a public key, with its length.
const PUBLIC_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Where the seed begins in a private key.
const SEED_AT: usize = 16;
/// A key is a few lines; a larger file is something else.
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// All the keys in a PEM file.
    pub fn read_all(pem: &str) -> Result<Vec<Self>, String> {
        let keys = blocks(pem, "PUBLIC KEY")?.into_iter().map(|der| {
            let key = der.strip_prefix(&PUBLIC_HEAD).and_then(|key| key.try_into().ok());
            key.map(Self).ok_or_else(|| "a key in it is no Ed25519 key".to_owned())
        });
        keys.collect()
    }

    fn der(self) -> Vec<u8> {
        [&PUBLIC_HEAD[..], &self.0].concat()
    }

    /// The key as PEM.
    pub fn pem(self) -> String {
        pem("PUBLIC KEY", &self.der())
    }

    /// SHA-256 of the key as DER, in hexadecimal.
    pub fn fingerprint(self) -> String {
        hexadecimal(ring::digest::digest(&ring::digest::SHA256, &self.der()).as_ref())
    }
}

/// What is signed of a head.
pub fn statement(head: &SignedHead) -> String {
    let SignedHead { event, hash, log, time, key, .. } = head;
    format!("kiln head 1\nlog {log}\nevent {event}\nhash {hash}\ntime {time}\nkey {key}\n")
}

/// Fails unless a head was signed by one of these keys, and says what it says.
pub fn check_signature(head: &SignedHead, keys: &[PublicKey]) -> Result<PublicKey, Trouble> {
    let no = |why: String| {
        Trouble::new(Family::Damaged, FORGED, why)
            .advise("take the head from where it was kept, and the public key from whom you trust")
    };
    let signed = statement(head);
    if !head.statement.is_empty() && head.statement != signed {
        return Err(no("the head says one thing, and the statement in it another".to_owned()));
    }
    let key = keys.iter().find(|key| key.fingerprint() == head.key);
    let key = key.ok_or_else(|| no(format!("the head was signed by another key, `{}`", head.key)))?;
    let signature = STANDARD.decode(&head.signature);
    let signature = signature.map_err(|error| no(format!("the head's signature is no base64: {error}")))?;
    UnparsedPublicKey::new(&ED25519, key.0).verify(signed.as_bytes(), &signature).map_err(|_| {
        no(format!(
            "the signature is not of this head: event {}, or its hash, is another than was signed",
            head.event
        ))
    })?;
    Ok(*key)
}

/// The signature of a head as bytes.
pub fn signature_bytes(head: &SignedHead) -> Result<Vec<u8>, Trouble> {
    STANDARD.decode(&head.signature).map_err(|error| {
        Trouble::new(Family::Damaged, FORGED, format!("the head's signature is no base64: {error}"))
    })
}

/// The signing key of a data directory, read when it is first needed.
pub(crate) struct Signer {
    dir: PathBuf,
    place: OnceLock<PathBuf>,
    pair: Mutex<Option<std::sync::Arc<Ed25519KeyPair>>>,
}

impl Signer {
    pub(crate) fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), place: OnceLock::new(), pair: Mutex::new(None) }
    }

    /// Says where the key lies; the first word counts.
    pub(crate) fn lies_at(&self, path: PathBuf) {
        let _ = self.place.set(path);
    }

    fn place(&self) -> PathBuf {
        self.place.get().cloned().unwrap_or_else(|| self.dir.join(SIGNING_KEY))
    }

    /// Signs a head: fills in the key and the signature.
    pub(crate) fn sign(&self, mut head: SignedHead) -> Result<SignedHead, Trouble> {
        let pair = self.pair()?;
        head.key = public_of(&pair).fingerprint();
        head.statement = statement(&head);
        head.signature = STANDARD.encode(pair.sign(head.statement.as_bytes()).as_ref());
        Ok(head)
    }

    /// The key that signs now.
    pub(crate) fn public(&self) -> Result<PublicKey, Trouble> {
        Ok(public_of(&*self.pair()?))
    }

    /// The keys that have signed here, oldest first.
    pub(crate) fn signers(&self) -> Result<Vec<PublicKey>, Trouble> {
        let path = self.dir.join(SIGNERS);
        let Some(text) = read(&path)? else { return Ok(Vec::new()) };
        PublicKey::read_all(&text).map_err(|why| damaged(&path, &why))
    }

    /// The key: made if none has ever signed here, and never anew.
    pub(crate) fn pair(&self) -> Result<std::sync::Arc<Ed25519KeyPair>, Trouble> {
        let mut kept = self.pair.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = &*kept {
            return Ok(pair.clone());
        }
        let (path, signers) = (self.place(), self.signers()?);
        let seed = match read(&path)? {
            Some(text) => seed_of(&text).map_err(|why| damaged(&path, &why))?,
            None if signers.is_empty() => make(&path)?,
            None => {
                let why =
                    format!("the signing key `{}` is gone, and heads were signed with it", path.display());
                return Err(Trouble::new(Family::Damaged, MISSING, why).advise(format!(
                    "put it back, or name its place in KILN_SIGNING_KEY; to begin with another key, append its \
                     public key to `{}`",
                    self.dir.join(SIGNERS).display()
                )));
            }
        };
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| damaged(&path, "it is no key"))?;
        let public = public_of(&pair);
        if signers.is_empty() {
            append(&self.dir, &public.pem())?;
        } else if !signers.contains(&public) {
            let why =
                format!("the signing key `{}` is another than the one that has signed here", path.display());
            return Err(Trouble::new(Family::Damaged, MISMATCH, why).advise(format!(
                "name the place of the right one in KILN_SIGNING_KEY; to go on with this one, append its public \
                 key to `{}`",
                self.dir.join(SIGNERS).display()
            )));
        }
        let pair = std::sync::Arc::new(pair);
        *kept = Some(pair.clone());
        Ok(pair)
    }
}

fn public_of(pair: &Ed25519KeyPair) -> PublicKey {
    PublicKey(pair.public_key().as_ref().try_into().expect("a public key has 32 bytes"))
}

fn damaged(path: &Path, why: &str) -> Trouble {
    Trouble::new(Family::Damaged, MISMATCH, format!("`{}`: {why}", path.display()))
        .advise("put the file back as it was; it is PEM, as `openssl genpkey -algorithm ed25519` writes it")
}

fn read(path: &Path) -> Result<Option<String>, Trouble> {
    let failed = |error: io::Error| Trouble::world(format_args!("reading `{}`", path.display()), error);
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(found) if found.len() > KEY_FILE_BYTES_MAX => {
            return Err(damaged(path, "it is too long for keys"));
        }
        Ok(_) => {}
    }
    fs::read_to_string(path).map(Some).map_err(failed)
}

/// Makes a key; it is durable before anything is signed with it. Who makes it at the same moment is met by a
/// name that is taken, and their key is taken instead.
fn make(path: &Path) -> Result<[u8; KEY_BYTES], Trouble> {
    let mut seed = [0; KEY_BYTES];
    getrandom::fill(&mut seed).map_err(|error| Trouble::world("asking the system for randomness", error))?;
    let der = [&[0x30, 0x2e, 0x02, 0x01, 0x00][..], &PRIVATE_HEAD, &seed].concat();
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        // The directory may be shared, by data directories and by containers whose processes have the same numbers.
        let begun = write_new(dir, SIGNING_KEY, &pem("PRIVATE KEY", &der))?;
        let named = fs::hard_link(&begun, path);
        fs::remove_file(&begun)?;
        match named {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => File::open(dir)?.sync_all(),
        }
    };
    write().map_err(|error| {
        Trouble::world(format_args!("making the signing key `{}`", path.display()), error)
            .advise("make it possible to write there, or name another place in KILN_SIGNING_KEY")
    })?;
    let text = read(path)?.unwrap_or_default();
    seed_of(&text).map_err(|why| damaged(path, &why))
}

/// A file that nobody else can read, under a name beside the one it is to have and that nobody else has.
fn write_new(dir: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let mut chance = [0; 8];
    getrandom::fill(&mut chance).map_err(io::Error::other)?;
    let path = dir.join(format!("{name}.{}.new", hexadecimal(&chance)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .inspect_err(|_| drop(fs::remove_file(&path)))?;
    Ok(path)
}

/// Adds a key to those that have signed here: the file is the one before, or has it whole.
fn append(dir: &Path, pem: &str) -> Result<(), Trouble> {
    let path = dir.join(SIGNERS);
    let there = read(&path)?.unwrap_or_default();
    let write = || {
        let begun = write_new(dir, SIGNERS, &(there + pem))?;
        fs::rename(begun, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|error| Trouble::world(format_args!("writing `{}`", path.display()), error))
}

/// The seed in a private key as PEM, with or without the public key behind it.
fn seed_of(text: &str) -> Result<[u8; KEY_BYTES], String> {
    let blocks = blocks(text, "PRIVATE KEY")?;
    let [der] = blocks.as_slice() else { return Err("it has to hold one private key".to_owned()) };
    let head = der.get(SEED_AT - PRIVATE_HEAD.len()..SEED_AT);
    let seed = der.get(SEED_AT..SEED_AT + KEY_BYTES).and_then(|seed| seed.try_into().ok());
    seed.filter(|_| head == Some(&PRIVATE_HEAD)).ok_or_else(|| "it is no Ed25519 key in PKCS #8".to_owned())
}

/// What stands between the marks of a kind in PEM.
fn blocks(text: &str, kind: &str) -> Result<Vec<Vec<u8>>, String> {
    let (begin, end) = (format!("-----BEGIN {kind}-----"), format!("-----END {kind}-----"));
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once(&begin) {
        let (body, behind) = behind.split_once(&end).ok_or("a key in it has no end")?;
        let body: String = body.split_whitespace().collect();
        found.push(STANDARD.decode(body).map_err(|error| format!("a key in it is no base64: {error}"))?);
        rest = behind;
    }
    Ok(found)
}

fn pem(kind: &str, der: &[u8]) -> String {
    // Both kinds of key are one line of base64.
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn head() -> SignedHead {
        SignedHead {
            event: 12,
            hash: "ab".repeat(32),
            log: "cd".repeat(32),
            time: "2026-03-03T10:00:00Z".to_owned(),
            key: String::new(),
            signature: String::new(),
            statement: String::new(),
        }
    }

    fn code<T>(answer: Result<T, Trouble>) -> String {
        answer.err().map(|trouble| trouble.code).unwrap_or_default()
    }

    #[test]
    fn a_head_is_signed_and_nothing_in_it_can_be_changed() {
        let place = tempfile::tempdir().unwrap();
        let signer = Signer::of(place.path());
        let given = signer.sign(head()).unwrap();
        let keys = [signer.public().unwrap()];
        assert_eq!(check_signature(&given, &keys).unwrap(), keys[0]);
        let without = SignedHead { statement: String::new(), ..given.clone() };
        assert!(check_signature(&without, &keys).is_ok(), "the statement can be made of the rest");
        let other = Signer::of(tempfile::tempdir().unwrap().path()).dir;
        assert_ne!(other, place.path());
        for changed in [
            SignedHead { event: 13, ..without.clone() },
            SignedHead { hash: "ac".repeat(32), ..without.clone() },
            SignedHead { log: "ce".repeat(32), ..without.clone() },
            SignedHead { time: "2026-03-03T10:00:01Z".to_owned(), ..without.clone() },
            SignedHead { signature: STANDARD.encode([7; 64]), ..without.clone() },
            SignedHead { signature: "no".to_owned(), ..without.clone() },
            SignedHead { event: 13, ..given.clone() },
        ] {
            assert_eq!(code(check_signature(&changed, &keys)), FORGED, "{changed:?}");
        }
        assert_eq!(code(check_signature(&given, &[])), FORGED);
    }

    #[test]
    fn the_key_is_this_users_alone_lies_where_it_is_told_to_and_is_never_made_anew() {
        let place = tempfile::tempdir().unwrap();
        let (dir, elsewhere) = (place.path().join("data"), place.path().join("config/kiln/signing.key"));
        fs::create_dir(&dir).unwrap();
        let open = || {
            let signer = Signer::of(&dir);
            signer.lies_at(elsewhere.clone());
            signer
        };
        let public = open().public().unwrap();
        assert!(!dir.join(SIGNING_KEY).exists() && dir.join(SIGNERS).exists());
        assert_eq!(fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(open().public().unwrap(), public);
        assert_eq!(
            fs::read_dir(elsewhere.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        // Another directory of the same user signs with the same key.
        let second = Signer::of(place.path());
        second.lies_at(elsewhere.clone());
        assert_eq!(second.public().unwrap(), public);

        let kept = fs::read(&elsewhere).unwrap();
        fs::remove_file(&elsewhere).unwrap();
        assert_eq!(code(open().public()), MISSING);
        assert!(!elsewhere.exists());
        make(&elsewhere).unwrap();
        assert_eq!(code(open().public()), MISMATCH);
        // A new key goes on when its public half is told.
        let new =
            Ed25519KeyPair::from_seed_unchecked(&seed_of(&fs::read_to_string(&elsewhere).unwrap()).unwrap());
        append(&dir, &public_of(&new.unwrap()).pem()).unwrap();
        assert_ne!(open().public().unwrap(), public);
        assert_eq!(open().signers().unwrap().len(), 2);
        fs::write(&elsewhere, kept).unwrap();
        assert_eq!(open().public().unwrap(), public);
        fs::write(&elsewhere, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        assert_eq!(code(open().public()), MISMATCH);
    }

    #[test]
    fn directories_that_share_a_key_may_all_begin_at_the_same_moment() {
        let place = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let shared = place.path().join(format!("keys-{round}/signing.key"));
            let (gate, count) = (std::sync::Barrier::new(8), 8);
            let begin = |number: usize| {
                let dir = place.path().join(format!("data-{round}-{number}"));
                fs::create_dir(&dir).unwrap();
                let signer = Signer::of(&dir);
                signer.lies_at(shared.clone());
                gate.wait();
                signer.public().map_err(|trouble| trouble.message)
            };
            let keys: Vec<_> = std::thread::scope(|scope| {
                let begun: Vec<_> = (0..count).map(|number| scope.spawn(move || begin(number))).collect();
                begun.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| key.is_ok() && *key == keys[0]), "{keys:?}");
            let there = fs::read_dir(shared.parent().unwrap()).unwrap().count();
            assert_eq!(there, 1, "nothing is left beside the key");
        }
    }

    #[test]
    fn the_file_of_those_who_signed_is_replaced_and_never_half_written() {
        let place = tempfile::tempdir().unwrap();
        let first = Signer::of(place.path()).public().unwrap();
        let (signers, before) = (place.path().join(SIGNERS), place.path().join("before"));
        fs::hard_link(&signers, &before).unwrap();
        let other = PublicKey([7; KEY_BYTES]);
        append(place.path(), &other.pem()).unwrap();
        assert_eq!(Signer::of(place.path()).signers().unwrap(), [first, other]);
        assert_eq!(fs::read_to_string(before).unwrap(), first.pem(), "that file was left as it was");
        assert_eq!(fs::metadata(&signers).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_public_key_comes_back_from_its_pem() {
        let place = tempfile::tempdir().unwrap();
        let key = Signer::of(place.path()).public().unwrap();
        assert_eq!(PublicKey::read_all(&[key.pem(), key.pem()].concat()).unwrap(), [key, key]);
        assert_eq!(PublicKey::read_all("nothing").unwrap(), []);
        assert!(PublicKey::read_all("-----BEGIN PUBLIC KEY-----\nAAAA").is_err());
        assert_eq!(key.fingerprint().len(), 64);
    }
}
