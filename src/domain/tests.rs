//! The rules at the room's door: events go in, rows and answers come out.

use std::collections::BTreeMap;

use event::{Actor, Cause, Draft, FlowId, Fold, Path, Record, Refusal, Rows, RowsMut, Scope, Seq, View};

use crate::events::{
    Attributes, DataTransferred, DataVerified, DiskPlan, ExportEnded, ImageDeleted, ImageDeprecated,
    ImageReleased, ImageReserved, ImageRestored, ImageSealed,
};
use crate::image::{self, DiskKind, FAMILIES, IMAGES, Making, NAMES, SNAPSHOTS, Status};
use crate::machine::Machine;
use crate::port::{Compression, Format, Location, Target, Transferred, Wrapping};
use crate::rules::Deletion;
use crate::{ContentRoot, Digest, ImageId, ManifestId, Projections, SnapshotId, rules};

/// Rows in memory, and the log's counter.
#[derive(Default)]
struct World {
    rows: Memory,
    seq: u64,
}

#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Memory(pub(crate) BTreeMap<Vec<u8>, Vec<u8>>);

impl Rows for Memory {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        for (key, value) in self.0.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix)) {
            if !visit(key, value) {
                return;
            }
        }
    }
}

impl RowsMut for Memory {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match value {
            Some(value) => _ = self.0.insert(key, value),
            None => _ = self.0.remove(&key),
        }
    }
}

fn scope() -> Scope {
    image::scope(&"100000".into(), &"cn-a".into())
}

