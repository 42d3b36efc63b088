//! A log in memory for tests of several scopes: rules are asked at its head, and what they say is told.

use std::collections::BTreeMap;

use event::{Actor, Cause, Draft, Event, FlowId, Fold, Path, Record, Refusal, Scope, Seq, View};

use crate::events::{DataTransferred, DataVerified, DiskPlan, DiskReserved, ImageReserved, SnapshotReserved};
use crate::image::{self, DISKS, Disk, DiskKind, IMAGES, Image, Making, SNAPSHOTS, Snapshot, USAGE, Usage};
use crate::machine::Machine;
use crate::port::Transferred;
use crate::tests::Memory;
use crate::{ContentRoot, Digest, ManifestId, Projections, SnapshotId, rules};

/// The time at which every log here begins, milliseconds since 1970 UTC.
pub(crate) const BEGIN_MS: i64 = 1_800_000_000_000;
/// The account most tests act as.
pub(crate) const ACCOUNT: &str = "100000";
/// The region most tests act in.
pub(crate) const REGION: &str = "cn-a";
pub(crate) const GIB: u64 = 1 << 30;

/// Rows in memory, the log's counter and its time.
pub(crate) struct World {
    pub(crate) rows: Memory,
    pub(crate) now_ms: i64,
    seq: u64,
}

pub(crate) fn scope() -> Scope {
    image::scope(&ACCOUNT.into(), &REGION.into())
}

impl World {
    pub(crate) fn new() -> Self {
        Self { rows: Memory::default(), now_ms: BEGIN_MS, seq: 0 }
    }

