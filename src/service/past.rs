//! Use cases on the past: what there was at a moment, from the rows of that moment and by the views
//! of today.
//!
//! The operator may ask about everybody. Any other account is answered about its own alone, and to
//! it the rest is not there, as ever. Nothing here writes.

use std::sync::Arc;

use domain::image::{
    ACCOUNTS, Account, DISKS, Disk, FAMILIES, FAMILY_HEADS, IMAGES, Image, PLACES, QUOTAS, REGIONS,
    SNAPSHOTS, Snapshot as SnapshotRow, USAGE, family_head, family_members, house, is_family_head, scope,
};
use domain::{AccountId, ImageId, RegionId, rules};
use engine::{Past, Snapshot};
use event::{Actor, Record, Refusal, Rows, Seq};

use crate::operator::{is_of, is_operator};
use crate::request::{ImageAt, Reply};
use crate::request_audit::{AuditRequest, Replayed};
use crate::service::blocking;
use crate::view::{FamilySummary, time_text};
use crate::view_audit::{PastDisk, PastFamily, PastQuota, PastRows, PastShare, PastSnapshot, PastView};
use crate::view_image::ImageView;
use crate::when::When;
use crate::{Service, Trouble, lookup};

/// Those an image of everybody's is shared with.
pub(crate) const EVERYBODY: &str = "everybody";

/// Whose past is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everybody's: the operator asks.
    All,
    /// One account's own.
    Own(AccountId),
}

impl Reach {
    pub(crate) fn of(actor: &Actor) -> Self {
        if is_operator(actor) { Self::All } else { Self::Own(lookup::account(actor)) }
    }

    /// Whether what belongs to this account is told.
    pub(crate) fn sees(&self, account: &AccountId) -> bool {
        match self {
            Self::All => true,
            Self::Own(own) => own == account,
        }
    }

    /// Whether a record is: what the account asked for, and what happened to what is its own.
    pub(crate) fn sees_record(&self, record: &Record) -> bool {
        let Self::Own(own) = self else { return true };
        is_of(record, own.as_str())
    }
}

/// A place in the log, and the time at which rules are asked there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) seq: Seq,
    pub(crate) time_ms: i64,
}

impl Place {
    pub(crate) fn time_text(self) -> String {
        if self.time_ms == 0 { String::new() } else { time_text(self.time_ms) }
    }
}

impl Service {
    /// Answers a question about the past, on a thread that may read for long.
    pub(crate) async fn audit(
        self: &Arc<Self>,
        actor: Actor,
        request: AuditRequest,
    ) -> Result<Reply, Trouble> {
        blocking(self, move |service| {
            Ok(match request {
                AuditRequest::Log(asked) => service.log(&actor, &asked)?.into(),
                AuditRequest::Replay { at, of, region } => {
                    service.replay(&actor, at, of, region.as_ref())?.into()
                }
                AuditRequest::Diff { from, to, subject } => {
                    service.differences(&actor, from, to, subject.as_deref())?.into()
                }
                AuditRequest::WhoCould { action, image, at } => {
                    service.who_could(&actor, action, &image, at)?.into()
                }
                AuditRequest::Could { account, image, at } => {
                    service.could(&actor, &AccountId::from(account.as_str()), &image, at)?.into()
                }
                AuditRequest::Story { id } => service.told(&actor, &id)?.into(),
            })
        })
        .await
    }

