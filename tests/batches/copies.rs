//! Many copies of real images to another region under one bandwidth: each image has one copy, and that is whole.
//!
//! The disks are small and many, so that copies begin and end all the time and a kill meets several in each of their
//! steps. Each has a stretch that no other has, and some of a few that many share: what the target has already is
//! sent no second time. Whether the bandwidth is kept is a matter of a clock and shown at the limit's own door, in
//! `data::pace`; here is shown that it was in force for every copy, in every process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::batch::BATCHES;
use domain::events::{ImageReserved, ImageSealed};
use domain::image::{self, Image, Making, Status};
use domain::port::{Pace, SharedPace};
use domain::{AccountId, RegionId};
use engine::{Snapshot, State};
use event::{Cause, Event as _, Record, Seq};
use serde_json::Value;
use workflows::CopyImage;

use crate::killed::{Batch, Place, count};

/// Copies in an ordinary run.
const COPIES: u64 = 150;
/// Kills, whatever the number of copies.
const KILLS: u64 = 5;
/// What the copies may send in a second, all together: less than they would.
const BANDWIDTH: u64 = 1 << 20;
const BANDWIDTH_SAID: &str = "1MiB";
const NAME: &str = "copies";
const SOURCE: &str = "cn-hangzhou";
const TARGET: &str = "cn-beijing";
/// Whose house it is.
const ACCOUNT: &str = "100000";
/// What a disk is made of: as large as the largest chunk, so that what is shared is shared whole.
const STRETCH_BYTES: u64 = 256 << 10;
/// Of each stretch so much is not zero.
const FILLED_BYTES: u64 = 64 << 10;
/// No chunk is smaller.
const CHUNK_BYTES_MIN: u64 = 16 << 10;
/// Stretches of a disk, holes among them.
const STRETCHES: u64 = 4;
/// Contents that any disk may have.
const SHARED: u64 = 4;
/// Images that are exported from both regions and compared with their files.
const EXPORTED: u64 = 8;
/// Copies into a region at once, by the API's documentation; each may bring a chunk that others are bringing.
const AT_ONCE: u64 = 5;
/// Headers and footers of packs: a hundredth is much.
const PART: u64 = 100;

pub fn play() {
    let copies = count("KILN_BATCH_COPIES").unwrap_or(COPIES);
    let place = Place::new();
    let disks = import(&place, copies);
    let before = files(&place);
    let manifest = place.path("copies.csv");
    fs::write(
        &manifest,
        lines("operation,image,to-region", copies, |name| format!("image.copy,{name},{TARGET}")),
    )
    .unwrap();
    let batch = Batch {
        name: NAME,
        manifest: &manifest,
        lines: copies,
        words: &["--bandwidth", BANDWIDTH_SAID],
        patience_each: Duration::from_secs(1),
    };
    let begun = Instant::now();
    let killed_at = batch.run_killed(&place, KILLS, 0);
    let took = begun.elapsed();
    let view = place.answer(&["batch", "show", NAME]);
    let told =
        ["Lines", "Done", "Failed", "Parked", "Running", "BytesPerSecond"].map(|name| view[name].as_u64());
    assert_eq!(told, [Some(copies), Some(copies), Some(0), Some(0), Some(0), Some(BANDWIDTH)], "{view}");
    assert_eq!(view["State"], "Done");
    let stores = stores(&place);
    exports(&place, &disks);
    let log = place.answer(&["audit", "verify"]);
    place.answer(&["audit", "rebuild"]);
    let sent = judge(&place, &view, copies);
    let after = files(&place);
    assert_eq!(after, before, "nothing is left behind beside what is stored");
    println!(
        "soak: {copies} copies at {BANDWIDTH} bytes a second, killed at {killed_at:?}, in {:.1} s; {} events; {sent} \
         bytes of chunks; {} chunks in {} bytes of packs in the source, {} in {} in the target",
        took.as_secs_f64(),
        log["Events"],
        stores[0].chunks,
        stores[0].pack_bytes,
        stores[1].chunks,
        stores[1].pack_bytes,
    );
}

/// A manifest with a line an image.
fn lines(columns: &str, count: u64, line: impl Fn(&str) -> String) -> String {
    let mut text = format!("{columns}\n");
    for number in 0..count {
        writeln!(text, "{}", line(&name_of(number))).unwrap();
    }
    text
}

fn name_of(number: u64) -> String {
    format!("disk-{number:04}")
}

