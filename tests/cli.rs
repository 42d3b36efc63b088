//! The command line as a user has it: the real program, as processes, on small disks.
//!
//! Ids and times differ from run to run, for they come from the clock of this machine; what is
//! compared has them replaced by words. Nothing here waits for a time to pass: what needs an
//! operation in progress looks until it is, with a larger disk if it was over too soon.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[path = "cli/access.rs"]
mod access;
#[path = "cli/archive.rs"]
mod archive;
#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/auditor.rs"]
mod auditor;
#[path = "cli/backup.rs"]
mod backup;
#[path = "cli/batches.rs"]
mod batches;
#[path = "cli/finding.rs"]
mod finding;
#[path = "cli/images.rs"]
mod images;
#[path = "cli/kit.rs"]
mod kit;
#[path = "cli/making.rs"]
mod making;
#[path = "cli/proof.rs"]
mod proof;
#[path = "cli/readme.rs"]
mod readme;
#[path = "cli/refusals.rs"]
mod refusals;
#[path = "cli/schedules.rs"]
mod schedules;
#[path = "cli/share.rs"]
mod share;
#[path = "cli/standing.rs"]
mod standing;
#[path = "cli/surface.rs"]
mod surface;
#[path = "cli/things.rs"]
mod things;
#[path = "cli/together.rs"]
mod together;
#[path = "cli/traces.rs"]
mod traces;
#[path = "cli/upkeeps.rs"]
mod upkeeps;
