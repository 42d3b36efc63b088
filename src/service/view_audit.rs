//! Views of the past: what there was, what changed, and who could do what.

use serde::{Deserialize, Serialize};

use crate::view::{FamilySummary, RegionView, Sentence, views};
use crate::view_image::ImageView;

views! {
    /// What there was at a moment.
    PastView {
        /// The last event in it; 0 before the first.
        event: u64,
        /// The moment.
        time: String,
        /// Events folded to answer.
        events_folded: u64,
        /// What was asked for.
        #[serde(flatten)]
        rows: PastRows,
    }
    /// A family as it was.
    PastFamily {
        /// In the fields of today's list.
        #[serde(flatten)]
        family: FamilySummary,
        /// Its owner.
        owner_id: String,
    }
    /// Somebody an image was shared with.
    PastShare {
        /// The image.
        image_id: String,
        /// The name it had.
        image_name: String,
        /// Its region.
        region_id: String,
        /// Its owner.
        owner_id: String,
        /// The account, or `everybody` in the region.
        account_id: String,
        /// Since when; empty for everybody's.
        shared_time: String,
        /// Until when; empty for ever.
        until_time: String,
    }
    /// A snapshot as it was.
    PastSnapshot {
        /// Its id.
        snapshot_id: String,
        /// Its name; empty for none.
        snapshot_name: String,
        /// Its region.
        region_id: String,
        /// Its owner.
        owner_id: String,
        /// `progressing` or `accomplished`.
        status: String,
        /// Size a disk made from it has at least.
        size_bytes: u64,
        /// The disk it is of; empty if it is of none.
        source_disk_id: String,
        /// The image that made it; empty if none did.
        made_by: String,
        /// Images that stand on it.
        images: u32,
        /// Disks made from it.
        disks: u32,
        /// When it was asked for.
        creation_time: String,
    }
    /// A disk as it was.
    PastDisk {
        /// Its id.
        disk_id: String,
        /// Its name; empty for none.
        disk_name: String,
        /// Its region.
        region_id: String,
        /// Its owner.
        owner_id: String,
        /// `Creating` or `Available`.
        status: String,
        /// Its size.
        size_bytes: u64,
        /// The snapshot it was made from; empty for none.
        source_snapshot_id: String,
        /// The image it was made from; empty for none.
        image_id: String,
        /// When it was asked for.
        creation_time: String,
    }
    /// What an account used of what it might have.
    PastQuota {
        /// The account.
        owner_id: String,
        /// The region.
        region_id: String,
        /// Of what.
        resource: String,
        /// How many there were.
        used: u32,
        /// How many there might be.
        quota: u32,
    }
    /// What changed between two moments.
    Differences {
        /// The last event of the earlier one.
        from_event: u64,
        /// The earlier one.
        from_time: String,
        /// The last event of the later one.
        to_event: u64,
        /// The later one.
        to_time: String,
        /// Events folded to answer.
        events_folded: u64,
        /// By what they are about.
        changes: Vec<Change>,
    }
    /// Something that is not as it was.
    Change {
        /// `image`, `family`, `share`, `snapshot` or `disk`.
        what: String,
        /// Its id; the image's for a share, the name for a family.
        id: String,
        /// Its name; the other account for a share.
        name: String,
        /// Its owner.
        owner_id: String,
        /// `added`, `removed` or `changed`.
        change: String,
        /// That in words.
        text: String,
        /// The fields that changed.
        fields: Vec<FieldChange>,
    }
    /// A field that is not as it was.
    FieldChange {
        /// Its name.
        field: String,
        /// What it was, as JSON.
        from: String,
        /// What it came to be, as JSON.
        to: String,
    }
    /// Who could do what with an image.
    Judged {
        /// The image.
        image_id: String,
        /// The name it had.
        image_name: String,
        /// Its region.
        region_id: String,
        /// Its owner.
        owner_id: String,
        /// Where it stood.
        status: String,
        /// The last event that was known at the moment.
        event: u64,
        /// The moment.
        time: String,
        /// Events folded to answer.
        events_folded: u64,
        /// By account, or by action.
        verdicts: Vec<Verdict>,
        /// Accounts there were that had nothing to do with the image; only the operator is told.
        other_accounts: u64,
    }
    /// Whether an account could do something.
    Verdict {
        /// The account.
        account_id: String,
        /// `launch`, `share`, `copy`, `export`, `modify` or `delete`.
        action: String,
        /// Whether it could.
        allowed: bool,
        /// What it has to do with the image: `owner`, `shared`, `everybody` or `none`.
        tie: String,
        /// Since when; empty for none.
        since: String,
        /// Until when that was to last; empty for ever.
        until: String,
        /// The code of the refusal; empty if it could.
        code: String,
        /// Why, in plain words.
        why: String,
        /// The events that show it.
        events: Vec<u64>,
    }
    /// What of the log is archived, and how large everything is.
    ArchiveView {
        /// Segments there are.
        segments: u64,
        /// Events in them: the first so many of the log.
        archived_events: u64,
        /// When the last of them was; empty if there are none.
        archived_until: String,
        /// Bytes of their rows as they lay in the log.
        raw_bytes: u64,
        /// Bytes of the segments.
        archive_bytes: u64,
        /// Events in the log's database.
        live_events: u64,
        /// Bytes of that file on the disk.
        database_bytes: u64,
        /// Rows of ended operations in a file of their own.
        ended_rows: u64,
        /// Bytes of that file on the disk.
        ended_bytes: u64,
        /// Segments that were made now.
        segments_now: u64,
        /// Rows that were moved now.
        rows_now: u64,
    }
    /// A backup that was written and read back.
    BackupMade {
        /// Where it lies.
        path: String,
        /// The last event in it.
        event: u64,
        /// The chain's hash there.
        hash: String,
        /// When its log was looked at.
        time: String,
        /// Regions whose stores are in it.
        regions: Vec<String>,
        /// Files in it.
        files: u64,
        /// Bytes of them.
        bytes: u64,
        /// Bytes that were in an earlier backup and not copied.
        reused_bytes: u64,
    }
    /// A data directory that was restored.
    RestoreMade {
        /// Where it lies.
        path: String,
        /// The last event that was kept.
        event: u64,
        /// When that was; empty before the first.
        time: String,
        /// Events of the backup that were given up.
        given_up: u64,
        /// Where the new log ends.
        head: u64,
        /// The chain's hash there.
        hash: String,
        /// Operations that had not ended, and are parked.
        parked: Vec<event::FlowId>,
        /// Regions whose stores were restored.
        regions: Vec<String>,
        /// What images and disks of that moment need and the backup does not have, as it was collected before the
        /// backup was made.
        missing: Vec<String>,
    }
    /// What happened to something.
    Told {
        /// What.
        id: String,
        /// Oldest first.
        history: Vec<Sentence>,
        /// Whether that is all; else only the last are told.
        whole: bool,
    }
}

/// What there was, by what was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PastRows {
    /// By owner, region, family, and newest first.
    Images(Vec<ImageView>),
    /// By owner, region and name.
    Families(Vec<PastFamily>),
    /// By image and account.
    Shares(Vec<PastShare>),
    /// By owner, region and id.
    Snapshots(Vec<PastSnapshot>),
    /// By owner, region and id.
    Disks(Vec<PastDisk>),
    /// By owner and region.
    Quotas(Vec<PastQuota>),
    /// By id.
    Regions(Vec<RegionView>),
    /// One image.
    Image(Box<ImageView>),
}
