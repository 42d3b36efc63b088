//! Bench `import`: how Kiln takes in, gives out and stores a real Debian disk, beside qemu-img and casync.
//!
//! Programs run in turns, round after round, so that whatever else the machine does strikes them alike. Every program
//! starts on an empty folder with the source in the page cache and nothing of the round before left to write. A
//! peer's output is fsynced within its time, because Kiln's is durable when it says so. Expected on paper before the
//! first run: a prototype imported 15x as fast as qemu-img's default and 2x its best setting without a single fsync.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench_tables::{Goal, Runs, goals, mebibytes, megabytes, table};
use crate::disks;
use crate::error::{Context as _, Error, Result};
use crate::machine;
use crate::place;
use crate::run::{self, Cost};
use crate::setup;

/// The goals of issue 2, line 5, and of line 2 for the second version.
const TIMES_DEFAULT: f64 = 8.0;
const TIMES_BEST: f64 = 1.2;
const TIMES_EXPORT: f64 = 1.0;
const PEAK_MIB: u64 = 128;

/// Fewer rounds have no middle, more than these wear a disk for nothing.
const ROUNDS: std::ops::RangeInclusive<usize> = 1..=99;
const ROUNDS_UNLESS_TOLD: usize = 5;

/// How qemu-img compresses when nobody asks for more: zlib, one coroutine at a time in order.
const QEMU_DEFAULT: &[&str] = &["convert", "-f", "raw", "-c", "-O", "qcow2"];
/// The fastest it can be told to be.
const QEMU_BEST: &[&str] =
    &["convert", "-f", "raw", "-c", "-O", "qcow2", "-o", "compression_type=zstd", "-m", "16", "-W"];

