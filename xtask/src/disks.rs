//! The real Debian disks the tests and benches import, made from Debian's packages by Debian's own tools.
//!
//! ```text
//! apt-get download ─> dpkg-deb -x ─> tree ──> mke2fs -d ─> v1.raw ─┬─> qemu-img convert ─> v1-*.qcow2
//!                                      │                          └─> debugfs write ────> v2-in-place.raw
//!                        added packages └───> mke2fs -d ─> v2-rebuilt.raw
//! ```
//!
//! The file system is written straight into the disk at the partition's offset, so nothing is mounted and no loop
//! device is needed; that works in a container. The result is cached until the recipe changes, checked by `e2fsck`
//! and `sfdisk`, and appears under its name in one rename. The disks do not boot: nothing here needs them to.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::disks_recipe as recipe;
use crate::error::{Context as _, Error, Result};
use crate::place;
use crate::run;
use crate::setup;

pub(crate) const HELP: &str = "\
Make the real Debian test disks, or find them made, and print their paths

Usage: cargo xtask disks

The disks are 2 GiB, GPT with one ext4 partition, filled from Debian's packages (about 180 MB to download, 5 GiB of
space, two minutes; cached until the recipe changes). They lie in `test-disks` of the build folder; set
KILN_TEST_DISKS to keep them elsewhere.

  v1.raw            the first version, sparse
  v1-plain.qcow2    the same as qcow2, not compressed
  v1-zlib.qcow2     the same, compressed with zlib
  v1-zstd.qcow2     the same, compressed with zstd
  v2-in-place.raw   the second version: packages added to the file system of the first
  v2-rebuilt.raw    the second version: a new file system with the packages of both
";

/// Where tests look for the disks; a chore that starts tests sets it.
pub(crate) const PLACE_VARIABLE: &str = "KILN_TEST_DISKS";

/// Every disk, by file name.
const NAMES: [&str; 6] =
    ["v1.raw", "v1-plain.qcow2", "v1-zlib.qcow2", "v1-zstd.qcow2", "v2-in-place.raw", "v2-rebuilt.raw"];

/// The file that holds the recipe the disks were made by.
const STAMP: &str = "recipe";

/// Makes the disks and prints their paths.
pub(crate) fn begin(arguments: &[String]) -> Result<bool> {
    if let Some(argument) = arguments.first() {
        return Err(Error::new(format!("`disks` takes no `{argument}`")).try_next("cargo xtask disks --help"));
    }
    println!("{}", setup::for_disks()?);
    let folder = make_sure()?;
    for name in NAMES {
        println!("{}", folder.join(name).display());
    }
    Ok(true)
}

/// Makes the disks unless they are there by the present recipe, and returns their folder.
pub(crate) fn make_sure() -> Result<PathBuf> {
    let folder = folder()?;
    let parent =
        folder.parent().ok_or_else(|| Error::new(format!("`{}` has no parent folder", folder.display())))?;
    fs::create_dir_all(parent).attempting(|| format!("making `{}`", parent.display()))?;
    // Two runs at once must not make them twice: the second waits here and finds them made.
    let lock_file = folder.with_extension("lock");
    let lock = File::create(&lock_file).attempting(|| format!("opening `{}`", lock_file.display()))?;
    lock.lock().attempting(|| format!("locking `{}`", lock_file.display()))?;
    if fs::read_to_string(folder.join(STAMP)).is_ok_and(|text| text == recipe::stamp()) {
        return Ok(folder);
    }
    let draft = folder.with_extension("draft");
    remove(&draft)?;
    fs::create_dir_all(&draft).attempting(|| format!("making `{}`", draft.display()))?;
    make(&draft)?;
    write(&draft.join(STAMP), &recipe::stamp())?;
    remove(&folder)?;
    fs::rename(&draft, &folder).attempting(|| format!("putting the disks at `{}`", folder.display()))?;
    Ok(folder)
}

fn folder() -> Result<PathBuf> {
    match std::env::var_os(PLACE_VARIABLE) {
        Some(place) => std::path::absolute(&place).attempting(|| format!("reading {PLACE_VARIABLE}")),
        None => Ok(place::target()?.join("test-disks")),
    }
}

