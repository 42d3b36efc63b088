//! The one binary, `kiln`. It only wires: file system, clock and data plane behind their ports,
//! the command line in front.

use std::process::ExitCode;
use std::sync::Arc;

/// Pages of the log and pieces of disks come and go by the thousand, of all sizes and from every thread. The
/// system's allocator spent half of an answer looking for room among them (docs/decisions/0017).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let files: Arc<dyn files::Files> = Arc::new(files::RealFiles);
    let under = files.clone();
    let wiring = service::Wiring {
        files,
        clock: Arc::new(engine::SystemClock),
        data: Arc::new(move |root| {
            Arc::new(data::Plane::new(under.clone(), root.to_owned(), data::Options::default()))
        }),
    };
    cli::run(&wiring)
}
