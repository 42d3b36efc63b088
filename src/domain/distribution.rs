//! What a distribution list lacks: a pure question to the rows of the family's home, to those of each region, and to
//! which regions are there.
//!
//! ```text
//!  home    newest N, Available ──┬─▶ region A: there, and shared with all it should be
//!                                ├─▶ region B: there, a share is missing
//!                                └─▶ region C: missing; copied, oldest first, and shared
//! ```
//!
//! A region's family stands for its newest image. So copies come in the order of their images, and one that is older
//! than what has come already is not brought after it: the family would fall back to it.

use std::collections::{BTreeMap, BTreeSet};

use event::{FlowId, Rows, View};

use crate::due::Of;
use crate::image::{FAMILIES, IMAGES, Image, Making, NAMES, REGIONS, Status, house, scope};
use crate::port::Place;
use crate::upkeep::{Away, Distribution, Lane, Sharing, Tasks, Wanted};
use crate::{AccountId, ImageId, RegionId, name};

/// An image of the list in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The image in its home.
    pub image: Image,
    /// The region.
    pub region: RegionId,
    /// Whether it is there.
    pub copy: Copy,
    /// Accounts it is shared with there, of those it should be.
    pub shared: Vec<AccountId>,
    /// Accounts it is still to be shared with there.
    pub missing: Vec<AccountId>,
}

/// Whether an image is in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copy {
    /// It is its home.
    Home,
    /// A copy is there.
    There(ImageId),
    /// A copy is there that somebody has deprecated; it is left so.
    Deprecated(ImageId),
    /// A copy is being made.
    Underway(Option<ImageId>),
    /// It is missing.
    Missing,
    /// It is missing, and so it stays: a newer one is there.
    PassedOver(ImageId),
    /// It is everybody's, and those are not copied.
    Public,
    /// An operation is at work in the region; what is missing is seen to after that.
    Busy(FlowId),
    /// The region, or the home of the image, is not there.
    Away(String),
    /// There is no such region any more.
    NoRegion,
}

/// What a list has and lacks, region by region, the home first; in each the newest image first.
pub fn spots(
    rows: &dyn Rows,
    of: &Of<'_>,
    list: &Distribution,
    away: &BTreeMap<RegionId, String>,
    now_ms: i64,
) -> Vec<Spot> {
    let home = of.region.cloned().unwrap_or_default();
    let images = newest(rows, of, &home, list.newest as usize);
    let mut spots = Vec::new();
    for region in std::iter::once(&home).chain(&list.to) {
        let lane = of.lane(rows, region);
        let there = Region {
            home: &home,
            id: region,
            exists: REGIONS.get(rows, &house(), &[region.as_str()]).is_some(),
            lane,
            away: away.get(region).or_else(|| away.get(&home)),
            family: family(rows, of, region),
        };
        spots.extend(images.iter().map(|image| there.spot(image, list, now_ms)));
    }
    spots
}

/// The newest Available images of the family in its home, newest first.
fn newest(rows: &dyn Rows, of: &Of<'_>, home: &RegionId, count: usize) -> Vec<Image> {
    let mut images = family(rows, of, home);
    images.retain(|image| image.status == Status::Available);
    images.truncate(count);
    images
}

/// The images of the family in a region, newest first.
fn family(rows: &dyn Rows, of: &Of<'_>, region: &RegionId) -> Vec<Image> {
    let scope = scope(of.account, region);
    let view = View::new(rows, &scope, 0);
    let ids = view.list(&FAMILIES, &[of.family]).into_iter().rev();
    ids.filter_map(|id| view.get(&IMAGES, &[id.as_str()])).collect()
}

/// A region, as a list sees it.
struct Region<'a> {
    home: &'a RegionId,
    id: &'a RegionId,
    exists: bool,
    lane: Option<FlowId>,
    away: Option<&'a String>,
    family: Vec<Image>,
}

