//! Images, snapshots, disks, shares, families, copies and exports in any order: nothing usable loses
//! its bytes, nothing is counted wrong, and when all is gone nothing is left.
//!
//! A player draws what to do next, asks the rule as the stories do, and tells what it says; what
//! takes several events is in flight meanwhile, and ends well or is undone at any later moment.
//! After each move the rows are held against what can be counted anew. The model knows on its own
//! only what was sealed and not deleted since: that has to be there, whatever else happened.

use std::collections::{BTreeMap, BTreeSet};

use event::Scope;

use crate::events::{
    Attributes, CopyBegun, DiskPlan, DiskReserved, ImageReserved, SnapshotCopyBegun, SnapshotReserved,
};
use crate::image::{self, DISKS, DUE, IMAGES, Making, NAMES, PLACES, SHARED, SNAPSHOTS, TASKS, Usage};
use crate::port::{Compression, Format, Location, Target, Wrapping};
use crate::rules::{self, Deletion};
use crate::tests_kit::{World, image_of, new_disk, new_snapshot, plan};
use crate::{AccountId, ImageId, LISTED, Listed, ManifestId, SnapshotId};

/// Games that are played, and moves in each: a few seconds unoptimised, and all moves succeed.
const GAMES: u64 = 16;
const MOVES: u32 = 100;
/// Moves that are drawn; the numbers above stand for landing.
const KINDS: usize = 17;
const GIB: u64 = 1 << 30;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Numbers that look like chance and depend on the seed alone.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn once_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.below(of.len())].clone()) }
    }
}

/// What has been begun and has not ended.
#[derive(Clone, Debug)]
enum Flight {
    /// An image on its way; a copy has a source.
    Image { scope: Scope, id: String, own: Vec<DiskPlan>, source: Option<(Scope, ImageId)> },
    /// A disk on its way; one of zeros has to arrive.
    Disk { scope: Scope, id: String, arrives: bool },
    /// A snapshot on its way; a copy has a source.
    Snapshot { scope: Scope, id: String, source: Option<(Scope, SnapshotCopyBegun)> },
    /// An export.
    Export { scope: Scope, id: ImageId },
}

/// The player, and what it knows by itself.
struct Game {
    world: World,
    chance: Chance,
    flights: Vec<Flight>,
    sealed: BTreeSet<(Scope, String)>,
    /// Manifests of snapshots whose copies are under way.
    read: Vec<(Scope, String, ManifestId)>,
    made: u64,
    /// Moves that a rule said yes to.
    succeeded: BTreeSet<usize>,
}

fn scopes() -> Vec<Scope> {
    let at = |account: &str, region: &str| image::scope(&account.into(), &region.into());
    vec![at("1", "cn-a"), at("1", "cn-b"), at("2", "cn-a")]
}