/// Makes every disk inside the draft folder.
fn make(draft: &Path) -> Result<()> {
    let scratch = draft.join("scratch");
    let (tree, added) = (scratch.join("tree"), scratch.join("added"));
    for folder in [&tree, &added] {
        fs::create_dir_all(folder).attempting(|| format!("making `{}`", folder.display()))?;
    }
    let mut steps = Steps { begin: Instant::now() };

    let first = download(&scratch.join("first"), &with_kernel(recipe::FIRST)?)?;
    let second = download(&scratch.join("second"), &resolve(recipe::ADDED)?)?;
    steps.done(&format!("downloaded {} packages", first.len() + second.len()));

    unpack(&first, &tree)?;
    write_status(&first, &tree)?;
    steps.done("unpacked the first version");
    let (v1, v2_in_place, v2_rebuilt) =
        (draft.join("v1.raw"), draft.join("v2-in-place.raw"), draft.join("v2-rebuilt.raw"));
    make_disk(&v1, &tree)?;
    steps.done("made v1.raw");

    unpack(&second, &added)?;
    let all: Vec<_> = first.iter().chain(&second).cloned().collect();
    write_status(&all, &added)?;
    copy_sparse(&v1, &v2_in_place)?;
    add_in_place(&v2_in_place, &added, &tree, &scratch.join("debugfs-commands"))?;
    steps.done("made v2-in-place.raw");

    unpack(&second, &tree)?;
    write_status(&all, &tree)?;
    make_disk(&v2_rebuilt, &tree)?;
    steps.done("made v2-rebuilt.raw");

    for (name, options) in recipe::QCOW2 {
        let mut convert = run::program("qemu-img");
        convert.args(["convert", "-f", "raw", "-O", "qcow2", "-m", "16", "-W"]).args(*options);
        run::quietly(convert.arg(&v1).arg(draft.join(name)))?;
        steps.done(&format!("made {name}"));
    }
    for disk in [&v1, &v2_in_place, &v2_rebuilt] {
        verify(disk)?;
    }
    steps.done("checked the file systems and partition tables");
    remove(&scratch)
}

/// Says what was done and how long it took.
struct Steps {
    begin: Instant,
}

impl Steps {
    fn done(&mut self, what: &str) {
        println!("  {what} ({:.1} s)", self.begin.elapsed().as_secs_f64());
        self.begin = Instant::now();
    }
}

/// The kernel that the metapackage names, then the rest.
fn with_kernel(packages: &[&str]) -> Result<Vec<String>> {
    let architecture = run::quietly(run::program("dpkg").arg("--print-architecture"))?;
    let meta = recipe::KERNEL.replace("ARCH", architecture.trim());
    let ask = || run::quietly(run::program("apt-cache").args(["depends", &meta]));
    let depends = if let Ok(text) = ask() {
        text
    } else {
        update_lists()?;
        ask()?
    };
    let kernel = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("linux-image-"))
        .ok_or_else(|| Error::new(format!("`{meta}` depends on no kernel")))?;
    let mut all = vec![kernel.to_owned()];
    all.extend(resolve(packages)?);
    Ok(all)
}

/// Of each entry's alternatives, the first that this Debian has.
fn resolve(packages: &[&str]) -> Result<Vec<String>> {
    let candidate = |name: &&str| {
        let known = run::quietly(run::program("apt-cache").args(["show", "--no-all-versions", name]));
        known.is_ok_and(|text| !text.trim().is_empty())
    };
    let chosen = packages.iter().map(|entry| {
        let found = entry.split('|').find(candidate);
        found.map(str::to_owned).ok_or_else(|| {
            Error::new(format!("this Debian has no package `{entry}`"))
                .try_next("apt-get update, then cargo xtask disks")
        })
    });
    chosen.collect()
}

fn update_lists() -> Result<()> {
    run::quietly(run::program("apt-get").args(["update", "-q"])).map(drop)
}

fn download(folder: &Path, packages: &[String]) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).attempting(|| format!("making `{}`", folder.display()))?;
    let get = || {
        let mut command = run::program("apt-get");
        // The sandbox user of apt may not write into a developer's folder, and warns about it.
        command.args(["download", "-q", "-o", "APT::Sandbox::User="]).args(packages).current_dir(folder);
        run::quietly(&mut command)
    };
    if get().is_err() {
        // Lists grow old: a package of last week may be gone from the mirror.
        update_lists()?;
        get()?;
    }
    let mut files: Vec<_> = entries(folder)?
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "deb"))
        .collect();
    files.sort();
    if files.len() == packages.len() {
        return Ok(files);
    }
    Err(Error::new(format!("apt-get brought {} packages instead of {}", files.len(), packages.len())))
}

fn unpack(packages: &[PathBuf], tree: &Path) -> Result<()> {
    packages.iter().try_for_each(|package| {
        run::quietly(run::program("dpkg-deb").arg("-x").arg(package).arg(tree)).map(drop)
    })
}

/// What dpkg would keep of the packages: the file that changes with every installation on a real machine.
fn write_status(packages: &[PathBuf], tree: &Path) -> Result<()> {
    let mut status = String::new();
    for package in packages {
        let fields = run::quietly(run::program("dpkg-deb").arg("-f").arg(package))?;
        status.push_str(&fields);
        status.push_str("Status: install ok installed\n\n");
    }
    let folder = tree.join("var/lib/dpkg");
    fs::create_dir_all(&folder).attempting(|| format!("making `{}`", folder.display()))?;
    write(&folder.join("status"), &status)
}

