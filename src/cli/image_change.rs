//! `kiln image modify`, `deprecate`, `restore` and `delete`.

use std::collections::BTreeMap;

use clap::Args;
use domain::RegionId;
use domain::events::Attributes;
use domain::machine::{BootMode, Imds, LicenseType, Nvme, SecureBoot};
use serde::Serialize;
use service::{
    Because, ImageAt, ImageView, Request, Started, WorkflowQuery, WorkflowView, Workflows, bytes_text,
};

use crate::confirm::confirm;
use crate::exit::Stop;
use crate::follow;
use crate::image_import::tag;
use crate::machine::word;
use crate::session::Session;

/// What to change.
#[derive(Debug, Args)]
#[command(after_help = "All of it is changed, or nothing is.

Examples:
  kiln image modify web-3 --name web-3-lts --description 'kept until 2030'
  kiln image modify web-3 --tag env=prod --remove-tag draft
  kiln image modify web-3 --boot-mode UEFI --nvme supported --imds v2
  kiln image modify web-3 --family web-old --deprecate")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args([
    "name", "description", "family", "tags", "remove_tags", "boot_mode", "license_type", "imds", "nvme",
    "secure_boot", "deprecate", "restore",
])))]
pub(crate) struct Modify {
    /// Id or name of the image
    image: String,
    /// Its new name
    #[arg(long)]
    name: Option<String>,
    /// Its new description; empty for none
    #[arg(long)]
    description: Option<String>,
    /// Its new family
    #[arg(long)]
    family: Option<String>,
    /// A tag to set; may be given again
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// A tag to remove; may be given again
    #[arg(long = "remove-tag", value_name = "KEY")]
    remove_tags: Vec<String>,
    /// How it boots: BIOS, UEFI or UEFI-Preferred
    #[arg(long, value_name = "WORD")]
    boot_mode: Option<String>,
    /// Who holds its Windows licence; only BYOL can be set
    #[arg(long, value_name = "WORD")]
    license_type: Option<String>,
    /// The metadata service its instances answer to: v1 or v2; never back to v1
    #[arg(long, value_name = "WORD")]
    imds: Option<String>,
    /// Whether it has a driver for `NVMe` disks: `supported` or `unsupported`
    #[arg(long, value_name = "WORD")]
    nvme: Option<String>,
    /// Whether it boots securely, which is by UEFI: `supported` or `unsupported`
    #[arg(long, value_name = "WORD")]
    secure_boot: Option<String>,
    /// Deprecate it as well
    #[arg(long)]
    deprecate: bool,
    /// Restore it as well
    #[arg(long, conflicts_with = "deprecate")]
    restore: bool,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// An image to deprecate or to restore.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln image deprecate web-3     # its family falls back to the image before
  kiln image restore web-3       # and stands for web-3 again")]
pub(crate) struct Turn {
    /// Id or name of the image
    image: String,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

/// An image to delete.
#[derive(Debug, Args)]
#[command(
    after_help = "It cannot be undone, so a person is asked first; a script says `--yes`. What only this image
needed is given back at once, or, when other work is in progress, by a collection that follows it.

Examples:
  kiln image delete web-1
  kiln image delete m-bp67acfmxazb4p0a2b3c --yes
  kiln image delete web-1 --keep-snapshots --yes"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Delete {
    /// Id or name of the image
    image: String,
    /// Keep the snapshots the image made
    #[arg(long)]
    keep_snapshots: bool,
    /// Even if instances use it
    #[arg(long)]
    force: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Start it and return
    #[arg(long)]
    no_wait: bool,
}

fn because(no_wait: bool) -> Because {
    if no_wait { Because::Looks } else { Because::Waits }
}

impl Modify {
    pub(crate) fn because(&self) -> Because {
        because(self.no_wait)
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let set = self.tags.into_iter().map(|(key, value)| (key, Some(value)));
        let tags: BTreeMap<_, _> = set.chain(self.remove_tags.into_iter().map(|key| (key, None))).collect();
        let to = Attributes {
            name: self.name,
            description: self.description,
            family: self.family,
            deprecated: (self.deprecate || self.restore).then_some(self.deprecate),
            boot_mode: word(self.boot_mode.as_deref(), BootMode::parse)?,
            license_type: word(self.license_type.as_deref(), LicenseType::parse)?,
            imds: word(self.imds.as_deref(), Imds::parse)?,
            nvme: word(self.nvme.as_deref(), Nvme::parse)?,
            secure_boot: word(self.secure_boot.as_deref(), SecureBoot::parse)?,
            tags,
        };
        let request = Request::ImageModify { at: session.at(&self.image), to };
        change(session, request, self.no_wait, "changed").await
    }
}

impl Turn {
    pub(crate) fn because(&self) -> Because {
        because(self.no_wait)
    }

