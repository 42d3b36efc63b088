//! What becomes of the images of a family by a retention policy: a pure question to their rows and the time.
//!
//! ```text
//!  newest ─────────────────────────────────────────────────▶ oldest
//!  ├─ among the newest N, or younger: stays ─┤
//!                                            ├─ in use, shared, told to stand for a family: stays
//!                                            └─ Available: deprecated now ─ grace ─▶ deleted
//! ```
//!
//! It is asked twice: for a plan, and again at the head of the log for each image before anything is done to it, so
//! that what came to be used in between stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use event::View;

use crate::image::{DISKS, FAMILIES, FAMILY_HEADS, IMAGES, Image, SNAPSHOTS, Status};
use crate::upkeep::Retention;
use crate::{ImageId, time};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// An image of a family, with what holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The image.
    pub image: Image,
    /// A family that was told to stand for it.
    pub told: Option<String>,
    /// What is busy with it, in words: until that is over no rule would delete it.
    pub busy: Option<String>,
    /// What stands on it, in words.
    pub used: Option<String>,
}

/// What becomes of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Stays(Stays),
    /// It is deprecated now.
    Deprecate(Past),
    /// It is deprecated, and deleted at a time, milliseconds since 1970 UTC.
    Waits(i64, Past),
    /// It has been deprecated for long enough and is deleted now.
    Delete(Past),
}

/// Why an image stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stays {
    /// It is not whole yet.
    BeingMade,
    /// It is the newest of the family that is Available.
    NewestAvailable,
    /// A family was told to stand for it.
    Told(String),
    /// It is among the newest so many.
    AmongNewest(u32),
    /// It is too young, until a time.
    Younger(i64),
    /// Something is busy with it.
    Busy(String),
    /// Something stands on it.
    Used(String),
    /// It is shared with so many accounts.
    Shared(usize),
    /// It is everybody's.
    Public,
}

/// What an image is past that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The newest so many.
    pub newest: Option<u32>,
    /// So much time, milliseconds.
    pub age_ms: Option<i64>,
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeingMade => f.write_str("it is still being made"),
            Self::NewestAvailable => f.write_str("it is the newest that is Available"),
            Self::Told(family) => write!(f, "the family `{family}` was told to stand for it"),
            Self::AmongNewest(1) => f.write_str("it is the newest"),
            Self::AmongNewest(count) => write!(f, "it is among the newest {count}"),
            Self::Younger(until_ms) => write!(f, "it is too young until {}", time::text(*until_ms)),
            Self::Busy(why) | Self::Used(why) => write!(f, "{why}"),
            Self::Shared(1) => f.write_str("it is shared with an account"),
            Self::Shared(count) => write!(f, "it is shared with {count} accounts"),
            Self::Public => f.write_str("it is everybody's"),
        }
    }
}

impl fmt::Display for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = |ms: i64| match (ms % DAY_MS, ms / DAY_MS) {
            (0, 1) => "a day".to_owned(),
            (0, days) => format!("{days} days"),
            _ => format!("{} seconds", ms / 1000),
        };
        match (self.newest, self.age_ms) {
            (Some(newest), Some(ms)) => write!(f, "{newest} newer are Available, and it is past {}", age(ms)),
            (Some(newest), None) => write!(f, "{newest} newer are Available"),
            (None, Some(ms)) => write!(f, "it is past {}", age(ms)),
            (None, None) => f.write_str("nothing keeps it"),
        }
    }
}

/// The images of a family in the scope in view, newest first, with what holds them.
pub fn members(view: &View<'_>, family: &str) -> Vec<Member> {
    let ids = view.list(&FAMILIES, &[family]);
    if ids.is_empty() {
        return Vec::new();
    }
    let told = view.list(&FAMILY_HEADS, &[]).into_iter();
    let told: BTreeMap<ImageId, String> = told.filter_map(|head| Some((head.image?, head.family))).collect();
    let made = view.list(&DISKS, &[]).into_iter().filter_map(|disk| disk.of_image);
    let mut disks: BTreeMap<ImageId, u32> = BTreeMap::new();
    for image in made {
        *disks.entry(image).or_default() += 1;
    }
    let images = ids.into_iter().rev().filter_map(|id| view.get(&IMAGES, &[id.as_str()]));
    images
        .map(|image| {
            let (busy, used) = held(view, &image, disks.get(&image.id).copied().unwrap_or_default());
            Member { told: told.get(&image.id).cloned(), busy, used, image }
        })
        .collect()
}