/// What the bench runs on.
struct Bench {
    kiln: PathBuf,
    disk: PathBuf,
    /// The second versions, by how they were made; none for a disk that was given.
    second: Vec<(&'static str, PathBuf)>,
    work: PathBuf,
    rounds: usize,
}

/// Runs the whole bench and prints its tables.
pub(crate) fn begin(arguments: &[String]) -> Result<bool> {
    println!("{}", setup::for_everything()?);
    let bench = Bench::new(arguments)?;
    let mut found = Vec::new();

    let text = bench.import(&mut found)?;
    println!("\n### Import\n\n{text}");
    let text = bench.export(&mut found)?;
    println!("\n### Export to raw\n\n{text}");
    if !bench.second.is_empty() {
        let text = bench.second_version(&mut found)?;
        println!("\n### A second version\n\n{text}");
    }
    println!(
        "\n{}, commit {}, on {}\n\n{}",
        machine::today(),
        machine::commit(),
        machine::description(),
        goals(&found)
    );
    fs::remove_dir_all(&bench.work).attempting(|| format!("removing `{}`", bench.work.display()))?;
    Ok(true)
}

impl Bench {
    fn new(arguments: &[String]) -> Result<Self> {
        let (mut rounds, mut given, mut kiln) = (ROUNDS_UNLESS_TOLD, None, None);
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                rest.next().ok_or_else(|| {
                    Error::new(format!("`{argument}` needs a value")).try_next("cargo xtask bench --help")
                })
            };
            match argument.as_str() {
                "--rounds" => rounds = parse_rounds(value()?)?,
                "--disk" => given = Some(existing(value()?)?),
                "--kiln" => kiln = Some(existing(value()?)?),
                other => {
                    return Err(Error::new(format!("`bench import` takes no `{other}`"))
                        .try_next("cargo xtask bench --help"));
                }
            }
        }
        let (disk, second) = if let Some(disk) = given {
            (disk, Vec::new())
        } else {
            let folder = disks::make_sure()?;
            let second = vec![
                ("packages added in place", folder.join("v2-in-place.raw")),
                ("rebuilt with the packages", folder.join("v2-rebuilt.raw")),
            ];
            (folder.join("v1.raw"), second)
        };
        let target = place::target()?;
        let kiln = if let Some(kiln) = kiln {
            kiln
        } else {
            println!("building kiln");
            run::quietly(run::cargo()?.args(["build", "--release", "--package", "kiln"]))?;
            target.join("release/kiln")
        };
        let work = target.join("bench-import");
        empty(&work)?;
        Ok(Self { kiln, disk, second, work, rounds })
    }

    fn import(&self, found: &mut Vec<Goal>) -> Result<String> {
        let (mut ours, mut default, mut best) = (Runs::default(), Runs::default(), Runs::default());
        let (mut ours_bytes, mut default_bytes, mut best_bytes) = (0, 0, 0);
        for round in 0..self.rounds {
            // Whoever runs first in a round is another one each time.
            for turn in 0..3 {
                let kept = match (round + turn) % 3 {
                    0 => (&mut ours_bytes, self.one_import(&mut ours)?),
                    1 => (&mut default_bytes, self.one_convert(QEMU_DEFAULT, &self.disk, &mut default)?),
                    _ => (&mut best_bytes, self.one_convert(QEMU_BEST, &self.disk, &mut best)?),
                };
                *kept.0 = kept.1;
            }
            eprintln!(
                "round {} of {}: {:.2} s, {:.2} s, {:.2} s",
                round + 1,
                self.rounds,
                ours.seconds[round],
                default.seconds[round],
                best.seconds[round]
            );
        }
        let (times_default, times_best) = (ours.faster_than(&default), ours.faster_than(&best));
        found.push(at_least("import, times `qemu-img convert -c`", TIMES_DEFAULT, times_default));
        found.push(at_least("import, times its best zstd settings", TIMES_BEST, times_best));
        found.push(Goal {
            wanted: format!("peak memory of an import at most {PEAK_MIB} MiB"),
            found: mebibytes(ours.peak_kib),
            reached: ours.peak_kib <= PEAK_MIB << 10,
        });
        let row = |name: &str, runs: &Runs, times: f64, bytes| {
            vec![
                name.to_owned(),
                format!("{:.2} s", runs.median()),
                format!("{times:.2}x"),
                mebibytes(runs.peak_kib),
                megabytes(bytes),
            ]
        };
        Ok(table(
            &["program", "median", "Kiln is faster by", "peak memory", "stored"],
            &[
                row("kiln image import", &ours, 1.0, ours_bytes),
                row("qemu-img convert -c", &default, times_default, default_bytes),
                row("qemu-img convert -c, zstd -m 16 -W", &best, times_best, best_bytes),
            ],
        ))
    }

    fn export(&self, found: &mut Vec<Goal>) -> Result<String> {
        let (data, qcow2) = (self.fresh("export-data")?, self.work.join("export-source.qcow2"));
        let image = self.take_in(&data, &self.disk, "disk")?.1;
        run::quietly(run::program("qemu-img").args(QEMU_BEST).arg(&self.disk).arg(&qcow2))?;
        let (mut ours, mut peer) = (Runs::default(), Runs::default());
        let target = self.work.join("exported.raw");
        for round in 0..self.rounds {
            for turn in 0..2 {
                remove_file(&target)?;
                run::quietly(&mut run::program("sync"))?;
                if (round + turn) % 2 == 0 {
                    let mut command = self.kiln(&data);
                    command.args(["image", "export", &image, "--to"]).arg(&target).args(["--format", "raw"]);
                    let cost = run::measured(&command, || Ok(()))?;
                    ours.add(cost.seconds, cost.peak_kib);
                } else {
                    let mut command = run::program("qemu-img");
                    command.args(["convert", "-f", "qcow2", "-O", "raw"]).arg(&qcow2).arg(&target);
                    let cost = run::measured(&command, || sync_file(&target))?;
                    peer.add(cost.seconds, cost.peak_kib);
                }
                if round == 0 {
                    run::quietly(run::program("cmp").arg(&self.disk).arg(&target))?;
                }
            }
        }
        let times = ours.faster_than(&peer);
        found.push(at_least("export to raw, times `qemu-img convert` from zstd", TIMES_EXPORT, times));
        let row = |name: &str, runs: &Runs, times: f64| {
            vec![
                name.to_owned(),
                format!("{:.2} s", runs.median()),
                format!("{times:.2}x"),
                mebibytes(runs.peak_kib),
            ]
        };
        remove_file(&target)?;
        remove_file(&qcow2)?;
        Ok(table(
            &["program", "median", "Kiln is faster by", "peak memory"],
            &[
                row("kiln image export --format raw", &ours, 1.0),
                row("qemu-img convert -O raw", &peer, times),
            ],
        ))
    }

    fn second_version(&self, found: &mut Vec<Goal>) -> Result<String> {
        let mut rows = Vec::new();
        for (how, disk) in &self.second {
            let data = self.fresh("versions-data")?;
            self.take_in(&data, &self.disk, "version-1")?;
            let ours_before = Stored::in_folder(&data)?;
            let (cost, _) = self.take_in(&data, disk, "version-2")?;
            let ours = Stored::in_folder(&data)?.since(&ours_before);

            let store = self.fresh("versions-store")?;
            self.casync(&store, &self.disk)?;
            let peer_before = Stored::in_folder(&store)?;
            let peer_cost = self.casync(&store, disk)?;
            let peer = Stored::in_folder(&store)?.since(&peer_before);

            found.push(Goal {
                wanted: format!("second version, {how}: at most what casync adds, {}", megabytes(peer.bytes)),
                found: megabytes(ours.bytes),
                reached: ours.bytes <= peer.bytes,
            });
            for (name, first, added, seconds) in [
                ("kiln", &ours_before, &ours, cost.seconds),
                ("casync", &peer_before, &peer, peer_cost.seconds),
            ] {
                rows.push(vec![
                    (*how).to_owned(),
                    name.to_owned(),
                    megabytes(first.bytes),
                    megabytes(added.bytes),
                    megabytes(added.on_disk),
                    format!("{seconds:.2} s"),
                ]);
            }
        }
        Ok(table(
            &["second version", "program", "first takes", "second adds", "in blocks", "second took"],
            &rows,
        ))
    }

    /// One import into a fresh data directory; returns what it stored.
    fn one_import(&self, runs: &mut Runs) -> Result<u64> {
        let data = self.fresh("import-data")?;
        let (cost, _) = self.take_in(&data, &self.disk, "disk")?;
        runs.add(cost.seconds, cost.peak_kib);
        Ok(Stored::in_folder(&data)?.bytes)
    }

    /// One conversion by qemu-img with its output fsynced; returns the output's size.
    fn one_convert(&self, arguments: &[&str], disk: &Path, runs: &mut Runs) -> Result<u64> {
        let target = self.work.join("converted.qcow2");
        remove_file(&target)?;
        settle(disk)?;
        let mut command = run::program("qemu-img");
        command.args(arguments).arg(disk).arg(&target);
        let cost = run::measured(&command, || sync_file(&target))?;
        runs.add(cost.seconds, cost.peak_kib);
        let size = target.metadata().attempting(|| format!("looking at `{}`", target.display()))?.len();
        remove_file(&target)?;
        Ok(size)
    }

    /// Imports a disk; returns what that cost and the image's id.
    fn take_in(&self, data: &Path, disk: &Path, name: &str) -> Result<(Cost, String)> {
        settle(disk)?;
        let mut command = self.kiln(data);
        command.args(["image", "import"]).arg(disk).args(["--name", name, "--output", "json"]);
        let cost = run::measured(&command, || Ok(()))?;
        let image = image_id(&cost.said).ok_or_else(|| {
            Error::new(format!("the import printed no `ImageId` but `{}`", cost.said.trim()))
        })?;
        Ok((cost, image))
    }

    fn casync(&self, store: &Path, disk: &Path) -> Result<Cost> {
        settle(disk)?;
        let index = self.work.join("index.caibx");
        let mut command = run::program("casync");
        command.arg("make").arg(format!("--store={}", store.display())).arg(&index).arg(disk);
        run::measured(&command, || run::quietly(&mut run::program("sync")).map(drop))
    }

    fn kiln(&self, data: &Path) -> Command {
        let mut command = run::program(&self.kiln);
        command.arg("--data").arg(data);
        command
    }

    /// An empty folder in the work folder.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.work.join(name);
        empty(&folder)?;
        Ok(folder)
    }
}

