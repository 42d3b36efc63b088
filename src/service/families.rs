//! Use cases on families: which there are, what they stand for, and telling them.
//!
//! A family stands for its newest Available image, or for the one it was told to while that is
//! Available. In several regions it is told at once: everywhere that is meant, or nowhere.

use std::collections::{BTreeMap, BTreeSet};

use domain::image::{self, FAMILY_HEADS, IMAGES, Image, Making, Status, scope};
use domain::{AccountId, LISTED, Listed, RegionId, rules};
use engine::Snapshot;
use event::{Actor, Refusal, Rows, View};
use workflows::{Move, PromoteFamily};

use crate::asked::Asked;
use crate::lookup::{self, account};
use crate::lookup_family::{Seen, family_reference, has_family, origin, seen, told};
use crate::request::ImageAt;
use crate::request_share::{FamilyTo, FamilyWhere};
use crate::view::{Families, FamilyRegion, FamilySummary, FamilyView, Started};
use crate::view_image::ImageView;
use crate::{Service, Trouble};

impl Service {
    pub(crate) fn families(&self, actor: &Actor, region: Option<&RegionId>) -> Result<Families, Trouble> {
        let rows = self.engine.snapshot()?;
        let own = account(actor);
        let mut families = Vec::new();
        for region in lookup::regions(&rows, region)? {
            let scope = scope(&own, &region);
            let listed = LISTED.list(&rows, &scope, &[]);
            let by_id: BTreeMap<_, _> = listed.iter().map(|image| (&image.id, image)).collect();
            let mut members: BTreeMap<&str, Vec<&Listed>> = BTreeMap::new();
            for image in listed.iter().filter(|image| !image.status.is_being_made()) {
                members.entry(image.family.as_deref().unwrap_or_default()).or_default().push(image);
            }
            for family in names(&rows, &own, &region) {
                let members = members.get(family.as_str()).map(Vec::as_slice).unwrap_or_default();
                let is_available = |image: &&Listed| image.status == Status::Available;
                let told = FAMILY_HEADS.get(&rows, &scope, &[&family]).and_then(|told| told.image);
                let told = told.and_then(|told| by_id.get(&told).copied());
                let standing = told.filter(is_available);
                let newest = || members.iter().copied().filter(is_available).max_by_key(|image| image.born);
                let head = standing.or_else(newest);
                let guest = told.filter(|told| told.family.as_deref() != Some(family.as_str()));
                families.push(FamilySummary {
                    image_id: head.map(|image| image.id.0.clone()).unwrap_or_default(),
                    image_name: head.map(|image| image.name.clone()).unwrap_or_default(),
                    is_pinned: standing.is_some(),
                    images: members.len() as u64 + u64::from(guest.is_some()),
                    image_family: family,
                    region_id: region.0.clone(),
                });
            }
        }
        Ok(Families { families })
    }

    /// A family of the account, or with `acs:OWNER:FAMILY` one of another as far as it may be seen.
    pub(crate) fn family(
        &self,
        actor: &Actor,
        family: &str,
        region: Option<&RegionId>,
    ) -> Result<FamilyView, Trouble> {
        let rows = self.engine.snapshot()?;
        let (by, now_ms) = (account(actor), self.clock.now_ms());
        let (owner, name) = family_reference(family).unwrap_or_else(|| (by.clone(), family));
        domain::name::family(name)?;
        let wanted = lookup::regions(&rows, region)?;
        let see = |region: &RegionId| seen(&rows, &by, &owner, region, name, now_ms);
        let everywhere: Vec<(RegionId, Seen)> =
            lookup::regions(&rows, None)?.into_iter().map(|region| (region.clone(), see(&region))).collect();
        let there = || everywhere.iter().filter(|(_, seen)| !seen.members.is_empty());
        let mut found: Vec<_> = there().filter(|(region, _)| wanted.contains(region)).collect();
        if found.is_empty() {
            // One whose images are all being made is there, and stands for nothing yet.
            let begun = by == owner && wanted.iter().any(|region| has_family(&rows, &by, region, name));
            return Err(if begun { none_available(family) } else { self.no_family(actor, family, region)? });
        }
        if found.len() > 1 {
            let places: Vec<_> = found.iter().map(|(region, _)| region).collect();
            return Err(ambiguous(family, &places));
        }
        let (region, seen) = found.remove(0);
        let head = seen.head.as_ref().ok_or_else(|| none_available(family))?;
        let view = |image: &Image| {
            let is_head = image.id == head.id;
            if by == owner {
                ImageView::of(image, is_head, now_ms)
            } else {
                ImageView::for_others(image, is_head, now_ms)
            }
        };
        let regions = there().map(|(region, seen)| region_view(region, seen));
        let told = told(&rows, &owner, region, name).filter(|told| told.is_visible_to(&by, now_ms));
        Ok(FamilyView {
            image: view(head),
            members: seen.members.iter().map(view).collect(),
            pinned_image_id: told.map(|told| told.id.0).unwrap_or_default(),
            is_pinned: seen.is_told,
            regions: regions.collect(),
        })
    }

