//! Objects come into buckets and out of them; what is listed, what is refused, what stays.

use std::collections::BTreeMap;
use std::io::Read;

use domain::port::{
    BucketAt, Buckets, Compression, DataPlane, Format, Job, Location, ObjectInfo, Target, Wrapping,
};
use event::Failure;
use files::{Files, Open};

use crate::Options;
use crate::fault::Result;
use crate::test_support::*;

const FILE: &str = "/in/file";

pub(crate) fn bucket() -> BucketAt {
    BucketAt { region: region(), store: store(), name: "uploads".into() }
}

pub(crate) fn at(key: &str) -> Location {
    Location::object(bucket(), key)
}

pub(crate) fn job(name: &str) -> Job {
    Job(name.into())
}

/// Where the file of an object is.
pub(crate) fn object_path(key: &str) -> String {
    let dir = format!("{ROOT}/{}/buckets/uploads", region());
    std::path::Path::new(&dir).join(crate::key::path(key)).to_str().unwrap().to_owned()
}

/// A house with an empty bucket.
pub(crate) fn house_with_bucket(seed: u64) -> House {
    let house = House::new(seed);
    wait(house.plane.make_bucket(&bucket())).unwrap();
    house
}

impl House {
    pub(crate) fn put(
        &self,
        work: std::sync::Arc<Step>,
        name: &str,
        from: &str,
        key: &str,
        replace: bool,
    ) -> Result<ObjectInfo> {
        wait(self.plane.put_object(work, &job(name), from, &at(key), replace))
    }

    pub(crate) fn discard_put(&self, name: &str, key: &str) -> Result<()> {
        wait(self.plane.discard_put(attempt(9, 1), &job(name), &at(key)))
    }

    pub(crate) fn get(
        &self,
        work: std::sync::Arc<Step>,
        name: &str,
        key: &str,
        to: &str,
        replace: bool,
    ) -> Result<()> {
        wait(self.plane.get_object(work, &job(name), &at(key), to, replace))
    }

    pub(crate) fn remove(&self, key: &str) -> Result<()> {
        wait(self.plane.remove_object(&at(key)))
    }

    pub(crate) fn object(&self, key: &str) -> Option<ObjectInfo> {
        wait(self.plane.object(&at(key))).unwrap()
    }

    /// All keys, by pages of this size.
    pub(crate) fn keys(&self, prefix: &str, count: usize) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            let after = keys.last().cloned().unwrap_or_default();
            let page = wait(self.plane.objects(&bucket(), prefix, &after, count)).unwrap();
            assert!(page.objects.len() == count || !page.more, "a page that is not full is the last");
            keys.extend(page.objects.into_iter().map(|object| object.key));
            if !page.more {
                return keys;
            }
        }
    }

    /// What is on the disk, but for the index.
    pub(crate) fn state(&self) -> sim::Snapshot {
        let mut snapshot = self.sim.snapshot();
        snapshot.retain(|path, _| !path.ends_with("index.redb"));
        snapshot
    }
}

#[test]
fn what_is_put_is_there_under_its_key_and_comes_out_as_it_went_in() {
    let house = house_with_bucket(1);
    let disk = guest_disk(1);
    house.put_file(FILE, &disk);
    let key = "exports/web_system.raw.tar.gz";
    let info = house.put(attempt(1, 1), "p-1", FILE, key, false).unwrap();
    assert_eq!((info.key.as_str(), info.bytes), (key, disk.len() as u64));
    assert_eq!(house.object(key), Some(info.clone()));
    assert!(file_is(&house.sim, &object_path(key), &disk));
    let allocated = |path: &str| house.sim.mount().identity(path.as_ref()).unwrap().allocated_bytes;
    assert_eq!(allocated(&object_path(key)), allocated(FILE), "holes stay holes");
    house.get(attempt(1, 1), "g-1", key, "/out/copy", false).unwrap();
    assert!(file_is(&house.sim, "/out/copy", &disk));
    assert_eq!(allocated("/out/copy"), allocated(FILE));
    assert_eq!(house.sim.mount().list(OUT.as_ref()).unwrap(), ["copy"]);
    // Again by the next process, with the source gone.
    house.sim.mount().remove(FILE.as_ref()).unwrap();
    let house = house.restarted();
    assert_eq!(house.put(attempt(2, 1), "p-1", FILE, key, false).unwrap(), info);
    house.get(attempt(2, 1), "g-1", key, "/out/copy", false).unwrap();
    house.assert_clean(&Live::default(), "after a put");
}

