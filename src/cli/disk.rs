//! `kiln disk …`: disks that no instance has.

use clap::{Args, Subcommand};
use serde::Serialize;
use service::{Because, DiskQuery, DiskRequest, DiskView, Disks, Request, Started, bytes_text};

use crate::confirm::confirm;
use crate::exit::Stop;
use crate::session::Session;
use crate::size::size;
use crate::table::{Column, draw, facts};
use crate::thing::{self, End, Naming, because, by_id, tag_wanted, tags_text};
use crate::{follow, give_back};

/// What may be done with disks.
#[derive(Debug, Subcommand)]
pub(crate) enum DiskCommand {
    /// Make a disk: empty, or of what a snapshot or an image holds
    Create(Create),
    /// List disks
    List(List),
    /// Show one disk
    Show(One),
    /// Delete a disk and give its space back
    Delete(Delete),
}

/// A disk to make.
#[derive(Debug, Args)]
#[command(
    after_help = "Of a snapshot or an image nothing is copied, and the disk is never smaller than what it is made of.

Examples:
  kiln disk create --size 20GiB --name scratch
  kiln disk create --from-snapshot s-bp67acfmxazb4p0a2b3c
  kiln disk create --from-image debian-12 --size 40G --tag env=test"
)]
pub(crate) struct Create {
    /// Its size, 1 GiB to 2 TiB: `20GiB`
    #[arg(long, value_parser = size, required_unless_present_any = ["from_snapshot", "from_image"])]
    size: Option<u64>,
    /// The snapshot it is made of, by id or name
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "from_image")]
    from_snapshot: Option<String>,
    /// The image whose system disk it is made of, by id or name
    #[arg(long, value_name = "IMAGE")]
    from_image: Option<String>,
    #[command(flatten)]
    naming: Naming,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// Which disks.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln disk list
  kiln disk list --tag env=test --output json | jq -r '.Disks[].DiskId'")]
pub(crate) struct List {
    /// Only those of this name
    #[arg(long)]
    name: Option<String>,
    /// Only `Creating` or `Available` ones
    #[arg(long)]
    status: Option<String>,
    /// Only those made from this snapshot
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,
    /// Only those with this tag; may be given again
    #[arg(long = "tag", value_name = "KEY[=VALUE]", value_parser = tag_wanted)]
    tags: Vec<(String, Option<String>)>,
}

/// A disk.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln disk show scratch
  kiln disk show d-bp67acfmxazb4p0a2b3c --output json")]
pub(crate) struct One {
    /// Its id or its name
    disk: String,
}

/// A disk to delete.
#[derive(Debug, Args)]
#[command(after_help = "Snapshots of it stay. One that is still being made is stopped instead.

Examples:
  kiln disk delete scratch
  kiln disk delete d-bp67acfmxazb4p0a2b3c --yes")]
pub(crate) struct Delete {
    /// Its id or its name
    disk: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// What a deletion came to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    disk_id: String,
    /// Bytes given back, if the collection that follows has ended.
    freed_bytes: Option<u64>,
}

impl DiskCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Create(create) => because(create.no_wait),
            Self::Delete(delete) => because(delete.no_wait),
            Self::List(_) | Self::Show(_) => Because::Looks,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::List(list) => list.run(session).await,
            Self::Show(one) => {
                let disk = show(session, DiskRequest::Show(thing::at(session, &one.disk))).await?;
                session.screen.give(&disk, |disk| facts(&session.screen, &facts_of(disk)));
                Ok(())
            }
            Self::Delete(delete) => delete.run(session).await,
        }
    }
}

async fn show(session: &Session, request: DiskRequest) -> Result<DiskView, Stop> {
    session.ask(Request::Disk(request)).await
}

