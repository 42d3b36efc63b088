//! The tools from Debian that the tests need, installed when they are missing.
//!
//! A missing tool fails the run rather than skipping what needs it: a green run must mean that everything ran.

use std::process::Stdio;

use crate::error::{Error, Result};
use crate::place;
use crate::run;

/// A program the tests start, and the Debian package it comes in.
struct Tool {
    program: &'static str,
    package: &'static str,
}

/// What makes the test disks and opens them again.
const FOR_DISKS: [Tool; 7] = [
    Tool { program: "qemu-img", package: "qemu-utils" },
    Tool { program: "mke2fs", package: "e2fsprogs" },
    Tool { program: "debugfs", package: "e2fsprogs" },
    Tool { program: "e2fsck", package: "e2fsprogs" },
    Tool { program: "sfdisk", package: "fdisk" },
    Tool { program: "apt-get", package: "apt" },
    Tool { program: "dpkg-deb", package: "dpkg" },
];

/// What the tests and benches watch and compare Kiln with, and make disks by beside those above.
const FOR_TESTS: [Tool; 6] = [
    Tool { program: "casync", package: "casync" },
    Tool { program: "mkswap", package: "util-linux" },
    Tool { program: "python3", package: "python3-venv" },
    Tool { program: "strace", package: "strace" },
    Tool { program: "tmux", package: "tmux" },
    Tool { program: "time", package: "time" },
];

/// What bench `peers` runs Kiln's peers on, and counts their syncs by.
const FOR_PEERS: [Tool; 2] =
    [Tool { program: "strace", package: "strace" }, Tool { program: "pg_ctlcluster", package: "postgresql" }];

/// Makes sure of every tool the test run needs; returns a note on what was done.
pub(crate) fn for_everything() -> Result<String> {
    make_sure(FOR_DISKS.iter().chain(&FOR_TESTS))
}

/// Makes sure of the tools the test disks need.
pub(crate) fn for_disks() -> Result<String> {
    make_sure(FOR_DISKS.iter())
}

/// Makes sure of what the peers run on. The bench itself looks for the server's programs, which lie in no folder of the
/// path; this is Debian's own beside them.
pub(crate) fn for_peers() -> Result<String> {
    make_sure(FOR_PEERS.iter())
}

fn make_sure<'a>(tools: impl Iterator<Item = &'a Tool> + Clone) -> Result<String> {
    let packages = missing(tools.clone());
    if packages.is_empty() {
        return Ok("every tool is there".into());
    }
    let by_hand = format!("sudo apt-get install --no-install-recommends {}", packages.join(" "));
    if place::tool("apt-get").is_none() {
        let text =
            format!("these Debian packages are missing, and there is no apt-get: {}", packages.join(", "));
        return Err(
            Error::new(text).try_next("a Debian or Ubuntu machine, or your system's packages of these tools")
        );
    }
    if run::quietly(run::program("id").arg("-u"))?.trim() != "0" {
        let text = format!(
            "these Debian packages are missing, and only root can install them: {}",
            packages.join(", ")
        );
        return Err(Error::new(text).try_next(by_hand));
    }
    println!("installing {}", packages.join(" "));
    if let Err(error) = install(&packages) {
        println!("{error}\nonce more, after bringing the package lists up to date");
        run::quietly(run::program("apt-get").args(["update", "-q"]))?;
        install(&packages).map_err(|error| Error::new(error.to_string()).try_next(by_hand.clone()))?;
    }
    let still = missing(tools);
    if still.is_empty() {
        return Ok(format!("installed {}", packages.join(" ")));
    }
    Err(Error::new(format!(
        "apt-get installed the packages, yet tools of {} are not found",
        still.join(", ")
    ))
    .try_next(by_hand))
}

fn missing<'a>(tools: impl Iterator<Item = &'a Tool>) -> Vec<&'static str> {
    let mut packages: Vec<_> =
        tools.filter(|tool| place::tool(tool.program).is_none()).map(|tool| tool.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Installs packages of Debian.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let mut command = run::program("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(packages);
    run::quietly(command.stdin(Stdio::null())).map(drop)
}