    pub(crate) async fn deprecate(self, session: &Session) -> Result<(), Stop> {
        let request = Request::ImageDeprecate(session.at(&self.image));
        change(session, request, self.no_wait, "deprecated").await
    }

    pub(crate) async fn restore(self, session: &Session) -> Result<(), Stop> {
        let request = Request::ImageRestore(session.at(&self.image));
        change(session, request, self.no_wait, "restored").await
    }
}

/// Does it and prints the image as it is then.
async fn change(session: &Session, request: Request, no_wait: bool, done: &str) -> Result<(), Stop> {
    let started: Started = session.ask(request).await?;
    if no_wait {
        follow::leave(session, &started);
        return Ok(());
    }
    follow::to_end(session, &started).await?;
    let at = ImageAt { image: started.image_id, region: None };
    let image: ImageView = session.ask(Request::ImageShow(at)).await?;
    session.screen.give(&image, |image| {
        let family = match (image.image_family.as_str(), image.is_family_image) {
            ("", _) => String::new(),
            (family, true) => format!("; it stands for `{family}`"),
            (family, false) => format!("; it does not stand for `{family}`"),
        };
        format!("{done} `{}` ({}), {}{family}\n", image.image_name, image.image_id, image.status)
    });
    Ok(())
}

/// What a deletion came to.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Deleted {
    image_id: String,
    /// Bytes given back, if the collection that follows has ended.
    freed_bytes: Option<u64>,
}

impl Delete {
    pub(crate) fn because(&self) -> Because {
        because(self.no_wait)
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let at = session.at(&self.image);
        let image: ImageView = session.ask(Request::ImageShow(at.clone())).await?;
        let snapshots = if self.keep_snapshots { "" } else { " with the snapshots it made" };
        let what = format!("`{}` ({}) will be deleted{snapshots}", image.image_name, image.image_id);
        confirm(session, &what, self.yes)?;
        let started: Started = session
            .ask(Request::ImageDelete { at, force: self.force, keep_snapshots: self.keep_snapshots })
            .await?;
        if self.no_wait {
            follow::leave(session, &started);
            return Ok(());
        }
        follow::to_end(session, &started).await?;
        let region = Some(RegionId::from(image.region_id));
        let collect = Request::RegionCollect { region, after: Some(started.workflow_id) };
        let collection: Started = session.ask(collect).await?;
        let open: Workflows = session.ask(Request::WorkflowList(WorkflowQuery::open(2))).await?;
        let alone = open.workflows.iter().all(|flow| flow.workflow_id == collection.workflow_id);
        // The image is gone whatever becomes of the collection, so its troubles are only told.
        let freed_bytes = if alone { collected(session, &collection).await? } else { None };
        let deleted = Deleted { image_id: started.image_id, freed_bytes };
        session.screen.give(&deleted, |deleted| {
            let space = match deleted.freed_bytes {
                Some(bytes) => format!("{} given back", bytes_text(bytes)),
                None => "its space is given back when other work has ended".to_owned(),
            };
            format!("deleted `{}` ({}); {space}\n", image.image_name, deleted.image_id)
        });
        Ok(())
    }
}

async fn collected(session: &Session, collection: &Started) -> Result<Option<u64>, Stop> {
    let view: WorkflowView = follow::to_rest(session, collection).await?;
    if let Some(trouble) = view.trouble() {
        session.screen.say(&format!("giving its space back did not work: {trouble}"));
        session.screen.say("  try: `kiln region collect`");
    }
    Ok(view.collected.map(|collected| collected.freed_bytes))
}
