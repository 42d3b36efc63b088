//! `kiln demo`: hands over to the demo, which calls this very program as a user would.

use std::path::PathBuf;

use clap::Args;
use demo::Options;
use service::{Family, Trouble};

use crate::exit::Stop;

/// What to show, and where.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kiln demo
  kiln demo debian.qcow2 --dir ./kiln-demo")]
pub(crate) struct Demo {
    /// A disk to show it with; one is made if there is none
    disk: Option<PathBuf>,
    /// Where to work; a fresh temporary directory if it is not said
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<(), Stop> {
        let exe = std::env::current_exe().map_err(|error| Trouble::world("finding this program", error))?;
        let options = Options { exe, disk: self.disk, dir: self.dir };
        let shown = tokio::task::spawn_blocking(move || demo::run(&options, &mut std::io::stdout()));
        let shown = shown.await.map_err(|error| Trouble::world("showing the demo", error))?;
        shown.map_err(|error| told(&error).into())
    }
}

fn told(error: &demo::Error) -> Trouble {
    let below = std::error::Error::source(error).map(|below| format!(": {below}")).unwrap_or_default();
    let message = format!("{error}{below}");
    match error {
        demo::Error::Asked(_) => Trouble::new(Family::Refused, "InvalidDemo", message),
        demo::Error::World { .. } => Trouble::new(Family::World, "ServiceUnavailable", message),
        demo::Error::Command { .. } | demo::Error::Claim { .. } => {
            Trouble::new(Family::Ours, "DemoFailed", message)
                .advise("please report this, with what stands above")
        }
    }
}