    /// Why there is no such family, and which may have been meant.
    fn no_family(&self, actor: &Actor, family: &str, region: Option<&RegionId>) -> Result<Trouble, Trouble> {
        let known = self.families(actor, region)?.families;
        let refusal = Refusal::new("InvalidImageFamily.NotFound", format!("there is no family `{family}`"));
        let meant = lookup::nearest(family, known.iter().map(|known| known.image_family.as_str()));
        Ok(refusal
            .advise(match meant {
                Some(meant) => format!("did you mean `{meant}`? `kiln family list` shows all"),
                None => "`kiln family list` shows those there are".to_owned(),
            })
            .into())
    }

    /// Tells a family what to stand for, in all regions that are meant or in none.
    pub(crate) async fn move_family(
        &self,
        actor: Actor,
        asked: &Asked,
        family: String,
        to: FamilyTo,
        regions: FamilyWhere,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        domain::name::family(&family)?;
        let rows = self.engine.snapshot()?;
        let (account, now_ms) = (account(&actor), self.clock.now_ms());
        let mut there = lookup::regions(&rows, None)?;
        there.retain(|region| has_family(&rows, &account, region, &family));
        if there.is_empty() {
            return Err(self.no_family(&actor, &family, None)?);
        }
        let house = House { rows: &rows, actor: &actor, account: &account, family: &family, now_ms };
        let moves = match &to {
            FamilyTo::Image(image) => house.promotion(image, regions, &there)?,
            FamilyTo::Before => house.rollback(regions, &there)?,
            FamilyTo::Newest => house.unpinning(regions, there)?,
        };
        for Move { region, image } in &moves {
            let scope = scope(&account, region);
            rules::set_family_head(&View::new(&rows, &scope, now_ms), &family, image.as_ref())?;
        }
        drop(rows);
        let first = moves.first().and_then(|to| to.image.clone()).unwrap_or_default();
        self.begin(actor, asked, PromoteFamily { account, family, moves }, first.0).await
    }
}

/// A family of an account, in all regions of the house.
struct House<'a> {
    rows: &'a Snapshot,
    actor: &'a Actor,
    account: &'a AccountId,
    family: &'a str,
    now_ms: i64,
}

