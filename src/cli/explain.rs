//! `kiln explain`: the page of a code.

use clap::Args;
use serde::Serialize;
use service::{Family, Trouble};

use crate::codes::{like, page, pages};
use crate::exit::Stop;
use crate::screen::Screen;
use crate::table::facts;

/// A code to explain.
#[derive(Debug, Args)]
#[command(after_help = "Without a code it lists all there are.

Examples:
  kiln explain InvalidImageName.Duplicated
  kiln explain quota
  kiln explain --output json | jq -r '.Pages[].Code'")]
pub(crate) struct Explain {
    /// The code, or a part of one
    code: Option<String>,
}

/// A page, for programs.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Explained {
    code: &'static str,
    means: &'static str,
    likely_cause: &'static str,
    what_to_do: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct All {
    pages: Vec<Explained>,
}

impl From<&'static crate::codes::Page> for Explained {
    fn from(page: &'static crate::codes::Page) -> Self {
        Self { code: page.code, means: page.means, likely_cause: page.cause, what_to_do: page.todo }
    }
}

impl Explain {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Stop> {
        let Some(code) = self.code else {
            let all = All { pages: pages().map(Explained::from).collect() };
            screen.give(&all, |all| {
                let lines: Vec<_> = all.pages.iter().map(|page| (page.code, page.means.to_owned())).collect();
                facts(screen, &lines)
            });
            return Ok(());
        };
        let Some(found) = page(&code) else { return Err(unknown(&code).into()) };
        screen.give(&Explained::from(found), |page| {
            facts(
                screen,
                &[
                    ("Code", page.code.to_owned()),
                    ("Means", page.means.to_owned()),
                    ("Likely cause", page.likely_cause.to_owned()),
                    ("What to do", page.what_to_do.to_owned()),
                ],
            )
        });
        Ok(())
    }
}

fn unknown(code: &str) -> Trouble {
    let message = format!("there is no code `{}`", code.escape_debug());
    let trouble = Trouble::new(Family::Refused, "InvalidCode.NotFound", message);
    let meant: Vec<String> = like(code).into_iter().map(|code| format!("`{code}`")).collect();
    match meant.len() {
        0 => trouble.advise("`kiln explain` lists all there are"),
        1 => trouble.advise(format!("did you mean {}?", meant[0])),
        _ => trouble.advise(format!("did you mean one of {}?", meant.join(", "))),
    }
}
