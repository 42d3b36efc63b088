//! The real program, killed with SIGKILL at random moments while several processes work on one
//! data directory: whoever holds it, whoever asks the holder, or all at once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use demo::disk::{self, Plan};
use demo::sparse::{self, Comparison};
use serde_json::Value;

use crate::chance::{Chance, count, seed};
use crate::child::{Ended, Place, Running, strays};
use crate::ledger::{Ledger, What, Wish};

/// Kills in an ordinary run.
const KILLS: u64 = 200;
/// Processes at work side by side.
const PROCESSES_MAX: u64 = 3;
/// A disk whose import takes about a second where nothing is optimised.
const DISK_BYTES: u64 = 96 << 20;
const LOG_BYTES: u64 = 32 << 20;
/// Blocks that a file system may allocate beside the data.
const BLOCKS_SLACK: u64 = 1 << 20;
/// Exports kept to be judged at the end.
const EXPORTS_KEPT: usize = 16;
/// Moments are chosen within this at most, however slow the machine is: a run has to end.
const MOMENT_MS_MAX: u64 = 600;
/// Rounds of letting everything end, at the end.
const ROUNDS_MAX: u32 = 10;

struct Torture {
    place: Place,
    disks: Vec<PathBuf>,
    bucket: PathBuf,
    chance: Chance,
    ledger: Ledger,
    running: Vec<(What, Running)>,
    /// How long an import takes here when nothing disturbs it; moments to kill are chosen within.
    import_ms: u64,
    started: u64,
    tally: BTreeMap<&'static str, u64>,
}

pub fn play() {
    let seed = seed();
    println!("torture by kills from KILN_SEED={seed}");
    let dir = tempfile::Builder::new().prefix("kiln-torture-").tempdir().unwrap();
    let begun = Instant::now();
    let mut torture = Torture::new(dir.path(), Chance::new(seed));
    torture.measure();
    let wanted = count("KILN_TORTURE_KILLS").unwrap_or(KILLS);
    while torture.tally.get("kills").is_none_or(|kills| *kills < wanted) {
        torture.round();
    }
    torture.let_end();
    torture.judge();
    let tally: Vec<String> = torture.tally.iter().map(|(what, count)| format!("{count} {what}")).collect();
    println!("soak: seed {seed}: {}, in {} s", tally.join(", "), begun.elapsed().as_secs());
}

impl Torture {
    fn new(dir: &Path, chance: Chance) -> Self {
        let [bucket, said, disks] = ["bucket", "said", "disks"].map(|name| dir.join(name));
        for made in [&bucket, &said, &disks] {
            fs::create_dir(made).unwrap();
        }
        let disks = [1, 2, 3].map(|number| disks.join(format!("disk-{number}.raw"))).to_vec();
        let plan = Plan { disk_bytes: DISK_BYTES, log_bytes: LOG_BYTES, program: None, seed: 1 };
        disk::make(&disks[0], &plan).unwrap();
        disk::revise(&disks[0], &disks[1], 2, 2 << 20).unwrap();
        disk::make(&disks[2], &Plan { seed: 1000, ..plan }).unwrap();
        let exe =
            std::env::var_os("KILN_BIN").map_or_else(|| env!("CARGO_BIN_EXE_kiln").into(), PathBuf::from);
        let place = Place { exe, data: dir.join("data"), said };
        let (ledger, running, tally) = (Ledger::default(), Vec::new(), BTreeMap::new());
        Self { place, disks, bucket, chance, ledger, running, import_ms: 0, started: 0, tally }
    }

