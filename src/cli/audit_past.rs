//! `kiln audit replay`, `diff` and `story`: what there was, what changed, what happened.

use clap::Args;
use service::{AuditRequest, Differences, PastRows, PastView, Replayed, Request, Sentence, Told, When};

use crate::audit_log::beside;
use crate::exit::Stop;
use crate::image_show::facts_of;
use crate::session::Session;
use crate::table::{Column, draw, facts};

/// What of which moment.
#[derive(Debug, Args)]
#[command(
    after_help = "Every event up to the moment is folded anew; nothing of the past is kept beside the log.
A time is in UTC unless it gives an offset; a date is the end of that day.

Examples:
  kiln audit replay --at 2026-03-03 images
  kiln audit replay --at 2h debian-12
  kiln audit replay --at 1200 shares --output json"
)]
pub(crate) struct Replay {
    /// The moment: a time, or the number of an event
    #[arg(long, value_name = "TIME|EVENT")]
    at: When,
    /// `images`, `families`, `shares`, `snapshots`, `disks`, `quotas`, `regions`, or one image
    #[arg(value_name = "WHAT", default_value = "images")]
    what: String,
}

/// Between which moments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln audit diff --from yesterday
  kiln audit diff --from 2026-03-03 --to 2026-03-04
  kiln audit diff --from 1200 --to 1300 --subject debian-12 --output json")]
pub(crate) struct Diff {
    /// The earlier moment: a time, or the number of an event
    #[arg(long, value_name = "TIME|EVENT")]
    from: When,
    /// The later moment [default: now]
    #[arg(long, value_name = "TIME|EVENT")]
    to: Option<When>,
    /// Only what concerns this id or name
    #[arg(long, value_name = "ID|NAME")]
    subject: Option<String>,
}

/// Whose story.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln audit story debian-12
  kiln audit story s-bp67acfmxazb4p0a2b3c
  kiln audit story 200000          # what an account asked for, and what was shared with it
  kiln audit story family:debian")]
pub(crate) struct Tale {
    /// An id, the name of an image, the number of an account, or `family:NAME`
    id: String,
}

impl Replay {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let of = match self.what.as_str() {
            "images" => Replayed::Images,
            "families" => Replayed::Families,
            "shares" => Replayed::Shares,
            "snapshots" => Replayed::Snapshots,
            "disks" => Replayed::Disks,
            "quotas" => Replayed::Quotas,
            "regions" => Replayed::Regions,
            image => Replayed::Image(image.to_owned()),
        };
        let request = AuditRequest::Replay { at: self.at, of, region: session.region.clone() };
        let view: PastView = session.ask(Request::Audit(request)).await?;
        session.screen.give(&view, |view| rows_text(session, &view.rows));
        let events = view.events_folded;
        beside(
            session,
            &format!(
                "as of event {}, {}; {events} event{} folded",
                view.event,
                if view.time.is_empty() { "before the first" } else { &view.time },
                if events == 1 { "" } else { "s" }
            ),
        );
        Ok(())
    }
}

/// A table; nothing at all for no rows.
fn table(session: &Session, columns: &[Column], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() { String::new() } else { draw(&session.screen, columns, &rows) }
}