impl Create {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let request = DiskRequest::Create {
            called: self.naming.called(),
            region: session.region.clone(),
            size_bytes: self.size.unwrap_or_default(),
            snapshot: self.from_snapshot,
            image: self.from_image,
        };
        let started: Started = session.ask(Request::Disk(request)).await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        follow::to_end(session, &started).await?;
        let disk = show(session, DiskRequest::Show(by_id(&started.image_id))).await?;
        session.screen.give(&disk, |disk| {
            format!("made the disk `{}` of {}\n", disk.disk_id, bytes_text(disk.size_bytes))
        });
        Ok(())
    }
}

impl List {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let query = DiskQuery {
            region: session.region.clone(),
            name: self.name,
            status: self.status,
            snapshot: self.snapshot,
            tags: self.tags,
            ..DiskQuery::default()
        };
        let disks: Disks = session.ask(Request::Disk(DiskRequest::List(query))).await?;
        session.screen.give(&disks, |disks| list_text(session, &disks.disks));
        if disks.disks.is_empty() {
            session.screen.say("no such disks; `kiln disk create` makes one");
        }
        Ok(())
    }
}

fn list_text(session: &Session, disks: &[DiskView]) -> String {
    if disks.is_empty() {
        return String::new();
    }
    let columns = [
        Column::Whole("ID"),
        Column::Text("NAME"),
        Column::State("STATUS"),
        Column::Number("SIZE"),
        Column::Text("MADE OF"),
        Column::Spare("CREATED"),
        Column::Spare("REGION"),
    ];
    let rows = disks.iter().map(|disk| {
        vec![
            disk.disk_id.clone(),
            disk.disk_name.clone(),
            disk.status.clone(),
            bytes_text(disk.size_bytes),
            made_of(disk),
            disk.creation_time.chars().take(10).collect(),
            disk.region_id.clone(),
        ]
    });
    draw(&session.screen, &columns, &rows.collect::<Vec<_>>())
}

fn made_of(disk: &DiskView) -> String {
    let of = if disk.image_id.is_empty() { &disk.source_snapshot_id } else { &disk.image_id };
    of.clone()
}

fn facts_of(disk: &DiskView) -> Vec<(&'static str, String)> {
    vec![
        ("Disk", disk.disk_id.clone()),
        ("Name", disk.disk_name.clone()),
        ("Status", disk.status.clone()),
        ("Description", disk.description.clone()),
        ("Tags", tags_text(&disk.tags)),
        ("Region", disk.region_id.clone()),
        ("Created", disk.creation_time.clone()),
        ("Type", disk.r#type.clone()),
        ("Size", format!("{} ({} bytes)", bytes_text(disk.size_bytes), disk.size_bytes)),
        ("Data", format!("{} ({} bytes)", bytes_text(disk.data_bytes), disk.data_bytes)),
        ("Made of", made_of(disk)),
        ("Content", disk.content_root.clone()),
    ]
}

impl Delete {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let disk = show(session, DiskRequest::Show(thing::at(session, &self.disk))).await?;
        confirm(session, &format!("the disk {} will be deleted", called(&disk)), self.yes)?;
        let request = DiskRequest::Delete(by_id(&disk.disk_id));
        let started: Started = session.ask(Request::Disk(request)).await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        let end = thing::deleted(session, &started).await?;
        let freed_bytes = match end {
            End::Deleted => give_back::behind(session, &started, &disk.region_id).await?,
            End::Stopped => None,
        };
        let deleted = Deleted { disk_id: started.image_id, freed_bytes };
        session.screen.give(&deleted, |deleted| match end {
            End::Deleted => {
                format!(
                    "deleted the disk {}; {}\n",
                    called(&disk),
                    give_back::space_text(deleted.freed_bytes)
                )
            }
            End::Stopped => format!("stopped making the disk {}\n", called(&disk)),
        });
        Ok(())
    }
}

fn called(disk: &DiskView) -> String {
    match disk.disk_name.as_str() {
        "" => format!("`{}`", disk.disk_id),
        name => format!("`{name}` ({})", disk.disk_id),
    }
}