#[test]
fn an_object_that_is_there_is_left_alone_unless_it_may_be_replaced() {
    let house = house_with_bucket(1);
    house.sim.put(FILE, b"one");
    house.put(attempt(1, 1), "p-1", FILE, "a", false).unwrap();
    house.sim.put("/in/other", b"other");
    let before = house.state();
    assert_eq!(code(house.put(attempt(1, 1), "p-2", "/in/other", "a", false)), "FileAlreadyExists");
    house.discard_put("p-2", "a").unwrap();
    assert_eq!(house.state(), before);
    house.put(attempt(1, 1), "p-3", "/in/other", "a", true).unwrap();
    assert_eq!(house.sim.get(object_path("a")).unwrap(), b"other");
    // One that another has replaced is not this job's to undo.
    house.discard_put("p-1", "a").unwrap();
    assert_eq!(house.sim.get(object_path("a")).unwrap(), b"other");
    house.discard_put("p-3", "a").unwrap();
    assert_eq!(house.object("a"), None);
    assert_eq!(house.keys("", 10), [""; 0]);
    house.sim.put("/out/b", b"mine");
    house.put(attempt(1, 1), "p-4", FILE, "a", false).unwrap();
    assert_eq!(code(house.get(attempt(1, 1), "g-1", "a", "/out/b", false)), "InvalidTarget.Exists");
    wait(house.plane.discard_get(attempt(1, 1), &job("g-1"), "/out/b")).unwrap();
    assert_eq!(house.sim.get("/out/b").unwrap(), b"mine");
    assert_eq!(code(house.get(attempt(1, 1), "g-2", "a", "/no/b", false)), "InvalidTarget.NotFound");
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let house = house_with_bucket(1);
    house.sim.put(FILE, b"one");
    house.sim.put_dir("/in/dir");
    let put = |bucket: &BucketAt, from: &str, key: &str| {
        let to = Location::object(bucket.clone(), key);
        code(wait(house.plane.put_object(attempt(1, 1), &job("p-1"), from, &to, false)))
    };
    let before = house.state();
    let named = |name: &str| BucketAt { name: name.into(), ..bucket() };
    assert_eq!(put(&named("other"), FILE, "a"), "InvalidOSSBucket.NotFound");
    for name in ["../uploads", "..", "", "a/b", "UPLOADS"] {
        assert_eq!(put(&named(name), FILE, "a"), "InvalidOSSBucket.Malformed");
        let at = Location::object(named(name), "a");
        wait(house.plane.discard_put(attempt(1, 1), &job("p-1"), &at)).unwrap();
    }
    for key in ["", "/a", "http://a", &"k".repeat(1024)] {
        assert_eq!(put(&bucket(), FILE, key), "InvalidOSSObject.Malformed");
        house.discard_put("p-1", key).unwrap();
    }
    assert_eq!(put(&bucket(), "/in/none", "a"), "InvalidSource.NotFound");
    assert_eq!(put(&bucket(), "/in/dir", "a"), "InvalidSource.NotAFile");
    house.discard_put("p-1", "a").unwrap();
    assert_eq!(code(house.get(attempt(1, 1), "g-1", "a", "/out/a", false)), "InvalidOSSObject.NotFound");
    let inspect = |at: &Location| code(wait(house.plane.inspect(at, None)));
    assert_eq!(inspect(&at("a")), "InvalidOSSObject.NotFound");
    assert_eq!(inspect(&at("a/b/c")), "InvalidOSSObject.NotFound");
    assert_eq!(inspect(&Location::object(named("other"), "a")), "InvalidOSSBucket.NotFound");
    assert_eq!(code(wait(house.plane.objects(&named("other"), "", "", 1))), "InvalidOSSBucket.NotFound");
    assert_eq!(house.state(), before);
    house.sim.put(FILE, b"");
    house.put(attempt(1, 1), "p-2", FILE, "empty", false).unwrap();
    assert_eq!(inspect(&at("empty")), "InvalidOSSObject.Size");
}

