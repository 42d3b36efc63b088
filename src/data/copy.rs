//! A disk from one store, or account, into another.
//!
//! ```text
//! source store          root ─▶ branches ─▶ (segment, page)      what the target has is read there
//!                                              │
//! worker, one of them   page ─▶ chunks ─▶ claim what the target lacks
//!                                              │ toll: counted, held to the pace
//!                       frame ◀─ source pack ◀─┘
//!                         └─ decoded, held against its id ─▶ own pack of the target
//! ```
//!
//! Ids are digests of content, so a page that is right names chunks that are right, and the copy has
//! the manifest and the content root of its source or it does not come to an end.
//!
//! Within an account a frame moves as it is. Into another account it is compressed anew: how hard
//! the owner's was compressed tells of what else the owner stores.
//!
//! What is deliberately not done: to keep the source from being collected (who asks for a copy sees
//! to it that its manifest lives), and to look into another account's chunks for what the target
//! lacks.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use domain::port::{Pace, Place, StoredDisk, Transferred};
use domain::{Digest, RegionId};
use event::{Failure, Refusal};

use crate::fault::{self, Result};
use crate::fetch::{Fetcher, Pages};
use crate::grid::segment_len;
use crate::index::{Domain, Kind, SegmentRow, StoredSource, job_row};
use crate::manifest::{ChunkRef, decode_leaf};
use crate::origin::Next;
use crate::pace::{Limits, Rates, Toll};
use crate::store::{Sight, Store};
use crate::transfer::Transfer;
use crate::walk::Segments;
use crate::worker::{Finished, Worker};

/// Bytes fetched between two looks at the toll, at most: some dozen chunks, enough for long reads.
const BATCH_BYTES_MAX: u64 = 4 << 20;
/// With a pace, so many batches a second: it is to be even over about a second.
const BATCHES_PER_SECOND: u64 = 8;
/// With a pace, what is sent is recorded at least this often, so that a slow copy that is
/// interrupted does not lose many minutes. A segment is still recorded as one.
const SECONDS_PER_CHECKPOINT: u64 = 10;

/// A disk in a store, as the source of a copy.
pub(crate) struct Stored<'a> {
    pub(crate) store: &'a Store,
    pub(crate) place: &'a Place,
    pub(crate) domain: Domain,
    pub(crate) disk: &'a StoredDisk,
    pub(crate) rates: Rates,
    pub(crate) limits: &'a Limits,
}

/// The pace in bytes a second; one of nothing would never end.
pub(crate) fn rates(pace: Pace) -> Result<Rates> {
    let rate = |bytes_per_second| {
        NonZeroU64::new(bytes_per_second).ok_or_else(|| {
            Refusal::new("InvalidParameter.BytesPerSecond", "a copy cannot go at `0` bytes a second")
                .advise("give at least 1, or no limit at all")
        })
    };
    let own = pace.bytes_per_second.map(rate).transpose()?;
    let shared = pace.shared.map(|shared| rate(shared.bytes_per_second).map(|rate| (shared.of, rate)));
    Ok(Rates { own, shared: shared.transpose()? })
}

impl Stored<'_> {
    /// Fails unless the store is still there.
    pub(crate) fn check(&self) -> Result<()> {
        self.store.check_id()
    }
}

/// What is said of a store that is not there when a copy begins, or goes on.
pub(crate) fn nothing_written(failure: Failure) -> Failure {
    match failure {
        Failure::World(text) => Failure::World(format!("{text} (a copy has to wait; nothing was written)")),
        other => other,
    }
}

/// The answer of a copy that has come to its end before.
pub(crate) fn done(
    target: &Store,
    job: &str,
    source: &Place,
    disk: &StoredDisk,
) -> Result<Option<Transferred>> {
    let row = target.index.read(|tx| job_row(tx, job))?;
    let same = |stored: &StoredSource| matches!(stored, StoredSource::Disk(place, of) if place == source && of == disk);
    Ok(row.filter(|row| row.stored.as_ref().is_some_and(same)).and_then(|row| row.transferred))
}

/// A copy under way: what its threads share about the source.
pub(crate) struct Copying<'a> {
    source: &'a Stored<'a>,
    toll: Arc<Toll>,
    /// The segments not handed out, and how their pages are read.
    walk: Mutex<(Segments, Nearest<'a>)>,
}

/// Pages from the target if it has them, else from the source.
pub(crate) struct Nearest<'a> {
    store: &'a Store,
    domain: Domain,
    job: &'a str,
    /// The source's.
    region: &'a RegionId,
    near: Fetcher<'a>,
    far: Fetcher<'a>,
}

impl Pages for Nearest<'_> {
    fn page(&mut self, id: &Digest) -> Result<Vec<u8>> {
        let (domain, job) = (self.domain, self.job);
        let known = self.store.index.read(|tx| Sight::new(tx, domain).known(&[*id], job))?;
        if known == [true] { self.near.page(id) } else { self.far_page(id) }
    }
}

impl Nearest<'_> {
    fn far_page(&mut self, id: &Digest) -> Result<Vec<u8>> {
        self.far.page(id).map_err(|failure| of_source(self.region, failure))
    }
}

