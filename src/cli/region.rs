//! `kiln region …`.

use clap::{Args, Subcommand};
use domain::RegionId;
use service::{
    Because, Checked, RegionView, Regions, Request, ShareRequest, Started, WorkflowView, bytes_text,
};

use crate::exit::Stop;
use crate::follow;
use crate::screen;
use crate::session::Session;
use crate::table::{Column, draw, facts};

/// What may be done with regions.
#[derive(Debug, Subcommand)]
pub(crate) enum RegionCommand {
    /// List regions
    List,
    /// Add a region, and make its store
    Add(Add),
    /// Give back the space of what no image needs any more
    Collect(Collect),
    /// Look through what is stored: is everything there, is anything left over
    Check(Check),
}

/// A region to add.
#[derive(Debug, Args)]
#[command(after_help = "The operator adds regions. A region is there for ever.

Examples:
  kiln region add cn-shanghai
  kiln image copy web-3 --to-region cn-shanghai")]
pub(crate) struct Add {
    /// Its id: lower-case letters, digits and hyphens
    #[arg(value_name = "REGION")]
    place: String,
}

/// Where to collect.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln region collect
  kiln region collect cn-beijing")]
pub(crate) struct Collect {
    /// The region
    #[arg(value_name = "REGION")]
    place: Option<String>,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// What to look through.
#[derive(Debug, Args)]
#[command(after_help = "Exits with 5 if something that an image needs is missing or damaged.

Examples:
  kiln region check
  kiln region check cn-beijing --deep")]
pub(crate) struct Check {
    /// The region
    #[arg(value_name = "REGION")]
    place: Option<String>,
    /// Read and check every byte that is stored
    #[arg(long)]
    deep: bool,
}

impl RegionCommand {
    pub(crate) fn because(&self) -> Because {
        match self {
            Self::Add(_) => Because::Waits,
            Self::Collect(collect) if !collect.no_wait => Because::Waits,
            _ => Because::Looks,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        match self {
            Self::List => list(session).await,
            Self::Add(add) => add.run(session).await,
            Self::Collect(collect) => collect.run(session).await,
            Self::Check(check) => check.run(session).await,
        }
    }
}

fn place(session: &Session, named: Option<String>) -> Option<RegionId> {
    named.map(RegionId::from).or_else(|| session.region.clone())
}

async fn list(session: &Session) -> Result<(), Stop> {
    let regions: Regions = session.ask(Request::RegionList).await?;
    session.screen.give(&regions, |regions| {
        let columns = [
            Column::Whole("REGION"),
            Column::Number("IMAGES"),
            Column::Number("STORED"),
            Column::Text("STORE"),
        ];
        let row = |region: &RegionView| {
            let stored = bytes_text(region.stored_bytes);
            let store = if region.ready { region.store_id.clone() } else { "(being made)".to_owned() };
            vec![region.region_id.clone(), region.images.to_string(), stored, store]
        };
        draw(&session.screen, &columns, &regions.regions.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

impl Add {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let request = Request::Share(ShareRequest::RegionAdd(RegionId::from(self.place.as_str())));
        let started: Started = session.ask(request).await?;
        follow::to_end(session, &started).await?;
        let mut regions: Regions = session.ask(Request::RegionList).await?;
        regions.regions.retain(|region| region.region_id == self.place);
        session.screen.give(&regions, |regions| {
            let line =
                |region: &RegionView| format!("added `{}`, store `{}`\n", region.region_id, region.store_id);
            regions.regions.iter().map(line).collect()
        });
        Ok(())
    }
}

impl Collect {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let request = Request::RegionCollect { region: place(session, self.place), after: None };
        let started: Started = session.ask(request).await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        let view: WorkflowView = follow::to_end(session, &started).await?;
        let Some(collected) = view.collected else { return Ok(()) };
        session.screen.give(&collected, |collected| {
            let waiting = match collected.waiting_chunks {
                0 => String::new(),
                chunks => format!("; {chunks} chunks wait for other work to end"),
            };
            format!(
                "{} given back, {} chunks removed{waiting}\n",
                bytes_text(collected.freed_bytes),
                collected.removed_chunks
            )
        });
        Ok(())
    }
}

impl Check {
    async fn run(self, session: &Session) -> Result<(), Stop> {
        let request = Request::RegionCheck { region: place(session, self.place), deep: self.deep };
        let found: Checked = session.ask(request).await?;
        session.screen.give(&found, |found| {
            facts(
                &session.screen,
                &[
                    ("Region", found.region_id.clone()),
                    ("Chunks", found.chunks.to_string()),
                    ("Packs", format!("{} ({})", found.packs, bytes_text(found.pack_bytes))),
                    ("Missing", found.missing.len().to_string()),
                    (
                        "Left over",
                        format!("{} chunks, {} files", found.orphaned_chunks, found.stray_files.len()),
                    ),
                ],
            )
        });
        if found.orphaned_chunks > 0 {
            session.screen.say("`kiln region collect` gives back what is left over");
        }
        if found.missing.is_empty() {
            return Ok(());
        }
        session.screen.error(&format!("{} chunks that images need are not whole", found.missing.len()));
        found.missing.iter().for_each(|chunk| screen::tell(&format!("  {chunk}")));
        screen::tell("  code: Storage.Corrupt");
        screen::tell(
            "  try: import the images again from their disks, and have the disk under the region looked at",
        );
        Err(Stop::Found)
    }
}
