//! `kiln snapshot …`: what a disk held at a moment. Changing, copying and deleting have their own file.

use clap::{Args, Subcommand, ValueEnum};
use service::{
    Because, Request, SnapshotQuery, SnapshotRequest, SnapshotView, Snapshots, Started, bytes_text,
};

use crate::exit::Stop;
use crate::follow;
use crate::session::Session;
use crate::snapshot_change::{Copy, Delete, Modify};
use crate::table::{Column, draw, facts};
use crate::thing::{self, Naming, because, by_id, tag_wanted, tags_text};

/// What may be done with snapshots.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Take a snapshot of a disk; nothing is copied
    Create(Create),
    /// List snapshots, those that images made included
    List(List),
    /// Show one snapshot
    Show(One),
    /// Change name, description or retention
    Modify(Modify),
    /// Copy a snapshot to another region
    Copy(Copy),
    /// Delete a snapshot that no image stands on
    Delete(Delete),
}

/// A snapshot to take.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln snapshot create scratch --name before-upgrade
  kiln snapshot create d-bp67acfmxazb4p0a2b3c --retention-days 30 --tag env=prod")]
pub(crate) struct Create {
    /// Id or name of the disk
    disk: String,
    #[command(flatten)]
    naming: Naming,
    /// Days after which it is removed by itself [default: kept for ever]
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<u32>,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// Which snapshots.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln snapshot list --usage none
  kiln snapshot list --disk d-bp67acfmxazb4p0a2b3c
  kiln snapshot list --tag env=prod --output json | jq -r '.Snapshots[].SnapshotId'")]
pub(crate) struct List {
    /// Only those of this disk
    #[arg(long, value_name = "ID")]
    disk: Option<String>,
    /// Only those of this name
    #[arg(long)]
    name: Option<String>,
    /// Only those that stand there
    #[arg(long)]
    status: Option<Status>,
    /// Only those used for this
    #[arg(long)]
    usage: Option<Usage>,
    /// Only those of such disks
    #[arg(long, value_name = "TYPE")]
    source_disk_type: Option<DiskType>,
    /// Only those with this tag; may be given again
    #[arg(long = "tag", value_name = "KEY[=VALUE]", value_parser = tag_wanted)]
    tags: Vec<(String, Option<String>)>,
}

/// Where a snapshot stands.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    Progressing,
    Accomplished,
    All,
}

/// What a snapshot is used for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Usage {
    /// Images stand on it
    Image,
    /// Disks were made from it
    Disk,
    /// Both
    #[value(name = "image_disk")]
    ImageDisk,
    /// Neither
    None,
}

/// Which place a disk has in a machine.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DiskType {
    System,
    Data,
}

/// A snapshot.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln snapshot show before-upgrade
  kiln snapshot show s-bp67acfmxazb4p0a2b3c --output json")]
pub(crate) struct One {
    /// Its id or its name
    snapshot: String,
}

impl SnapshotCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Create(create) => because(create.no_wait),
            Self::Modify(modify) => modify.because(),
            Self::Copy(copy) => copy.because(),
            Self::Delete(delete) => delete.because(),
            Self::List(_) | Self::Show(_) => Because::Looks,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::List(list) => list.run(session).await,
            Self::Show(one) => {
                let snapshot = show(session, thing::at(session, &one.snapshot)).await?;
                session.screen.give(&snapshot, |view| facts(&session.screen, &facts_of(view)));
                Ok(())
            }
            Self::Modify(modify) => modify.run(session).await,
            Self::Copy(copy) => copy.run(session).await,
            Self::Delete(delete) => delete.run(session).await,
        }
    }
}

/// The snapshot as it is now.
pub(crate) async fn show(session: &Session, at: service::ThingAt) -> Result<SnapshotView, Stop> {
    session.ask(Request::Snapshot(SnapshotRequest::Show(at))).await
}

