//! What holds of the rows whenever no operation is under way, whatever they say: counts are what can
//! be counted, names lead where they should, and nobody holds what nobody needs.

use std::collections::{BTreeMap, BTreeSet};

use domain::image::{
    self, BUCKETS, DISKS, Disk, FAMILIES, FAMILY_HEADS, FAMILY_ROWS, FamilyRow, IMAGES, Image, NAMES, PLACES,
    PUBLIC, SHARED, SNAPSHOTS, Snapshot, Status, TASKS, USAGE, Usage,
};
use event::{Rows, Scope};

use crate::world::House;

/// Checks all of it.
pub fn check(house: &House, what: &str) {
    let rows = &house.engine.snapshot().unwrap();
    assert_eq!(rows.open_flows().len(), 0, "{what}: every flow has ended");
    let (images, snapshots) = (IMAGES.list_all(rows), SNAPSHOTS.list_all(rows));
    let disks = DISKS.list_all(rows);
    nothing_is_held(&images, &snapshots, &disks, what);
    stands_on(&images, &snapshots, &disks, what);
    counts(rows, &images, &snapshots, &disks, what);
    names(rows, &images, &snapshots, &disks, what);
    sharing(rows, &images, what);
    for bucket in BUCKETS.list_all(rows) {
        assert!(bucket.ready, "{what}: {bucket:?} is neither being made nor removed");
    }
}

fn nothing_is_held(images: &[Image], snapshots: &[Snapshot], disks: &[Disk], what: &str) {
    for image in images {
        assert!(!image.status.is_being_made(), "{what}: nothing makes {image:?}");
        assert_eq!(image.exports, 0, "{what}: nothing exports {}", image.id);
        assert!(image.copies.is_empty(), "{what}: nothing copies {image:?}");
        let checked = image.detection.as_ref().is_none_or(|detection| detection.finished_ms.is_some());
        assert!(checked, "{what}: nothing checks {}", image.id);
    }
    for snapshot in snapshots {
        assert!(snapshot.ready && snapshot.verified, "{what}: nothing makes {snapshot:?}");
        assert_eq!(snapshot.making, 0, "{what}: nothing is made from {snapshot:?}");
        assert!(snapshot.copies.is_empty(), "{what}: nothing copies {snapshot:?}");
    }
    for disk in disks {
        assert!(disk.ready && disk.verified, "{what}: nothing makes {disk:?}");
        assert_eq!(disk.snapshotting, 0, "{what}: nothing takes a snapshot of {disk:?}");
    }
}

fn scope(account: &domain::AccountId, region: &domain::RegionId) -> Scope {
    image::scope(account, region)
}

/// Snapshots know who stands on them, and are there for them.
fn stands_on(images: &[Image], snapshots: &[Snapshot], disks: &[Disk], what: &str) {
    for snapshot in snapshots {
        let of_images = images.iter().flat_map(|image| &image.disks);
        let standing = of_images.filter(|disk| disk.snapshot == snapshot.id).count();
        assert_eq!(snapshot.images as usize, standing, "{what}: {snapshot:?}");
        let made = disks.iter().filter(|disk| disk.of_snapshot.as_ref() == Some(&snapshot.id)).count();
        assert_eq!(snapshot.disks as usize, made, "{what}: {snapshot:?}");
    }
    for image in images {
        for disk in &image.disks {
            let there = snapshots.iter().any(|snapshot| snapshot.id == disk.snapshot);
            assert!(there && disk.disk.is_some(), "{what}: {} stands on {}", image.id, disk.snapshot);
        }
    }
}

