//! Who judges a year of retention and distribution: by the log, event by event, and by a statement of its own of what
//! may go and what is to be there, which has nothing of how either is worked out.

use std::collections::BTreeMap;

use domain::events::{ImageDeleted, ImageDeprecated, ImageReserved, ImageSealed, SharesChanged};
use domain::image::{DISKS, FAMILY_HEADS, IMAGES, Image, Making, SNAPSHOTS, Status, parts_of, scope};
use domain::upkeep::Keeping;
use domain::{AccountId, ImageId, RegionId};
use engine::{FlowRow, Snapshot};
use event::{Event as _, FlowId, Record, Rows, Seq};
use workflows::{DeleteImage, DeprecateImage};

/// What a log has been seen to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) deprecated: u64,
    pub(crate) deleted: u64,
    pub(crate) copied: u64,
    pub(crate) shared: u64,
}

/// Why an image has to stay, by its rows and the policy; nothing if it may go.
pub(crate) fn protects(rows: &dyn Rows, image: &Image, by: &Keeping) -> Option<String> {
    let scope = scope(&image.account, &image.region);
    let images = IMAGES.list(rows, &scope, &[]);
    let in_family = images.iter().filter(|other| other.family.as_deref() == Some(&by.family));
    let newer =
        in_family.filter(|other| other.status == Status::Available && other.born > image.born).count();
    let keep = by.retention.keep.map_or(1, |keep| keep as usize);
    let stands =
        FAMILY_HEADS.list(rows, &scope, &[]).into_iter().any(|told| told.image.as_ref() == Some(&image.id));
    let snapshot = |id: &domain::SnapshotId| SNAPSHOTS.get(rows, &scope, &[id.as_str()]);
    let stood_on = image
        .disks
        .iter()
        .filter_map(|disk| snapshot(&disk.snapshot))
        .any(|it| it.disks > 0 || it.images > 1);
    let disks =
        DISKS.list(rows, &scope, &[]).into_iter().any(|disk| disk.of_image.as_ref() == Some(&image.id));
    let ends_shares = by.retention.shared && image.status == Status::Available;
    let shared = image.public || image.shares.values().any(|share| share.holds(by.now_ms));
    let young = by.retention.younger_ms.is_some_and(|ms| image.created_ms + ms > by.now_ms);
    let why = [
        (image.status.is_being_made(), "is being made"),
        (newer < keep, "is among the newest"),
        (young, "is young"),
        (stands, "is what a family was told to stand for"),
        (image.exports > 0 || !image.copies.is_empty(), "is busy"),
        (!by.retention.in_use && (disks || stood_on), "is in use"),
        (shared && !ends_shares, "is shared"),
    ];
    why.iter().find(|(is, _)| *is).map(|(_, why)| format!("`{}` {why}", image.name))
}

/// Looks through the whole log: nothing protected was touched, no copy and no share was made twice.
pub(crate) fn judge(engine: &engine::Engine<workflows::Ports>) -> Seen {
    let snapshot = &engine.snapshot().unwrap();
    let mut judge =
        Judge { snapshot, seen: Seen::default(), copies: BTreeMap::new(), shares: BTreeMap::new() };
    let mut replay = engine.replay().unwrap();
    let mut next = Seq(1);
    loop {
        let records = snapshot.records(next, 1000).unwrap();
        let Some(last) = records.last() else { return judge.seen };
        next = Seq(last.seq.0 + 1);
        for record in &records {
            if !is_judged(&record.kind) {
                continue;
            }
            replay.advance_to(Seq(record.seq.0 - 1)).unwrap();
            judge.record(replay.rows(), record);
        }
    }
}

struct Judge<'a> {
    snapshot: &'a Snapshot,
    seen: Seen,
    /// Copies that were begun for a list: of which image, where.
    copies: BTreeMap<(ImageId, RegionId), ImageId>,
    shares: BTreeMap<(ImageId, AccountId), FlowId>,
}

/// Whether a record of this kind is looked at.
fn is_judged(kind: &str) -> bool {
    [ImageDeprecated::KIND, ImageDeleted::KIND, ImageSealed::KIND, SharesChanged::KIND, ImageReserved::KIND]
        .contains(&kind)
}