impl House<'_> {
    /// In each region the image that is named, the one of its name there, or its copy.
    fn promotion(
        &self,
        wanted: &str,
        regions: FamilyWhere,
        there: &[RegionId],
    ) -> Result<Vec<Move>, Trouble> {
        let at = |region: Option<RegionId>| ImageAt { image: wanted.to_owned(), region };
        let all = lookup::regions(self.rows, None)?;
        let find = |region: &RegionId| lookup::image(self.rows, self.actor, &at(Some(region.clone()))).ok();
        let anchors: Vec<Image> = all.iter().filter_map(find).collect();
        if anchors.is_empty() {
            return Err(
                lookup::image(self.rows, self.actor, &at(None)).map_or_else(|no| no, |_| unfound(wanted))
            );
        }
        let regions = match regions {
            FamilyWhere::Named(named) => known(&all, named)?,
            FamilyWhere::One => vec![lookup::image(self.rows, self.actor, &at(None))?.region],
            FamilyWhere::All => {
                let mut regions = all;
                regions
                    .retain(|region| there.contains(region) || self.counterpart(&anchors, region).is_some());
                regions
            }
        };
        let mut moves = Vec::with_capacity(regions.len());
        for region in regions {
            let image = self.counterpart(&anchors, &region).ok_or_else(|| {
                let why = format!("in `{region}` there is neither an image `{wanted}` nor a copy of it");
                let advice = format!("copy it first: `kiln image copy {wanted} --to-region {region}`");
                Refusal::new("InvalidImageId.NotFound", why).advise(advice)
            })?;
            if let Some(other) = image.family.as_deref().filter(|other| *other != self.family) {
                let why = format!("the image `{}` stands in the family `{other}`", image.name);
                let advice = format!("`kiln image modify {} --family {}` moves it", image.id, self.family);
                return Err(Refusal::new("InvalidImageFamily.NotMatched", why).advise(advice).into());
            }
            moves.push(Move { region, image: Some(image.id) });
        }
        Ok(moves)
    }

    /// What an image that is known by these is in another region.
    fn counterpart(&self, anchors: &[Image], region: &RegionId) -> Option<Image> {
        if let Some(anchor) = anchors.iter().find(|anchor| anchor.region == *region) {
            return Some(anchor.clone());
        }
        let images = IMAGES.list(self.rows, &scope(self.account, region), &[]);
        let named = |image: &&Image| anchors.iter().any(|anchor| anchor.name == image.name);
        if let Some(image) = images.iter().find(named) {
            return Some(image.clone());
        }
        let origins: BTreeSet<_> = anchors.iter().map(|anchor| origin(self.rows, anchor).id).collect();
        let copies = images.into_iter().filter(|image| origins.contains(&origin(self.rows, image).id));
        copies.max_by_key(|image| (image.status == Status::Available, image.born))
    }

    /// In each region the newest Available image that is older than the present one.
    fn rollback(&self, regions: FamilyWhere, there: &[RegionId]) -> Result<Vec<Move>, Trouble> {
        let mut moves = Vec::new();
        for region in self.meant(regions, there)? {
            let seen = seen(self.rows, self.account, self.account, &region, self.family, self.now_ms);
            let present = seen.head.ok_or_else(|| none_available(self.family))?;
            let image = self.before(&present, &region, seen.members).ok_or_else(|| {
                let why = format!(
                    "in `{region}` no Available image of the family `{}` is older than `{}`",
                    self.family, present.name
                );
                Refusal::new("InvalidImageFamily.NothingBefore", why)
                    .advise("`kiln family show` lists its images; nothing was moved in any region")
            })?;
            moves.push(Move { region, image: Some(image.id) });
        }
        Ok(moves)
    }

    fn before(&self, present: &Image, region: &RegionId, members: Vec<Image>) -> Option<Image> {
        let scope = scope(self.account, region);
        let mut candidates = members;
        // Copies inherit no family, but the family may have been told to stand for them.
        let copies = IMAGES.list(self.rows, &scope, &[]).into_iter();
        candidates.extend(copies.filter(|image| {
            image.family.is_none()
                && matches!(image.making, Making::Copy { .. })
                && origin(self.rows, image).family.as_deref() == Some(self.family)
        }));
        let told = FAMILY_HEADS.get(self.rows, &scope, &[self.family]);
        let before = told.into_iter().flat_map(|told| told.below).filter_map(|told| told.image);
        candidates.extend(before.filter_map(|id| IMAGES.get(self.rows, &scope, &[id.as_str()])));
        let age = |image: &Image| {
            // A copy that stands in no family is as old as what it is a copy of.
            if image.family.is_some() { image.born } else { origin(self.rows, image).born }
        };
        candidates.retain(|image| image.status == Status::Available && age(image) < age(present));
        candidates.into_iter().max_by_key(age)
    }

    /// In each region where it was told what to stand for: its newest again.
    fn unpinning(&self, regions: FamilyWhere, mut there: Vec<RegionId>) -> Result<Vec<Move>, Trouble> {
        let is_told = |region: &RegionId| told(self.rows, self.account, region, self.family).is_some();
        let regions = match regions {
            FamilyWhere::Named(named) => known(&lookup::regions(self.rows, None)?, named)?,
            FamilyWhere::One | FamilyWhere::All => {
                there.retain(is_told);
                there
            }
        };
        let untold = regions.iter().find(|region| !is_told(region));
        if regions.is_empty() || untold.is_some() {
            let place = untold.map(|region| format!(" in `{region}`")).unwrap_or_default();
            let why = format!("the family `{}` is not pinned{place}", self.family);
            let advice = "it stands for its newest Available image already";
            return Err(Refusal::new("InvalidImageFamily.NotPinned", why).advise(advice).into());
        }
        Ok(regions.into_iter().map(|region| Move { region, image: None }).collect())
    }

    /// The regions that are meant, of those where the family is.
    fn meant(&self, regions: FamilyWhere, there: &[RegionId]) -> Result<Vec<RegionId>, Trouble> {
        let meant = match regions {
            FamilyWhere::All => return Ok(there.to_vec()),
            FamilyWhere::One if there.len() == 1 => return Ok(there.to_vec()),
            FamilyWhere::One => return Err(ambiguous(self.family, &there.iter().collect::<Vec<_>>())),
            FamilyWhere::Named(named) => known(&lookup::regions(self.rows, None)?, named)?,
        };
        match meant.iter().find(|region| !there.contains(region)) {
            None => Ok(meant),
            Some(region) => {
                let why = format!("there is no family `{}` in `{region}`", self.family);
                let advice = "`kiln family list` shows where it is";
                Err(Refusal::new("InvalidImageFamily.NotFound", why).advise(advice).into())
            }
        }
    }
}

