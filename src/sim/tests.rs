//! What the disk promises, and what it takes away.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use files::{Backend, File, Files, Identity, Kind, Open};
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::{Entry, Loss, SimFiles, is_power_loss};

pub(crate) const NUMBERS: TableDefinition<'_, u64, u64> = TableDefinition::new("numbers");

pub(crate) fn path(path: &str) -> &Path {
    Path::new(path)
}

pub(crate) fn create(sim: &SimFiles, name: &str) -> Arc<dyn File> {
    sim.open(path(name), Open::Create).unwrap()
}

/// Cuts the power and turns it on again.
fn bounce(sim: &SimFiles) {
    sim.power_cut();
    sim.power_on();
}

fn names(sim: &SimFiles) -> Vec<String> {
    sim.snapshot().into_keys().skip(1).map(|path| path.display().to_string()).collect()
}

#[test]
fn a_synced_file_with_a_synced_name_survives_and_its_un_synced_rest_is_lost() {
    let sim = SimFiles::new(1);
    sim.set_loss(Loss::Everything);
    let file = create(&sim, "/a");
    file.write_at(0, b"kept").unwrap();
    file.sync().unwrap();
    sim.sync_dir(path("/")).unwrap();
    file.write_at(4, b"lost").unwrap();
    file.write_at(0, b"LOST").unwrap();
    assert_eq!(sim.get("/a").unwrap(), b"LOSTlost");
    bounce(&sim);
    assert_eq!(sim.get("/a").unwrap(), b"kept");
}

#[test]
fn a_name_that_was_not_synced_is_forgotten_even_if_the_file_was() {
    let sim = SimFiles::new(1);
    sim.set_loss(Loss::Everything);
    create(&sim, "/a").sync().unwrap();
    bounce(&sim);
    assert!(names(&sim).is_empty());
}

#[test]
fn syncing_a_new_directory_does_not_make_its_own_name_durable() {
    let sim = SimFiles::new(1);
    sim.set_loss(Loss::Everything);
    sim.create_dirs(path("/a/b")).unwrap();
    create(&sim, "/a/b/c");
    sim.sync_dir(path("/a/b")).unwrap();
    sim.sync_dir(path("/")).unwrap();
    assert_eq!(sim.durable_snapshot().len(), 2, "the root and `/a`");
    bounce(&sim);
    assert_eq!(names(&sim), ["/a"]);
}

#[test]
fn a_removed_name_that_was_not_synced_comes_back_with_its_bytes() {
    let sim = SimFiles::new(1);
    sim.set_loss(Loss::Everything);
    sim.put("/a", b"old");
    sim.remove(path("/a")).unwrap();
    assert_eq!(sim.used_bytes(), 0);
    bounce(&sim);
    assert_eq!(sim.get("/a").unwrap(), b"old");
    assert_eq!(sim.used_bytes(), 4096);
}

#[test]
fn with_nothing_lost_a_cut_is_only_the_end_of_the_process() {
    let sim = SimFiles::new(1);
    sim.set_loss(Loss::Nothing);
    sim.create_dirs(path("/a/b")).unwrap();
    create(&sim, "/a/b/c").write_at(1 << 20, b"far").unwrap();
    let before = sim.snapshot();
    bounce(&sim);
    assert_eq!(sim.snapshot(), before);
}

#[test]
fn a_rename_leaves_the_old_name_or_the_new_one_whatever_the_seed() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..200 {
        let sim = SimFiles::new(seed);
        sim.put("/from/a", b"a");
        sim.put_dir("/stay");
        sim.create_dirs(path("/to")).unwrap();
        sim.rename(path("/from/a"), path("/to/b")).unwrap();
        sim.rename(path("/to/b"), path("/stay/c")).unwrap();
        sim.remove_dir(path("/from")).unwrap();
        if seed % 3 == 0 {
            sim.sync_dir(path("/stay")).unwrap();
        }
        bounce(&sim);
        let places = ["/from/a", "/to/b", "/stay/c"].map(|at| sim.get(at));
        assert_eq!(places.iter().flatten().count(), 1, "seed {seed}: {places:?}");
        old += u32::from(places[0].is_some());
        new += u32::from(places[2].is_some());
        assert!(seed % 3 != 0 || places[2].is_some(), "seed {seed}: a synced rename is lost");
    }
    assert!(old > 10 && new > 80, "{old} old, {new} new");
}