impl Judge<'_> {
    fn record(&mut self, rows: &dyn Rows, record: &Record) {
        let flow = self.snapshot.flow(record.flow).unwrap();
        let image = |id: &ImageId| IMAGES.get(rows, &record.scope, &[id.as_str()]).unwrap();
        match record.kind.as_str() {
            ImageDeprecated::KIND => {
                let Some(by) = self.input::<DeprecateImage>(&flow).and_then(|it| it.by) else { return };
                let event: ImageDeprecated = record.get().unwrap();
                assert_eq!(event.by.as_ref(), Some(&by.upkeep));
                let image = image(&event.image);
                assert_eq!((image.status, protects(rows, &image, &by)), (Status::Available, None));
                self.seen.deprecated += 1;
            }
            ImageDeleted::KIND => {
                let Some(by) = self.input::<DeleteImage>(&flow).and_then(|it| it.by) else { return };
                let event: ImageDeleted = record.get().unwrap();
                let image = image(&event.image);
                assert_eq!((image.status, protects(rows, &image, &by)), (Status::Deprecated, None));
                let since_ms = self.deprecated_ms(&event.image);
                assert!(since_ms + by.retention.grace_ms <= by.now_ms, "`{}` had grace left", image.name);
                self.seen.deleted += 1;
            }
            ImageReserved::KIND => {
                let event: ImageReserved = record.get().unwrap();
                let (Making::Copy { image: source, .. }, Some(_)) = (event.making, event.for_list) else {
                    return;
                };
                let there = IMAGES.list(rows, &record.scope, &[]);
                let of =
                    |other: &&Image| matches!(&other.making, Making::Copy { image, .. } if *image == source);
                assert_eq!(there.iter().find(of).map(|other| &other.id), None, "a second copy of `{source}`");
            }
            ImageSealed::KIND => {
                let event: ImageSealed = record.get().unwrap();
                let image = image(&event.image);
                let (Making::Copy { image: source, .. }, Some(_)) = (image.making, image.for_list) else {
                    return;
                };
                let before = self.copies.insert((source.clone(), image.region.clone()), image.id);
                assert_eq!(before, None, "`{source}` came to `{}` twice", image.region);
                self.seen.copied += 1;
            }
            _ => {
                let event: SharesChanged = record.get().unwrap();
                if !matches!(flow.cause, event::Cause::Parent(_)) {
                    return;
                }
                let now = image(&event.image);
                for account in event.added {
                    let held = now.shares.get(&account).is_some_and(|share| share.holds(record.time_ms));
                    assert!(!held, "`{}` is shared with {account} already", now.name);
                    let before = self.shares.insert((event.image.clone(), account), record.flow);
                    assert_eq!(before, None, "`{}` was shared twice", now.name);
                    self.seen.shared += 1;
                }
            }
        }
    }

    /// What an operation was asked for, if it is of that kind.
    fn input<W: engine::Workflow>(&self, flow: &FlowRow) -> Option<W> {
        let first = self.snapshot.records_of(flow).unwrap().into_iter().next()?;
        let started: engine::Started = first.get().ok()?;
        (started.name == W::NAME).then(|| rmp_serde::from_slice(&started.input).unwrap())
    }

    /// When an image was last deprecated, by its own history.
    fn deprecated_ms(&self, image: &ImageId) -> i64 {
        let history = self.snapshot.history(image.as_str()).unwrap();
        let deprecated = history.iter().filter(|record| record.kind == ImageDeprecated::KIND);
        deprecated.map(|record| record.time_ms).max().unwrap()
    }
}

/// The images of a family in a region, newest first.
pub(crate) fn family(rows: &dyn Rows, account: &AccountId, region: &RegionId, family: &str) -> Vec<Image> {
    let mut images = IMAGES.list(rows, &scope(account, region), &[]);
    images.retain(|image| image.family.as_deref() == Some(family));
    images.sort_by_key(|image| std::cmp::Reverse(image.born));
    assert!(images.iter().all(|image| parts_of(&scope(&image.account, &image.region)).is_some()));
    images
}