fn existing(path: &str) -> Result<PathBuf> {
    fs::canonicalize(path).attempting(|| format!("finding `{path}`"))
}

fn parse_rounds(text: &str) -> Result<usize> {
    text.parse().ok().filter(|rounds| ROUNDS.contains(rounds)).ok_or_else(|| {
        Error::new(format!("`{text}` is no number of rounds between {} and {}", ROUNDS.start(), ROUNDS.end()))
    })
}

fn at_least(what: &str, wanted: f64, found: f64) -> Goal {
    Goal {
        wanted: format!("{what}: at least {wanted}x"),
        found: format!("{found:.2}x"),
        reached: found >= wanted,
    }
}

/// The image's id out of the answer in JSON.
fn image_id(json: &str) -> Option<String> {
    let (_, rest) = json.split_once("\"ImageId\"")?;
    let (_, rest) = rest.split_once('"')?;
    rest.split_once('"').map(|(id, _)| id.to_owned())
}

/// Brings the source into the page cache and the disk to rest, so that each run begins alike.
fn settle(disk: &Path) -> Result<()> {
    let mut file = File::open(disk).attempting(|| format!("opening `{}`", disk.display()))?;
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer).attempting(|| format!("reading `{}`", disk.display()))? > 0 {}
    run::quietly(&mut run::program("sync")).map(drop)
}