#[test]
fn a_store_that_is_not_there_is_neither_written_nor_emptied() {
    let house = house_with_bucket(1);
    house.sim.put(FILE, b"one");
    house.put(attempt(1, 1), "p-1", FILE, "a", false).unwrap();
    let id = format!("{ROOT}/{}/store.id", region());
    for text in [&b"another\n"[..], b""] {
        if text.is_empty() {
            house.sim.mount().remove(id.as_ref()).unwrap();
        } else {
            house.sim.mount().open(id.as_ref(), Open::Write).unwrap().set_len(0).unwrap();
            house.sim.put(&id, text);
        }
        let before = house.state();
        let world =
            |failure: Option<Failure>| assert!(matches!(failure, Some(Failure::World(_))), "{failure:?}");
        world(wait(house.plane.make_bucket(&bucket())).err());
        world(wait(house.plane.remove_bucket(&bucket())).err());
        world(house.put(attempt(1, 1), "p-2", FILE, "b", false).err());
        world(house.discard_put("p-1", "a").err());
        world(house.get(attempt(1, 1), "g-2", "a", "/out/a", false).err());
        world(house.remove("a").err());
        world(wait(house.plane.object(&at("a"))).err());
        world(wait(house.plane.objects(&bucket(), "", "", 9)).err());
        world(wait(house.plane.inspect(&at("a"), None)).err());
        world(wait(house.plane.make_store(&region(), &store())).err());
        assert_eq!(house.state(), before);
    }
}

#[test]
fn a_bucket_goes_only_when_it_is_empty_and_takes_leftovers_with_it() {
    let house = house_with_bucket(1);
    let before = house.state();
    house.sim.put(FILE, &noise(1, 1 << 20));
    house.put(attempt(1, 1), "p-1", FILE, "a/b", false).unwrap();
    assert_eq!(code(wait(house.plane.remove_bucket(&bucket()))), "BucketNotEmpty");
    house.remove("a/b").unwrap();
    house.remove("a/b").unwrap();
    // One that is under way is not swept away under its feet.
    assert_eq!(house.put(cancelled_at(1, 1, 2), "p-2", FILE, "c", false), Err(Failure::Cancelled));
    assert_eq!(code(wait(house.plane.remove_bucket(&bucket()))), "BucketNotEmpty");
    house.discard_put("p-2", "c").unwrap();
    house.sim.mount().remove(FILE.as_ref()).unwrap();
    let mut state = house.state();
    state.remove(std::path::Path::new("/in"));
    assert_eq!(state, before);
    let leftover = object_path("x").replace("/x", "/.partial/0123");
    house.sim.put(&leftover, b"left");
    house.sim.put_dir(object_path("left/over/x").strip_suffix("/x").unwrap());
    let strays = house.examine(&Live::default()).stray_files;
    assert_eq!(strays, ["buckets/uploads/.partial/0123"]);
    assert_eq!(house.keys("", 10), [""; 0], "what is on its way is not listed");
    for _ in 0..2 {
        wait(house.plane.remove_bucket(&bucket())).unwrap();
        assert_eq!(code(wait(house.plane.objects(&bucket(), "", "", 1))), "InvalidOSSBucket.NotFound");
    }
    house.remove("a").unwrap();
    wait(house.plane.make_bucket(&bucket())).unwrap();
    assert_eq!(house.keys("", 10), [""; 0]);
}

#[test]
fn a_file_in_the_bucket_that_is_no_object_is_never_removed() {
    let house = house_with_bucket(1);
    let stranger = format!("{}/notes:txt", object_path("d/x").strip_suffix("/x").unwrap());
    house.sim.put(&stranger, b"mine");
    assert_eq!(house.keys("", 10), [""; 0]);
    assert_eq!(code(wait(house.plane.remove_bucket(&bucket()))), "BucketNotEmpty");
    assert_eq!(house.sim.get(&stranger).unwrap(), b"mine");
}