/// Regions that were named, each once, if all are there.
fn known(all: &[RegionId], named: Vec<RegionId>) -> Result<Vec<RegionId>, Refusal> {
    let mut seen = BTreeSet::new();
    let mut regions = named;
    regions.retain(|region| seen.insert(region.clone()));
    regions.iter().try_for_each(|region| rules::known_region(all, region))?;
    Ok(regions)
}

fn unfound(wanted: &str) -> Trouble {
    rules::not_found(&domain::ImageId::from(wanted)).into()
}

fn ambiguous(family: &str, places: &[&RegionId]) -> Trouble {
    let names: Vec<_> = places.iter().map(|region| format!("`{region}`")).collect();
    let why = format!("there are families `{family}` in {} regions: {}", places.len(), names.join(", "));
    Refusal::new("InvalidImageFamily.Ambiguous", why).advise("say which with `--region`").into()
}

fn none_available(family: &str) -> Trouble {
    let why = format!("no image of the family `{family}` is Available");
    let advice = "`kiln image restore` brings a deprecated one back, `kiln image list` shows them";
    Refusal::new("InvalidImageFamily.NoneAvailable", why).advise(advice).into()
}

fn region_view(region: &RegionId, seen: &Seen) -> FamilyRegion {
    let of = |part: fn(&Image) -> String| seen.head.as_ref().map(part).unwrap_or_default();
    FamilyRegion {
        region_id: region.0.clone(),
        image_id: of(|image| image.id.0.clone()),
        image_name: of(|image| image.name.clone()),
        is_pinned: seen.is_told,
        images: seen.members.len() as u64,
    }
}

/// The families an account has in a region, those without an image of their own there included.
fn names(rows: &dyn Rows, own: &AccountId, region: &RegionId) -> BTreeSet<String> {
    let scope = scope(own, region);
    let own = image::families(rows, &scope).into_iter().map(|(family, _)| family);
    let told = FAMILY_HEADS.list(rows, &scope, &[]).into_iter().filter(|told| told.image.is_some());
    own.chain(told.map(|told| told.family)).collect()
}
