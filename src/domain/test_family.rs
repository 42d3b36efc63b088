//! Which image a family stands for is read from an index. Goal: whatever happens to images, in any
//! order, the index says what looking at every image would. Method: random events, whether or not a
//! rule would have them, and after each the answer found the long way.

use std::collections::BTreeMap;

use event::{Actor, Cause, Draft, FlowId, Fold, Path, Record, Scope, Seq};

use crate::events::{
    Attributes, DiskPlan, FamilyHeadSet, ImageDeleted, ImageDeprecated, ImageModified, ImageReleased,
    ImageReserved, ImageRestored, ImageSealed, ResourceId, ResourcesTagged,
};
use crate::image::{
    self, DiskKind, FAMILY_AVAILABLE, FAMILY_HEADS, FAMILY_ROWS, FamilyRow, IMAGES, Image, Making, Status,
    families, family_head, family_head_id, is_family_head,
};
use crate::machine::Machine;
use crate::tests::Memory;
use crate::{ImageId, LISTED, Listed, Projections, SnapshotId};

const FAMILIES: [&str; 3] = ["web", "web-2", "db"];
const IMAGES_AT_ONCE: u64 = 8;
const EVENTS: u64 = 1000;

fn scope() -> Scope {
    image::scope(&"100000".into(), &"cn-a".into())
}

fn tell(rows: &mut Memory, seq: u64, event: impl Into<Draft>) {
    let draft = event.into();
    let record = Record {
        seq: Seq(seq),
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
    Projections.apply(rows, &record);
}

fn reserved(id: &ImageId, name: String, family: Option<String>) -> ImageReserved {
    let disk = DiskPlan {
        device: "/dev/xvda".to_owned(),
        kind: DiskKind::System,
        snapshot: SnapshotId("s-1".to_owned()),
        own: false,
        size_bytes: 512,
        disk_bytes: 512,
        format: None,
        source: None,
        disk: None,
        data_bytes: 0,
    };
    ImageReserved {
        image: id.clone(),
        name,
        description: String::new(),
        family,
        tags: BTreeMap::new(),
        account: "100000".into(),
        region: "cn-a".into(),
        machine: Machine::default(),
        disks: vec![disk],
        making: Making::Snapshots,
        task: None,
        waits: false,
        check: false,
        for_list: None,
    }
}

/// A small generator: `SplitMix64`.
fn below(state: &mut u64, end: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % end
}

/// The image a family stands for, found by looking at all there are.
fn the_long_way(rows: &Memory, family: &str) -> Option<ImageId> {
    let images = IMAGES.list(rows, &scope(), &[]);
    let available = |image: &&Image| image.status == Status::Available;
    let told = FAMILY_HEADS.get(rows, &scope(), &[family]).and_then(|told| told.image);
    let told = told.and_then(|told| images.iter().filter(available).find(|image| image.id == told));
    told.map(|image| image.id.clone()).or_else(|| newest_the_long_way(&images, family))
}

fn newest_the_long_way(images: &[Image], family: &str) -> Option<ImageId> {
    let available = images.iter().filter(|image| image.status == Status::Available);
    let members = available.filter(|image| image.family.as_deref() == Some(family));
    members.max_by_key(|image| image.born).map(|image| image.id.clone())
}

#[test]
fn a_family_stands_for_the_same_image_whether_it_is_looked_up_or_found_among_all() {
    let (mut rows, mut state) = (Memory::default(), 42);
    let mut answers = 0;
    for seq in 1..=EVENTS {
        let id = ImageId(format!("m-{}", below(&mut state, IMAGES_AT_ONCE)));
        let there = IMAGES.get(&rows, &scope(), &[id.as_str()]);
        let family =
            FAMILIES.get(usize::try_from(below(&mut state, 4)).unwrap()).map(|&name| name.to_owned());
        let deprecated = [None, Some(true), Some(false)][usize::try_from(below(&mut state, 3)).unwrap()];
        let made = there.as_ref().is_some_and(|image| !image.status.is_being_made());
        match below(&mut state, 8) {
            // An id is given once; and what is being made is neither deprecated nor deleted.
            0 | 1 if there.is_none() => tell(&mut rows, seq, reserved(&id, format!("name-{seq}"), family)),
            2 | 3 if !made => tell(&mut rows, seq, ImageSealed { image: id }),
            4 if made => tell(&mut rows, seq, ImageDeprecated::of(id)),
            5 if made => tell(&mut rows, seq, ImageRestored { image: id }),
            6 if made => {
                let to = Attributes { family, deprecated, ..Attributes::default() };
                tell(&mut rows, seq, ImageModified { image: id, to, from: Attributes::default() });
            }
            7 => match below(&mut state, 4) {
                0 => tell(&mut rows, seq, ImageReleased { image: id }),
                1 => {
                    let family = family.unwrap_or_else(|| FAMILIES[0].to_owned());
                    let image = there.map(|image| image.id);
                    tell(&mut rows, seq, FamilyHeadSet { family, image, before: None });
                }
                2 => {
                    let set = BTreeMap::from([("tagged".to_owned(), seq.to_string())]);
                    let resources = vec![ResourceId(id.0)];
                    tell(&mut rows, seq, ResourcesTagged { resources, set, removed: Vec::new(), all: false });
                }
                _ => {
                    let name = there.map(|image| image.name).unwrap_or_default();
                    let snapshots = Vec::new();
                    tell(&mut rows, seq, ImageDeleted { image: id, name, snapshots, force: false });
                }
            },
            _ => {}
        }
        let images = IMAGES.list(&rows, &scope(), &[]);
        for family in FAMILIES {
            let expected = the_long_way(&rows, family);
            answers += u64::from(expected.is_some());
            assert_eq!(family_head_id(&rows, &scope(), family), expected, "{family} after {seq} events");
            assert_eq!(family_head(&rows, &scope(), family).map(|image| image.id), expected);
            for image in images.iter().filter(|image| image.family.as_deref() == Some(family)) {
                let leads = expected.as_ref() == Some(&image.id);
                assert_eq!(is_family_head(&rows, image), leads, "{} after {seq} events", image.id);
            }
        }
        let mut counted: BTreeMap<String, u32> = BTreeMap::new();
        images
            .iter()
            .filter_map(|image| image.family.clone())
            .for_each(|name| *counted.entry(name).or_default() += 1);
        let row = |(family, size): (&String, &u32)| FamilyRow {
            images: *size,
            newest: newest_the_long_way(&images, family),
        };
        let expected: Vec<_> = counted.iter().map(row).collect();
        assert_eq!(FAMILY_ROWS.list_all(&rows), expected, "after {seq} events");
        assert_eq!(families(&rows, &scope()), counted.into_iter().collect::<Vec<_>>(), "after {seq} events");
        // Nothing is left of those that are gone.
        let listed: Vec<Listed> = images.iter().map(Listed::from).collect();
        assert_eq!(LISTED.list_all(&rows), listed, "after {seq} events");
        let indexed = FAMILY_AVAILABLE.list_all(&rows).len();
        let available = |image: &&Image| image.status == Status::Available && image.family.is_some();
        assert_eq!(indexed, images.iter().filter(available).count(), "after {seq} events");
    }
    assert!(answers > EVENTS, "families stood for something most of the time, not {answers} times");
}
