//! The command line: one adapter onto `service`, made for a person and for scripts alike.
//!
//! Data goes to stdout, everything else to stderr. Every output exists as JSON, every error ends
//! in what to try next, and the exit code says what kind of end it was (`exit`).
//!
//! It deliberately knows no rule: what may be done, and why not, is the service's to say.

mod account;
mod at;
mod audit;
mod audit_archive;
mod audit_could;
mod audit_export;
mod audit_head;
mod audit_log;
mod audit_past;
mod backup;
mod bar;
mod batch;
mod batch_manifest;
mod batch_report;
mod batch_run;
mod bucket;
mod codes;
mod codes_access;
mod codes_batch;
mod codes_bucket;
mod codes_disk;
mod codes_house;
mod codes_image;
mod codes_network;
mod codes_schedule;
mod codes_upkeep;
mod command;
mod completions;
mod confirm;
mod demo;
mod disk;
mod distribution;
mod elsewhere;
mod exit;
mod explain;
mod family;
mod family_move;
mod follow;
mod give_back;
mod image;
mod image_change;
mod image_check;
mod image_copy;
mod image_create;
mod image_export;
mod image_import;
mod image_list;
mod image_share;
mod image_show;
mod key;
mod machine;
mod policy;
mod quota;
mod region;
mod retention;
mod role;
mod schedule;
mod schedule_show;
mod screen;
mod serve;
mod session;
mod size;
mod snapshot;
mod snapshot_change;
mod span;
mod table;
mod tag;
mod task;
mod thing;
mod top;
mod top_frame;
mod upkeep;
mod user;
mod workflow;
mod workflow_list;
mod workflow_stand;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use service::{Family, Trouble, Wiring};

use crate::command::Kiln;
use crate::exit::Stop;

/// The last panic's words. It is told as an error, not printed where it happened.
static LAST_WORDS: Mutex<Option<String>> = Mutex::new(None);

/// Runs the command line of this process.
pub fn run(wiring: &Wiring) -> ExitCode {
    quiet_panics();
    // Usage errors, help and version are clap's to print, and its exit code for them is ours.
    let kiln = Kiln::parse();
    let screen = kiln.screen();
    let ran = catch_unwind(AssertUnwindSafe(|| block_on(kiln.run(wiring))));
    let ended = ran.unwrap_or_else(|_| {
        let words = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let message = format!("a fault stopped the command: {words}");
        let advice =
            "if the disk is suspected, restore the data directory from a copy; else please report this";
        Err(Stop::Trouble(Trouble::new(Family::Damaged, "InternalError", message).advise(advice)))
    });
    match ended.and_then(|()| screen::said()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            stop.tell(&screen);
            ExitCode::from(stop.code())
        }
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Stop::Trouble(Trouble::world("starting threads", error)))?;
    let done = runtime.block_on(work);
    // Work of other operations that is under way is safe to leave: it goes on from its checkpoint.
    runtime.shutdown_background();
    done
}

/// A panic is an answer here (a damaged database asserts), so its words are kept for the answer
/// instead of being printed in its middle. With `RUST_BACKTRACE` they are printed as well.
fn quiet_panics() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic.to_string());
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            loud(panic);
        }
    }));
}
