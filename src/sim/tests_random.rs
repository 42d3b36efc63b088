//! Random work, against two judges: the real file system, which must give the same answers, and the
//! promise of durability, which must hold whatever the seed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use files::{File, Files, Open, RealFiles};

use crate::chance::Chance;
use crate::{Loss, SimFiles};

const PATHS: [&str; 9] = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "none/a", "a/b"];

/// One random call, as text that says what came of it.
fn step(files: &dyn Files, base: &Path, chance: &mut Chance) -> String {
    let from = PATHS[chance.below(PATHS.len())];
    let to = PATHS[chance.below(PATHS.len())];
    let (source, target) = (base.join(from), base.join(to));
    let offset = chance.below(20_000) as u64;
    let bytes = vec![u8::try_from(chance.below(256)).unwrap(); chance.below(9000)];
    let how = [Open::Read, Open::Write, Open::Create, Open::CreateNew][chance.below(4)];
    match chance.below(12) {
        0 => said("list", from, files.list(&source)),
        1 => said("dirs", from, files.create_dirs(&source)),
        2 => said("rename", &format!("{from} {to}"), files.rename(&source, &target)),
        3 => said("link", &format!("{from} {to}"), files.link(&source, &target)),
        4 => said("remove", from, files.remove(&source)),
        5 => said("remove dir", from, files.remove_dir(&source)),
        6 => said("size", from, size(files, &source)),
        7 => said("cut", from, on(files, &source, Open::Write, |file| file.set_len(offset))),
        8 => said("sync dir", from, files.sync_dir(&source).and_then(|()| files.list(&source))),
        9 => said("read", from, on(files, &source, Open::Read, content)),
        _ => said("write", from, on(files, &source, how, |file| file.write_at(offset, &bytes))),
    }
}

fn said<T: std::fmt::Debug>(call: &str, paths: &str, result: io::Result<T>) -> String {
    format!("{call} {paths}: {:?}", result.map_err(|error| kind(&error)))
}

/// The kind of an error; that a read-only descriptor refuses a write has no kind on the real one.
fn kind(error: &io::Error) -> ErrorKind {
    const BAD_DESCRIPTOR: i32 = 9;
    if error.raw_os_error() == Some(BAD_DESCRIPTOR) { ErrorKind::PermissionDenied } else { error.kind() }
}

fn on<T>(
    files: &dyn Files,
    path: &Path,
    how: Open,
    act: impl Fn(&dyn File) -> io::Result<T>,
) -> io::Result<T> {
    act(&*files.open(path, how)?)
}

fn size(files: &dyn Files, path: &Path) -> io::Result<Option<u64>> {
    let identity = files.identity(path)?;
    Ok((identity.kind == files::Kind::File).then_some(identity.size_bytes))
}

/// The whole content, and the same again by its stretches of data, with zeros between.
fn content(file: &dyn File) -> io::Result<Vec<u8>> {
    let identity = file.identity()?;
    if identity.kind == files::Kind::Directory {
        return Ok(Vec::new());
    }
    let len = usize::try_from(identity.size_bytes).unwrap();
    let (mut whole, mut sparse) = (vec![0; len], vec![0; len]);
    file.read_at(0, &mut whole)?;
    let mut from = 0;
    while let Some(data) = file.next_data(from)? {
        let range = usize::try_from(data.start).unwrap()..usize::try_from(data.end).unwrap();
        file.read_at(data.start, &mut sparse[range])?;
        from = data.end;
    }
    assert_eq!(whole, sparse, "what lies between stretches of data is zero");
    Ok(whole)
}

#[test]
fn it_answers_like_the_real_file_system() {
    for seed in 0..100 {
        let dir = tempfile::tempdir().unwrap();
        let sim = SimFiles::new(seed);
        let (mut here, mut there) = (Chance::new(seed), Chance::new(seed));
        for number in 0..150 {
            let expected = step(&RealFiles, dir.path(), &mut there);
            let found = step(&*sim, Path::new("/"), &mut here);
            assert_eq!(found, expected, "seed {seed}, step {number}");
        }
    }
}

/// After random work every count of allocated bytes is the sum over what is there.
#[test]
fn the_space_used_is_the_space_of_the_files_that_are_there() {
    for seed in 0..60 {
        let sim = SimFiles::new(seed);
        let mut chance = Chance::new(seed);
        for _ in 0..150 {
            step(&*sim, Path::new("/"), &mut chance);
        }
        let used_bytes = sim.used_bytes();
        sim.lock().recount();
        assert_eq!(sim.used_bytes(), used_bytes, "seed {seed}");
        sim.power_on();
        assert_eq!(sim.snapshot(), sim.durable_snapshot(), "seed {seed}");
    }
}

/// A file that was synced, under a name that was synced, and left alone since is there after any
/// disaster, byte for byte, whatever went on around it.
#[test]
fn what_was_synced_and_left_alone_survives_every_disaster() {
    for seed in 0..300 {
        let sim = SimFiles::new(seed);
        sim.put_dir("/kept");
        sim.put_dir("/other");
        let mut chance = Chance::new(seed + 1000);
        let mut promised: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for number in 0..12_u8 {
            let (temporary, name) = (format!("/other/{number}"), format!("/kept/{number}"));
            let file = sim.open(Path::new(&temporary), Open::CreateNew).unwrap();
            let bytes = vec![number + 1; 1 + chance.below(9000)];
            for (piece, bytes) in bytes.chunks(700).enumerate() {
                file.write_at(piece as u64 * 700, bytes).unwrap();
            }
            sim.rename(Path::new(&temporary), Path::new(&name)).unwrap();
            if chance.coin() {
                file.sync().unwrap();
                // Either directory of a rename makes it durable.
                sim.sync_dir(Path::new(if chance.coin() { "/kept" } else { "/other" })).unwrap();
                promised.insert(name, bytes);
            }
        }
        sim.power_on();
        for (name, bytes) in promised {
            assert_eq!(sim.get(&name).as_ref(), Some(&bytes), "seed {seed}, {name}");
        }
    }
}

/// Four threads at once on one disk, with the power going in the middle: none hangs or panics, and
/// each learns of it.
#[test]
fn threads_share_a_disk_and_its_end() {
    let sim = SimFiles::new(1);
    sim.cut_after(500);
    let work = |thread: u64, sim: Arc<SimFiles>| -> io::Result<()> {
        let file = sim.open(Path::new(&format!("/{thread}")), Open::Create)?;
        for number in 0.. {
            file.write_at(number * 100, &[1; 100])?;
            file.sync()?;
        }
        Ok(())
    };
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let mount = sim.mount();
            std::thread::spawn(move || work(thread, mount))
        })
        .collect();
    for thread in threads {
        let error = thread.join().unwrap().unwrap_err();
        assert!(crate::is_power_loss(&error), "{error}");
    }
    assert_eq!(sim.calls(), 500);
    sim.set_loss(Loss::Nothing);
    sim.power_on();
    assert!(sim.list(Path::new("/")).unwrap().len() <= 4);
}