impl World {
    fn ask<T>(&self, rule: impl FnOnce(&View<'_>) -> T) -> T {
        rule(&View::new(&self.rows, &scope(), 1_800_000_000_000))
    }

    fn tell(&mut self, event: impl Into<Draft>) {
        let draft = event.into();
        self.seq += 1;
        let record = Record {
            seq: Seq(self.seq),
            time_ms: 1_800_000_000_000,
            flow: FlowId([0; 16]),
            path: Path::from("1"),
            kind: draft.kind.to_owned(),
            scope: scope(),
            subjects: draft.subjects,
            actor: Actor::default(),
            cause: Cause::Request("test".to_owned()),
            previous: None,
            payload: draft.payload,
        };
        assert!(Projections.knows(&record.kind), "{}", record.kind);
        Projections.apply(&mut self.rows, &record);
    }

    fn reserve(&mut self, id: &str, name: &str, family: Option<&str>) -> Result<(), Refusal> {
        let wanted = reservation(id, name, family);
        let reserved = self.ask(|view| rules::reserve(view, wanted))?;
        self.tell(reserved);
        Ok(())
    }

    /// An image through its whole birth.
    fn make(&mut self, id: &str, name: &str, family: Option<&str>) {
        self.reserve(id, name, family).unwrap();
        self.tell(transferred(id));
        self.tell(verified(id, 1));
        let sealed = self.ask(|view| rules::seal(view, &id.into())).unwrap();
        self.tell(sealed);
    }

    fn head(&self, family: &str) -> Option<String> {
        image::family_head(&self.rows, &scope(), family).map(|image| image.id.0)
    }

    fn image(&self, id: &str) -> Option<image::Image> {
        IMAGES.get(&self.rows, &scope(), &[id])
    }
}

fn root(byte: u8) -> ContentRoot {
    ContentRoot(Digest([byte; 32]))
}

fn stored() -> Transferred {
    Transferred {
        root: root(1),
        manifest: ManifestId(Digest([2; 32])),
        data_bytes: 4096,
        new_bytes: 4096,
        stored_bytes: 100,
        chunks: 1,
    }
}

/// What is told when the only disk of an image is in the store.
fn transferred(id: &str) -> DataTransferred {
    DataTransferred { of: id.into(), snapshot: Some(snapshot_of(id)), disk_bytes: 512, data: stored() }
}

/// What is told when it was read back.
fn verified(id: &str, byte: u8) -> DataVerified {
    DataVerified { of: id.into(), snapshot: Some(snapshot_of(id)), root: root(byte), chunks: 1 }
}

fn snapshot_of(id: &str) -> SnapshotId {
    SnapshotId(format!("s-{id}"))
}

fn reservation(id: &str, name: &str, family: Option<&str>) -> ImageReserved {
    ImageReserved {
        image: id.into(),
        name: name.to_owned(),
        description: String::new(),
        family: family.map(str::to_owned),
        tags: BTreeMap::new(),
        account: "100000".into(),
        region: "cn-a".into(),
        machine: Machine::default(),
        disks: vec![DiskPlan {
            device: "/dev/xvda".to_owned(),
            kind: DiskKind::System,
            snapshot: snapshot_of(id),
            own: true,
            size_bytes: 512,
            disk_bytes: 512,
            format: Some(Format::Raw),
            source: Some(Location::file("/disk")),
            disk: None,
            data_bytes: 0,
        }],
        making: Making::Import,
        task: None,
        waits: false,
        check: false,
        for_list: None,
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> String {
    answer.expect_err("a refusal").code
}

#[test]
fn a_family_stands_for_its_newest_available_image_and_rolls_back_when_that_is_deprecated() {
    let mut world = World::default();
    assert_eq!(world.head("web"), None);
    for (id, name) in [("m-1", "web-1"), ("m-2", "web-2"), ("m-3", "web-3")] {
        world.make(id, name, Some("web"));
    }
    assert_eq!(world.head("web").as_deref(), Some("m-3"));
    world.tell(ImageDeprecated::of("m-3".into()));
    assert_eq!(world.head("web").as_deref(), Some("m-2"));
    world.tell(ImageDeprecated::of("m-2".into()));
    assert_eq!(world.head("web").as_deref(), Some("m-1"));
    world.tell(ImageRestored { image: "m-3".into() });
    assert_eq!(world.head("web").as_deref(), Some("m-3"));
    let deleted = world.ask(|view| rules::delete(view, &"m-3".into(), Deletion::default())).unwrap();
    world.tell(deleted);
    assert_eq!(world.head("web").as_deref(), Some("m-1"));
}

#[test]
fn an_image_being_made_never_stands_for_its_family() {
    let mut world = World::default();
    world.make("m-1", "web-1", Some("web"));
    world.reserve("m-2", "web-2", Some("web")).unwrap();
    assert_eq!(world.head("web").as_deref(), Some("m-1"));
}

#[test]
fn a_name_is_taken_from_its_reservation_to_its_release() {
    let mut world = World::default();
    world.reserve("m-1", "web", None).unwrap();
    assert_eq!(code(world.reserve("m-2", "web", None)), "InvalidImageName.Duplicated");
    world.tell(ImageReleased { image: "m-1".into() });
    world.reserve("m-2", "web", None).unwrap();
}

#[test]
fn a_release_that_comes_late_does_not_touch_a_sealed_image() {
    let mut world = World::default();
    world.make("m-1", "web", None);
    world.tell(ImageReleased { image: "m-1".into() });
    assert_eq!(world.image("m-1").unwrap().status, Status::Available);
}

#[test]
fn an_image_is_not_sealed_before_it_was_read_back_with_the_same_root() {
    let mut world = World::default();
    let seal = |world: &World| world.ask(|view| rules::seal(view, &ImageId::from("m-1")));
    assert_eq!(code(seal(&world)), "InvalidImageId.NotFound");
    world.reserve("m-1", "web", None).unwrap();
    assert_eq!(code(seal(&world)), "IncorrectImageStatus");
    world.tell(transferred("m-1"));
    assert_eq!(code(seal(&world)), "IncorrectImageStatus");
    world.tell(verified("m-1", 9));
    assert_eq!(code(seal(&world)), "IncorrectImageStatus");
    world.tell(verified("m-1", 1));
    assert_eq!(seal(&world), Ok(ImageSealed { image: "m-1".into() }));
}

#[test]
fn a_modification_changes_all_that_is_asked_or_nothing() {
    let mut world = World::default();
    world.make("m-1", "web-1", Some("web"));
    world.make("m-2", "web-2", None);
    let to = Attributes {
        name: Some("web-2".to_owned()),
        description: Some("fine".to_owned()),
        ..Attributes::default()
    };
    let answer = world.ask(|view| rules::modify(view, &"m-1".into(), &to));
    assert_eq!(code(answer), "InvalidImageName.Duplicated");
    let to = Attributes {
        name: Some("web-one".to_owned()),
        family: Some("sites".to_owned()),
        tags: BTreeMap::from([("env".to_owned(), Some("prod".to_owned()))]),
        ..Attributes::default()
    };
    let modified = world.ask(|view| rules::modify(view, &"m-1".into(), &to)).unwrap();
    assert_eq!(modified.from.name.as_deref(), Some("web-1"));
    world.tell(modified);
    let image = world.image("m-1").unwrap();
    assert_eq!((image.name.as_str(), image.family.as_deref()), ("web-one", Some("sites")));
    assert_eq!(image.tags["env"], "prod");
    assert_eq!(world.head("web"), None);
    assert_eq!(world.head("sites").as_deref(), Some("m-1"));
    assert_eq!(NAMES.get(&world.rows, &scope(), &["web-1"]), None);
}

#[test]
fn an_image_may_keep_the_name_it_has() {
    let mut world = World::default();
    world.make("m-1", "web", None);
    let to = Attributes { name: Some("web".to_owned()), ..Attributes::default() };
    let modified = world.ask(|view| rules::modify(view, &"m-1".into(), &to)).unwrap();
    assert_eq!(modified.to, Attributes::default());
}

#[test]
fn an_image_that_is_being_exported_is_not_deleted() {
    let mut world = World::default();
    world.make("m-1", "web", None);
    let target = Target {
        at: Location::file("/out"),
        wrapping: Wrapping::None,
        format: Format::Raw,
        compression: Compression::None,
        replace: false,
    };
    let begun = world.ask(|view| {
        rules::begin_export(view, &"m-1".into(), &"t-1".into(), &[("/dev/xvda".to_owned(), target)])
    });
    let begun = begun.unwrap();
    world.tell(begun);
    let delete =
        |world: &World| world.ask(|view| rules::delete(view, &ImageId::from("m-1"), Deletion::default()));
    assert_eq!(code(delete(&world)), "ImageIsExporting");
    world.tell(ExportEnded { image: "m-1".into() });
    assert!(delete(&world).is_ok());
}

#[test]
fn an_image_being_made_can_be_neither_deleted_modified_nor_exported() {
    let mut world = World::default();
    world.reserve("m-1", "web", None).unwrap();
    let id = ImageId::from("m-1");
    assert_eq!(code(world.ask(|view| rules::delete(view, &id, Deletion::default()))), "ImageIsImporting");
    let modified = world.ask(|view| rules::modify(view, &id, &Attributes::default()));
    assert_eq!(code(modified), "InvalidStatus.ImageIsCreating");
    assert_eq!(code(world.ask(|view| rules::deprecate(view, &id))), "ImageStatus.NotAvailable");
    assert_eq!(code(world.ask(|view| rules::restore(view, &id))), "ImageStatus.NotDeprecated");
}

#[test]
fn deprecating_twice_or_restoring_what_is_available_is_refused() {
    let mut world = World::default();
    world.make("m-1", "web", None);
    assert_eq!(code(world.ask(|view| rules::restore(view, &"m-1".into()))), "ImageStatus.NotDeprecated");
    world.tell(ImageDeprecated::of("m-1".into()));
    assert_eq!(code(world.ask(|view| rules::deprecate(view, &"m-1".into()))), "ImageStatus.NotAvailable");
}

#[test]
fn a_family_holds_a_hundred_images_and_an_account_a_hundred_families() {
    let mut world = World::default();
    for number in 0..rules::FAMILY_IMAGES_MAX {
        world.reserve(&format!("m-{number}"), &format!("web-{number}"), Some("web")).unwrap();
    }
    assert_eq!(code(world.reserve("m-x", "one-more", Some("web"))), "ImageQuotaExceed.ImageFamily");
    for number in 1..rules::FAMILIES_MAX {
        world
            .reserve(&format!("f-{number}"), &format!("f-{number}"), Some(&format!("family-{number}")))
            .unwrap();
    }
    assert_eq!(code(world.reserve("m-y", "one-more", Some("another"))), "ImageFamilyQuotaExceed");
    world.reserve("m-z", "one-more", Some("family-1")).unwrap();
}

#[test]
fn a_deleted_image_takes_its_rows_and_its_snapshot_along() {
    let mut world = World::default();
    let empty = world.rows.0.clone();
    world.make("m-1", "web", Some("web"));
    assert!(SNAPSHOTS.get(&world.rows, &scope(), &["s-m-1"]).is_some());
    assert_eq!(FAMILIES.list(&world.rows, &scope(), &["web"]).len(), 1);
    let deleted: ImageDeleted =
        world.ask(|view| rules::delete(view, &"m-1".into(), Deletion::default())).unwrap();
    world.tell(deleted);
    assert_eq!(world.rows.0, empty);
}

#[test]
fn an_event_about_what_is_not_there_changes_nothing() {
    let mut world = World::default();
    world.make("m-1", "web", None);
    let before = world.rows.0.clone();
    let gone = ImageId::from("m-gone");
    world.tell(ImageDeprecated::of(gone.clone()));
    world.tell(ImageSealed { image: gone.clone() });
    world.tell(ExportEnded { image: gone.clone() });
    world.tell(ImageDeleted { image: gone, name: String::new(), snapshots: Vec::new(), force: false });
    assert_eq!(world.rows.0, before);
}
