//! Use cases on the log: proving it and the projections. Reading it is `audit_log.rs`.

use std::path::Path;

use domain::Digest;
use engine::{Lineage, Snapshot};
use event::Seq;
use files::Files;

use crate::request_audit::Kept;
use crate::signer::{MALFORMED, PublicKey, hexadecimal};
use crate::view::{Fault, Head, Rebuilt, Restoration, SignedHead, SigningKeys, Verified, time_text};
use crate::{Family, Service, Trouble};

/// The hash of a log that is not there yet.
const NOTHING: [u8; 32] = [0; 32];

impl Service {
    pub(crate) fn head(&self) -> Result<Head, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let seq = snapshot.head()?;
        let hash = snapshot.hash_at(seq)?.unwrap_or_default();
        Ok(Head { event: seq.0, hash: Digest(hash).to_string() })
    }

    pub(crate) fn signed_head(&self) -> Result<SignedHead, Trouble> {
        self.signer.sign(self.head_to_sign(&self.engine.snapshot()?)?)
    }

    /// The head of a log as it was looked at, before anybody has signed it.
    pub(crate) fn head_to_sign(&self, snapshot: &Snapshot) -> Result<SignedHead, Trouble> {
        let seq = snapshot.head()?;
        Ok(SignedHead {
            event: seq.0,
            hash: Digest(snapshot.hash_at(seq)?.unwrap_or_default()).to_string(),
            log: Digest(snapshot.log_id()?.unwrap_or_default()).to_string(),
            time: time_text(self.clock.now_ms()),
            key: String::new(),
            signature: String::new(),
            statement: String::new(),
        })
    }

    /// The public keys by which heads have been signed here.
    pub(crate) fn signing_keys(&self) -> Result<SigningKeys, Trouble> {
        let all = self.signer.signers()?;
        // What was signed can be checked where nothing can be signed any more.
        let current = self.signer.public().or_else(|trouble| all.last().copied().ok_or(trouble))?;
        Ok(SigningKeys {
            key: current.fingerprint(),
            pem: current.pem(),
            earlier: all.into_iter().filter(|key| *key != current).map(PublicKey::pem).collect(),
        })
    }

    /// Says where the key lies by which heads are signed, and makes it if there has never been one.
    pub fn sign_with(&self, key: Option<std::path::PathBuf>) -> Result<(), Trouble> {
        if let Some(key) = key {
            self.signer.lies_at(key);
        }
        // A read-only look at a house that has a key already costs nothing.
        if self.signer.signers()?.is_empty() { self.signer.pair().map(drop) } else { Ok(()) }
    }

    pub(crate) fn verify(&self, kept: &[Kept]) -> Result<Verified, Trouble> {
        let found = self.engine.verify()?;
        let snapshot = self.engine.snapshot()?;
        let log = snapshot.log_id()?.unwrap_or(NOTHING);
        report(found, log, kept, |seq| snapshot.hash_at(seq).ok().flatten())
    }

    pub(crate) fn rebuild(&self) -> Result<Rebuilt, Trouble> {
        let found = self.engine.rebuild()?;
        Ok(Rebuilt {
            events: found.events,
            rows: found.rows,
            differing: found.differing,
            faults: found.faults.into_iter().map(Fault::from).collect(),
        })
    }
}

/// Looks at the log of a directory that does not open, and changes nothing. Nobody else may have it open. If the log
/// is sound the fault is elsewhere, and all that is known of it is why it does not open.
pub(crate) fn examine(
    files: &std::sync::Arc<dyn Files>,
    dir: &Path,
    kept: &[Kept],
    opening: &Trouble,
) -> Result<Verified, Trouble> {
    let seqs: Vec<Seq> = kept.iter().map(|kept| Seq(kept.event)).collect();
    let found = engine::examine(files, dir, &seqs)?;
    let hashes: std::collections::BTreeMap<Seq, _> = seqs.into_iter().zip(found.hashes).collect();
    let log = found.log.unwrap_or(NOTHING);
    let mut found = report(found.verified, log, kept, |seq| hashes.get(&seq).copied().flatten())?;
    if found.fault.is_none() {
        let fault = Fault::of_opening(&opening.message);
        (found.damaged, found.fault, found.faults) = (1, Some(fault.clone()), vec![fault]);
    }
    Ok(found)
}

