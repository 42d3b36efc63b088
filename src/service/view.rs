//! Views: what callers see of images, families, workflows, regions and the log. The field names
//! are those of the ECS API where it has them, and stable: the JSON of the command line is these.

use event::FlowId;
use serde::{Deserialize, Serialize};

use crate::view_image::ImageView;

/// A time as the ECS API writes it: `2026-03-01T12:00:00Z`.
pub fn time_text(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds}s"), |time| time.to_string())
}

/// The milliseconds since 1970 UTC of a time with its zone: `2026-03-01T12:00:00Z`.
pub fn time_ms(text: &str) -> Result<i64, crate::Trouble> {
    let time = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
    time.map_err(|_| {
        let refusal =
            event::Refusal::new("InvalidParameter.Time", format!("`{}` is no time", text.escape_debug()));
        refusal.advise("a time looks like `2026-03-01T12:00:00Z`").into()
    })
}

macro_rules! views {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
            }
        )*
    };
}
pub(crate) use views;

views! {
    /// A family, and the image it stands for.
    FamilyView {
        /// The image the family stands for, in the fields of an image.
        #[serde(flatten)]
        image: ImageView,
        /// All images of the family in that region, newest first.
        members: Vec<ImageView>,
        /// The image it was told to stand for there; empty if it was not.
        pinned_image_id: String,
        /// Whether that holds: the image is Available.
        is_pinned: bool,
        /// All regions the family is in.
        regions: Vec<FamilyRegion>,
    }
    /// A family in one of its regions.
    FamilyRegion {
        /// The region.
        region_id: String,
        /// The image it stands for there; empty if none is Available.
        image_id: String,
        /// The name of that image; empty if there is none.
        image_name: String,
        /// Whether it was told to.
        is_pinned: bool,
        /// How many images it has there.
        images: u64,
    }
    /// A family in a list.
    FamilySummary {
        /// Its name.
        image_family: String,
        /// Its region.
        region_id: String,
        /// The image it stands for; empty if none is Available.
        image_id: String,
        /// The name of that image; empty if there is none.
        image_name: String,
        /// Whether it was told to stand for it.
        is_pinned: bool,
        /// How many images it has.
        images: u64,
    }
    /// Families.
    Families {
        /// By region and name.
        families: Vec<FamilySummary>,
    }
    /// An operation has been started, or an unfinished one like it was found.
    Started {
        /// The operation.
        workflow_id: FlowId,
        /// Whether it had been started before.
        joined: bool,
        /// The image it is about, if that is known.
        image_id: String,
    }
    /// How far a step has come.
    Progress {
        /// What is being done.
        doing: String,
        /// Bytes dealt with.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    }
    /// What a collection did.
    Collected {
        /// Chunks newly condemned.
        condemned_chunks: u64,
        /// Chunks removed.
        removed_chunks: u64,
        /// Bytes given back to the file system.
        freed_bytes: u64,
        /// Chunks that wait for other work to end.
        waiting_chunks: u64,
    }
    /// An operation.
    WorkflowView {
        /// Its id.
        workflow_id: FlowId,
        /// Name of its story.
        name: String,
        /// What a person calls it.
        label: String,
        /// `Running`, `Unwinding`, `Parked`, `Done`, `Undone` or `Abandoned`.
        state: String,
        /// Whether it is being driven at this moment.
        driven: bool,
        /// How far its present step has come, while it is driven.
        progress: Option<Progress>,
        /// When it started.
        start_time: String,
        /// When it ended; empty while it has not.
        end_time: String,
        /// Events in the log.
        events: u64,
        /// What it is about.
        subjects: Vec<String>,
        /// Whether it is past its point of no return.
        past_no_return: bool,
        /// Whether it was asked to stop.
        cancel_requested: bool,
        /// Why it ended badly or is parked: the code; empty if nothing is wrong.
        error_code: String,
        /// Why it ended badly or is parked.
        error_message: String,
        /// What to try next.
        advice: String,
        /// What it yielded: an id or paths; empty for others.
        output: String,
        /// What it collected, if that was its work.
        collected: Option<Collected>,
        /// The account that asked for it.
        account_id: String,
        /// The region it belongs to; empty for what belongs to none.
        region_id: String,
        /// Why it stands still, if somebody made it; empty if no reason was given or it does not.
        paused: String,
        /// The operation that it takes up, if it does.
        takes_up: String,
    }
    /// Operations.
    Workflows {
        /// Newest first.
        workflows: Vec<WorkflowView>,
        /// Where to look on; none when all was looked at.
        next: Option<u64>,
    }
    /// A sentence of a story.
    Sentence {
        /// When.
        time: String,
        /// Place in the log.
        event: u64,
        /// Kind of the event.
        kind: String,
        /// What became true, in plain words.
        text: String,
        /// The operation it belongs to.
        workflow_id: FlowId,
    }
    /// What the log says of an image.
    Story {
        /// The image.
        image_id: String,
        /// Oldest first.
        history: Vec<Sentence>,
    }
    /// A region.
    RegionView {
        /// Its id.
        region_id: String,
        /// The id of its store.
        store_id: String,
        /// Whether it can be used.
        ready: bool,
        /// Images of the account in it.
        images: u64,
        /// Bytes its images added to the store.
        stored_bytes: u64,
    }
    /// Regions.
    Regions {
        /// By id.
        regions: Vec<RegionView>,
    }
    /// What a store holds, and whether that is what it should hold.
    Checked {
        /// The region.
        region_id: String,
        /// Whether every frame was decoded and hashed.
        deep: bool,
        /// Chunks indexed.
        chunks: u64,
        /// Pack files.
        packs: u64,
        /// Bytes of the pack files.
        pack_bytes: u64,
        /// Chunks that an image needs and the store cannot give back, each with why.
        missing: Vec<String>,
        /// Chunks that nothing needs any more.
        orphaned_chunks: u64,
        /// Files that nothing accounts for.
        stray_files: Vec<String>,
    }
    /// A line of the log.
    LogLine {
        /// Place in the total order.
        event: u64,
        /// When.
        time: String,
        /// `noun.past-participle/version`.
        kind: String,
        /// The operation.
        workflow_id: FlowId,
        /// The step of it.
        path: String,
        /// The scope it was decided in.
        scope: String,
        /// What it concerns.
        subjects: Vec<String>,
        /// The account that asked.
        account_id: String,
        /// The key it was asked with; empty at the machine itself.
        access_key_id: String,
        /// As what that key speaks: `user/alice`, `role/importer/ci`; empty for the account itself.
        principal: String,
        /// The request, or the operation, that made its operation start.
        cause: String,
        /// The event itself, as JSON text.
        payload: String,
    }
    /// A stretch of the log.
    LogPage {
        /// Oldest first, or newest first, as was asked.
        log: Vec<LogLine>,
        /// Place of the last event in the log.
        head: u64,
        /// Where to look on; none when all was looked at.
        next: Option<u64>,
    }
    /// Where the log ends.
    Head {
        /// Place of the last event.
        event: u64,
        /// The chain's hash there.
        hash: String,
    }
    /// Where the log ends, signed.
    SignedHead {
        /// Place of the last event.
        event: u64,
        /// The chain's hash there.
        hash: String,
        /// The log's own name: the chain's hash behind its first row.
        log: String,
        /// When it was signed.
        time: String,
        /// SHA-256 of the public key, as DER.
        key: String,
        /// Ed25519 signature of the statement, in base64.
        signature: String,
        /// What is signed, to the byte; empty in the short form, which it can be made of.
        #[serde(default)]
        statement: String,
    }
    /// The public keys by which heads are signed.
    SigningKeys {
        /// SHA-256 of the one that signs now, as DER.
        key: String,
        /// That key, as PEM.
        pem: String,
        /// Those that signed before, as PEM.
        earlier: Vec<String>,
    }
    /// Something that is not as it was written.
    Fault {
        /// Where.
        place: String,
        /// What is wrong there.
        what: String,
        /// What was done: `changed`, `removed`, `inserted`, `swapped`, `cut-off`, `rewritten`, `head` or `projection`;
        /// for a head that was kept `rolled-back`, `forked`, `given-up` or `other-log`; `unopened` if the log is sound
        /// and the data directory does not open.
        damage: String,
        /// The first event concerned.
        first_event: Option<u64>,
        /// The last one.
        last_event: Option<u64>,
        /// Whose record it is, if that can be told.
        workflow_id: Option<FlowId>,
        /// Its kind, if it still decodes; empty if not.
        kind: String,
        /// The row of the log that it lies in: the first event of it, by which the table has it.
        log_row: Option<u64>,
        /// Its first byte in that row.
        first_byte: Option<u64>,
        /// The byte behind its last.
        end_byte: Option<u64>,
    }
    /// A restoring from a backup, as the log tells of it.
    Restoration {
        /// The event that says so.
        event: u64,
        /// When it was.
        time: String,
        /// The last event that was kept.
        at: u64,
        /// Where the log ended when the backup was made.
        backup_event: u64,
        /// The chain's hash there.
        backup_hash: String,
        /// When that was.
        backup_time: String,
        /// Operations that had not ended, and were parked.
        parked: u64,
    }
    /// What a check of the log found.
    Verified {
        /// Events read.
        events: u64,
        /// Where the log ends.
        head: Head,
        /// The log's name.
        log: String,
        /// The first fault.
        fault: Option<Fault>,
        /// The first of all, in the order of the log; then heads that were kept and are not in it.
        faults: Vec<Fault>,
        /// How many there are.
        damaged: u64,
        /// Heads that were looked for.
        heads: u64,
        /// Where the log was restored from a backup, oldest first.
        lineage: Vec<Restoration>,
    }
    /// What folding the log anew found.
    Rebuilt {
        /// Events folded.
        events: u64,
        /// Rows compared.
        rows: u64,
        /// Rows that differ.
        differing: u64,
        /// The first of them.
        faults: Vec<Fault>,
    }
}

impl WorkflowView {
    /// Whether nothing more will happen to it, or nothing without a person who looks at it. One that stands still
    /// goes on when whoever made it says so.
    pub fn rests(&self) -> bool {
        !matches!(self.state.as_str(), "Running" | "Unwinding" | "Paused")
    }

    /// What is wrong with an operation that did not end well, or is parked.
    pub fn trouble(&self) -> Option<crate::Trouble> {
        let refusal =
            event::Refusal::new(&self.error_code, self.error_message.clone()).advise(self.advice.clone());
        (!self.error_code.is_empty()).then(|| refusal.into())
    }
}

/// The word for a format.
pub(crate) fn format_word(format: domain::port::Format) -> &'static str {
    match format {
        domain::port::Format::Raw => "raw",
        domain::port::Format::Qcow2 => "qcow2",
        domain::port::Format::Vhd => "vhd",
    }
}

impl From<domain::port::Collected> for Collected {
    fn from(found: domain::port::Collected) -> Self {
        Self {
            condemned_chunks: found.condemned_chunks,
            removed_chunks: found.removed_chunks,
            freed_bytes: found.freed_bytes,
            waiting_chunks: found.waiting_chunks,
        }
    }
}
