//! Keeping the log's database small, behind everybody's back, and showing how large everything is.
//!
//! While operations go on here a task looks every [`LOOK_EVERY`], when much has been written, whether the log has
//! outgrown its database, or something in it has come of age, and has the engine move it into the archive piece by
//! piece. It pauses with what runs in the background. What goes wrong is told in the process's own log and tried
//! again at the next look: the log is whole all the while, only larger.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use engine::{Archived, Chore, Keep};

use crate::asked::Asked;
use crate::request_audit::ArchiveAsked;
use crate::view::time_text;
use crate::view_audit::ArchiveView;
use crate::{Service, Trouble};

/// Time between two looks: at the rate at which a disk takes events the log grows by some hundred megabytes
/// meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Events that make a look worth its tens of reads: a megabyte or so.
const EVENTS_ENOUGH: u64 = 4096;
/// Looks that are left out at most, when there are not so many: age alone is looked at once an hour.
const LEFT_OUT_MAX: u32 = 720;
/// Pause between two pieces, so that a long log is not moved in one breath: people's commits come between.
const PIECE_PAUSE: Duration = Duration::from_millis(5);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Service {
    /// Says after how many days what was written goes into the archive.
    pub fn archive_after_days(&self, days: u32) {
        self.archive_after_ms.store(i64::from(days) * DAY_MS, Ordering::Relaxed);
    }

    /// Begins to keep the log small. Ends with what follows operations here.
    pub(crate) fn keep_small(self: &Arc<Self>) {
        let house = Arc::downgrade(self);
        let task = async move {
            let (mut looked_at, mut left_out) = (None, 0);
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(service) = house.upgrade() else { return };
                let head = service.engine.snapshot().and_then(|snapshot| snapshot.head());
                drop(service);
                let Ok(head) = head else { continue };
                let is_quiet = looked_at.is_some_and(|looked_at| head.0 < looked_at + EVENTS_ENOUGH);
                if is_quiet && left_out < LEFT_OUT_MAX {
                    left_out += 1;
                    continue;
                }
                (looked_at, left_out) = (Some(head.0), 0);
                loop {
                    let Some(service) = house.upgrade() else { return };
                    if service.engine.background_stands_still().is_some() {
                        // Looked at again as soon as that may be over.
                        looked_at = None;
                        break;
                    }
                    let for_ms = service.archive_after_ms.load(Ordering::Relaxed);
                    let piece = service.engine.archive(Keep { for_ms, ..Keep::default() }).await;
                    drop(service);
                    match piece {
                        Ok(Some(_)) => tokio::time::sleep(PIECE_PAUSE).await,
                        Ok(None) => break,
                        Err(error) => {
                            tracing::warn!(%error, "the archive");
                            looked_at = None;
                            break;
                        }
                    }
                }
            }
        };
        self.following.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// What is archived, and how large everything is; nothing of it where it cannot be told.
    pub fn archived(&self) -> Archived {
        self.engine.archived().unwrap_or_default()
    }

    /// Moves what is old enough, if that is asked for, and tells how large everything is.
    pub(crate) async fn archive(&self, by: &Asked, asked: ArchiveAsked) -> Result<ArchiveView, Trouble> {
        let (mut segments, mut rows) = (0, 0);
        if asked.now {
            by.go_on()?;
            let days = asked.older_than_days.map(|days| i64::from(days) * DAY_MS);
            let for_ms = days.unwrap_or_else(|| self.archive_after_ms.load(Ordering::Relaxed));
            let keep = Keep { for_ms, parts: true, ..Keep::default() };
            while let Some(chore) = self.engine.archive(keep).await? {
                let Chore { segment, rows: moved } = chore;
                segments += u64::from(segment.is_some());
                rows += moved;
            }
        }
        let Archived {
            segments: all,
            last,
            last_ms,
            raw_bytes,
            file_bytes,
            live_events,
            database_bytes,
            ended_rows,
            ended_bytes,
        } = self.engine.archived()?;
        Ok(ArchiveView {
            segments: all,
            archived_events: last.0,
            archived_until: if all == 0 { String::new() } else { time_text(last_ms) },
            raw_bytes,
            archive_bytes: file_bytes,
            live_events,
            database_bytes,
            ended_rows,
            ended_bytes,
            segments_now: segments,
            rows_now: rows,
        })
    }
}