    /// Where in the log a moment is. One that lies ahead is this one: nobody knows more.
    pub(crate) fn place(&self, snapshot: &Snapshot, when: When) -> Result<Place, Trouble> {
        let (head, now_ms) = (snapshot.head()?, self.clock.now_ms());
        match when {
            When::Now => Ok(Place { seq: head, time_ms: now_ms }),
            When::Event(event) if event > head.0 => {
                let why = format!("there is no event {event} yet: the log ends at event {}", head.0);
                Err(Refusal::new("InvalidParameter.Event", why)
                    .advise("`kiln audit log` shows the last")
                    .into())
            }
            When::Event(event) => {
                let time_ms = snapshot.record(Seq(event))?.map_or(0, |record| record.time_ms);
                Ok(Place { seq: Seq(event), time_ms })
            }
            When::Time(time) => {
                let time_ms = time.span_ms(now_ms).1.min(now_ms);
                // A clock that was set back is behind the log's last record, which happened all the same.
                let seq = if time_ms == now_ms { head } else { snapshot.seq_at(time_ms)? };
                Ok(Place { seq, time_ms })
            }
        }
    }

    fn replay(
        &self,
        actor: &Actor,
        at: When,
        of: Replayed,
        region: Option<&RegionId>,
    ) -> Result<PastView, Trouble> {
        let reach = Reach::of(actor);
        let snapshot = self.engine.snapshot()?;
        let place = self.place(&snapshot, at)?;
        let (rows, events_folded) = match of {
            Replayed::Image(image) => {
                let at = ImageAt { image, region: region.cloned() };
                let (view, folded) = self.past_image(actor, &reach, &at, &snapshot, place)?;
                (PastRows::Image(Box::new(view)), folded)
            }
            lists => {
                let past = self.engine.at(place.seq)?;
                if let Some(region) = region {
                    lookup::regions(&past, Some(region))?;
                }
                let those = Those { rows: &past, reach: &reach, region, now_ms: place.time_ms };
                (those.list(&lists, actor), place.seq.0)
            }
        };
        Ok(PastView { event: place.seq.0, time: place.time_text(), events_folded, rows })
    }

    /// One image as it was. Its own records suffice, unless its family may stand for it: that is a
    /// matter of all the images in the family.
    fn past_image(
        &self,
        actor: &Actor,
        reach: &Reach,
        at: &ImageAt,
        snapshot: &Snapshot,
        place: Place,
    ) -> Result<(ImageView, u64), Trouble> {
        if at.image.starts_with("m-") && !at.image.contains('\0') {
            let past: Past = self.engine.past_of(&at.image, place.seq)?;
            let image = IMAGES.list_all(&past).into_iter().find(|image| image.id.as_str() == at.image);
            let here = |image: &Image| at.region.as_ref().is_none_or(|region| image.region == *region);
            let image = image.filter(|image| reach.sees(&image.account) && here(image));
            if let Some(image) = image.filter(|image| image.family.is_none()) {
                let history = snapshot.history(&at.image)?;
                let folded = history.iter().filter(|record| record.seq <= place.seq).count() as u64;
                return Ok((ImageView::of(&image, false, place.time_ms), folded));
            }
        }
        let past = self.engine.at(place.seq)?;
        let image = image_then(&past, actor, reach, at)?;
        Ok((view_then(&past, &image, place.time_ms), place.seq.0))
    }
}

/// The image of that id or name, as it was, if it may be told of.
pub(crate) fn image_then(
    rows: &dyn Rows,
    actor: &Actor,
    reach: &Reach,
    at: &ImageAt,
) -> Result<Image, Trouble> {
    let here = |image: &Image| at.region.as_ref().is_none_or(|region| image.region == *region);
    let place = (!at.image.contains('\0')).then(|| PLACES.get(rows, &house(), &[&at.image])).flatten();
    let by_id = place.and_then(|place| IMAGES.get(rows, &place, &[&at.image]));
    if let Some(image) = by_id.filter(|image| reach.sees(&image.account) && here(image)) {
        return Ok(image);
    }
    match lookup::image(rows, actor, at) {
        Ok(image) if reach.sees(&image.account) => return Ok(image),
        Err(trouble) if trouble.code.ends_with(".Ambiguous") => return Err(trouble),
        _ => {}
    }
    let mut named = IMAGES.list_all(rows);
    named.retain(|image| image.name == at.image && reach.sees(&image.account) && here(image));
    match named.len() {
        1 => Ok(named.remove(0)),
        0 => Err(rules::not_found(&ImageId::from(at.image.as_str()))
            .advise("there was none at that moment; `kiln audit log --subject` tells when one came and went")
            .into()),
        _ => {
            let why = format!("there were images named `{}` of several accounts", at.image);
            Err(Refusal::new("InvalidImageName.Ambiguous", why).advise("give its id").into())
        }
    }
}

