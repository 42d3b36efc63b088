//! `kiln audit head` and `key`: where the log ends, signed, and by whom; and heads that were kept, read again.

use std::path::{Path, PathBuf};

use clap::Args;
use service::{Kept, PublicKey, Request, SignedHead, SigningKeys};

use crate::exit::Stop;
use crate::session::Session;

/// Heads of an hour for twenty years, in the long form; a larger file is something else.
const HEADS_BYTES_MAX: u64 = 128 << 20;
/// What a key file has at most.
const KEY_BYTES_MAX: u64 = 64 << 10;

/// What to do where a file holds no public key.
const KEY_ADVICE: &str = "print the key where heads are signed: `kiln audit key > kiln.pem`";

/// How to print it.
#[derive(Debug, Args)]
#[command(
    after_help = "One line: event, hash, name of the log, time, key, signature. With `--output json` also the
statement that is signed, and with `--parts` that and the signature as files, which any tool checks:

  kiln audit key > kiln.pem
  kiln audit head --parts today
  openssl pkeyutl -verify -pubin -inkey kiln.pem -rawin -in today.statement -sigfile today.signature

Examples:
  kiln audit head >> /safe/place/kiln.heads
  kiln audit head --output json > /safe/place/kiln.head"
)]
pub(crate) struct Head {
    /// Write the statement and the signature to NAME.statement and NAME.signature as well
    #[arg(long, value_name = "NAME", conflicts_with = "unsigned")]
    parts: Option<PathBuf>,
    /// Print event and hash alone, for which no key is needed
    #[arg(long)]
    unsigned: bool,
}

/// How to print it.
#[derive(Debug, Args)]
#[command(
    after_help = "The key is made at the first start. It lies in the file that KILN_SIGNING_KEY names, else in
$XDG_CONFIG_HOME/kiln/signing.key or ~/.config/kiln/signing.key, and where there is no home in the
data directory. What each place protects from is in docs/decisions/0018-a-signed-head.md.

Examples:
  kiln audit key > kiln.pem
  openssl pkey -pubin -in kiln.pem -outform DER | sha256sum    # the name of the key in heads"
)]
pub(crate) struct Key {
    /// Print the keys that signed before as well
    #[arg(long)]
    all: bool,
}

impl Head {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        if self.unsigned {
            let head: service::Head = session.ask(Request::AuditHead).await?;
            session.screen.give(&head, |head| format!("{} {}\n", head.event, head.hash));
            return Ok(());
        }
        let head: SignedHead = session.ask(Request::AuditSignedHead).await?;
        if let Some(name) = &self.parts {
            let signature = service::signature_bytes(&head)?;
            for (end, bytes) in [("statement", head.statement.as_bytes()), ("signature", &signature)] {
                let mut path = name.clone().into_os_string();
                path.push(format!(".{end}"));
                let path = PathBuf::from(path);
                std::fs::write(&path, bytes).map_err(|error| {
                    let trouble =
                        service::Trouble::world(format_args!("writing `{}`", path.display()), error);
                    trouble.advise("give `--parts` a name in a directory that is there and may be written")
                })?;
            }
        }
        session.screen.give(&head, |head| {
            let SignedHead { event, hash, log, time, key, signature, .. } = head;
            format!("{event} {hash} {log} {time} {key} {signature}\n")
        });
        Ok(())
    }
}

impl Key {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let keys: SigningKeys = session.ask(Request::AuditKeys).await?;
        session.screen.give(&keys, |keys| {
            let earlier = if self.all { keys.earlier.concat() } else { String::new() };
            earlier + &keys.pem
        });
        Ok(())
    }
}

/// What of a head is looked for in a log.
pub(crate) fn kept(head: &SignedHead) -> Kept {
    Kept {
        event: head.event,
        hash: head.hash.clone(),
        log: Some(head.log.clone()).filter(|log| !log.is_empty()),
        time_ms: service::time_ms(&head.time).ok(),
    }
}

fn read(path: &Path, bytes_max: u64, what: &str) -> Result<String, Stop> {
    let usage =
        |why: String| Stop::usage(format!("`{}` {why}", path.display()), format!("name a file with {what}"));
    let size = std::fs::metadata(path).map_err(|error| usage(format!("cannot be read: {error}")))?.len();
    if size > bytes_max {
        return Err(usage(format!("has {size} bytes, so it is not {what}")));
    }
    std::fs::read_to_string(path).map_err(|error| usage(format!("cannot be read: {error}")))
}

/// Public keys as `kiln audit key` printed them.
pub(crate) fn public_keys(path: &Path) -> Result<Vec<PublicKey>, Stop> {
    let text = read(path, KEY_BYTES_MAX, "what `kiln audit key` printed")?;
    match PublicKey::read_all(&text) {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        Ok(_) => Err(Stop::usage(format!("`{}` holds no public key in PEM", path.display()), KEY_ADVICE)),
        Err(why) => Err(Stop::usage(format!("`{}`: {why}", path.display()), KEY_ADVICE)),
    }
}

/// Heads as `kiln audit head` printed them, in any form, one behind the other; those of before signatures too.
pub(crate) fn read_heads(path: &Path) -> Result<Vec<SignedHead>, Stop> {
    let what = "what `kiln audit head` printed";
    let text = read(path, HEADS_BYTES_MAX, what)?;
    let no = || {
        let advice = "print heads into a file of their own: `kiln audit head > FILE`; later ones by `>>`";
        Stop::usage(format!("`{}` is not {what}", path.display()), advice)
    };
    let mut heads = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (head, left) = if rest.starts_with('{') {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
            let value = stream.next().and_then(Result::ok).ok_or_else(no)?;
            (from_json(&value).ok_or_else(no)?, &rest[stream.byte_offset()..])
        } else {
            let (line, left) = rest.split_once('\n').unwrap_or((rest, ""));
            (from_line(line).ok_or_else(no)?, left)
        };
        heads.push(head);
        rest = left.trim_start();
    }
    if heads.is_empty() { Err(no()) } else { Ok(heads) }
}

fn from_json(value: &serde_json::Value) -> Option<SignedHead> {
    if value.get("Signature").is_some() {
        return serde_json::from_value(value.clone()).ok();
    }
    let head: service::Head = serde_json::from_value(value.clone()).ok()?;
    Some(unsigned(head.event, head.hash))
}

fn from_line(line: &str) -> Option<SignedHead> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        [event, hash] => Some(unsigned(event.parse().ok()?, hash.to_owned())),
        [event, hash, log, time, key, signature] => Some(SignedHead {
            log: log.to_owned(),
            time: time.to_owned(),
            key: key.to_owned(),
            signature: signature.to_owned(),
            ..unsigned(event.parse().ok()?, hash.to_owned())
        }),
        _ => None,
    }
}

/// A head from before there were signatures.
fn unsigned(event: u64, hash: String) -> SignedHead {
    let empty = String::new;
    SignedHead {
        event,
        hash,
        log: empty(),
        time: empty(),
        key: empty(),
        signature: empty(),
        statement: empty(),
    }
}