#[test]
fn an_interrupted_put_goes_on_behind_what_is_durable() {
    let house = house_with_bucket(3);
    let file = noise(1, 2 << 20);
    house.sim.put(FILE, &file);
    let interval = options().checkpoint_bytes.max(1 << 20);
    for stop in 1.. {
        let house = house.fork(stop);
        let first = house.put(cancelled_at(1, 1, stop), "p-1", FILE, "a/b", false);
        let read = house.plane.source_bytes_read(&job("p-1"));
        house.sim.power_cut();
        house.sim.power_on();
        let house = house.reopened();
        house.put(attempt(2, 1), "p-1", FILE, "a/b", false).unwrap();
        assert_eq!(house.sim.get(object_path("a/b")).unwrap(), file, "stopped at {stop}");
        let read = read + house.plane.source_bytes_read(&job("p-1"));
        assert!(read <= file.len() as u64 + interval, "stopped at {stop}: {read} bytes read");
        house.assert_clean(&Live::default(), "after a put");
        if first.is_ok() {
            assert!(stop >= 4, "it was not interrupted in between");
            break;
        }
        assert_eq!(first, Err(Failure::Cancelled));
    }
}

#[test]
fn what_stands_behind_the_last_note_is_not_trusted() {
    // Behind the second checkpoint is a hole, into which a power cut may have left anything.
    let mut file = noise(1, 4 << 20);
    file[2 << 20..3 << 20].fill(0);
    let house = house_with_bucket(1);
    house.put_file(FILE, &file);
    assert_eq!(house.put(cancelled_at(1, 1, 3), "p-1", FILE, "a", false), Err(Failure::Cancelled));
    let dir = object_path("x").replace("/x", "/.partial");
    let partial = house.sim.mount().list(dir.as_ref()).unwrap().remove(0);
    house.sim.corrupt(format!("{dir}/{partial}"), 5 << 19, b"anything");
    let house = house.restarted();
    house.put(attempt(2, 1), "p-1", FILE, "a", false).unwrap();
    assert!(file_is(&house.sim, &object_path("a"), &file));
    assert!(house.plane.source_bytes_read(&job("p-1")) <= 1 << 20, "it did not begin anew");
}

#[test]
fn a_source_that_changes_under_a_put_is_refused() {
    let house = house_with_bucket(1);
    house.sim.put(FILE, &noise(1, 2 << 20));
    let _ = house.put(cancelled_at(1, 1, 2), "p-1", FILE, "a", false);
    house.sim.put(FILE, &noise(2, 2 << 20));
    assert_eq!(code(house.put(attempt(1, 2), "p-1", FILE, "a", false)), "InvalidSource.Changed");
    house.discard_put("p-1", "a").unwrap();
    assert_eq!(house.object("a"), None);
    // A get begins anew with the object that is there now.
    house.put(attempt(1, 1), "p-2", FILE, "a", false).unwrap();
    let _ = house.get(cancelled_at(1, 1, 2), "g-1", "a", "/out/a", false);
    house.sim.put(FILE, &noise(3, 2 << 20));
    house.put(attempt(1, 1), "p-3", FILE, "a", true).unwrap();
    house.get(attempt(1, 2), "g-1", "a", "/out/a", false).unwrap();
    assert_eq!(house.sim.get("/out/a").unwrap(), noise(3, 2 << 20));
}

#[test]
fn a_put_leaves_the_reserve_alone() {
    let house = house_with_bucket(1);
    house.sim.put(FILE, &noise(1, 2 << 20));
    let used = house.sim.used_bytes();
    house.sim.set_capacity(used + (4 << 20));
    let house = House::on(&house.sim, Options { reserve_bytes: 3 << 20, ..options() });
    assert_eq!(code(house.put(attempt(1, 1), "p-1", FILE, "a", false)), "Storage.Full");
    assert!(house.sim.used_bytes() <= used + (1 << 20) + (1 << 19), "the reserve was touched");
    house.discard_put("p-1", "a").unwrap();
    house.assert_clean(&Live::default(), "after the discard");
}

