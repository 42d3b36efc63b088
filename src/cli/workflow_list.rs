//! `kiln workflow list`: operations by what they are and how they went, newest first.

use clap::Args;
use service::{Request, Time, WorkflowQuery, WorkflowView, Workflows};

use crate::audit_log::beside;
use crate::codes;
use crate::exit::Stop;
use crate::session::Session;
use crate::table::{Column, draw};
use crate::workflow::what;

/// Which operations.
#[derive(Debug, Args)]
#[command(
    after_help = "Several values of one filter widen it: `--state parked,undone`. `--region` and `--account`
narrow it as everywhere. Times are in UTC unless they give an offset, and as long as they are
written: a date is that whole day. `2h` and `3d` are so long ago.

Examples:
  kiln workflow list
  kiln workflow list --open
  kiln workflow list --state parked
  kiln workflow list --kind copy-image --error QuotaExceeded.Image --since yesterday
  kiln workflow list --image debian-12 --until 2026-03-03
  kiln workflow list --output json | jq -r '.Workflows[] | select(.State==\"Running\").WorkflowId'"
)]
pub(crate) struct List {
    /// Only those that have not ended
    #[arg(long)]
    open: bool,
    /// Only of these kinds: import-image, copy-image …
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<String>,
    /// Only those that stand so: running, unwinding, parked, done, undone, abandoned
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<String>,
    /// Only what is about this image, by name or id; or about anything else by its id
    #[arg(long, value_name = "IMAGE|ID")]
    image: Option<String>,
    /// Only what this account asked for
    #[arg(long, value_name = "ACCOUNT")]
    by: Option<String>,
    /// Only what began at this time or later
    #[arg(long, value_name = "TIME")]
    since: Option<Time>,
    /// Only what began before the end of this time
    #[arg(long, value_name = "TIME")]
    until: Option<Time>,
    /// Only what failed with one of these codes, or is parked: `OperationParked`
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    error: Vec<String>,
    /// Only those whose WHAT holds this, in any case
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    text: String,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    limit: u32,
    /// Go on behind a page before
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let mut query = self.query(session)?;
        let mut found = Workflows { workflows: Vec::new(), next: query.after };
        let mut left = self.limit;
        // A page may end early, where what is wanted is rare.
        while left > 0 {
            query.count = left;
            let page: Workflows = session.ask(Request::WorkflowList(query.clone())).await?;
            left = left.saturating_sub(u32::try_from(page.workflows.len()).unwrap_or(left));
            found.workflows.extend(page.workflows);
            found.next = page.next;
            query.after = page.next;
            if page.next.is_none() {
                break;
            }
        }
        session.screen.give(&found, |found| table(session, &found.workflows));
        if let Some(next) = found.next {
            beside(session, &format!("there are more: go on with `--after {next}`"));
        } else if found.workflows.is_empty() {
            session.screen.say("no operations");
        }
        Ok(())
    }

    fn query(&self, session: &Session) -> Result<WorkflowQuery, Stop> {
        let errors = self.error.iter().map(|code| known_code(code)).collect::<Result<_, _>>()?;
        Ok(WorkflowQuery {
            open: self.open,
            kinds: self.kind.clone(),
            states: self.state.clone(),
            image: self.image.clone(),
            region: session.region.clone(),
            by: self.by.clone(),
            since: self.since,
            until: self.until,
            errors,
            text: self.text.clone(),
            after: self.after,
            count: self.limit,
        })
    }
}

/// A code as it is spelt, if there is one like that.
fn known_code(code: &str) -> Result<String, Stop> {
    if let Some(page) = codes::page(code) {
        return Ok(page.code.to_owned());
    }
    let near: Vec<String> = codes::like(code).iter().map(|code| format!("`{code}`")).collect();
    let what = format!("`{}` is no code of an error", code.escape_debug());
    Err(Stop::Usage(if near.is_empty() {
        format!("{what}: `kiln explain` lists them")
    } else {
        format!("{what}: is it {}?", near.join(" or "))
    }))
}

fn table(session: &Session, flows: &[WorkflowView]) -> String {
    if flows.is_empty() {
        return String::new();
    }
    let columns = [
        Column::Whole("ID"),
        Column::State("STATE"),
        Column::Text("WHAT"),
        Column::Spare("STARTED"),
        Column::Spare("EVENTS"),
        Column::Spare("ERROR"),
    ];
    let row = |flow: &WorkflowView| {
        let started = flow.start_time.replace('T', " ");
        let started = started.trim_end_matches('Z').get(5..16).unwrap_or(&started).to_owned();
        vec![
            flow.workflow_id.to_string(),
            flow.state.clone(),
            what(flow),
            started,
            flow.events.to_string(),
            flow.error_code.clone(),
        ]
    };
    draw(&session.screen, &columns, &flows.iter().map(row).collect::<Vec<_>>())
}