/// Says in which of the two stores something is damaged.
fn of_source(region: &RegionId, failure: Failure) -> Failure {
    match failure {
        Failure::Caller(refusal) if refusal.code == fault::CORRUPT => {
            let message = format!("copying from region `{region}`: {}", refusal.message);
            Failure::Caller(Refusal { message, ..refusal })
        }
        other => other,
    }
}

impl<'a> Copying<'a> {
    pub(crate) fn open(source: &'a Stored<'a>, transfer: &'a Transfer<'a>) -> Result<Self> {
        source.check()?;
        let sent = Arc::clone(&transfer.turn.sent);
        let toll = Arc::new(source.limits.toll(&source.rates, sent));
        let mut pages = nearest(source, &toll, transfer);
        let segments = Segments::open_disk(&mut pages, source.disk)?;
        Ok(Self { source, toll, walk: Mutex::new((segments, pages)) })
    }

    /// What a worker reads pages with.
    pub(crate) fn nearest(&self, transfer: &'a Transfer<'a>) -> Nearest<'a> {
        nearest(self.source, &self.toll, transfer)
    }

    /// The next segment that holds anything. Others wait for it, so it does not wait for the toll;
    /// who sends next does.
    pub(crate) fn next(&self) -> Result<Option<Next>> {
        let mut walk = self.walk.lock().unwrap_or_else(PoisonError::into_inner);
        let (segments, pages) = &mut *walk;
        let next = segments.next(pages)?;
        Ok(next.map(|stored| Next { segment: stored.segment, stored: Some(stored) }))
    }

    fn pace(&self, share: impl Fn(u64) -> u64, usual: u64) -> u64 {
        self.source.rates.most().map_or(usual, |pace| share(pace.get()).min(usual))
    }

    pub(crate) fn checkpoint_bytes(&self, usual: u64) -> u64 {
        self.pace(|pace| pace.saturating_mul(SECONDS_PER_CHECKPOINT), usual)
    }

    /// The first of these chunks that are fetched before the toll is looked at again: at least one.
    fn batch<'c>(&self, chunks: &'c [ChunkRef]) -> (&'c [ChunkRef], &'c [ChunkRef]) {
        let most = self.pace(|pace| pace / BATCHES_PER_SECOND, BATCH_BYTES_MAX);
        let mut bytes = 0;
        let fits = |chunk: &&ChunkRef| {
            bytes += u64::from(chunk.len);
            bytes <= most
        };
        chunks.split_at(chunks.iter().take_while(fits).count().max(1).min(chunks.len()))
    }
}

fn nearest<'a>(source: &'a Stored<'a>, toll: &Arc<Toll>, transfer: &'a Transfer<'a>) -> Nearest<'a> {
    Nearest {
        store: transfer.store,
        domain: transfer.domain,
        job: &transfer.job,
        region: &source.store.region,
        near: Fetcher::new(transfer.store, transfer.domain, None),
        far: Fetcher::sending(source.store, source.domain, Arc::clone(toll)),
    }
}

impl<'a> Worker<'_, 'a> {
    /// Copies what the target lacks of a segment.
    pub(crate) fn copy(
        &mut self,
        copying: &Copying<'a>,
        pages: &mut Nearest<'a>,
        next: &Next,
    ) -> Result<Finished> {
        let run = self.run;
        let pay = || {
            copying.toll.wait(|| {
                run.transfer.turn.check()?;
                run.go_on()?;
                run.report()
            })
        };
        let stored = next.stored.ok_or_else(|| Failure::Ours("a segment without its page".into()))?;
        copying.source.check()?;
        pay()?;
        let mut frames = Vec::new();
        let page = if self.claim(&[stored.page])?.is_empty() {
            pages.page(&stored.page)?
        } else {
            let page = pages.far_page(&stored.page)?;
            frames.push(self.append(stored.page, Kind::Page, &page)?);
            page
        };
        let chunks = decode_leaf(&page, segment_len(run.transfer.disk_bytes(), stored.segment))?;
        let ids: Vec<Digest> = chunks.iter().map(|chunk| chunk.id).collect();
        let lacking: Vec<ChunkRef> = self.claim(&ids)?.into_iter().map(|(which, _)| chunks[which]).collect();
        let bytes = sum(&lacking);
        self.weigh(stored.segment, bytes);
        let same_account = copying.source.domain == run.transfer.domain;
        let mut rest = &lacking[..];
        while !rest.is_empty() {
            let some;
            (some, rest) = copying.batch(rest);
            pay()?;
            let fetched = pages.far.frames(some, &mut |place, chunk, frame, raw| {
                frames.push(if same_account {
                    self.append_frame(chunk.id, place, frame)?
                } else {
                    self.append(chunk.id, Kind::Chunk, raw)?
                });
                Ok(())
            });
            fetched.map_err(|failure| of_source(pages.region, failure))?;
        }
        let packs = self.fill()?;
        let row = SegmentRow { page: Some(stored.page), subtree: stored.subtree, data_bytes: sum(&chunks) };
        Ok(Finished { segment: stored.segment, row: Some(row), bytes, frames, packs })
    }
}

fn sum(chunks: &[ChunkRef]) -> u64 {
    chunks.iter().map(|chunk| u64::from(chunk.len)).sum()
}