#[test]
fn an_object_is_imported_and_a_disk_exported_like_files() {
    let house = house_with_bucket(1);
    let disk = guest_disk(1);
    house.put_file(FILE, &disk);
    house.put(attempt(1, 1), "p-1", FILE, "in/web.raw", false).unwrap();
    let source = wait(house.plane.inspect(&at("in/web.raw"), Some(Format::Raw))).unwrap();
    assert_eq!(source.at.to_string(), "oss://uploads/in/web.raw");
    let transferred = house.transfer(attempt(1, 1), "m-1", &source).unwrap();
    house.settle(attempt(1, 1), "m-1").unwrap();
    let stored = stored(&source, &transferred);
    let live = Live::of("1", &[&stored]);
    let target = Target { at: at("out/web.raw"), ..target("") };
    let before = house.state();
    assert_eq!(house.export(cancelled_at(1, 1, 2), "x-1", &stored, &target), Err(Failure::Cancelled));
    assert_eq!(house.keys("out/", 10), [""; 0]);
    house.discard_export("x-1", &target).unwrap();
    assert_eq!(house.state(), before);
    for incarnation in 1..=2 {
        house.export(attempt(incarnation, 1), "x-2", &stored, &target).unwrap();
        assert!(file_is(&house.sim, &object_path("out/web.raw"), &disk));
    }
    assert_eq!(code(house.export(attempt(1, 1), "x-3", &stored, &target)), "FileAlreadyExists");
    house.discard_export("x-3", &target).unwrap();
    house.assert_clean(&live, "after exports");
    house.collect(attempt(1, 1), "c-1", &live).unwrap();
    assert_eq!(house.keys("", 1), ["in/web.raw", "out/web.raw"]);
    house.discard_export("x-2", &target).unwrap();
    assert_eq!(house.state(), before);
    // What cannot be.
    let elsewhere = BucketAt { region: "cn-beijing".into(), ..bucket() };
    let to = |at: Location| Target { at, ..target.clone() };
    let export = |target: &Target| code(house.export(attempt(1, 1), "x-4", &stored, target));
    assert_eq!(export(&to(Location::object(elsewhere, "a"))), "InvalidOSSBucket.NotMatched");
    let none = BucketAt { name: "none".into(), ..bucket() };
    assert_eq!(export(&to(Location::object(none, "a"))), "InvalidOSSBucket.NotFound");
    // Wrapped as the API has it, and taken back.
    let archived = Location::object(bucket(), "out/web.raw.tar.gz");
    let wrapping = Wrapping::TarGz("web.raw".into());
    let wrapped = Target {
        at: archived,
        format: Format::Raw,
        compression: Compression::None,
        wrapping,
        replace: false,
    };
    house.export(attempt(1, 1), "x-4", &stored, &wrapped).unwrap();
    let archive = house.sim.get(object_path("out/web.raw.tar.gz")).unwrap();
    let mut tar = Vec::new();
    flate2::read::MultiGzDecoder::new(&archive[..]).read_to_end(&mut tar).unwrap();
    assert_eq!(&tar[..7], b"web.raw");
    assert!(tar[512..512 + disk.len()] == disk[..], "the archive holds the disk");
    house.discard_export("x-4", &wrapped).unwrap();
    assert_eq!(house.state(), before);
    // An object that is replaced while it is imported.
    let again = wait(house.plane.inspect(&at("in/web.raw"), Some(Format::Raw))).unwrap();
    house.put(attempt(1, 1), "p-2", FILE, "in/web.raw", true).unwrap();
    assert_eq!(code(house.transfer(attempt(1, 1), "m-2", &again)), "InvalidSource.Changed");
}