impl Create {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let request = SnapshotRequest::Create {
            disk: thing::at(session, &self.disk),
            called: self.naming.called(),
            retention_days: self.retention_days,
        };
        let started: Started = session.ask(Request::Snapshot(request)).await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        follow::to_end(session, &started).await?;
        let snapshot = show(session, by_id(&started.image_id)).await?;
        session.screen.give(&snapshot, |snapshot| {
            let kept = match snapshot.removal_time.as_str() {
                "" => String::new(),
                time => format!(", kept until {time}"),
            };
            format!("took the snapshot {} of `{}`{kept}\n", called(snapshot), snapshot.source_disk_id)
        });
        Ok(())
    }
}

impl List {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        fn word<T: ValueEnum>(value: Option<T>) -> Option<String> {
            Some(value?.to_possible_value()?.get_name().to_owned())
        }
        let query = SnapshotQuery {
            region: session.region.clone(),
            disk: self.disk,
            name: self.name,
            status: word(self.status),
            usage: word(self.usage),
            source_disk_type: word(self.source_disk_type),
            tags: self.tags,
            ..SnapshotQuery::default()
        };
        let found: Snapshots = session.ask(Request::Snapshot(SnapshotRequest::List(query))).await?;
        session.screen.give(&found, |found| list_text(session, &found.snapshots));
        if found.snapshots.is_empty() {
            session.screen.say("no such snapshots; `kiln snapshot create DISK` takes one");
        }
        Ok(())
    }
}

fn list_text(session: &Session, snapshots: &[SnapshotView]) -> String {
    if snapshots.is_empty() {
        return String::new();
    }
    let columns = [
        Column::Whole("ID"),
        Column::Text("NAME"),
        Column::State("STATUS"),
        Column::Number("SIZE"),
        Column::Text("USED BY"),
        Column::Text("OF"),
        Column::Spare("CREATED"),
        Column::Spare("REGION"),
    ];
    let rows = snapshots.iter().map(|snapshot| {
        let status = if snapshot.available { &snapshot.status } else { &snapshot.progress };
        vec![
            snapshot.snapshot_id.clone(),
            snapshot.snapshot_name.clone(),
            status.clone(),
            bytes_text(snapshot.size_bytes),
            snapshot.usage.clone(),
            source(snapshot),
            snapshot.creation_time.chars().take(10).collect(),
            snapshot.region_id.clone(),
        ]
    });
    draw(&session.screen, &columns, &rows.collect::<Vec<_>>())
}

/// What it is of: a disk, an image, another snapshot.
fn source(snapshot: &SnapshotView) -> String {
    let of = [&snapshot.source_disk_id, &snapshot.image_id, &snapshot.source_snapshot_id];
    of.into_iter().find(|id| !id.is_empty()).cloned().unwrap_or_default()
}

fn facts_of(view: &SnapshotView) -> Vec<(&'static str, String)> {
    let exact = |bytes: u64| format!("{} ({bytes} bytes)", bytes_text(bytes));
    let kept = match view.removal_time.as_str() {
        "" => "for ever".to_owned(),
        time => format!("{} days, until {time}", view.retention_days),
    };
    vec![
        ("Snapshot", view.snapshot_id.clone()),
        ("Name", view.snapshot_name.clone()),
        ("Status", format!("{}, {}", view.status, view.progress)),
        ("Description", view.description.clone()),
        ("Tags", tags_text(&view.tags)),
        ("Region", view.region_id.clone()),
        ("Created", view.creation_time.clone()),
        ("Kept", kept),
        ("Of", source(view)),
        ("Disk type", view.source_disk_type.clone()),
        ("Disk", exact(view.size_bytes)),
        ("Data", exact(view.data_bytes)),
        ("Used by", format!("{} images, {} disks", view.images, view.disks)),
        ("Content", view.content_root.clone()),
    ]
}

/// A snapshot as a sentence names it.
pub(crate) fn called(snapshot: &SnapshotView) -> String {
    match snapshot.snapshot_name.as_str() {
        "" => format!("`{}`", snapshot.snapshot_id),
        name => format!("`{name}` ({})", snapshot.snapshot_id),
    }
}