/// Makes the disks and imports them, by a batch as well. The files, in the order of their images' names.
fn import(place: &Place, count: u64) -> Vec<PathBuf> {
    let folder = place.path("disks");
    fs::create_dir(&folder).unwrap();
    let path = |name: &str| folder.join(format!("{name}.raw"));
    let disks: Vec<PathBuf> = (0..count).map(|number| path(&name_of(number))).collect();
    for (number, disk) in (0..).zip(&disks) {
        make(disk, number);
    }
    let manifest = place.path("imports.csv");
    let line = |name: &str| format!("image.import,{},{name}", path(name).to_str().unwrap());
    fs::write(&manifest, lines("operation,file,name", count, line)).unwrap();
    let done = place.answer(&["batch", "run", manifest.to_str().unwrap(), "--name", "imports"]);
    assert_eq!(done["Done"].as_u64(), Some(count), "{done}");
    disks
}

/// Makes a disk: a stretch of its own, holes, and stretches that others have.
fn make(path: &Path, number: u64) {
    let mut chance = Words(1_000 + number);
    let file = File::create_new(path).unwrap();
    file.set_len(STRETCHES * STRETCH_BYTES).unwrap();
    file.write_all_at(&content(1_000_000 + number), 0).unwrap();
    for stretch in 1..STRETCHES {
        if chance.next().is_multiple_of(4) {
            file.write_all_at(&content(chance.next() % SHARED), stretch * STRETCH_BYTES).unwrap();
        }
    }
}

/// What fills the beginning of a stretch, and compresses by about a half.
fn content(seed: u64) -> Vec<u8> {
    let mut chance = Words(seed);
    (0..FILLED_BYTES / 8).flat_map(|_| (chance.next() & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes()).collect()
}

/// Words without end, from a seed: splitmix64.
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// What is in a store.
struct Stored {
    chunks: u64,
    pack_bytes: u64,
}

/// Reads all that is stored: nothing is missing or left over, and the target has of nothing more than the source but
/// what several copies brought at the same time.
fn stores(place: &Place) -> [Stored; 2] {
    let stores = [SOURCE, TARGET].map(|region| {
        let found = place.answer(&["region", "check", region, "--deep"]);
        for (name, none) in [("Missing", true), ("StrayFiles", true), ("OrphanedChunks", false)] {
            let value = &found[name];
            let empty =
                if none { value.as_array().is_some_and(Vec::is_empty) } else { value.as_u64() == Some(0) };
            assert!(empty, "{region}: {found}");
        }
        let number = |name: &str| found[name].as_u64().unwrap();
        Stored { chunks: number("Chunks"), pack_bytes: number("PackBytes") }
    });
    let [source, target] = &stores;
    // What is on its way to an image is that image's alone until it is sealed.
    let twice = (AT_ONCE - 1) * SHARED * FILLED_BYTES;
    let chunks_twice = twice / CHUNK_BYTES_MIN;
    assert!(
        target.chunks.abs_diff(source.chunks) <= chunks_twice,
        "{} chunks in the target, {} in the source",
        target.chunks,
        source.chunks
    );
    assert!(
        target.pack_bytes <= source.pack_bytes + source.pack_bytes / PART + twice,
        "{} in packs of the target, {} in those of the source",
        target.pack_bytes,
        source.pack_bytes
    );
    stores
}

/// Some images are exported from both regions, and are what their files are.
fn exports(place: &Place, disks: &[PathBuf]) {
    let step = (disks.len() as u64 / EXPORTED).max(1);
    for number in (0..disks.len() as u64).step_by(usize::try_from(step).unwrap()) {
        let disk = fs::read(&disks[usize::try_from(number).unwrap()]).unwrap();
        for region in [SOURCE, TARGET] {
            let out = place.path(&format!("{region}-{number}.raw"));
            let name = name_of(number);
            place.answer(&[
                "--region",
                region,
                "image",
                "export",
                &name,
                "--format",
                "raw",
                "--to",
                out.to_str().unwrap(),
            ]);
            assert!(fs::read(&out).unwrap() == disk, "`{name}` of `{region}` is not what its file is");
            fs::remove_file(out).unwrap();
        }
    }
}

/// The files of the house beside what is in packs, which are named by number.
fn files(place: &Place) -> Vec<PathBuf> {
    let (data, mut found) = (place.data(), Vec::new());
    let mut folders = vec![data.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let own = path.strip_prefix(&data).unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if folder.file_name().is_none_or(|name| name != "packs" && name != "manifests") {
                found.push(own);
            }
        }
    }
    found.sort();
    found
}

