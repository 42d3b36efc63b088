//! Use cases on the log: proving it and the projections. Reading it is `audit_log.rs`.

use domain::Digest;
use event::Seq;

use crate::view::{Fault, Head, Rebuilt, Verified};
use crate::{Family, Service, Trouble};

impl Service {
    pub(crate) fn head(&self) -> Result<Head, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let seq = snapshot.head()?;
        let hash = snapshot.hash_at(seq)?.unwrap_or_default();
        Ok(Head { event: seq.0, hash: Digest(hash).to_string() })
    }

    pub(crate) fn verify(&self, kept: Option<(u64, String)>) -> Result<Verified, Trouble> {
        let found = self.engine.verify()?;
        let mut fault = found.fault.map(|fault| Fault { place: fault.place, what: fault.what });
        if let (None, Some((event, hash))) = (&fault, kept) {
            fault = self.differs_from(event, &hash, found.head.0)?;
        }
        let head = Head { event: found.head.0, hash: Digest(found.head_hash).to_string() };
        Ok(Verified { events: found.events, head, fault })
    }

    /// How the log differs from a head that was kept elsewhere, if it does.
    fn differs_from(&self, event: u64, hash: &str, last: u64) -> Result<Option<Fault>, Trouble> {
        let kept: Digest = hash.parse().map_err(|error: domain::NotADigest| {
            let trouble = Trouble::new(Family::Refused, "InvalidHead.Malformed", error.to_string());
            trouble.advise("give the file that `kiln audit head` wrote")
        })?;
        let what = if event > last {
            format!(
                "the log ends at event {last}, but event {event} was in it when the head was kept: it was rolled back"
            )
        } else if self.engine.snapshot()?.hash_at(Seq(event))? != Some(kept.0) {
            "the log's hash there is another than the one that was kept: what lies before was rewritten"
                .to_owned()
        } else {
            return Ok(None);
        };
        Ok(Some(Fault { place: format!("event {event}"), what }))
    }

    pub(crate) fn rebuild(&self) -> Result<Rebuilt, Trouble> {
        let found = self.engine.rebuild()?;
        let faults = found.faults.into_iter().map(|fault| Fault { place: fault.place, what: fault.what });
        Ok(Rebuilt {
            events: found.events,
            rows: found.rows,
            differing: found.differing,
            faults: faults.collect(),
        })
    }
}