fn counts(rows: &dyn Rows, images: &[Image], snapshots: &[Snapshot], disks: &[Disk], what: &str) {
    let mut counted = BTreeMap::<String, Usage>::new();
    let mut families = BTreeMap::<(String, String), u32>::new();
    for image in images {
        let scope = scope(&image.account, &image.region).0;
        if let Some(family) = &image.family {
            *families.entry((scope.clone(), family.clone())).or_default() += 1;
        }
        let usage = counted.entry(scope).or_default();
        usage.images += 1;
        usage.shares += u32::try_from(image.shares.len()).unwrap();
    }
    for snapshot in snapshots {
        counted.entry(scope(&snapshot.account, &snapshot.region).0).or_default().snapshots += 1;
    }
    for disk in disks {
        counted.entry(scope(&disk.account, &disk.region).0).or_default().disks += 1;
    }
    for (scope, _) in families.keys() {
        counted.get_mut(scope).unwrap().families += 1;
    }
    let told = USAGE.list_all(rows).len();
    assert_eq!(told, counted.len(), "{what}: usage of {:?}", counted.keys());
    for (scope, usage) in counted {
        assert_eq!(USAGE.get(rows, &Scope(scope.clone()), &[]), Some(usage), "{what}: usage of {scope}");
    }
    assert_eq!(FAMILY_ROWS.list_all(rows).len(), families.len(), "{what}: {families:?}");
    for ((scope, family), size) in families {
        let scope = Scope(scope);
        let members: BTreeSet<_> = FAMILIES.list(rows, &scope, &[&family]).into_iter().collect();
        let stand = images.iter().filter(|image| image.family.as_ref() == Some(&family));
        let stand = stand.filter(|image| image::scope(&image.account, &image.region) == scope);
        let available = stand.clone().filter(|image| image.status == Status::Available);
        let newest = available.max_by_key(|image| image.born).map(|image| image.id.clone());
        let row = FamilyRow { images: size, newest };
        assert_eq!(FAMILY_ROWS.get(rows, &scope, &[&family]), Some(row), "{what}: the row of {family}");
        assert_eq!(members, stand.map(|image| image.id.clone()).collect(), "{what}: members of {family}");
    }
}

fn names(rows: &dyn Rows, images: &[Image], snapshots: &[Snapshot], disks: &[Disk], what: &str) {
    assert_eq!(NAMES.list_all(rows).len(), images.len(), "{what}: a name for each image");
    let place = |id: &str| PLACES.get(rows, &image::house(), &[id]);
    for image in images {
        let scope = scope(&image.account, &image.region);
        let named = NAMES.get(rows, &scope, &[&image.name]);
        assert_eq!(named, Some(image.id.clone()), "{what}: the name `{}`", image.name);
        assert_eq!(place(image.id.as_str()), Some(scope), "{what}: the place of {}", image.id);
    }
    for snapshot in snapshots {
        let scope = scope(&snapshot.account, &snapshot.region);
        assert_eq!(place(snapshot.id.as_str()), Some(scope), "{what}: the place of {}", snapshot.id);
    }
    for disk in disks {
        let scope = scope(&disk.account, &disk.region);
        assert_eq!(place(disk.id.as_str()), Some(scope), "{what}: the place of {}", disk.id);
    }
    let all = images.len() + snapshots.len() + disks.len() + TASKS.list_all(rows).len();
    assert_eq!(PLACES.list_all(rows).len(), all, "{what}: a place for each thing");
    for told in FAMILY_HEADS.list_all(rows) {
        let there = told.image.as_ref().is_none_or(|id| images.iter().any(|image| image.id == *id));
        assert!(there, "{what}: {told:?}");
    }
}

fn sharing(rows: &dyn Rows, images: &[Image], what: &str) {
    let shares: usize = images.iter().map(|image| image.shares.len()).sum();
    assert_eq!(SHARED.list_all(rows).len(), shares, "{what}: a row for each share");
    let public: BTreeSet<_> = PUBLIC.list_all(rows).into_iter().map(|row| row.image).collect();
    let wanted = images.iter().filter(|image| image.public).map(|image| image.id.clone()).collect();
    assert_eq!(public, wanted, "{what}: what is everybody's");
    for image in images {
        let owner = scope(&image.account, &image.region);
        for account in image.shares.keys() {
            let found = SHARED.get(rows, &scope(account, &image.region), &[image.id.as_str()]);
            assert_eq!(found.map(|found| found.scope), Some(owner.clone()), "{what}: {}", image.id);
        }
    }
}