#[test]
fn a_replaced_file_is_the_old_one_or_the_new_one() {
    for seed in 0..50 {
        let sim = SimFiles::new(seed);
        sim.put("/a", b"old");
        let file = create(&sim, "/a.new");
        file.write_at(0, b"new").unwrap();
        file.sync().unwrap();
        sim.rename(path("/a.new"), path("/a")).unwrap();
        bounce(&sim);
        let found = sim.get("/a").unwrap();
        assert!(found == b"old" || found == b"new", "seed {seed}: {found:?}");
    }
}

#[test]
fn un_synced_writes_are_kept_lost_and_torn_at_sectors() {
    let (mut kept, mut lost, mut torn) = (0, 0, 0);
    for seed in 0..100 {
        let sim = SimFiles::new(seed);
        sim.put("/a", &[1; 8192]);
        let file = create(&sim, "/a");
        file.write_at(100, &[2; 6000]).unwrap();
        bounce(&sim);
        let found = sim.get("/a").unwrap();
        let new: usize = found.iter().map(|byte| usize::from(*byte == 2)).sum();
        match new {
            0 => lost += 1,
            6000 => kept += 1,
            _ => torn += 1,
        }
        for sector in 1..11 {
            let sector = &found[sector * 512..(sector + 1) * 512];
            assert!(sector.iter().all(|byte| *byte == sector[0]), "seed {seed}: a sector is atomic");
        }
        assert!(found[..100].iter().chain(&found[6100..]).all(|byte| *byte == 1), "seed {seed}");
    }
    assert!(kept > 10 && lost > 10 && torn > 10, "{kept} kept, {lost} lost, {torn} torn");
}

#[test]
fn the_same_seed_plays_the_same_disaster() {
    let disaster = |seed| {
        let sim = SimFiles::new(seed);
        let file = create(&sim, "/a");
        for round in 0..20_u8 {
            file.write_at(u64::from(round) * 700, &[round; 1500]).unwrap();
            create(&sim, &format!("/{round}"));
        }
        bounce(&sim);
        sim.snapshot()
    };
    assert_eq!(disaster(3), disaster(3));
    let mut different: Vec<_> = (0..10).map(|seed| format!("{:?}", disaster(seed))).collect();
    different.sort();
    different.dedup();
    assert!(different.len() > 3);
}

#[test]
fn dead_handles_stay_dead() {
    let sim = SimFiles::new(1);
    sim.put("/a", b"a");
    let mount = sim.mount();
    let file = mount.open(path("/a"), Open::Write).unwrap();
    sim.power_cut();
    let dead = |error: std::io::Error| assert!(is_power_loss(&error), "{error}");
    dead(sim.identity(path("/a")).unwrap_err());
    dead(file.read_at(0, &mut [0]).unwrap_err());
    sim.power_on();
    dead(file.write_at(0, b"b").unwrap_err());
    dead(file.sync().unwrap_err());
    dead(file.next_data(0).unwrap_err());
    dead(mount.open(path("/a"), Open::Read).unwrap_err());
    drop(file);
    create(&sim, "/a").write_at(0, b"c").unwrap();
    assert_eq!(sim.get("/a").unwrap(), b"c");
}