/// Makes a finished file durable: its bytes and its name.
fn sync_file(file: &Path) -> Result<()> {
    let folder = file.parent().expect("the file lies in the work folder");
    for path in [file, folder] {
        let open = File::open(path).attempting(|| format!("opening `{}`", path.display()))?;
        open.sync_all().attempting(|| format!("syncing `{}`", path.display()))?;
    }
    Ok(())
}

/// What a folder holds.
#[derive(Default)]
struct Stored {
    /// The sum of the files' sizes.
    bytes: u64,
    /// The sum of the blocks they take.
    on_disk: u64,
}

impl Stored {
    fn in_folder(folder: &Path) -> Result<Self> {
        let mut sum = Self::default();
        for entry in fs::read_dir(folder).attempting(|| format!("listing `{}`", folder.display()))? {
            let entry = entry.attempting(|| format!("listing `{}`", folder.display()))?;
            let metadata =
                entry.metadata().attempting(|| format!("looking at `{}`", entry.path().display()))?;
            if metadata.is_dir() {
                let below = Self::in_folder(&entry.path())?;
                sum.bytes += below.bytes;
                sum.on_disk += below.on_disk;
            } else if metadata.is_file() {
                sum.bytes += metadata.len();
                sum.on_disk += metadata.blocks() * 512;
            }
        }
        Ok(sum)
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(before.bytes),
            on_disk: self.on_disk.saturating_sub(before.on_disk),
        }
    }
}

fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).attempting(|| format!("removing `{}`", folder.display()))?;
    }
    fs::create_dir_all(folder).attempting(|| format!("making `{}`", folder.display()))
}

fn remove_file(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).attempting(|| format!("removing `{}`", file.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_however_the_answer_is_laid_out() {
        assert_eq!(image_id(r#"{"ImageId":"m-1","Name":"n"}"#).as_deref(), Some("m-1"));
        assert_eq!(image_id("{\n  \"Name\": \"n\",\n  \"ImageId\": \"m-2\"\n}").as_deref(), Some("m-2"));
        assert_eq!(image_id("{}"), None);
    }
}