/// The image as its owner saw it.
pub(crate) fn view_then(rows: &dyn Rows, image: &Image, now_ms: i64) -> ImageView {
    ImageView::of(image, is_family_head(rows, image), now_ms)
}

/// What there was that may be told.
pub(crate) struct Those<'a> {
    pub(crate) rows: &'a dyn Rows,
    pub(crate) reach: &'a Reach,
    pub(crate) region: Option<&'a RegionId>,
    pub(crate) now_ms: i64,
}

impl Those<'_> {
    fn list(&self, of: &Replayed, actor: &Actor) -> PastRows {
        match of {
            Replayed::Images | Replayed::Image(_) => PastRows::Images(self.images()),
            Replayed::Families => PastRows::Families(self.families()),
            Replayed::Shares => PastRows::Shares(self.shares()),
            Replayed::Snapshots => PastRows::Snapshots(self.snapshots()),
            Replayed::Disks => PastRows::Disks(self.disks()),
            Replayed::Quotas => PastRows::Quotas(self.quotas()),
            Replayed::Regions => {
                let mut regions = crate::regions::views(self.rows, &lookup::account(actor));
                regions.retain(|region| self.region.is_none_or(|only| only.as_str() == region.region_id));
                PastRows::Regions(regions)
            }
        }
    }

    fn tells(&self, account: &AccountId, region: &RegionId) -> bool {
        self.reach.sees(account) && self.region.is_none_or(|only| only == region)
    }

    fn image_rows(&self) -> Vec<Image> {
        let mut images = IMAGES.list_all(self.rows);
        images.retain(|image| self.tells(&image.account, &image.region));
        images.sort_by(|a, b| {
            (&a.account, &a.region, &a.family, b.born).cmp(&(&b.account, &b.region, &b.family, a.born))
        });
        images
    }

    pub(crate) fn images(&self) -> Vec<ImageView> {
        self.image_rows().iter().map(|image| view_then(self.rows, image, self.now_ms)).collect()
    }

    pub(crate) fn families(&self) -> Vec<PastFamily> {
        let mut found: Vec<PastFamily> = Vec::new();
        for image in self.image_rows() {
            let Some(family) = image.family.clone() else { continue };
            let same = |known: &PastFamily| {
                known.family.image_family == family
                    && known.owner_id == image.account.as_str()
                    && known.family.region_id == image.region.as_str()
            };
            if !found.last().is_some_and(same) {
                found.push(self.family(&image, family));
            }
        }
        found
    }

    fn family(&self, image: &Image, family: String) -> PastFamily {
        let scope = scope(&image.account, &image.region);
        let head = family_head(self.rows, &scope, &family);
        let images = FAMILIES.list(self.rows, &scope, &[&family]).len();
        let whole = family_members(self.rows, &scope, &family).len();
        let told = FAMILY_HEADS.get(self.rows, &scope, &[&family]).and_then(|told| told.image);
        let pinned = told.is_some();
        let family = FamilySummary {
            image_family: family,
            region_id: image.region.0.clone(),
            image_id: head.as_ref().map(|image| image.id.0.clone()).unwrap_or_default(),
            image_name: head.map(|image| image.name).unwrap_or_default(),
            // Those being made stand in the table already.
            images: images.max(whole) as u64,
            is_pinned: pinned,
        };
        PastFamily { family, owner_id: image.account.0.clone() }
    }

    pub(crate) fn shares(&self) -> Vec<PastShare> {
        let mut found = Vec::new();
        for image in self.image_rows() {
            let share = |account: &str, since: String, until: String| PastShare {
                image_id: image.id.0.clone(),
                image_name: image.name.clone(),
                region_id: image.region.0.clone(),
                owner_id: image.account.0.clone(),
                account_id: account.to_owned(),
                shared_time: since,
                until_time: until,
            };
            if image.public {
                found.push(share(EVERYBODY, String::new(), String::new()));
            }
            let held = image.shares.iter().filter(|(_, share)| share.holds(self.now_ms));
            found.extend(held.map(|(account, held)| {
                let until = held.until_ms.map(time_text).unwrap_or_default();
                share(account.as_str(), time_text(held.since_ms), until)
            }));
        }
        found
    }

    pub(crate) fn snapshots(&self) -> Vec<PastSnapshot> {
        let told = |row: &SnapshotRow| self.tells(&row.account, &row.region);
        SNAPSHOTS.list_all(self.rows).into_iter().filter(told).map(snapshot_view).collect()
    }

    pub(crate) fn disks(&self) -> Vec<PastDisk> {
        let told = |row: &Disk| self.tells(&row.account, &row.region);
        DISKS.list_all(self.rows).into_iter().filter(told).map(disk_view).collect()
    }

    fn quotas(&self) -> Vec<PastQuota> {
        let regions = REGIONS.list(self.rows, &house(), &[]);
        let mut found = Vec::new();
        for Account { id: account, .. } in ACCOUNTS.list(self.rows, &house(), &[]) {
            for region in regions.iter().filter(|region| self.tells(&account, &region.id)) {
                let scope = scope(&account, &region.id);
                let used = USAGE.get(self.rows, &scope, &[]).unwrap_or_default();
                let most = QUOTAS.get(self.rows, &scope, &[]).unwrap_or_default();
                for (resource, used, most, usual) in [
                    ("images", used.images, most.images, rules::IMAGES_MAX),
                    ("snapshots", used.snapshots, most.snapshots, rules::SNAPSHOTS_MAX),
                    ("disks", used.disks, most.disks, rules::DISKS_MAX),
                    ("families", used.families, most.families, rules::FAMILIES_MAX),
                    ("shares", used.shares, most.shares, rules::SHARES_MAX),
                    ("exports", used.exports, most.exports, rules::EXPORTS_MAX),
                ] {
                    found.push(PastQuota {
                        owner_id: account.0.clone(),
                        region_id: region.id.0.clone(),
                        resource: resource.to_owned(),
                        used,
                        quota: most.unwrap_or(usual),
                    });
                }
            }
        }
        found
    }
}

fn snapshot_view(row: SnapshotRow) -> PastSnapshot {
    PastSnapshot {
        snapshot_id: row.id.0,
        snapshot_name: row.name,
        region_id: row.region.0,
        owner_id: row.account.0,
        status: if row.ready { "accomplished" } else { "progressing" }.to_owned(),
        size_bytes: row.size_bytes,
        source_disk_id: row.of_disk.map(|disk| disk.0).unwrap_or_default(),
        made_by: row.made_by.map(|image| image.0).unwrap_or_default(),
        images: row.images,
        disks: row.disks,
        creation_time: time_text(row.created_ms),
    }
}

fn disk_view(row: Disk) -> PastDisk {
    PastDisk {
        disk_id: row.id.0,
        disk_name: row.name,
        region_id: row.region.0,
        owner_id: row.account.0,
        status: if row.ready { "Available" } else { "Creating" }.to_owned(),
        size_bytes: row.size_bytes,
        source_snapshot_id: row.of_snapshot.map(|snapshot| snapshot.0).unwrap_or_default(),
        image_id: row.of_image.map(|image| image.0).unwrap_or_default(),
        creation_time: time_text(row.created_ms),
    }
}