#[test]
fn a_page_of_a_large_bucket_costs_what_it_tells() {
    let house = house_with_bucket(1);
    house.put_file(FILE, b"x");
    for number in 0..40 {
        let (name, key) = (format!("p-{number}"), format!("dir-{number:02}/sub/object"));
        house.put(attempt(1, 1), &name, FILE, &key, false).unwrap();
    }
    let reads = || house.sim.reads();
    assert_eq!(house.keys("dir-20/", 10), ["dir-20/sub/object"]);
    let before = reads();
    let page = wait(house.plane.objects(&bucket(), "", "dir-30/sub/object", 1)).unwrap();
    assert_eq!((page.objects[0].key.as_str(), page.more), ("dir-31/sub/object", true));
    assert!(reads() - before < 20, "{} looks for one object", reads() - before);
}

#[test]
fn a_bucket_is_a_map_from_keys_to_bytes_in_the_order_of_keys() {
    for seed in 0..6 {
        let house = house_with_bucket(seed);
        let empty = house.state();
        let mut dice = Dice::new(seed);
        let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for number in 0..150 {
            let known = (!model.is_empty() && dice.below(2) == 0)
                .then(|| model.keys().nth(usize::try_from(dice.below(model.len() as u64)).unwrap()).cloned());
            let key = known.flatten().unwrap_or_else(|| random_key(&mut dice));
            let context = format!("seed {seed}, deed {number}: {key:?}");
            let bytes = noise(number, 1 + usize::try_from(dice.below(9)).unwrap());
            house.sim.put(FILE, &bytes);
            let name = format!("j-{number}");
            match dice.below(6) {
                0 | 1 => {
                    house.remove(&key).unwrap();
                    model.remove(&key);
                }
                2 => {
                    house.put(attempt(1, 1), &name, FILE, &key, true).unwrap();
                    model.insert(key.clone(), bytes);
                }
                3 => {
                    let _ = house.put(cancelled_at(1, 1, 1 + dice.below(2)), &name, FILE, &key, false);
                    house.discard_put(&name, &key).unwrap();
                }
                _ => match house.put(attempt(1, 1), &name, FILE, &key, false) {
                    Ok(_) => assert!(model.insert(key.clone(), bytes).is_none(), "{context}"),
                    refused => {
                        assert_eq!(code(refused), "FileAlreadyExists", "{context}");
                        assert!(model.contains_key(&key), "{context}");
                        house.discard_put(&name, &key).unwrap();
                    }
                },
            }
            let there = house.object(&key).map(|info| info.bytes);
            assert_eq!(there, model.get(&key).map(|bytes| bytes.len() as u64), "{context}");
            if number % 10 == 0 {
                check_listing(&house, &model, &mut dice, &context);
            }
        }
        for (key, bytes) in &model {
            house.get(attempt(1, 1), "g-1", key, "/out/a", true).unwrap();
            assert_eq!(&house.sim.get("/out/a").unwrap(), bytes, "seed {seed}: {key:?}");
            wait(house.plane.discard_get(attempt(1, 1), &job("g-1"), "/out/a")).unwrap();
            house.remove(key).unwrap();
        }
        house.sim.mount().remove(FILE.as_ref()).unwrap();
        let mut state = house.state();
        state.remove(std::path::Path::new("/in"));
        assert_eq!(state, empty, "seed {seed}");
    }
}

