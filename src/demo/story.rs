//! What the demo does, step by step, and what it says about it.
//!
//! Each step first does and checks, then says: what is printed has been seen to be so.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::disk::{self, Plan};
use crate::error::{Attempted, Error};
use crate::kiln::{Kiln, Progress, shown};
use crate::sparse::{self, Comparison};

const MIB: u64 = 1 << 20;
/// The disk made: large enough to show holes, with so much in it that an import can be caught in
/// the middle, and so little that all is over within a minute.
const DISK_BYTES: u64 = 512 * MIB;
const LOG_BYTES: u64 = 128 * MIB;
const PROGRAM_PIECES_MAX: usize = 16;
/// What an update adds.
const UPDATE_BYTES: u64 = 6 * MIB;
/// Part of the disk after which the plug is pulled, as a divisor: the data lie in its first third.
const KILL_AFTER: u64 = 12;
/// Pause between two looks at a running import.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Slack for the blocks a file system allocates beside the data.
const BLOCKS_SLACK: u64 = MIB;

const FAMILY: &str = "golden";

/// What the demo is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that is shown.
    pub exe: PathBuf,
    /// A disk to show it with; one is made if there is none.
    pub disk: Option<PathBuf>,
    /// Where to work; a fresh directory if it is not said.
    pub dir: Option<PathBuf>,
}

/// Shows what Kiln does, and says it to `out`.
///
/// # Errors
/// When the computer does not do its part, and when anything it says is not so.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<(), Error> {
    let begun = Instant::now();
    let dir = workplace(options.dir.as_deref())?;
    let own_disk = options.disk.is_none();
    let mut demo =
        Demo { kiln: Kiln::new(&options.exe, &dir.join("data"), &dir), dir, out, number: 0, own_disk };
    demo.say(&format!(
        "Kiln, shown on a real disk. All of it is in `{}`, which stays; remove it when you have seen enough.",
        demo.dir.display()
    ))?;
    let disks = demo.make_disks(options.disk.as_deref())?;
    let first = demo.import_through_a_kill(&disks[0])?;
    let images = demo.import_versions(first, &disks)?;
    demo.roll(&images)?;
    demo.export(&images[2], &disks[2])?;
    demo.audit()?;
    demo.go_on(&images[2], begun.elapsed())
}

/// The directory to work in: empty, made if need be.
fn workplace(wanted: Option<&Path>) -> Result<PathBuf, Error> {
    let Some(dir) = wanted else {
        let base = std::env::temp_dir();
        // The number of this process is free but for what an older one left behind.
        let mut names = (0..100).map(|again| base.join(format!("kiln-demo-{}-{again}", std::process::id())));
        return names.find(|dir| fs::create_dir(dir).is_ok()).ok_or_else(|| {
            Error::Asked(format!("no directory can be made in `{}`; name one with `--dir`", base.display()))
        });
    };
    fs::create_dir_all(dir).attempting(format!("making `{}`", dir.display()))?;
    let mut entries = fs::read_dir(dir).attempting(format!("looking into `{}`", dir.display()))?;
    if entries.next().is_some() {
        return Err(Error::Asked(format!(
            "`{}` is not empty; name a new directory with `--dir`",
            dir.display()
        )));
    }
    fs::canonicalize(dir).attempting(format!("finding `{}`", dir.display()))
}

struct Demo<'a> {
    kiln: Kiln,
    dir: PathBuf,
    out: &'a mut dyn Write,
    number: u32,
    own_disk: bool,
}