fn rows_text(session: &Session, rows: &PastRows) -> String {
    use Column::{Number, Spare, State, Text, Whole};
    let texts = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect::<Vec<String>>();
    match rows {
        PastRows::Image(image) => facts(&session.screen, &facts_of(image)),
        PastRows::Images(images) => {
            let columns =
                [Whole("ID"), Text("NAME"), Text("FAMILY"), State("STATUS"), Whole("OWNER"), Spare("REGION")];
            let rows = images.iter().map(|it| {
                texts(&[
                    &it.image_id,
                    &it.image_name,
                    &it.image_family,
                    &it.status,
                    &it.owner_id,
                    &it.region_id,
                ])
            });
            table(session, &columns, rows)
        }
        PastRows::Families(families) => {
            let columns = [
                Text("FAMILY"),
                Text("STANDS FOR"),
                Whole("ID"),
                Number("IMAGES"),
                Whole("OWNER"),
                Spare("REGION"),
            ];
            let rows = families.iter().map(|it| {
                let (family, images) = (&it.family, it.family.images.to_string());
                let name = if family.image_name.is_empty() { "(none Available)" } else { &family.image_name };
                let (id, region) = (&family.image_id, &family.region_id);
                texts(&[&family.image_family, name, id, &images, &it.owner_id, region])
            });
            table(session, &columns, rows)
        }
        PastRows::Shares(shares) => {
            let columns = [
                Whole("IMAGE"),
                Text("NAME"),
                Whole("OWNER"),
                Whole("SHARED WITH"),
                Spare("SINCE"),
                Spare("UNTIL"),
            ];
            let rows = shares.iter().map(|it| {
                let (since, until) = (&it.shared_time, &it.until_time);
                texts(&[&it.image_id, &it.image_name, &it.owner_id, &it.account_id, since, until])
            });
            table(session, &columns, rows)
        }
        PastRows::Snapshots(snapshots) => {
            let columns = [Whole("ID"), Text("NAME"), State("STATUS"), Text("MADE BY"), Whole("OWNER")];
            let rows = snapshots.iter().map(|it| {
                let made_by = if it.made_by.is_empty() { &it.source_disk_id } else { &it.made_by };
                texts(&[&it.snapshot_id, &it.snapshot_name, &it.status, made_by, &it.owner_id])
            });
            table(session, &columns, rows)
        }
        PastRows::Disks(disks) => {
            let columns = [Whole("ID"), Text("NAME"), State("STATUS"), Number("BYTES"), Whole("OWNER")];
            let rows = disks.iter().map(|it| {
                texts(&[&it.disk_id, &it.disk_name, &it.status, &it.size_bytes.to_string(), &it.owner_id])
            });
            table(session, &columns, rows)
        }
        PastRows::Quotas(quotas) => {
            let columns = [Whole("OWNER"), Text("REGION"), Text("RESOURCE"), Number("USED"), Number("QUOTA")];
            let rows = quotas.iter().map(|it| {
                let (used, quota) = (it.used.to_string(), it.quota.to_string());
                texts(&[&it.owner_id, &it.region_id, &it.resource, &used, &quota])
            });
            table(session, &columns, rows)
        }
        PastRows::Regions(regions) => {
            let columns = [Text("REGION"), Number("IMAGES"), Number("STORED BYTES"), Whole("STORE")];
            let rows = regions.iter().map(|it| {
                let (images, stored) = (it.images.to_string(), it.stored_bytes.to_string());
                texts(&[&it.region_id, &images, &stored, &it.store_id])
            });
            table(session, &columns, rows)
        }
    }
}

impl Diff {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let (from, to) = (self.from, self.to.unwrap_or_default());
        let request = AuditRequest::Diff { from, to, subject: self.subject };
        let found: Differences = session.ask(Request::Audit(request)).await?;
        session.screen.give(&found, |found| {
            let columns =
                [Column::Whole("WHAT"), Column::Whole("ID"), Column::Text("NAME"), Column::Text("CHANGE")];
            let rows = found.changes.iter().map(|change| {
                vec![change.what.clone(), change.id.clone(), change.name.clone(), change.text.clone()]
            });
            table(session, &columns, rows)
        });
        beside(
            session,
            &format!(
                "{} changes between event {} and event {}; {} events folded",
                found.changes.len(),
                found.from_event,
                found.to_event,
                found.events_folded
            ),
        );
        Ok(())
    }
}

impl Tale {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let told: Told = session.ask(Request::Audit(AuditRequest::Story { id: self.id })).await?;
        session.screen.give(&told, |told| {
            let columns = [Column::Whole("TIME"), Column::Number("EVENT"), Column::Text("WHAT HAPPENED")];
            let row = |sentence: &Sentence| {
                let time = sentence.time.replace('T', " ").trim_end_matches('Z').to_owned();
                vec![time, sentence.event.to_string(), sentence.text.clone()]
            };
            table(session, &columns, told.history.iter().map(row))
        });
        if !told.whole {
            beside(session, "that is only the last of it; `kiln audit log --subject` has all");
        }
        Ok(())
    }
}