    pub(crate) fn ask<T>(&self, scope: &Scope, rule: impl FnOnce(&View<'_>) -> T) -> T {
        rule(&View::new(&self.rows, scope, self.now_ms))
    }

    pub(crate) fn tell(&mut self, scope: &Scope, event: impl Into<Draft>) {
        let draft = event.into();
        self.seq += 1;
        let record = Record {
            seq: Seq(self.seq),
            time_ms: self.now_ms,
            flow: FlowId([0; 16]),
            path: Path::from("1"),
            kind: draft.kind.to_owned(),
            scope: scope.clone(),
            subjects: draft.subjects,
            actor: Actor::default(),
            cause: Cause::Request("test".to_owned()),
            previous: None,
            payload: draft.payload,
        };
        assert!(Projections.knows(&record.kind), "{}", record.kind);
        Projections.apply(&mut self.rows, &record);
    }

    /// Asks a rule and tells what it says.
    pub(crate) fn decide<E: Event + Clone>(
        &mut self,
        scope: &Scope,
        rule: impl FnOnce(&View<'_>) -> Result<E, Refusal>,
    ) -> Result<E, Refusal> {
        let event = self.ask(scope, rule)?;
        self.tell(scope, event.clone());
        Ok(event)
    }

    pub(crate) fn image(&self, scope: &Scope, id: &str) -> Option<Image> {
        IMAGES.get(&self.rows, scope, &[id])
    }

    pub(crate) fn snapshot(&self, scope: &Scope, id: &str) -> Option<Snapshot> {
        SNAPSHOTS.get(&self.rows, scope, &[id])
    }

    pub(crate) fn disk(&self, scope: &Scope, id: &str) -> Option<Disk> {
        DISKS.get(&self.rows, scope, &[id])
    }

    pub(crate) fn usage(&self, scope: &Scope) -> Option<Usage> {
        USAGE.get(&self.rows, scope, &[])
    }

    /// Tells that the content of something is in the store and was read back.
    pub(crate) fn arrive(
        &mut self,
        scope: &Scope,
        of: &str,
        snapshot: Option<&SnapshotId>,
        disk_bytes: u64,
        content: u64,
    ) {
        let (of, snapshot) = (crate::events::ResourceId::from(of), snapshot.cloned());
        let data = stored(content);
        let root = data.root;
        let transferred = DataTransferred { of: of.clone(), snapshot: snapshot.clone(), disk_bytes, data };
        self.tell(scope, transferred);
        self.tell(scope, DataVerified { of, snapshot, root, chunks: 1 });
    }
}

/// What was stored of a content.
pub(crate) fn stored(content: u64) -> Transferred {
    Transferred {
        root: ContentRoot(digest(1, content)),
        manifest: ManifestId(digest(2, content)),
        data_bytes: 4096,
        new_bytes: 4096,
        stored_bytes: 100,
        chunks: 1,
    }
}

fn digest(kind: u8, content: u64) -> Digest {
    let mut bytes = [kind; 32];
    bytes[..8].copy_from_slice(&content.to_be_bytes());
    Digest(bytes)
}

/// An image of those disks, in a scope.
pub(crate) fn image_of(scope: &Scope, id: &str, disks: Vec<DiskPlan>, making: Making) -> ImageReserved {
    let (account, region) = image::parts_of(scope).unwrap();
    ImageReserved {
        image: id.into(),
        name: format!("n-{id}"),
        description: String::new(),
        family: None,
        tags: BTreeMap::new(),
        account,
        region,
        machine: Machine::default(),
        disks,
        making,
        task: None,
        waits: false,
        check: false,
        for_list: None,
    }
}

/// A disk of an image: the system disk for place 0.
pub(crate) fn plan(place: u8, snapshot: &str, own: bool, disk_bytes: u64) -> DiskPlan {
    DiskPlan {
        device: format!("/dev/xvd{}", char::from(b'a' + place)),
        kind: if place == 0 { DiskKind::System } else { DiskKind::Data },
        snapshot: snapshot.into(),
        own,
        size_bytes: disk_bytes,
        disk_bytes,
        format: None,
        source: None,
        disk: None,
        data_bytes: 0,
    }
}

/// A disk that is to be made.
pub(crate) fn new_disk(scope: &Scope, id: &str) -> DiskReserved {
    let (account, region) = image::parts_of(scope).unwrap();
    DiskReserved {
        disk: id.into(),
        name: String::new(),
        description: String::new(),
        tags: BTreeMap::new(),
        account,
        region,
        size_bytes: 0,
        kind: DiskKind::Data,
        of_snapshot: None,
        of_image: None,
        content: None,
    }
}

/// A snapshot that is to be taken.
pub(crate) fn new_snapshot(scope: &Scope, id: &str, of_disk: Option<&str>) -> SnapshotReserved {
    let (account, region) = image::parts_of(scope).unwrap();
    SnapshotReserved {
        snapshot: id.into(),
        name: String::new(),
        description: String::new(),
        tags: BTreeMap::new(),
        account,
        region,
        size_bytes: 0,
        kind: DiskKind::Data,
        of_disk: of_disk.map(Into::into),
        copy_of: None,
        disk: None,
        retention_days: None,
    }
}

/// A world with the disk `d-1`, empty and of 2 GiB.
pub(crate) fn with_disk() -> World {
    let mut world = World::new();
    make_disk(&mut world, "d-1");
    world
}

/// A disk, empty and of 2 GiB.
pub(crate) fn make_disk(world: &mut World, id: &str) {
    let wanted = DiskReserved { size_bytes: 2 * GIB, ..new_disk(&scope(), id) };
    world.decide(&scope(), |view| rules::reserve_disk(view, wanted)).unwrap();
    world.arrive(&scope(), id, None, 2 * GIB, 1);
    world.decide(&scope(), |view| rules::seal_disk(view, &id.into())).unwrap();
}

/// Takes a snapshot of a disk.
pub(crate) fn take(world: &mut World, id: &str, disk: &str) {
    world
        .decide(&scope(), |view| rules::reserve_snapshot(view, new_snapshot(&scope(), id, Some(disk))))
        .unwrap();
    world.decide(&scope(), |view| rules::seal_snapshot(view, &id.into())).unwrap();
}

/// An image of those disks through its whole birth.
pub(crate) fn make_image(world: &mut World, id: &str, disks: Vec<DiskPlan>) {
    let own: Vec<_> = disks.iter().filter(|disk| disk.own).cloned().collect();
    let wanted = image_of(&scope(), id, disks, Making::Snapshots);
    world.decide(&scope(), |view| rules::reserve(view, wanted)).unwrap();
    for (content, disk) in own.iter().enumerate() {
        world.arrive(&scope(), id, Some(&disk.snapshot), disk.disk_bytes, 100 + content as u64);
    }
    world.decide(&scope(), |view| rules::seal(view, &id.into())).unwrap();
}

/// The code of a refusal.
pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> String {
    answer.expect_err("a refusal").code
}