impl Demo<'_> {
    fn say(&mut self, line: &str) -> Result<(), Error> {
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).attempting("printing")
    }

    fn step(&mut self, title: &str) -> Result<(), Error> {
        self.number += 1;
        self.say(&format!("\n{}. {title}", self.number))
    }

    fn tell(&mut self, line: &str) -> Result<(), Error> {
        self.say(&format!("   {line}"))
    }

    /// Shows a command, and runs it with JSON as its output.
    fn show(&mut self, arguments: &[&str]) -> Result<Value, Error> {
        self.tell(&format!("$ {}", shown(arguments)))?;
        self.kiln.json(arguments)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The three versions of a disk, as files in the directory.
    fn make_disks(&mut self, given: Option<&Path>) -> Result<[String; 3], Error> {
        let names = [1, 2, 3].map(|version| format!("golden-v{version}.raw"));
        let paths = [0, 1, 2].map(|version: usize| self.path(&names[version]));
        if let Some(given) = given {
            return self.change_disk(given, names, &paths);
        }
        self.step("A disk: a partition table, a file system, files")?;
        let program = std::env::current_exe().ok().map(|program| (program, PROGRAM_PIECES_MAX));
        disk::make(&paths[0], &Plan { disk_bytes: DISK_BYTES, log_bytes: LOG_BYTES, program, seed: 0 })?;
        for version in [1, 2] {
            let number = u32::try_from(version).expect("it is 1 or 2") + 1;
            disk::revise(&paths[version - 1], &paths[version], number, UPDATE_BYTES)?;
        }
        for (name, path) in names.iter().zip(&paths) {
            let files = disk::list(path)?;
            let release = disk::read(path, "etc/release")?;
            let version = String::from_utf8_lossy(&release).lines().last().unwrap_or_default().to_owned();
            self.tell(&format!(
                "{name}: {} with a GPT and a FAT file system, {} files, {} of data, the rest holes; \
                 /etc/release: {version}",
                size(sparse::size_bytes(path)?),
                files.len(),
                size(sparse::allocated_bytes(path)?),
            ))?;
        }
        Ok(names)
    }

    /// A user's disk, as raw, and two changed copies of it. The disk itself is only read.
    fn change_disk(
        &mut self,
        given: &Path,
        names: [String; 3],
        paths: &[PathBuf; 3],
    ) -> Result<[String; 3], Error> {
        self.step("Your disk, and two changed copies of it")?;
        let given = fs::canonicalize(given).attempting(format!("finding `{}`", given.display()))?;
        let first = given.to_string_lossy().into_owned();
        let scratch = self.path("unpacked");
        let kiln = Kiln::new(&self.kiln.exe, &scratch, &self.dir);
        // Whatever format it has, its bytes are changed as a machine would change them: as raw.
        kiln.run(&["image", "import", &first, "--name", "unpacked"])?;
        kiln.run(&["image", "export", "unpacked", "--to", &names[0], "--format", "raw"])?;
        fs::remove_dir_all(&scratch).attempting(format!("removing `{}`", scratch.display()))?;
        self.tell(&format!("{}: {first} as raw, {}", names[0], size(sparse::size_bytes(&paths[0])?)))?;
        for (index, version) in [(1, 2), (2, 3)] {
            sparse::copy(&paths[index - 1], &paths[index])?;
            let changed = sparse::touch(&paths[index], version)?;
            self.tell(&format!("{}: a copy with its holes kept, changed in {changed} places", names[index]))?;
        }
        Ok(names)
    }

    /// Imports the first version, kills the import in the middle and takes it up again.
    fn import_through_a_kill(&mut self, disk: &str) -> Result<Value, Error> {
        self.step("An import, killed in the middle and taken up again")?;
        let arguments = ["image", "import", disk, "--name", "golden-v1", "--family", FAMILY];
        self.tell(&format!("$ {}", shown(&arguments)))?;
        let killed_at = self.kill_in_the_middle(&arguments)?;
        if let Some(at) = killed_at {
            self.tell(&format!(
                "killed it with SIGKILL when it had {} of {} behind it",
                size(at.done_bytes),
                size(at.total_bytes)
            ))?;
            let open = self.kiln.json(&["workflow", "list"])?;
            let running = open["Workflows"].as_array().is_some_and(|all| {
                all.iter().any(|one| {
                    one["Name"] == "import_image" && one["State"] == "Running" && one["Driven"] == false
                })
            });
            check(running, "the killed import is unfinished and in the log", &open)?;
        } else if self.own_disk {
            return Err(Error::Claim {
                claim: "an import of the demo's disk can be killed in the middle".to_owned(),
                found: "that it had ended before".to_owned(),
            });
        } else {
            self.tell("it had ended before it could be killed: the disk is small")?;
        }
        if let Some(at) = killed_at {
            self.tell("$ the same command again")?;
            let first = self.resume(&arguments)?;
            check(
                first.is_none_or(|first| first.done_bytes >= at.done_bytes),
                "it goes on where it was",
                &format!("{first:?}"),
            )?;
            let seen =
                first.map_or_else(String::new, |first| format!("; seen next at {}", size(first.done_bytes)));
            self.tell(&format!("it joined the unfinished import and went on from there{seen}"))?;
            let list = self.kiln.json(&["workflow", "list"])?;
            let imports = list["Workflows"]
                .as_array()
                .map_or(0, |all| all.iter().filter(|one| one["Name"] == "import_image").count());
            check(imports == 1, "one import was started, not two", &list)?;
        }
        let image = self.kiln.json(&["image", "show", "golden-v1"])?;
        check(image["Status"] == "Available", "the image is Available", &image)?;
        self.tell(&format!(
            "{} `golden-v1` is Available: every chunk was read back and held against its hash",
            text(&image, "ImageId")
        ))?;
        Ok(image)
    }

    /// Starts a command and kills it when it is in the middle; none if it ends before.
    fn kill_in_the_middle(&self, arguments: &[&str]) -> Result<Option<Progress>, Error> {
        let mut child = self.kiln.begin(arguments)?;
        loop {
            if let Some(status) = child.try_wait().attempting("waiting for the import")? {
                check(status.success(), "the import ends well", &status)?;
                return Ok(None);
            }
            if let Some(at) = self.kiln.progress(&child)?
                && at.done_bytes > at.total_bytes / KILL_AFTER
                && at.done_bytes < at.total_bytes
            {
                child.kill().attempting("killing the import")?;
                child.wait().attempting("waiting for the killed import")?;
                return Ok(Some(at));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Runs the command to its end, and says how far it was when first seen.
    fn resume(&self, arguments: &[&str]) -> Result<Option<Progress>, Error> {
        let mut child = self.kiln.begin(arguments)?;
        let mut first = None;
        loop {
            if let Some(status) = child.try_wait().attempting("waiting for the import")? {
                check(status.success(), "the import ends well", &status)?;
                return Ok(first);
            }
            if first.is_none() {
                // Nothing is done before the first checkpoint of this run.
                first = self.kiln.progress(&child)?.filter(|progress| progress.done_bytes > 0);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Imports the other versions, and shows what deduplication saved.
    fn import_versions(&mut self, first: Value, disks: &[String; 3]) -> Result<[Value; 3], Error> {
        self.step("Two more versions, of which only what is new is stored")?;
        let mut images = vec![first];
        for (disk, version) in disks[1..].iter().zip(2..) {
            let name = format!("golden-v{version}");
            let arguments = ["image", "import", disk, "--name", &name, "--family", FAMILY];
            self.show(&arguments)?;
            images.push(self.kiln.json(&["image", "show", &name])?);
        }
        let images: [Value; 3] = images.try_into().expect("one and two are three");
        self.tell("")?;
        self.tell(&format!("{:<10} {:>12} {:>12} {:>12}", "", "disk", "data", "stored"))?;
        let mut sums = (0, 0);
        for image in &images {
            let [disk, data, stored] =
                ["DiskSizeBytes", "DataBytes", "StoredBytes"].map(|field| image[field].as_u64().unwrap_or(0));
            self.tell(&format!(
                "{:<10} {:>12} {:>12} {:>12}",
                text(image, "ImageName"),
                size(disk),
                size(data),
                size(stored)
            ))?;
            sums = (sums.0 + data, sums.1 + stored);
        }
        let stored = |image: &Value| image["StoredBytes"].as_u64().unwrap_or(u64::MAX);
        check(sums.0 > 0 && sums.1 < sums.0, "less is stored than the disks hold", &format!("{sums:?}"))?;
        for later in images[1..].iter().filter(|_| self.own_disk) {
            let (here, before) = (stored(later), stored(&images[0]));
            check(
                here < before / 2,
                "a changed version adds less than half of the first",
                &format!("{here} of {before}"),
            )?;
        }
        self.tell(&format!(
            "{} of data take {}: {:.1} times less",
            size(sums.0),
            size(sums.1),
            ratio(sums.0, sums.1)
        ))?;
        Ok(images)
    }

    /// Rolls the family back and forward.
    fn roll(&mut self, images: &[Value; 3]) -> Result<(), Error> {
        self.step("The family, rolled back and forward")?;
        self.stands_for(&images[2])?;
        let newest = text(&images[2], "ImageId");
        self.show(&["image", "deprecate", &newest])?;
        self.stands_for(&images[1])?;
        self.show(&["image", "restore", &newest])?;
        self.stands_for(&images[2])
    }

    fn stands_for(&mut self, image: &Value) -> Result<(), Error> {
        let family = self.show(&["family", "show", FAMILY])?;
        check(family["ImageId"] == image["ImageId"], "the family stands for the image expected", &family)?;
        self.tell(&format!("`{FAMILY}` stands for `{}`", text(image, "ImageName")))
    }

    /// Exports to both formats, and compares.
    fn export(&mut self, image: &Value, disk: &str) -> Result<(), Error> {
        self.step("Out again, and compared")?;
        let id = text(image, "ImageId");
        self.show(&["image", "export", &id, "--to", "out.raw", "--format", "raw"])?;
        let (source, out) = (self.path(disk), self.path("out.raw"));
        let compared = sparse::compare(&source, &out)?;
        let Comparison::Equal { bytes } = compared else {
            return Err(Error::Claim {
                claim: "the export has the source's bytes".to_owned(),
                found: format!("{compared:?}"),
            });
        };
        let (before, after) = (sparse::allocated_bytes(&source)?, sparse::allocated_bytes(&out)?);
        check(after <= before + BLOCKS_SLACK, "the holes of the source are holes in the export", &after)?;
        self.tell(&format!(
            "out.raw equals {disk} in all {bytes} bytes, and takes {} as that takes {}",
            size(after),
            size(before)
        ))?;
        self.show(&["image", "export", &id, "--to", "out.qcow2", "--format", "qcow2"])?;
        self.show(&["image", "import", "out.qcow2", "--name", "golden-again"])?;
        let again = self.kiln.json(&["image", "show", "golden-again"])?;
        check(
            again["ContentRoot"] == image["ContentRoot"] && again["ContentRoot"] != "",
            "the qcow2 file imported again has the same content",
            &again,
        )?;
        self.tell(&format!(
            "out.qcow2 ({}), imported again, has the same content root, and added {} to the store",
            size(sparse::size_bytes(&self.path("out.qcow2"))?),
            size(again["StoredBytes"].as_u64().unwrap_or(0))
        ))
    }

    /// Checks the log, the projections and the store.
    fn audit(&mut self) -> Result<(), Error> {
        self.step("The log, proven")?;
        let verified = self.show(&["audit", "verify"])?;
        check(verified["Fault"].is_null(), "the hash chain holds", &verified)?;
        self.tell(&format!(
            "{} events, and the hash chain holds from the first to the last",
            verified["Events"]
        ))?;
        let rebuilt = self.show(&["audit", "rebuild"])?;
        check(rebuilt["Differing"] == 0, "the tables are what the log makes of them", &rebuilt)?;
        self.tell(&format!("{} rows, and each is what the log makes of it", rebuilt["Rows"]))
    }

    /// Says how to go on by hand.
    fn go_on(&mut self, image: &Value, took: Duration) -> Result<(), Error> {
        self.step("Go on by hand")?;
        let data = self.path("data");
        self.tell(&format!("cd {}", self.dir.display()))?;
        self.tell(&format!("export KILN_DATA={}", data.display()))?;
        // Built by cargo, the program is on nobody's path.
        self.tell(&format!("alias kiln={}", self.kiln.exe.display()))?;
        for arguments in [
            &["image", "list"][..],
            &["image", "history", &text(image, "ImageId")],
            &["family", "show", FAMILY],
            &["image", "delete", "golden-v1"],
            &["workflow", "list"],
            &["audit", "log"],
        ] {
            self.tell(&shown(arguments))?;
        }
        self.say(&format!("\nAll of it was so, in {:.0} seconds.", took.as_secs_f64()))
    }
}

fn check(so: bool, claim: &str, found: &dyn std::fmt::Debug) -> Result<(), Error> {
    if so { Ok(()) } else { Err(Error::Claim { claim: claim.to_owned(), found: format!("{found:?}") }) }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// A size as people read it.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..MIB => format!("{:.0} KiB", ratio(bytes, 1024)),
        _ => format!("{:.1} MiB", ratio(bytes, MIB)),
    }
}

fn ratio(bytes: u64, unit: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "two digits of it are printed")]
    let ratio = bytes as f64 / unit.max(1) as f64;
    ratio
}
