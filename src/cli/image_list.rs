//! `kiln image list`.

use clap::Args;
use service::{ImageQuery, ImageView, Images, Page, Request, bytes_text};

use crate::exit::Stop;
use crate::session::Session;
use crate::table::{Column, draw};

/// Images on a page when only its number is given.
const PAGE_SIZE: u32 = 10;

/// Which images.
#[derive(Debug, Args)]
#[command(after_help = "Everything said has to hold. A `*` marks the image its family stands for.

Examples:
  kiln image list
  kiln image list --family debian
  kiln image list --name 'web-*' --status Available,Deprecated --tag env=prod --tag team
  kiln image list --owner self             # nothing that others share
  kiln image list --owner public           # everybody's
  kiln image list --page 2 --page-size 50
  kiln image list --output json | jq -r '.Images[].ImageId'")]
pub(crate) struct List {
    /// Only those of this family
    #[arg(long)]
    family: Option<String>,
    /// Only those so called: `*` stands for anything, a text without one may be anywhere in the name
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    /// Only those that stand there: several words with commas, or `all` [default: all]
    #[arg(long, value_name = "WORDS")]
    status: Option<String>,
    /// Only those with this tag; may be given again, and all of them have to be there
    #[arg(long = "tag", value_name = "KEY[=VALUE]")]
    tags: Vec<String>,
    /// Whose: self, others (shared with this account), public (everybody's), or an account's id
    /// [default: its own, and what is shared with it]
    #[arg(long, value_name = "WHOSE")]
    owner: Option<String>,
    /// Only those of this kind of system: linux or windows
    #[arg(long, value_name = "WORD")]
    os_type: Option<String>,
    /// Only those for this processor: `i386`, `x86_64` or `arm64`
    #[arg(long, value_name = "WORD")]
    architecture: Option<String>,
    /// Which page, from 1 [default: everything at once]
    #[arg(long, value_name = "NUMBER")]
    page: Option<u32>,
    /// How many a page has: 1 to 100 [default: 10]
    #[arg(long, value_name = "COUNT")]
    page_size: Option<u32>,
}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let bare = ImageQuery { region: session.region.clone(), ..self.query(session) };
        let images: Images = session.ask(Request::ImageList(bare)).await?;
        session.screen.give(&images, |images| list_text(session, &images.images));
        let shown = images.images.len() as u64;
        if shown < images.total_count {
            let number = images.page_number;
            session.screen.say(&format!("page {number}: {shown} of {} images", images.total_count));
        } else if shown == 0 && self.filters() {
            session.screen.say("no images like that");
        } else if shown == 0 {
            session.screen.say("no images yet; `kiln image import FILE --name NAME` makes one");
        }
        Ok(())
    }

    /// Whether anything was said of the images.
    fn filters(&self) -> bool {
        let said = [&self.family, &self.name, &self.status, &self.os_type, &self.architecture];
        said.into_iter().any(Option::is_some) || !self.tags.is_empty() || self.owner.is_some()
    }

    fn query(&self, session: &Session) -> ImageQuery {
        let account = session.account();
        let (owner, public, owner_id) = match self.owner.as_deref() {
            None => (None, false, None),
            Some("public") => (Some("others"), true, None),
            Some(own) if Some(own) == account => (Some("self"), false, None),
            Some(id) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => {
                (Some("others"), false, Some(id.to_owned()))
            }
            word => (word, false, None),
        };
        let page = (self.page.is_some() || self.page_size.is_some())
            .then(|| Page { number: self.page.unwrap_or(1), size: self.page_size.unwrap_or(PAGE_SIZE) });
        let tag = |text: &String| match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (text.clone(), None),
        };
        ImageQuery {
            owner: owner.map(str::to_owned),
            owner_id,
            public,
            status: self.status.clone(),
            name: self.name.clone(),
            family: self.family.clone(),
            architecture: self.architecture.clone(),
            os_type: self.os_type.clone(),
            tags: self.tags.iter().map(tag).collect(),
            page,
            ..ImageQuery::default()
        }
    }
}

/// Images as a table; none as nothing.
pub(crate) fn list_text(session: &Session, images: &[ImageView]) -> String {
    if images.is_empty() {
        return String::new();
    }
    let one_region = images.iter().all(|image| image.region_id == images[0].region_id);
    let others = images.iter().any(|image| image.image_owner_alias != "self");
    let mut columns = vec![
        Column::Whole("ID"),
        Column::Text("NAME"),
        Column::Text("FAMILY"),
        Column::State("STATUS"),
        Column::Number("SIZE"),
        Column::Spare("CREATED"),
    ];
    if !one_region {
        columns.push(Column::Text("REGION"));
    }
    if others {
        columns.push(Column::Text("OWNER"));
    }
    let row = |image: &ImageView| {
        let mark = if image.is_family_image { "*" } else { "" };
        let mut row = vec![
            image.image_id.clone(),
            image.image_name.clone(),
            format!("{}{mark}", image.image_family),
            image.status.clone(),
            bytes_text(image.disk_size_bytes),
            image.creation_time.chars().take(10).collect(),
        ];
        if !one_region {
            row.push(image.region_id.clone());
        }
        if others {
            row.push(image.owner_id.clone());
        }
        row
    };
    draw(&session.screen, &columns, &images.iter().map(row).collect::<Vec<_>>())
}