#[test]
fn the_file_system_of_this_machine_takes_every_key() {
    let dir = tempfile::tempdir().unwrap();
    let (root, file) = (dir.path().join("stores"), dir.path().join("file"));
    let files = files::RealFiles;
    files.create_dirs(&root).unwrap();
    let opened = files.open(&file, Open::CreateNew).unwrap();
    opened.write_at(1 << 20, b"end").unwrap();
    let plane = crate::Plane::new(std::sync::Arc::new(files), root, options());
    wait(plane.make_store(&region(), &store())).unwrap();
    wait(plane.make_bucket(&bucket())).unwrap();
    let mut dice = Dice::new(1);
    let mut keys: Vec<String> = (0..60).map(|_| random_key(&mut dice)).collect();
    keys.extend(["k".repeat(1023), "\u{1}".repeat(1023), "a/".repeat(511), "镜".repeat(341)]);
    keys.sort();
    keys.dedup();
    for (number, key) in keys.iter().enumerate() {
        let name = job(&format!("p-{number}"));
        let from = file.to_str().unwrap();
        let info = wait(plane.put_object(attempt(1, 1), &name, from, &at(key), false)).unwrap();
        assert_eq!(wait(plane.object(&at(key))).unwrap(), Some(info), "{key:?}");
    }
    let page = wait(plane.objects(&bucket(), "", "", 1000)).unwrap();
    assert_eq!(page.objects.into_iter().map(|object| object.key).collect::<Vec<_>>(), keys);
    let to = dir.path().join("copy");
    wait(plane.get_object(attempt(1, 1), &job("g-1"), &at(&keys[0]), to.to_str().unwrap(), false)).unwrap();
    let found = files.identity(&to).unwrap();
    assert_eq!(found.size_bytes, (1 << 20) + 3);
    assert!(found.allocated_bytes < 1 << 20, "holes stay holes");
    assert_eq!(code(wait(plane.remove_bucket(&bucket()))), "BucketNotEmpty");
    for key in &keys {
        wait(plane.remove_object(&at(key))).unwrap();
    }
    let left = files.list(&dir.path().join("stores/cn-hangzhou/buckets/uploads")).unwrap();
    assert_eq!(left, [""; 0], "emptied directories go with their objects");
    wait(plane.remove_bucket(&bucket())).unwrap();
}

#[test]
fn puts_and_removals_in_one_directory_do_not_meet() {
    let house = house_with_bucket(1);
    house.sim.put(FILE, b"one");
    let before = house.state();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let house = &house;
            scope.spawn(move || {
                for round in 0..40 {
                    let (name, key) = (format!("p-{thread}-{round}"), format!("deep/dir/{thread}"));
                    house.put(attempt(1, 1), &name, FILE, &key, false).unwrap();
                    match round % 3 {
                        0 => house.discard_put(&name, &key).unwrap(),
                        _ => house.remove(&key).unwrap(),
                    }
                    house.keys("deep/", 2);
                }
            });
        }
        // Who loses is refused; the winner's stays.
        for thread in 0..2 {
            let house = &house;
            scope.spawn(move || {
                for round in 0..40 {
                    let (name, key) = (format!("q-{thread}-{round}"), format!("same/{round}"));
                    if let Err(failure) = house.put(attempt(1, 1), &name, FILE, &key, false) {
                        assert_eq!(code::<()>(Err(failure)), "FileAlreadyExists");
                        house.discard_put(&name, &key).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(house.keys("", 100).len(), 40);
    for round in 0..40 {
        house.remove(&format!("same/{round}")).unwrap();
    }
    assert_eq!(house.state(), before);
}

/// Holds pages of random prefixes, positions and sizes against the model.
fn check_listing(house: &House, model: &BTreeMap<String, Vec<u8>>, dice: &mut Dice, context: &str) {
    let all: Vec<&String> = model.keys().collect();
    assert_eq!(house.keys("", 1 + usize::try_from(dice.below(9)).unwrap()).iter().collect::<Vec<_>>(), all);
    for _ in 0..10 {
        let text = |dice: &mut Dice| {
            let key = random_key(dice);
            let known = model.keys().nth(usize::try_from(dice.below(1 + model.len() as u64)).unwrap());
            let key = known.filter(|_| dice.below(2) == 0).cloned().unwrap_or(key);
            let chars = usize::try_from(dice.below(1 + key.chars().count() as u64)).unwrap();
            key.chars().take(chars).collect::<String>()
        };
        let (prefix, after) = (text(dice), text(dice));
        let count = usize::try_from(dice.below(5)).unwrap();
        let page = wait(house.plane.objects(&bucket(), &prefix, &after, count)).unwrap();
        let mut expected: Vec<&String> =
            model.keys().filter(|key| key.starts_with(&prefix) && **key > after).collect();
        assert_eq!(page.more, expected.len() > count, "{context}, {prefix:?} behind {after:?}");
        expected.truncate(count);
        let found: Vec<&String> = page.objects.iter().map(|object| &object.key).collect();
        assert_eq!(found, expected, "{context}, {prefix:?} behind {after:?}");
    }
}