/// Every line was done once, every image has one copy with its bytes, and all of them shared the bandwidth. Gives how
/// many bytes the chunks take that copies brought.
fn judge(place: &Place, view: &Value, count: u64) -> u64 {
    let engine = place.engine();
    assert_eq!(engine.verify().unwrap().fault, None);
    let rows = engine.snapshot().unwrap();
    assert!(rows.open_flows().is_empty(), "all has come to its end");
    let id = view["BatchId"].as_str().unwrap();
    let batch = BATCHES.get(&rows, &image::house(), &[ACCOUNT, id]).unwrap();
    assert_eq!(batch.plan.bytes_per_second, Some(BANDWIDTH));
    let (sources, copies) = (images(&rows, SOURCE), images(&rows, TARGET));
    assert_eq!(sources.len() as u64, count);
    assert!(sources.keys().eq(copies.keys()), "each is there once, and no other");
    for (source, copy) in sources.values().zip(copies.values()) {
        whole(source, copy);
    }
    let expected = Pace {
        shared: Some(SharedPace { of: id.to_owned(), bytes_per_second: BANDWIDTH }),
        ..Pace::default()
    };
    let told = told(&rows, &format!("batch/{id}/"));
    // The first line of the file has the columns.
    let numbers = (0..count).map(|number| (format!("{:07}", number + 2), name_of(number)));
    assert!(told.keys().cloned().eq(numbers.clone().map(|(line, _)| line)), "each line is an operation");
    for (line, name) in numbers {
        let Told { reserved, sealed, flows } = &told[&line];
        assert_eq!((reserved.len(), sealed.len(), flows.len()), (1, 1, 1), "line {line}");
        let copy = &copies[&name];
        assert_eq!((&reserved[0], &sealed[0]), (&copy.id.0, &copy.id.0), "line {line} made another image");
        assert_eq!(flows[0], copy.flow);
        assert_eq!(rows.flow(copy.flow).unwrap().state, State::Done);
        let started = rows.started(copy.flow).unwrap().unwrap();
        let asked: CopyImage = rmp_serde::from_slice(&started.input).unwrap();
        assert_eq!((&asked.source, &asked.pace), (&sources[&name].id, &expected), "line {line}");
    }
    copies.values().flat_map(|copy| &copy.disks).map(|disk| disk.stored_bytes).sum()
}

fn images(rows: &Snapshot, region: &str) -> BTreeMap<String, Image> {
    let scope = image::scope(&AccountId::from(ACCOUNT), &RegionId::from(region));
    let all = image::IMAGES.list(rows, &scope, &[]);
    let names: BTreeMap<String, Image> =
        all.iter().map(|image| (image.name.clone(), image.clone())).collect();
    assert_eq!(names.len(), all.len(), "a name is one image's");
    names
}

/// A copy is what its source is, to the byte, and neither waits for anything.
fn whole(source: &Image, copy: &Image) {
    let name = &source.name;
    assert_eq!((source.status, copy.status), (Status::Available, Status::Available), "`{name}`");
    let (from, to) = (source.system(), copy.system());
    assert!(from.verified && to.verified, "`{name}` was not read back");
    assert!(from.disk.is_some() && from.disk == to.disk, "`{name}` has another content");
    assert!(source.copies.is_empty(), "`{name}` is not being copied any more");
    let made = Making::Copy {
        image: source.id.clone(),
        account: source.account.clone(),
        region: source.region.clone(),
    };
    assert_eq!(copy.making, made, "`{name}`");
}

/// What the log tells of a line.
#[derive(Default)]
struct Told {
    reserved: Vec<String>,
    sealed: Vec<String>,
    flows: Vec<event::FlowId>,
}

/// What the log tells of the lines whose requests begin so, by the rest.
fn told(rows: &Snapshot, prefix: &str) -> BTreeMap<String, Told> {
    let of_line =
        |record: &Record| matches!(&record.cause, Cause::Request(request) if request.starts_with(prefix));
    let page = rows.records_where(Seq(1), rows.head().unwrap(), usize::MAX, of_line).unwrap();
    let mut lines = BTreeMap::<String, Told>::new();
    for record in page.records {
        let Cause::Request(request) = &record.cause else { continue };
        let told = lines.entry(request[prefix.len()..].to_owned()).or_default();
        match record.kind.as_str() {
            engine::Started::KIND => told.flows.push(record.flow),
            ImageReserved::KIND => told.reserved.push(record.get::<ImageReserved>().unwrap().image.0),
            ImageSealed::KIND => told.sealed.push(record.get::<ImageSealed>().unwrap().image.0),
            _ => {}
        }
    }
    lines
}
