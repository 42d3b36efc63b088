//! `kiln audit who-could` and `could`: who might have done what with an image, and why.

use clap::{Args, ValueEnum};
use service::{Action, AuditRequest, Judged, Request, When};

use crate::audit_log::beside;
use crate::exit::Stop;
use crate::session::Session;
use crate::table::{Column, draw};

/// What, with which image, when.
#[derive(Debug, Args)]
#[command(
    after_help = "The rules of today are asked about the accounts, images and time of then. The events named
are the proof: `kiln audit log --from EVENT --count 1` shows one.

Examples:
  kiln audit who-could launch debian-12
  kiln audit who-could copy m-bp67acfmxazb4p0a2b3c --at 2026-03-03T10:00:00Z
  kiln audit who-could delete debian-12 --at 1200 --output json"
)]
pub(crate) struct WhoCould {
    /// What
    action: Word,
    /// The image, by its id or the name it had then
    image: String,
    /// The moment: a time, or the number of an event [default: now]
    #[arg(long, value_name = "TIME|EVENT")]
    at: Option<When>,
}

/// Who, with which image, when.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln audit could 200000 debian-12
  kiln audit could 200000 debian-12 --at yesterday")]
pub(crate) struct Could {
    /// The account
    #[arg(value_name = "WHO")]
    who: String,
    /// The image, by its id or the name it had then
    image: String,
    /// The moment: a time, or the number of an event [default: now]
    #[arg(long, value_name = "TIME|EVENT")]
    at: Option<When>,
}

/// The actions, as they are typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    Launch,
    Share,
    Copy,
    Export,
    Modify,
    Delete,
}

impl From<Word> for Action {
    fn from(word: Word) -> Self {
        match word {
            Word::Launch => Self::Launch,
            Word::Share => Self::Share,
            Word::Copy => Self::Copy,
            Word::Export => Self::Export,
            Word::Modify => Self::Modify,
            Word::Delete => Self::Delete,
        }
    }
}

impl WhoCould {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let (image, at) = (session.at(&self.image), self.at.unwrap_or_default());
        let request = AuditRequest::WhoCould { action: self.action.into(), image, at };
        let judged: Judged = session.ask(Request::Audit(request)).await?;
        give(session, &judged, "ACCOUNT");
        if judged.other_accounts > 0 {
            let (count, s) = (judged.other_accounts, if judged.other_accounts == 1 { "" } else { "s" });
            beside(session, &format!("{count} other account{s} could not: it was not shared with them"));
        }
        Ok(())
    }
}

impl Could {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let (image, at) = (session.at(&self.image), self.at.unwrap_or_default());
        let request = AuditRequest::Could { account: self.who, image, at };
        let judged: Judged = session.ask(Request::Audit(request)).await?;
        give(session, &judged, "ACTION");
        Ok(())
    }
}

fn give(session: &Session, judged: &Judged, first: &'static str) {
    session.screen.give(judged, |judged| {
        let columns =
            [Column::Whole(first), Column::Whole("COULD"), Column::Text("BECAUSE"), Column::Spare("EVENTS")];
        let rows = judged.verdicts.iter().map(|verdict| {
            let who = if first == "ACTION" { &verdict.action } else { &verdict.account_id };
            let could = if verdict.allowed { "yes" } else { "no" };
            let events: Vec<String> = verdict.events.iter().map(u64::to_string).collect();
            vec![who.clone(), could.to_owned(), verdict.why.clone(), events.join(" ")]
        });
        draw(&session.screen, &columns, &rows.collect::<Vec<_>>())
    });
    beside(
        session,
        &format!(
            "the image `{}` was {} at event {}, {}; {} events folded",
            judged.image_id, judged.status, judged.event, judged.time, judged.events_folded
        ),
    );
}