impl Game {
    fn new(seed: u64) -> Self {
        Self {
            world: World::new(),
            chance: Chance(seed),
            flights: Vec::new(),
            sealed: BTreeSet::new(),
            read: Vec::new(),
            made: 0,
            succeeded: BTreeSet::new(),
        }
    }

    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{}", self.made)
    }

    fn any_scope(&mut self) -> Scope {
        self.chance.one(&scopes()).unwrap()
    }

    fn any_image(&mut self, scope: &Scope) -> Option<ImageId> {
        let all: Vec<_> = IMAGES.list(&self.world.rows, scope, &[]).into_iter().map(|it| it.id).collect();
        self.chance.one(&all)
    }

    fn any_snapshot(&mut self, scope: &Scope) -> Option<SnapshotId> {
        let all: Vec<_> = SNAPSHOTS.list(&self.world.rows, scope, &[]).into_iter().map(|it| it.id).collect();
        self.chance.one(&all)
    }

    fn any_disk(&mut self, scope: &Scope) -> Option<crate::DiskId> {
        let all: Vec<_> = DISKS.list(&self.world.rows, scope, &[]).into_iter().map(|it| it.id).collect();
        self.chance.one(&all)
    }

    fn play(&mut self) {
        let scope = self.any_scope();
        let kind = self.chance.below(KINDS);
        let done = match kind {
            0 => self.import(&scope),
            1 => self.create_image(&scope),
            2 => self.copy_image(&scope),
            3 => self.create_disk(&scope),
            4 => self.create_snapshot(&scope),
            5 => self.copy_snapshot(),
            6 | 7 => self.delete_image(&scope),
            8 => self.delete_snapshot(&scope),
            9 => self.delete_disk(&scope),
            10 => self.change(&scope),
            11 => self.share(&scope),
            12 => self.export(&scope),
            13 => {
                self.world.now_ms += DAY_MS / 2;
                Some(())
            }
            _ => self.land(),
        };
        if done.is_some() {
            self.succeeded.insert(kind);
        }
    }

    fn reserve_image(
        &mut self,
        scope: &Scope,
        wanted: ImageReserved,
        source: Option<(Scope, ImageId)>,
    ) -> bool {
        let id = wanted.image.0.clone();
        let own = wanted.disks.iter().filter(|disk| disk.own).cloned().collect();
        let reserved = self.world.decide(scope, |view| rules::reserve(view, wanted)).is_ok();
        if reserved {
            self.flights.push(Flight::Image { scope: scope.clone(), id, own, source });
        }
        reserved
    }

    fn import(&mut self, scope: &Scope) -> Option<()> {
        let id = self.id("m");
        let count = 1 + u8::try_from(self.chance.below(2)).unwrap();
        let disks = (0..count).map(|place| plan(place, &self.id("s"), true, GIB)).collect();
        let family = self.chance.one(&[None, Some("web"), Some("db")]).unwrap().map(str::to_owned);
        let task = Some(format!("t-{id}").as_str().into());
        let wanted =
            ImageReserved { family, task, check: true, ..image_of(scope, &id, disks, Making::Import) };
        self.reserve_image(scope, wanted, None).then_some(())
    }

    fn create_image(&mut self, scope: &Scope) -> Option<()> {
        let id = self.id("m");
        let mut disks = Vec::new();
        for place in 0..=u8::try_from(self.chance.below(2)).unwrap() {
            let snapshot = self.any_snapshot(scope)?;
            disks.push(DiskPlan { size_bytes: 0, disk_bytes: 0, ..plan(place, &snapshot.0, false, 0) });
        }
        if self.chance.once_in(2) {
            disks.push(plan(5, &self.id("s"), true, GIB));
        }
        let wanted = image_of(scope, &id, disks, Making::Snapshots);
        self.reserve_image(scope, wanted, None).then_some(())
    }

    /// Its owner copies to the other region; those it is shared with copy within the region.
    fn copy_image(&mut self, from: &Scope) -> Option<()> {
        let image = self.any_image(from)?;
        let to = self.any_scope();
        let (by, _) = image::parts_of(&to)?;
        let target = ImageId(self.id("m"));
        let begun: CopyBegun =
            self.world.decide(from, |view| rules::begin_copy(view, &image, &by, &target, &to)).ok()?;
        let disks = begun.copied.disks.iter().zip(0..);
        let disks: Vec<DiskPlan> =
            disks.map(|(disk, place)| plan(place, &self.id("s"), true, disk.disk.disk_bytes)).collect();
        let (account, region) = image::parts_of(from)?;
        let making = Making::Copy { image: image.clone(), account, region };
        let wanted = image_of(&to, &target.0, disks, making);
        if !self.reserve_image(&to, wanted, Some((from.clone(), image.clone()))) {
            let withdrawn = self.world.ask(from, |view| rules::withdraw_copy(view, &image, &target));
            self.world.tell(from, withdrawn);
        }
        Some(())
    }

    fn create_disk(&mut self, scope: &Scope) -> Option<()> {
        let id = self.id("d");
        let mut wanted = DiskReserved { size_bytes: GIB, ..new_disk(scope, &id) };
        match self.chance.below(3) {
            0 => wanted.of_snapshot = self.any_snapshot(scope),
            1 => wanted.of_image = self.any_image(scope),
            _ => {}
        }
        let reserved = self.world.decide(scope, |view| rules::reserve_disk(view, wanted)).ok()?;
        let arrives = reserved.content.is_none();
        self.flights.push(Flight::Disk { scope: scope.clone(), id, arrives });
        Some(())
    }

    fn create_snapshot(&mut self, scope: &Scope) -> Option<()> {
        let (disk, id) = (self.any_disk(scope)?, self.id("s"));
        let retention_days = self.chance.one(&[None, Some(1), Some(5)])?;
        let wanted = SnapshotReserved { retention_days, ..new_snapshot(scope, &id, Some(&disk.0)) };
        self.world.decide(scope, |view| rules::reserve_snapshot(view, wanted)).ok()?;
        self.flights.push(Flight::Snapshot { scope: scope.clone(), id, source: None });
        Some(())
    }

    fn copy_snapshot(&mut self) -> Option<()> {
        let (from, to) = (scopes()[0].clone(), scopes()[1].clone());
        let (from, to) = if self.chance.once_in(2) { (from, to) } else { (to, from) };
        let (source, target) = (self.any_snapshot(&from)?, self.id("s"));
        let (_, region) = image::parts_of(&to)?;
        let begun = self
            .world
            .decide(&from, |view| rules::begin_snapshot_copy(view, &source, &target.as_str().into(), &region))
            .ok()?;
        let (_, from_region) = image::parts_of(&from)?;
        let wanted = SnapshotReserved {
            size_bytes: begun.size_bytes,
            kind: begun.kind,
            copy_of: Some((from_region, source.clone())),
            ..new_snapshot(&to, &target, None)
        };
        self.world.decide(&to, |view| rules::reserve_snapshot(view, wanted)).unwrap();
        self.read.push((from.clone(), target.clone(), begun.disk.manifest));
        self.flights.push(Flight::Snapshot { scope: to, id: target, source: Some((from, begun)) });
        Some(())
    }

    fn delete_image(&mut self, scope: &Scope) -> Option<()> {
        let image = self.any_image(scope)?;
        let how = Deletion { force: true, keep_snapshots: self.chance.once_in(2) };
        let deleted = self.world.decide(scope, |view| rules::delete(view, &image, how)).ok()?;
        assert!(self.sealed.remove(&(scope.clone(), image.0)), "only what was sealed is deleted");
        for snapshot in deleted.snapshots {
            assert!(self.sealed.remove(&(scope.clone(), snapshot.0)));
        }
        Some(())
    }

    fn delete_snapshot(&mut self, scope: &Scope) -> Option<()> {
        let snapshot = self.any_snapshot(scope)?;
        let (force, expired) = (self.chance.once_in(2), self.chance.once_in(4));
        self.world.decide(scope, |view| rules::delete_snapshot(view, &snapshot, force, expired)).ok()?;
        assert!(self.sealed.remove(&(scope.clone(), snapshot.0)), "only what was sealed is deleted");
        Some(())
    }

    fn delete_disk(&mut self, scope: &Scope) -> Option<()> {
        let disk = self.any_disk(scope)?;
        self.world.decide(scope, |view| rules::delete_disk(view, &disk)).ok()?;
        assert!(self.sealed.remove(&(scope.clone(), disk.0)), "only what was sealed is deleted");
        Some(())
    }

    fn change(&mut self, scope: &Scope) -> Option<()> {
        if self.chance.once_in(3) {
            let (snapshot, days) = (self.any_snapshot(scope)?, self.chance.one(&[0, 1, 9])?);
            let rule = |view: &event::View<'_>| {
                rules::modify_snapshot(view, &snapshot, Some("other"), None, Some(days))
            };
            return self.world.decide(scope, rule).ok().map(drop);
        }
        let image = self.any_image(scope)?;
        let family = self.chance.one(&[None, Some("web"), Some("db")])?.map(str::to_owned);
        let deprecated = self.chance.one(&[None, Some(true), Some(false)])?;
        let to = Attributes { family, deprecated, ..Attributes::default() };
        self.world.decide(scope, |view| rules::modify(view, &image, &to)).ok().map(drop)
    }

    fn share(&mut self, scope: &Scope) -> Option<()> {
        let image = self.any_image(scope)?;
        let friends: Vec<AccountId> = ["1", "2", "3"].iter().map(|id| AccountId::from(*id)).collect();
        let friend = [self.chance.one(&friends)?];
        let until_ms = self.chance.one(&[None, Some(self.world.now_ms + DAY_MS)])?;
        match self.chance.below(5) {
            0 => _ = self.world.decide(scope, |view| rules::publish(view, &image)).ok()?,
            1 => _ = self.world.decide(scope, |view| rules::unpublish(view, &image)).ok()?,
            2 => {
                let until_ms = self.world.image(scope, &image.0)?.shares.get(&friend[0])?.until_ms?;
                let rule = |view: &event::View<'_>| rules::end_share(view, &image, &friend[0], until_ms);
                self.world.decide(scope, rule).ok()?;
            }
            way => {
                let (add, remove) = if way == 3 { (&friend[..], &[][..]) } else { (&[][..], &friend[..]) };
                let rule = |view: &event::View<'_>| rules::change_shares(view, &image, add, until_ms, remove);
                self.world.decide(scope, rule).ok()?;
            }
        }
        Some(())
    }

    fn export(&mut self, scope: &Scope) -> Option<()> {
        let (id, task) = (self.any_image(scope)?, self.id("t"));
        let target = Target {
            at: Location::file("/out"),
            format: Format::Raw,
            compression: Compression::None,
            wrapping: Wrapping::None,
            replace: false,
        };
        let targets = [("/dev/xvda".to_owned(), target)];
        let rule = |view: &event::View<'_>| rules::begin_export(view, &id, &task.as_str().into(), &targets);
        self.world.decide(scope, rule).ok()?;
        self.flights.push(Flight::Export { scope: scope.clone(), id });
        Some(())
    }

    /// Ends one flight, well or not.
    fn land(&mut self) -> Option<()> {
        if self.flights.is_empty() {
            return None;
        }
        let flight = self.flights.swap_remove(self.chance.below(self.flights.len()));
        let well = !self.chance.once_in(3);
        self.end(flight, well);
        Some(())
    }

    /// What was reserved can always be sealed: nothing that happened meanwhile stands against it.
    fn end(&mut self, flight: Flight, well: bool) {
        let world = &mut self.world;
        match flight {
            Flight::Image { scope, id, own, source } => {
                let image = ImageId(id);
                if well {
                    world.decide(&scope, |view| rules::begin_image(view, &image)).unwrap();
                    for disk in &own {
                        self.made += 1;
                        world.arrive(&scope, &image.0, Some(&disk.snapshot), disk.disk_bytes, self.made);
                    }
                    world.decide(&scope, |view| rules::seal(view, &image)).unwrap();
                    let own = own.into_iter().map(|disk| (scope.clone(), disk.snapshot.0));
                    self.sealed.extend(own);
                    self.sealed.insert((scope, image.0.clone()));
                } else {
                    let released = world.ask(&scope, |view| rules::release(view, &image));
                    world.tell(&scope, released);
                }
                match source {
                    Some((from, source)) if well => {
                        world.decide(&from, |view| rules::end_copy(view, &source, &image)).unwrap();
                    }
                    Some((from, source)) => {
                        let withdrawn = world.ask(&from, |view| rules::withdraw_copy(view, &source, &image));
                        world.tell(&from, withdrawn);
                    }
                    None => {}
                }
            }
            Flight::Disk { scope, id, arrives } => {
                let disk = id.as_str().into();
                if well {
                    if arrives {
                        self.made += 1;
                        world.arrive(&scope, &id, None, GIB, self.made);
                    }
                    world.decide(&scope, |view| rules::seal_disk(view, &disk)).unwrap();
                    self.sealed.insert((scope, id));
                } else {
                    let released = world.ask(&scope, |view| rules::release_disk(view, &disk));
                    world.tell(&scope, released);
                }
            }
            Flight::Snapshot { scope, id, source } => {
                let snapshot = SnapshotId(id.clone());
                if well {
                    if source.is_some() {
                        self.made += 1;
                        world.arrive(&scope, &id, None, GIB, self.made);
                    }
                    world.decide(&scope, |view| rules::seal_snapshot(view, &snapshot)).unwrap();
                    self.sealed.insert((scope, id.clone()));
                } else {
                    let released = world.ask(&scope, |view| rules::release_snapshot(view, &snapshot));
                    world.tell(&scope, released);
                }
                if let Some((from, begun)) = source {
                    let ended = world.ask(&from, |view| {
                        rules::end_snapshot_copy(view, &begun.snapshot, &begun.target, &begun.to)
                    });
                    world.tell(&from, ended);
                    self.read.retain(|(_, target, _)| *target != id);
                }
            }
            Flight::Export { scope, id } if well => {
                world.decide(&scope, |view| rules::end_export(view, &id)).unwrap();
            }
            Flight::Export { scope, id } => {
                let withdrawn = world.ask(&scope, |view| rules::withdraw_export(view, &id));
                world.tell(&scope, withdrawn);
            }
        }
    }

    fn check(&self) {
        for scope in scopes() {
            self.counts_are_right(&scope);
            self.what_is_needed_lives(&scope);
        }
        let rows = &self.world.rows;
        for (scope, id) in &self.sealed {
            let key = [id.as_str()];
            let usable = match id.as_bytes()[0] {
                b'm' => IMAGES.get(rows, scope, &key).is_some_and(|image| !image.status.is_being_made()),
                b's' => SNAPSHOTS.get(rows, scope, &key).is_some_and(|snapshot| snapshot.ready),
                _ => DISKS.get(rows, scope, &key).is_some_and(|disk| disk.ready),
            };
            assert!(usable, "`{id}` was sealed and never deleted");
            assert_eq!(PLACES.get(rows, &image::house(), &key).as_ref(), Some(scope), "`{id}`");
        }
        let due = DUE.list(rows, &image::house(), &[]);
        let listed: Vec<Listed> = IMAGES.list_all(rows).iter().map(Listed::from).collect();
        assert_eq!(LISTED.list_all(rows), listed, "what lists look at is what images are");
        let shares = IMAGES.list_all(rows).into_iter().flat_map(|image| image.shares.into_values());
        let kept = SNAPSHOTS.list_all(rows).into_iter();
        let kept = kept.filter(|snapshot| snapshot.ready && snapshot.until_ms.is_some()).count();
        let ends = shares.filter(|share| share.until_ms.is_some()).count();
        let checks = due.iter().filter(|due| matches!(due, image::Due::Check { .. })).count();
        assert_eq!(due.len(), kept + ends + checks, "{due:?}");
    }

    fn counts_are_right(&self, scope: &Scope) {
        let rows = &self.world.rows;
        let images = IMAGES.list(rows, scope, &[]);
        let (snapshots, disks) = (SNAPSHOTS.list(rows, scope, &[]), DISKS.list(rows, scope, &[]));
        let count = |number: usize| u32::try_from(number).unwrap();
        let coming = images.iter().filter(|image| image.status.is_being_made());
        let coming = coming.flat_map(|image| &image.disks).filter(|disk| disk.own).count();
        let families: BTreeSet<_> = images.iter().filter_map(|image| image.family.as_ref()).collect();
        let usage = Usage {
            images: count(images.len()),
            snapshots: count(snapshots.len() + coming),
            disks: count(disks.len()),
            families: count(families.len()),
            shares: count(images.iter().map(|image| image.shares.len()).sum()),
            exports: images.iter().map(|image| image.exports).sum(),
        };
        for family in &families {
            let stand = images.iter().filter(|image| image.family.as_ref() == Some(family));
            let row = image::FAMILY_ROWS.get(rows, scope, &[family]).unwrap();
            assert_eq!(row.images, count(stand.clone().count()), "images of `{family}`");
            let available = stand.filter(|image| image.status == image::Status::Available);
            let newest = available.max_by_key(|image| image.born).map(|image| image.id.clone());
            assert_eq!(row.newest, newest, "the newest of `{family}`");
        }
        assert_eq!(self.world.usage(scope), (usage != Usage::default()).then_some(usage), "{scope}");
        assert_eq!(NAMES.list(rows, scope, &[]).len(), images.len());

        let mut on: BTreeMap<&SnapshotId, u32> = BTreeMap::new();
        for image in &images {
            let made = image.status.is_being_made();
            for disk in image.disks.iter().filter(|disk| !(made && disk.own)) {
                *on.entry(&disk.snapshot).or_default() += 1;
            }
        }
        for snapshot in &snapshots {
            let (id, of) = (&snapshot.id, snapshot.of_disk.as_ref());
            assert_eq!(snapshot.images, on.remove(id).unwrap_or_default(), "images on `{id}`");
            let made = disks.iter().filter(|disk| disk.of_snapshot.as_ref() == Some(id)).count();
            assert_eq!(snapshot.disks, count(made), "disks of `{id}`");
            let copies = self.read.iter().filter(|(from, target, _)| {
                from == scope && snapshot.copies.values().any(|copy| copy.0 == *target)
            });
            assert_eq!(copies.count(), snapshot.copies.len(), "copies of `{id}`");
            if let Some(disk) = of.and_then(|disk| DISKS.get(rows, scope, &[disk.as_str()])) {
                let told = disk.copies.iter().filter(|(_, of)| *of == id).count();
                assert_eq!(told, snapshot.copies.len(), "copies of the disk of `{id}`");
            }
        }
        assert_eq!(on, BTreeMap::new(), "images stand on snapshots that are not there");
        for disk in &disks {
            let of = snapshots.iter().filter(|snapshot| snapshot.of_disk.as_ref() == Some(&disk.id));
            let coming = of.clone().filter(|snapshot| !snapshot.ready).count();
            assert_eq!(disk.snapshots, count(of.count()), "snapshots of `{}`", disk.id);
            assert_eq!(disk.snapshotting, count(coming), "snapshots of `{}` under way", disk.id);
        }
        let shared = SHARED.list(rows, scope, &[]);
        let (account, region) = image::parts_of(scope).unwrap();
        let mine = IMAGES.list_all(rows).into_iter();
        let mine = mine.filter(|image| image.region == region && image.shares.contains_key(&account));
        assert_eq!(shared.len(), mine.count(), "what is shared with {scope}");
    }

    fn what_is_needed_lives(&self, scope: &Scope) {
        let (account, region) = image::parts_of(scope).unwrap();
        let rows = &self.world.rows;
        let live = image::live_manifests(rows, &region);
        let live: BTreeSet<_> =
            live.into_iter().filter(|(owner, _)| *owner == account).map(|(_, manifest)| manifest).collect();
        let mut needed: Vec<(String, Option<ManifestId>)> = Vec::new();
        for image in IMAGES.list(rows, scope, &[]) {
            let made = image.status.is_being_made();
            // What an image brings itself belongs to its jobs until it is sealed.
            let disks = image.disks.iter().filter(|disk| !(made && disk.own));
            needed.extend(disks.map(|disk| (image.id.0.clone(), disk.disk.map(|disk| disk.manifest))));
        }
        for snapshot in SNAPSHOTS.list(rows, scope, &[]) {
            if snapshot.ready || snapshot.of_disk.is_some() {
                needed.push((snapshot.id.0, snapshot.disk.map(|disk| disk.manifest)));
            }
        }
        for disk in DISKS.list(rows, scope, &[]) {
            if disk.ready || disk.of_snapshot.is_some() || disk.of_image.is_some() {
                needed.push((disk.id.0, disk.disk.map(|disk| disk.manifest)));
            }
        }
        for (from, target, manifest) in &self.read {
            if from == scope {
                needed.push((target.clone(), Some(*manifest)));
            }
        }
        for (id, manifest) in &needed {
            let manifest = manifest.unwrap_or_else(|| panic!("`{id}` holds nothing"));
            assert!(live.contains(&manifest), "`{id}` needs what would be collected");
        }
        let all: BTreeSet<_> = needed.iter().filter_map(|(_, manifest)| *manifest).collect();
        assert_eq!(live, all, "nothing is kept that nobody needs");
    }

    /// Ends all that is in flight and deletes all there is, in an order of chance.
    fn wind_down(&mut self) {
        while let Some(flight) = self.flights.pop() {
            let well = self.chance.once_in(2);
            self.end(flight, well);
            self.check();
        }
        self.world.now_ms += 100 * DAY_MS;
        let friends: Vec<AccountId> = ["1", "2", "3"].iter().map(|id| AccountId::from(*id)).collect();
        for scope in scopes() {
            for image in IMAGES.list(&self.world.rows, &scope, &[]) {
                let _ = self.world.decide(&scope, |view| rules::unpublish(view, &image.id));
                let rule =
                    |view: &event::View<'_>| rules::change_shares(view, &image.id, &[], None, &friends);
                self.world.decide(&scope, rule).unwrap();
            }
            let left = |game: &Self| game.sealed.iter().any(|(there, _)| *there == scope);
            while left(self) {
                match self.chance.below(3) {
                    0 => _ = self.delete_image(&scope),
                    1 => _ = self.delete_snapshot(&scope),
                    _ => _ = self.delete_disk(&scope),
                }
                self.check();
            }
            assert_eq!(self.world.usage(&scope), None, "{scope}");
        }
        for region in ["cn-a", "cn-b"] {
            assert_eq!(image::live_manifests(&self.world.rows, &region.into()), []);
        }
        // Tasks are told of for a while after what they made is gone; nothing else stays.
        let tasks = TASKS.list_all(&self.world.rows).len();
        let left: Vec<_> = self.world.rows.0.keys().map(|key| String::from_utf8_lossy(key)).collect();
        assert_eq!(left.len(), 2 * tasks, "{left:?}");
    }
}

#[test]
fn nothing_usable_loses_its_bytes_and_nothing_stays_when_all_is_gone() {
    let mut succeeded = BTreeSet::new();
    for seed in 0..GAMES {
        let play = move || {
            let mut game = Game::new(seed);
            for _ in 0..MOVES {
                game.play();
                game.check();
            }
            game.wind_down();
            game.succeeded
        };
        let moves =
            std::panic::catch_unwind(play).unwrap_or_else(|_| panic!("the game of seed {seed} failed"));
        succeeded.extend(moves);
    }
    let never: Vec<usize> = (0..KINDS).filter(|kind| !succeeded.contains(kind)).collect();
    assert!(never.is_empty(), "moves that were never possible, so nothing was tested of them: {never:?}");
}