impl Region<'_> {
    fn spot(&self, image: &Image, list: &Distribution, now_ms: i64) -> Spot {
        let copy = self.copy(image);
        let here = match &copy {
            Copy::Home => Some(image),
            Copy::There(id) => self.family.iter().find(|found| found.id == *id),
            _ => None,
        };
        let (mut shared, mut missing) = (Vec::new(), Vec::new());
        for account in &list.share_with {
            let has =
                |found: &Image| found.public || found.shares.get(account).is_some_and(|it| it.holds(now_ms));
            match here {
                Some(found) if has(found) => shared.push(account.clone()),
                Some(_) => missing.push(account.clone()),
                None if matches!(copy, Copy::Missing) => missing.push(account.clone()),
                None => {}
            }
        }
        Spot { image: image.clone(), region: self.id.clone(), copy, shared, missing }
    }

    fn copy(&self, image: &Image) -> Copy {
        if self.id == self.home {
            return Copy::Home;
        }
        if !self.exists {
            return Copy::NoRegion;
        }
        let of = |found: &&Image| is_copy_of(found, &image.id, self.home);
        let status = |wanted: Status| self.family.iter().filter(of).find(|found| found.status == wanted);
        if let Some(found) = status(Status::Available) {
            return Copy::There(found.id.clone());
        }
        if let Some(found) = status(Status::Deprecated) {
            return Copy::Deprecated(found.id.clone());
        }
        if let Some(found) = self.family.iter().find(of) {
            return Copy::Underway(Some(found.id.clone()));
        }
        if image.public {
            return Copy::Public;
        }
        let to = scope(&image.account, self.id);
        if let Some((copy, _)) = image.copies.iter().find(|(_, other)| **other == to) {
            return Copy::Underway(Some(copy.clone()));
        }
        if let Some(newer) = self.family.iter().find(|found| is_newer(found, image)) {
            return Copy::PassedOver(newer.id.clone());
        }
        match (self.lane, self.away) {
            (Some(flow), _) => Copy::Busy(flow),
            (None, Some(why)) => Copy::Away(why.clone()),
            (None, None) => Copy::Missing,
        }
    }
}

/// Whether an image was copied from one of another region.
pub(crate) fn is_copy_of(image: &Image, of: &ImageId, home: &RegionId) -> bool {
    matches!(&image.making, Making::Copy { image, region, .. } if image == of && region == home)
}

/// Whether a copy is there of an image that is newer than this one.
fn is_newer(found: &Image, image: &Image) -> bool {
    let from_home = matches!(&found.making, Making::Copy { region, .. } if *region == image.region);
    from_home && found.for_list.as_ref().is_some_and(|list| list.born > image.born)
}

/// What is to be done for a list by now.
pub fn tasks(
    rows: &dyn Rows,
    of: &Of<'_>,
    list: &Distribution,
    away: &BTreeMap<RegionId, String>,
    now_ms: i64,
) -> Tasks {
    let spots = spots(rows, of, list, away, now_ms);
    let mut lanes: Vec<Lane> = Vec::new();
    let home = of.region.cloned().unwrap_or_default();
    for region in std::iter::once(&home).chain(&list.to) {
        let is_busy = of.lane(rows, region).is_some();
        let places = place(rows, of, &home).zip(place(rows, of, region));
        let Some((from, to)) = places.filter(|_| !is_busy) else { continue };
        let mut lane = Lane { from, to, copies: Vec::new(), shares: Vec::new() };
        let mut names = BTreeSet::new();
        // Oldest first: each that comes is what the family stands for next.
        for spot in spots.iter().rev().filter(|spot| spot.region == *region) {
            let id = match &spot.copy {
                Copy::Missing => {
                    lane.copies.push(wanted(rows, of, spot, &mut names));
                    continue;
                }
                Copy::Home => spot.image.id.clone(),
                Copy::There(id) => id.clone(),
                _ => continue,
            };
            if !spot.missing.is_empty() {
                lane.shares.push(Sharing { image: id, with: spot.missing.clone() });
            }
        }
        if !lane.copies.is_empty() || !lane.shares.is_empty() {
            lanes.push(lane);
        }
    }
    let told = away.iter().map(|(region, why)| Away { region: region.clone(), why: why.clone() });
    Tasks { lanes, away: told.collect(), ..Tasks::default() }
}

fn place(rows: &dyn Rows, of: &Of<'_>, region: &RegionId) -> Option<Place> {
    let found = REGIONS.get(rows, &house(), &[region.as_str()])?;
    Some(Place { region: found.id, store: found.store, account: of.account.clone() })
}

/// The copy that is missing. It is called as its image is; where that name is taken, by the image's id beside it.
fn wanted(rows: &dyn Rows, of: &Of<'_>, spot: &Spot, names: &mut BTreeSet<String>) -> Wanted {
    let image = &spot.image;
    let scope = scope(of.account, &spot.region);
    let is_taken = |name: &str| names.contains(name) || NAMES.get(rows, &scope, &[name]).is_some();
    let name = if is_taken(&image.name) {
        let most = name::NAME_CHARS.end() - image.id.as_str().len() - 1;
        let first: String = image.name.chars().take(most).collect();
        format!("{first}-{}", image.id)
    } else {
        image.name.clone()
    };
    names.insert(name.clone());
    Wanted { image: image.id.clone(), born: image.born, name, description: image.description.clone() }
}