    /// An import that nothing disturbs, to learn how long one takes.
    fn measure(&mut self) {
        let begun = Instant::now();
        let disk = self.disks[0].to_string_lossy().into_owned();
        self.place.answer(&["image", "import", &disk, "--name", "undisturbed"]);
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap();
        self.import_ms = took_ms.clamp(10, MOMENT_MS_MAX);
        println!("an import takes {took_ms} ms");
        self.place.answer(&["image", "delete", "undisturbed", "--yes"]);
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Starts something, waits a moment, kills something.
    fn round(&mut self) {
        let wanted = 1 + self.chance.below(PROCESSES_MAX);
        while (self.running.len() as u64) < wanted {
            self.start();
        }
        let victim = usize::try_from(self.chance.below(self.running.len() as u64)).unwrap();
        let patience_ms = match self.running[victim].0 {
            // Others work beside it, so it takes longer than alone.
            What::Import { .. } | What::Watch => 2 * self.import_ms,
            What::Export { .. } => self.import_ms,
            What::Delete { .. } | What::Collect | What::Deprecate { .. } => self.import_ms / 3 + 1,
        };
        sleep(Duration::from_millis(self.chance.below(patience_ms)));
        self.reap();
        if self.running.is_empty() {
            return;
        }
        let victim = victim % self.running.len();
        match self.chance.below(10) {
            // The cord is pulled: nobody is left to go on.
            0 | 1 => {
                while !self.running.is_empty() {
                    self.kill(0);
                }
            }
            // Whoever holds the directory, so that another has to take over.
            2..4 => {
                let holder = self.place.holder();
                let found = self.running.iter().position(|(_, running)| Some(running.child.id()) == holder);
                self.kill(found.unwrap_or(victim));
            }
            4..9 => self.kill(victim),
            // Some have to come to their end, or there would be nothing to lose.
            _ => sleep(Duration::from_millis(self.import_ms)),
        }
        self.reap();
    }

    fn start(&mut self) {
        let what = self.ledger.wish(&mut self.chance, &self.bucket, self.disks.len());
        let id =
            |name: &str| self.ledger.images[name].id.clone().expect("only acknowledged images are picked");
        let words: Vec<String> = match &what {
            What::Import { name } => {
                let disk = self.disks[self.ledger.images[name].disk].to_string_lossy().into_owned();
                ["image", "import", &disk, "--name", name].map(str::to_owned).to_vec()
            }
            What::Export { path } => {
                let export = &self.ledger.exports[path];
                let format = if export.qcow2 { "qcow2" } else { "raw" };
                let to = path.to_string_lossy();
                ["image", "export", &id(&export.image), "--to", &to, "--format", format]
                    .map(str::to_owned)
                    .to_vec()
            }
            What::Deprecate { name } => ["image", "deprecate", &id(name)].map(str::to_owned).to_vec(),
            What::Delete { name } => ["image", "delete", &id(name), "--yes"].map(str::to_owned).to_vec(),
            What::Collect => ["region", "collect"].map(str::to_owned).to_vec(),
            What::Watch => ["workflow", "watch"].map(str::to_owned).to_vec(),
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.started += 1;
        self.count("commands");
        let running = self.place.start(self.started, &words);
        self.running.push((what, running));
    }

    /// Kills one of our processes; if it was faster, its answer counts.
    fn kill(&mut self, index: usize) {
        let (what, mut running) = self.running.swap_remove(index);
        if running.kill() {
            self.count("kills");
            self.count(match what {
                What::Import { .. } => "killed imports",
                What::Export { .. } => "killed exports",
                What::Delete { .. } => "killed deletes",
                _ => "killed others",
            });
        } else {
            let ended = running.ended().expect("it has ended, or the kill would have ended it");
            self.settle(&what, &ended);
        }
    }

    /// Takes the answers of those that have ended.
    fn reap(&mut self) {
        for (what, mut running) in std::mem::take(&mut self.running) {
            match running.ended() {
                Some(ended) => self.settle(&what, &ended),
                None => self.running.push((what, running)),
            }
        }
    }

    /// Writes down what a process answered.
    fn settle(&mut self, what: &What, ended: &Ended) {
        let code = ended.status.code();
        // Parked after too many kills: it is resumed at the end. Nothing is acknowledged.
        if code == Some(6) {
            return self.count("parked answers");
        }
        let refused = code == Some(3);
        assert!(refused || ended.status.success(), "{ended}");
        let wish = if refused { Wish::Refused } else { Wish::Acknowledged };
        self.count(if refused { "refusals" } else { "acknowledged" });
        match what {
            What::Import { name } if refused => {
                // Asked again after it had ended: the name is taken, by itself.
                assert!(ended.err.contains(name.as_str()), "{ended}");
                let image = self.place.answer(&["image", "show", name]);
                self.acknowledge(name, &image);
            }
            What::Import { name } => self.acknowledge(name, &ended.json()),
            What::Export { path } => {
                if refused {
                    // Its image was deleted under it: that is the only reason there is.
                    let image = self.ledger.exports[path].image.clone();
                    assert_ne!(self.ledger.images[&image].deletion, Wish::Never, "{ended}");
                    assert!(!path.exists(), "a refused export left `{}`", path.display());
                }
                self.ledger.exports.get_mut(path).expect("it was asked for").wish = wish;
                if !refused && self.ledger.exports.len() > EXPORTS_KEPT {
                    self.compare_now(path);
                }
            }
            What::Deprecate { name } => self.ledger.image(name).deprecation = wish,
            What::Delete { name } => {
                // While an export reads it, an image may not go; later it may.
                self.ledger.image(name).deletion = if refused { Wish::Never } else { wish };
            }
            What::Collect | What::Watch => assert!(!refused, "{ended}"),
        }
    }

    /// Compares an acknowledged raw export at once, so that not all have to be kept for the end.
    fn compare_now(&mut self, path: &Path) {
        if self.ledger.exports[path].qcow2 {
            return;
        }
        let export = self.ledger.exports.remove(path).expect("it was just looked at");
        compare(&self.disks[self.ledger.images[&export.image].disk], path);
        fs::remove_file(path).unwrap();
        self.count("exports compared");
    }

    fn acknowledge(&mut self, name: &str, answer: &Value) {
        let id = answer["ImageId"].as_str().unwrap_or_default().to_owned();
        assert!(id.starts_with("m-"), "an import is acknowledged with its image: {answer}");
        let image = self.ledger.image(name);
        assert!(image.id.as_ref().is_none_or(|known| *known == id), "`{name}` is another image now");
        (image.id, image.import) = (Some(id), Wish::Acknowledged);
    }

    /// Waits for those still at work, and drives what is left over until nothing is.
    fn let_end(&mut self) {
        while !self.running.is_empty() {
            self.reap();
            sleep(Duration::from_millis(5));
        }
        for _ in 0..ROUNDS_MAX {
            let list = self.place.answer(&["workflow", "list", "--open"]);
            let open = list["Workflows"].as_array().unwrap().clone();
            if open.is_empty() {
                return;
            }
            for parked in open.iter().filter(|flow| flow["State"] == "Parked") {
                let id = parked["WorkflowId"].as_str().unwrap();
                let resumed = self.place.run(&["workflow", "resume", id, "--reason", "the torture is over"]);
                assert!(resumed.status.success(), "{parked}: {resumed}");
                self.count("resumed");
            }
            let watched = self.place.run(&["workflow", "watch"]);
            assert!(matches!(watched.status.code(), Some(0 | 1 | 3 | 6)), "{watched}");
        }
        let left = self.place.answer(&["workflow", "list", "--open"]);
        panic!("operations neither ended nor go on: {left}");
    }

    /// Everything that has to hold in the end.
    fn judge(&mut self) {
        let list = self.place.answer(&["image", "list"]);
        let images = list["Images"].as_array().unwrap();
        let by_name: BTreeMap<&str, &Value> =
            images.iter().map(|image| (image["ImageName"].as_str().unwrap(), image)).collect();
        for name in by_name.keys() {
            assert!(self.ledger.images.contains_key(*name), "nobody asked for `{name}`");
        }
        for (name, asked) in &self.ledger.images {
            match (by_name.get(name.as_str()), asked.import, asked.deletion) {
                (Some(_), _, Wish::Acknowledged) => panic!("`{name}` was deleted and is back"),
                (None, Wish::Acknowledged, Wish::Never) => panic!("`{name}` was acknowledged and is lost"),
                (None, ..) => {}
                (Some(image), ..) => {
                    assert!(
                        asked.id.is_none() || image["ImageId"].as_str() == asked.id.as_deref(),
                        "{image}"
                    );
                    match asked.deprecation {
                        Wish::Acknowledged => assert_eq!(image["Status"], "Deprecated", "{image}"),
                        Wish::Asked => {}
                        _ => assert_eq!(image["Status"], "Available", "{image}"),
                    }
                }
            }
        }
        let roots = self.compare_images(&by_name);
        self.compare_exports(&roots);
        self.check_store();
    }

    /// Every image comes out as it went in; gives the content root of each disk.
    fn compare_images(&mut self, images: &BTreeMap<&str, &Value>) -> BTreeMap<usize, String> {
        let mut roots = BTreeMap::new();
        let out = self.place.said.join("out.raw");
        for (name, image) in images {
            let disk = self.ledger.images[*name].disk;
            let id = image["ImageId"].as_str().unwrap();
            let to = out.to_string_lossy().into_owned();
            self.place.answer(&["image", "export", id, "--to", &to, "--format", "raw"]);
            compare(&self.disks[disk], &out);
            fs::remove_file(&out).unwrap();
            let root = image["ContentRoot"].as_str().unwrap().to_owned();
            assert!(!root.is_empty());
            assert_eq!(roots.entry(disk).or_insert_with(|| root.clone()), &root, "one disk has one root");
            self.count("images compared");
        }
        roots
    }

    /// The bucket holds whole exports and nothing else.
    fn compare_exports(&mut self, roots: &BTreeMap<usize, String>) {
        let mut exports = std::mem::take(&mut self.ledger.exports);
        for entry in fs::read_dir(&self.bucket).unwrap() {
            let path = entry.unwrap().path();
            let export = exports.remove(&path);
            let export =
                export.unwrap_or_else(|| panic!("`{}` is no export: a partial file", path.display()));
            let disk = self.ledger.images[&export.image].disk;
            if export.qcow2 {
                let (file, name) = (path.to_string_lossy(), format!("again-{}", export.image));
                self.place.answer(&["image", "import", &file, "--name", &name]);
                let image = self.place.answer(&["image", "show", &name]);
                if let Some(root) = roots.get(&disk) {
                    assert_eq!(image["ContentRoot"], **root, "`{}` has other bytes", path.display());
                }
                self.place.answer(&["image", "delete", &name, "--yes"]);
            } else {
                compare(&self.disks[disk], &path);
            }
            self.count("exports compared");
        }
        for (path, export) in exports {
            assert_ne!(export.wish, Wish::Acknowledged, "the export `{}` is lost", path.display());
        }
    }

    fn check_store(&mut self) {
        self.place.answer(&["region", "collect"]);
        let report = self.place.answer(&["region", "check", "--deep"]);
        assert_eq!(report["Missing"], serde_json::json!([]), "{report}");
        assert_eq!(report["OrphanedChunks"], 0, "{report}");
        assert_eq!(report["StrayFiles"], serde_json::json!([]), "{report}");
        let verified = self.place.answer(&["audit", "verify"]);
        assert!(verified["Fault"].is_null(), "{verified}");
        let rebuilt = self.place.answer(&["audit", "rebuild"]);
        assert_eq!(rebuilt["Differing"], 0, "{rebuilt}");
        assert_eq!(strays(&self.place), Vec::<String>::new(), "processes are left behind");
    }
}

impl Drop for Torture {
    fn drop(&mut self) {
        for (_, running) in &mut self.running {
            running.kill();
        }
    }
}

fn compare(disk: &Path, out: &Path) {
    let compared = sparse::compare(disk, out).unwrap();
    assert!(matches!(compared, Comparison::Equal { .. }), "`{}`: {compared:?}", out.display());
    let (before, after) = (sparse::allocated_bytes(disk).unwrap(), sparse::allocated_bytes(out).unwrap());
    assert!(after <= before + BLOCKS_SLACK, "`{}` takes {after} bytes, its source {before}", out.display());
}