#[test]
fn faults_strike_the_call_they_are_planned_for() {
    let sim = SimFiles::new(1);
    let file = create(&sim, "/a");
    sim.fail_after(2, ErrorKind::Other);
    file.write_at(0, b"1").unwrap();
    file.write_at(0, b"2").unwrap_err();
    file.write_at(0, b"3").unwrap();
    assert_eq!(sim.get("/a").unwrap(), b"3");

    sim.fail_read(1, ErrorKind::TimedOut);
    assert_eq!(file.read_at(0, &mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
    file.read_at(0, &mut [0]).unwrap();

    sim.fail_sync(2, ErrorKind::Other);
    sim.sync_dir(path("/")).unwrap();
    file.sync().unwrap_err();
    file.sync().unwrap();

    sim.cut_after(2);
    file.set_len(9).unwrap();
    assert!(is_power_loss(&file.set_len(10).unwrap_err()));
    assert!(!sim.is_powered());
    sim.power_on();
    assert_ne!(sim.identity(path("/a")).unwrap().size_bytes, 10);
}

type TornCall = fn(&SimFiles, &dyn File) -> std::io::Result<()>;

#[test]
fn a_torn_call_of_every_kind_ends_in_a_power_cut() {
    let calls: [TornCall; 10] = [
        |_, file| file.write_at(0, &[7; 2000]),
        |_, file| file.set_len(1),
        |_, file| file.sync(),
        |sim, _| sim.sync_dir(path("/")),
        |sim, _| sim.open(path("/new"), Open::CreateNew).map(drop),
        |sim, _| sim.create_dirs(path("/x/y/z")),
        |sim, _| sim.rename(path("/a"), path("/b")),
        |sim, _| sim.link(path("/a"), path("/b")),
        |sim, _| sim.remove(path("/a")),
        |sim, _| sim.remove_dir(path("/d")),
    ];
    for call in calls {
        let sim = SimFiles::new(5);
        sim.put("/a", &[1; 3000]);
        sim.put_dir("/d");
        let file = create(&sim, "/a");
        file.write_at(100, b"pending").unwrap();
        let calls = sim.calls();
        sim.tear_after(1);
        assert!(is_power_loss(&call(&sim, &*file).unwrap_err()));
        assert_eq!(sim.calls(), calls + 1);
        sim.power_on();
        sim.list(path("/")).unwrap();
    }
}

#[test]
fn what_a_failed_sync_dropped_no_later_sync_brings_back() {
    let sim = SimFiles::new(1);
    sim.set_loss(Loss::Everything);
    sim.put("/a", b"old");
    let file = create(&sim, "/a");
    file.write_at(0, b"new").unwrap();
    sim.fail_sync(1, ErrorKind::Other);
    file.sync().unwrap_err();
    assert_eq!(sim.get("/a").unwrap(), b"new", "programs still see what they wrote");
    file.sync().unwrap();
    bounce(&sim);
    assert_eq!(sim.get("/a").unwrap(), b"old");
}

#[test]
fn a_full_disk_takes_what_fits_and_space_comes_back() {
    let sim = SimFiles::new(1);
    sim.set_capacity(3 * 4096);
    let file = create(&sim, "/a");
    assert_eq!(file.write_at(0, &[1; 4 * 4096]).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(sim.get("/a").unwrap().len(), 3 * 4096);
    assert_eq!(sim.free_bytes(path("/")).unwrap(), 0);
    file.write_at(0, &[2; 4096]).unwrap();
    sim.remove(path("/a")).unwrap();
    assert_eq!(sim.free_bytes(path("/")).unwrap(), 0, "a handle is open on it");
    drop(file);
    assert_eq!(sim.free_bytes(path("/")).unwrap(), 3 * 4096);
    create(&sim, "/b").write_at(1 << 30, &[1; 100]).unwrap();
    assert_eq!(sim.used_bytes(), 4096);
}

#[test]
fn a_read_only_disk_says_so() {
    let sim = SimFiles::new(1);
    sim.put("/a", b"a");
    sim.set_read_only(true);
    let error = sim.open(path("/b"), Open::Create).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
    assert_eq!(create(&sim, "/a").write_at(0, b"b").unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    assert_eq!(sim.get("/a").unwrap(), b"a");
}

#[test]
fn holes_cost_nothing_and_are_found() {
    let sim = SimFiles::new(1);
    let file = create(&sim, "/a");
    file.set_len(64 << 20).unwrap();
    file.write_at((1 << 20) + 5000, &[1; 4096]).unwrap();
    let identity = file.identity().unwrap();
    assert_eq!((identity.size_bytes, identity.allocated_bytes), (64 << 20, 8192));
    let begin = (1 << 20) + 4096;
    assert_eq!(file.next_data(0).unwrap(), Some(begin..begin + 8192));
    assert_eq!(file.next_data(begin + 9).unwrap(), Some(begin + 9..begin + 8192));
    assert_eq!(file.next_data(begin + 8192).unwrap(), None);
    file.set_len((1 << 20) + 5001).unwrap();
    file.set_len(2 << 20).unwrap();
    let mut out = [9; 2];
    file.read_at((1 << 20) + 5000, &mut out).unwrap();
    assert_eq!(out, [1, 0], "what was cut off does not come back");
    assert_eq!(file.read_at(2 << 20, &mut [0]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn an_identity_changes_with_the_content_and_not_with_the_name() {
    let sim = SimFiles::new(1);
    sim.put("/a", b"a");
    let first = sim.identity(path("/a")).unwrap();
    sim.rename(path("/a"), path("/b")).unwrap();
    assert_eq!(sim.identity(path("/b")).unwrap(), first);
    create(&sim, "/b").write_at(0, b"b").unwrap();
    let second = sim.identity(path("/b")).unwrap();
    assert_eq!(Identity { modified_ns: first.modified_ns, ..second }, first);
    assert_ne!(second.modified_ns, first.modified_ns);
    assert_eq!(sim.identity(path("/")).unwrap().kind, Kind::Directory);
}

#[test]
fn names_refuse_what_a_real_file_system_refuses() {
    let sim = SimFiles::new(1);
    sim.put("/d/a", b"a");
    sim.put("/b", b"b");
    let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
    let open = |name, how| kind(sim.open(path(name), how).map(drop));
    assert_eq!(open("/none", Open::Read), ErrorKind::NotFound);
    assert_eq!(open("/none", Open::Write), ErrorKind::NotFound);
    assert_eq!(open("/none/a", Open::Create), ErrorKind::NotFound);
    assert_eq!(open("/b/a", Open::Create), ErrorKind::NotADirectory);
    assert_eq!(open("/b", Open::CreateNew), ErrorKind::AlreadyExists);
    assert_eq!(open("/d", Open::Write), ErrorKind::IsADirectory);
    assert_eq!(kind(sim.create_dirs(path("/b"))), ErrorKind::AlreadyExists);
    assert_eq!(kind(sim.link(path("/b"), path("/d/a"))), ErrorKind::AlreadyExists);
    assert_eq!(kind(sim.remove(path("/d"))), ErrorKind::IsADirectory);
    assert_eq!(kind(sim.remove_dir(path("/d"))), ErrorKind::DirectoryNotEmpty);
    assert_eq!(kind(sim.rename(path("/none"), path("/b"))), ErrorKind::NotFound);
    assert_eq!(kind(sim.rename(path("/d"), path("/d/e"))), ErrorKind::InvalidInput);
    let reader = sim.open(path("/b"), Open::Read).unwrap();
    assert_eq!(kind(reader.write_at(0, b"c")), ErrorKind::PermissionDenied);
    assert_eq!(sim.list(path("/")).unwrap(), ["b", "d"]);
}

#[test]
fn a_link_is_one_file_under_two_names() {
    let sim = SimFiles::new(1);
    sim.put("/a", b"a");
    sim.link(path("/a"), path("/b")).unwrap();
    sim.sync_dir(path("/")).unwrap();
    sim.remove(path("/a")).unwrap();
    assert_eq!(sim.used_bytes(), 4096);
    create(&sim, "/b").write_at(0, b"b").unwrap();
    assert_eq!(sim.get("/b").unwrap(), b"b");
}

#[test]
fn a_fork_goes_its_own_way() {
    let sim = SimFiles::new(1);
    let file = create(&sim, "/a");
    file.write_at(0, b"one").unwrap();
    let fork = sim.fork(2);
    assert_eq!(fork.snapshot(), sim.snapshot());
    file.write_at(0, b"two").unwrap();
    create(&fork, "/b");
    assert_eq!(fork.get("/a").unwrap(), b"one");
    assert_eq!(names(&sim), ["/a"]);
    assert_eq!(fork.calls(), 1);
}

#[test]
fn preparing_and_corrupting_do_not_count_and_are_durable() {
    let sim = SimFiles::new(1);
    sim.set_loss(Loss::Everything);
    sim.cut_after(1);
    sim.put("/d/a", b"abc");
    sim.corrupt("/d/a", 1, b"X");
    assert_eq!((sim.calls(), sim.reads()), (0, 0));
    bounce(&sim);
    assert_eq!(sim.get("/d/a").unwrap(), b"aXc");
    assert!(matches!(sim.snapshot().get(path("/d/a")), Some(Entry::File { len: 3, .. })));
}

/// Commits numbers one after the other until the power goes, and says how many were acknowledged.
fn count_up(sim: &SimFiles, target: u64) -> u64 {
    let commit = |database: &Database, number: u64| -> Result<(), redb::Error> {
        let write = database.begin_write()?;
        write.open_table(NUMBERS)?.insert(number, number * number)?;
        write.commit()?;
        Ok(())
    };
    let Ok(database) = open_database(sim) else {
        return 0;
    };
    (1..=target).find(|number| commit(&database, *number).is_err()).map_or(target, |failed| failed - 1)
}

/// Opens the database. It is made under another name and renamed when whole, because redb refuses a
/// file whose making was interrupted.
pub(crate) fn open_database(sim: &SimFiles) -> Result<Database, redb::Error> {
    let (mount, made, named) = (sim.mount(), path("/db.new"), path("/db"));
    if mount.identity(named).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        let file = mount.open(made, Open::Create)?;
        file.set_len(0)?;
        drop(build(file.clone())?);
        file.sync()?;
        mount.rename(made, named)?;
        mount.sync_dir(path("/"))?;
    }
    build(mount.open(named, Open::Write)?)
}

fn build(file: Arc<dyn File>) -> Result<Database, redb::Error> {
    Ok(Database::builder().set_cache_size(1 << 20).create_with_backend(Backend::new(file))?)
}

/// The power goes at every single call of a database's life, in both ways and with three seeds;
/// afterwards it holds the acknowledged commits, or one more that was on its way.
#[test]
fn a_database_holds_the_acknowledged_commits_or_one_more_after_a_cut_at_every_call() {
    const COMMITS: u64 = 6;
    let empty = SimFiles::new(0);
    let whole = empty.fork(0);
    assert_eq!(count_up(&whole, COMMITS), COMMITS);
    let mut between = 0;
    for call in 1..=whole.calls() {
        for seed in 0..6 {
            let sim = empty.fork(call * 10 + seed);
            if seed % 2 == 0 {
                sim.cut_after(call);
            } else {
                sim.tear_after(call);
            }
            let acknowledged = count_up(&sim, COMMITS);
            sim.power_on();
            let database = open_database(&sim).unwrap();
            let found = held(&database);
            assert!(
                found == acknowledged || found == acknowledged + 1,
                "call {call}, seed {seed}: {acknowledged} acknowledged, {found} found",
            );
            between += u32::from(0 < found && found < COMMITS);
        }
    }
    assert!(between > 50, "only {between} cuts fell between the first and the last commit");
}

/// How many numbers a database holds, which have to be the first ones with their squares.
pub(crate) fn held(database: &Database) -> u64 {
    let read = database.begin_read().unwrap();
    let table = match read.open_table(NUMBERS) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return 0,
        Err(error) => panic!("{error}"),
    };
    let mut found = 0;
    for row in table.range::<u64>(..).unwrap() {
        let (number, square) = row.map(|(number, square)| (number.value(), square.value())).unwrap();
        found += 1;
        assert_eq!((number, square), (found, found * found));
    }
    found
}

/// The same life on a disk whose syncs do nothing loses acknowledged commits: the test above would
/// notice a database that does not sync.
#[test]
fn a_database_that_does_not_sync_loses_acknowledged_commits() {
    let sim = SimFiles::new(0);
    let database = open_database(&sim).unwrap();
    sim.set_loss(Loss::Everything);
    for number in 1..=3 {
        let mut write = database.begin_write().unwrap();
        write.set_durability(redb::Durability::None).unwrap();
        write.open_table(NUMBERS).unwrap().insert(number, number * number).unwrap();
        write.commit().unwrap();
    }
    assert_eq!(held(&database), 3);
    sim.power_cut();
    drop(database);
    sim.power_on();
    assert_eq!(held(&open_database(&sim).unwrap()), 0);
}