fn make_disk(disk: &Path, tree: &Path) -> Result<()> {
    let file = File::create(disk).attempting(|| format!("making `{}`", disk.display()))?;
    file.set_len(recipe::DISK_BYTES).attempting(|| format!("sizing `{}`", disk.display()))?;
    let table = format!(
        "label: gpt\nlabel-id: {}\nstart={}, size={}, type=linux, name=root, uuid={}\n",
        recipe::DISK_UUID,
        recipe::PARTITION_OFFSET_BYTES / recipe::SECTOR_BYTES,
        recipe::PARTITION_BYTES / recipe::SECTOR_BYTES,
        recipe::PARTITION_UUID,
    );
    let script = disk.with_extension("sfdisk");
    write(&script, &table)?;
    let input = File::open(&script).attempting(|| format!("opening `{}`", script.display()))?;
    run::quietly(run::program("sfdisk").arg("--quiet").arg(disk).stdin(Stdio::from(input)))?;
    remove(&script)?;
    let mut format = at_fixed_time("mke2fs");
    format.args(["-q", "-F", "-t", "ext4", "-L", "root", "-U", recipe::FILE_SYSTEM_UUID, "-E"]);
    format.arg(format!(
        "offset={},hash_seed={},root_owner=0:0",
        recipe::PARTITION_OFFSET_BYTES,
        recipe::HASH_SEED
    ));
    format.arg("-d").arg(tree).arg(disk).arg(format!("{}k", recipe::PARTITION_BYTES >> 10));
    run::quietly(&mut format).map(drop)
}

/// Writes the files of `added` into the file system of a disk, as installing packages on the machine would.
fn add_in_place(disk: &Path, added: &Path, tree: &Path, script: &Path) -> Result<()> {
    let mut commands = String::new();
    debugfs_commands(added, added, tree, &mut commands)?;
    write(script, &commands)?;
    let mut command = at_fixed_time("debugfs");
    command
        .arg("-w")
        .arg("-f")
        .arg(script)
        .arg(partition_of(disk))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let output = command.output().attempting(|| "starting debugfs".into())?;
    // debugfs ends well whatever happened; its version is the only thing it may say on standard error.
    let said = String::from_utf8_lossy(&output.stderr);
    match said.lines().find(|line| !line.starts_with("debugfs ")) {
        None if output.status.success() => Ok(()),
        complaint => Err(Error::new(format!(
            "adding packages to `{}`: {}",
            disk.display(),
            complaint.unwrap_or("debugfs failed")
        ))),
    }
}

fn debugfs_commands(folder: &Path, added: &Path, tree: &Path, commands: &mut String) -> Result<()> {
    use std::fmt::Write as _;
    let mut inside = entries(folder)?;
    inside.sort();
    for source in inside {
        let below = source.strip_prefix(added).expect("the walk began there");
        let metadata =
            source.symlink_metadata().attempting(|| format!("looking at `{}`", source.display()))?;
        let was_there = tree.join(below).symlink_metadata().is_ok();
        let target = format!("/{}", below.display());
        if metadata.is_dir() {
            if !was_there {
                let _ = writeln!(commands, "mkdir \"{target}\"");
            }
            debugfs_commands(&source, added, tree, commands)?;
            continue;
        }
        if was_there {
            let _ = writeln!(commands, "rm \"{target}\"");
        }
        if metadata.is_symlink() {
            let points_to =
                fs::read_link(&source).attempting(|| format!("reading `{}`", source.display()))?;
            let _ = writeln!(commands, "symlink \"{target}\" \"{}\"", points_to.display());
        } else {
            let _ = writeln!(commands, "write \"{}\" \"{target}\"", source.display());
        }
    }
    Ok(())
}

fn verify(disk: &Path) -> Result<()> {
    run::quietly(run::program("sfdisk").arg("--verify").arg(disk))?;
    run::quietly(run::program("e2fsck").arg("-fn").arg(partition_of(disk)))?;
    let metadata = disk.metadata().attempting(|| format!("looking at `{}`", disk.display()))?;
    // `blocks` counts in 512 bytes whatever the file system's own block is.
    let filled = metadata.blocks() * 512;
    if metadata.len() == recipe::DISK_BYTES && filled < recipe::DISK_BYTES / 2 {
        return Ok(());
    }
    Err(Error::new(format!(
        "`{}` has {} bytes, {filled} of them on disk: it should be larger and sparser",
        disk.display(),
        metadata.len()
    )))
}

/// How the tools of e2fsprogs are told that the file system begins inside the file.
fn partition_of(disk: &Path) -> String {
    format!("{}?offset={}", disk.display(), recipe::PARTITION_OFFSET_BYTES)
}

fn at_fixed_time(name: &str) -> Command {
    let mut command = run::program(name);
    command.env("E2FSPROGS_FAKE_TIME", recipe::TIME_SECONDS);
    command
}

fn copy_sparse(source: &Path, target: &Path) -> Result<()> {
    run::quietly(run::program("cp").args(["--sparse=always", "--reflink=auto"]).arg(source).arg(target))
        .map(drop)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = fs::read_dir(folder).attempting(|| format!("listing `{}`", folder.display()))?;
    listing.map(|entry| Ok(entry.attempting(|| format!("listing `{}`", folder.display()))?.path())).collect()
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).attempting(|| format!("writing `{}`", file.display()))
}

fn remove(path: &Path) -> Result<()> {
    let gone = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match gone {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).attempting(|| format!("removing `{}`", path.display()))
        }
        _ => Ok(()),
    }
}