/// What was found, held against heads that were kept elsewhere.
fn report(
    found: engine::Verified,
    log: [u8; 32],
    kept: &[Kept],
    hash_at: impl Fn(Seq) -> Option<[u8; 32]>,
) -> Result<Verified, Trouble> {
    let mut faults: Vec<Fault> = found.faults.into_iter().map(Fault::from).collect();
    let mut damaged = found.damaged;
    let mut newest_there = 0;
    for kept in kept {
        let hash: Digest = kept.hash.parse().map_err(|error: domain::NotADigest| {
            let trouble = Trouble::new(Family::Refused, MALFORMED, error.to_string());
            trouble.advise("give the file that `kiln audit head` wrote")
        })?;
        let (seq, there) = (Seq(kept.event), hash_at(Seq(kept.event)));
        // A head of before the first event is of every log.
        if there == Some(hash.0) || kept.event == 0 {
            newest_there = newest_there.max(kept.event);
            continue;
        }
        let earlier =
            found.lineage.iter().filter_map(|lineage| lineage.restored.log.as_slice().try_into().ok());
        let mut logs = earlier.chain([log]).map(|log| Digest(log).to_string());
        let other_log = kept.log.as_ref().is_some_and(|of| logs.all(|log| log != *of));
        // What was signed after a restoring is of the log that it began.
        let is_before = |lineage: &&Lineage| kept.time_ms.is_none_or(|time_ms| time_ms <= lineage.time_ms);
        let given_up = found.lineage.iter().filter(is_before).find(|lineage| lineage.gave_up(seq));
        let (damage, what) = if other_log {
            let of = kept.log.as_deref().unwrap_or_default();
            (
                "other-log",
                format!("the head is of another log, `{of}`: nothing can be said about this one by it"),
            )
        } else if let Some(lineage) = given_up {
            ("given-up", what_was_given_up(lineage, seq, &hash.0))
        } else if seq > found.head {
            (
                "rolled-back",
                format!(
                    "the log ends at event {}, but event {} was in it when the head was kept: it was rolled back",
                    found.head, kept.event
                ),
            )
        } else {
            let since = match newest_there {
                0 => "some event up to it is another".to_owned(),
                event => {
                    format!("some event after event {event}, whose head is there, and up to it is another")
                }
            };
            (
                "forked",
                format!(
                    "the log's hash there is another than the one that was kept: it forked: {since}, and what came \
                     before was rewritten"
                ),
            )
        };
        damaged += 1;
        faults.push(Fault::of_head(damage, kept.event, what));
    }
    Ok(Verified {
        events: found.events,
        head: Head { event: found.head.0, hash: Digest(found.head_hash).to_string() },
        log: Digest(log).to_string(),
        fault: faults.first().cloned(),
        faults,
        damaged,
        heads: kept.len() as u64,
        lineage: found.lineage.iter().map(restoration).collect(),
    })
}

fn what_was_given_up(lineage: &Lineage, seq: Seq, hash: &[u8; 32]) -> String {
    let restored = &lineage.restored;
    let whose = if lineage.is_the_backups(seq, hash) {
        "it is the very head of the backup".to_owned()
    } else if seq < restored.head {
        "it may be of what the backup still has".to_owned()
    } else {
        format!("it may be of what came after the backup, whose head is event {}", restored.head)
    };
    format!(
        "the log was restored as of event {} on {}, and what came after was given up: {whose}. The chain up to event \
         {} is to be proved by a head that is not later",
        restored.at,
        time_text(lineage.time_ms),
        restored.at
    )
}

fn restoration(lineage: &Lineage) -> Restoration {
    let restored = &lineage.restored;
    Restoration {
        event: lineage.seq.0,
        time: time_text(lineage.time_ms),
        at: restored.at.0,
        backup_event: restored.head.0,
        backup_hash: hexadecimal(&restored.head_hash),
        backup_time: time_text(restored.backed_up_ms),
        parked: restored.parked,
    }
}

impl From<engine::Fault> for Fault {
    fn from(fault: engine::Fault) -> Self {
        let (first, last) = fault.events.map(|(first, last)| (first.0, last.0)).unzip();
        let (begin, end) = fault.bytes.map(|bytes| (bytes.start as u64, bytes.end as u64)).unzip();
        Self {
            place: fault.place,
            what: fault.what,
            damage: fault.damage.word().to_owned(),
            first_event: first,
            last_event: last,
            workflow_id: fault.flow,
            kind: fault.kind.unwrap_or_default(),
            log_row: fault.row,
            first_byte: begin,
            end_byte: end,
        }
    }
}

impl Fault {
    fn of_head(damage: &str, event: u64, what: String) -> Self {
        let place = format!("event {event}");
        Self { first_event: Some(event), last_event: Some(event), ..Self::somewhere(damage, place, what) }
    }

    /// What keeps a directory from opening whose log is sound.
    fn of_opening(why: &str) -> Self {
        Self::somewhere("unopened", "beside the log".to_owned(), format!("it does not open: {why}"))
    }

    fn somewhere(damage: &str, place: String, what: String) -> Self {
        Self {
            place,
            what,
            damage: damage.to_owned(),
            first_event: None,
            last_event: None,
            workflow_id: None,
            kind: String::new(),
            log_row: None,
            first_byte: None,
            end_byte: None,
        }
    }
}