/// What is busy with an image, and what stands on it, of which so many are disks made from it.
fn held(view: &View<'_>, image: &Image, of_image: u32) -> (Option<String>, Option<String>) {
    let mut busy = None;
    if image.exports > 0 {
        busy = Some("it is being exported".to_owned());
    } else if let Some((copy, _)) = image.copies.first_key_value() {
        busy = Some(format!("it is being copied to `{copy}`"));
    }
    let (mut disks, mut images) = (of_image, 0);
    for disk in image.disks.iter().filter(|disk| disk.own) {
        let Some(snapshot) = view.get(&SNAPSHOTS, &[disk.snapshot.as_str()]) else { continue };
        if let Some(copy) = snapshot.copies.values().next() {
            busy.get_or_insert_with(|| format!("its snapshot is being copied to `{copy}`"));
        } else if snapshot.making > 0 {
            busy.get_or_insert_with(|| "something is being made from its snapshot".to_owned());
        }
        disks = disks.max(snapshot.disks);
        images = images.max(snapshot.images.saturating_sub(1));
    }
    let word = |count: u32, one: &str, many: &str| match count {
        1 => one.to_owned(),
        count => format!("{count} {many}"),
    };
    let used = match (disks, images) {
        (0, 0) => None,
        (0, images) => Some(format!("{} made from it", word(images, "an image was", "images were"))),
        (disks, _) => Some(format!("{} made from it", word(disks, "a disk was", "disks were"))),
    };
    (busy, used)
}

/// What becomes of each image of a family at that time; they are given newest first.
pub fn judge(retention: &Retention, members: &[Member], now_ms: i64) -> Vec<Fate> {
    let available = |member: &&Member| member.image.status == Status::Available;
    let newest = members.iter().find(available).map(|member| &member.image.id);
    // The oldest that is among the newest so many; where there are fewer, all are. What was deprecated by hand among
    // them is not gone the sooner for it: whoever did that may want it back.
    let among: BTreeSet<&ImageId> = match retention.keep {
        None => BTreeSet::new(),
        Some(keep) => {
            let places = members.iter().enumerate().filter(|(_, member)| available(member));
            let last = places.map(|(place, _)| place).nth((keep.max(1) - 1) as usize);
            members.iter().take(last.map_or(usize::MAX, |last| last + 1)).map(|it| &it.image.id).collect()
        }
    };
    let fate = |member: &Member| {
        let is_newest = newest == Some(&member.image.id);
        let is_among = among.contains(&member.image.id);
        stays(retention, member, (is_newest, is_among), now_ms)
            .map_or_else(|| goes(retention, member, now_ms), Fate::Stays)
    };
    members.iter().map(fate).collect()
}

fn stays(
    retention: &Retention,
    member: &Member,
    (is_newest, is_among): (bool, bool),
    now_ms: i64,
) -> Option<Stays> {
    let Member { image, told, busy, used } = member;
    if image.status.is_being_made() {
        return Some(Stays::BeingMade);
    }
    if is_newest {
        return Some(Stays::NewestAvailable);
    }
    if let Some(family) = told {
        return Some(Stays::Told(family.clone()));
    }
    if is_among {
        return retention.keep.map(Stays::AmongNewest);
    }
    let old_ms = retention.younger_ms.map(|younger_ms| image.created_ms.saturating_add(younger_ms));
    if let Some(old_ms) = old_ms.filter(|old_ms| now_ms < *old_ms) {
        return Some(Stays::Younger(old_ms));
    }
    if let Some(why) = busy {
        return Some(Stays::Busy(why.clone()));
    }
    if let Some(why) = used.as_ref().filter(|_| !retention.in_use) {
        return Some(Stays::Used(why.clone()));
    }
    // Shares end with the deprecation; one that somebody deprecated while it was everybody's has still to be
    // taken back by hand.
    let ends_shares = retention.shared && image.status == Status::Available;
    if image.public && !ends_shares {
        return Some(Stays::Public);
    }
    let shares = image.shares.values().filter(|share| share.holds(now_ms)).count();
    (shares > 0 && !ends_shares).then_some(Stays::Shared(shares))
}

fn goes(retention: &Retention, member: &Member, now_ms: i64) -> Fate {
    let past = Past { newest: retention.keep, age_ms: retention.younger_ms };
    if member.image.status == Status::Available {
        return Fate::Deprecate(past);
    }
    let since_ms = member.image.deprecated_ms.unwrap_or(member.image.created_ms);
    let until_ms = since_ms.saturating_add(retention.grace_ms);
    if now_ms < until_ms { Fate::Waits(until_ms, past) } else { Fate::Delete(past) }
}
