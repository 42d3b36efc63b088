//! Rules of the house: accounts, regions, buckets, and how much an account may have.

use event::{Refusal, View};

use crate::events::{
    AccountCreated, BucketClosed, BucketMade, BucketRemoved, BucketReopened, BucketReserved, ObjectCondemned,
    QuotaSet, RegionAdded,
};
use crate::image::{ACCOUNTS, BUCKETS, Bucket, QUOTAS, Quotas, REGIONS, USAGE, Usage};
use crate::port::Location;
use crate::{AccountId, RegionId, name};

/// Images an account may have in a region. The cloud publishes no number; this keeps one account
/// from filling the tables of all.
pub const IMAGES_MAX: u32 = 10_000;
/// Snapshots an account may have in a region. The cloud counts 256 for each disk; most of ours
/// belong to images, of which each has up to 17 disks.
pub const SNAPSHOTS_MAX: u32 = 50_000;
/// Disks an account may have in a region: a bound, so that nobody fills the tables of all.
pub const DISKS_MAX: u32 = 10_000;
/// Images in a family, as the API documents.
pub const FAMILY_IMAGES_MAX: u32 = 100;
/// Families of an account in a region, as the API documents.
pub const FAMILIES_MAX: u32 = 100;
/// Accounts an image is shared with, as the API documents.
pub const IMAGE_SHARES_MAX: u32 = 50;
/// Shares of all images of an account in a region together; the cloud publishes no number.
pub const SHARES_MAX: u32 = 50_000;
/// Exports of an account in a region that have begun and not ended; the cloud publishes no number.
/// Two of them write at a time, so this only bounds what waits.
pub const EXPORTS_MAX: u32 = 1_000;

/// What an account has in a region, and what it may have.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// What it has.
    pub usage: Usage,
    /// What it may have.
    pub quotas: Quotas,
}

impl Limit {
    /// Of the scope in view.
    pub fn of(view: &View<'_>) -> Self {
        let usage = view.get(&USAGE, &[]).unwrap_or_default();
        Self { usage, quotas: view.get(&QUOTAS, &[]).unwrap_or_default() }
    }

    /// Whether there is room for so many more images.
    pub fn images(&self, more: u32) -> Result<(), Refusal> {
        let most = self.quotas.images.unwrap_or(IMAGES_MAX);
        room("QuotaExceed.Image", "images", self.usage.images, more, most)
    }

    /// Whether there is room for so many more snapshots.
    pub fn snapshots(&self, more: u32) -> Result<(), Refusal> {
        let most = self.quotas.snapshots.unwrap_or(SNAPSHOTS_MAX);
        room("QuotaExceed.Snapshot", "snapshots", self.usage.snapshots, more, most)
    }

    /// Whether there is room for so many more disks.
    pub fn disks(&self, more: u32) -> Result<(), Refusal> {
        let most = self.quotas.disks.unwrap_or(DISKS_MAX);
        room("QuotaExceed.Disk", "disks", self.usage.disks, more, most)
    }

    /// Whether there is room for so many more shares.
    pub fn shares(&self, more: u32) -> Result<(), Refusal> {
        let most = self.quotas.shares.unwrap_or(SHARES_MAX);
        room("QuotaExceed.ShareImage", "shares", self.usage.shares, more, most)
    }

    /// Whether there is room for one more export.
    pub fn exports(&self) -> Result<(), Refusal> {
        let most = self.quotas.exports.unwrap_or(EXPORTS_MAX);
        room("ConcurrentQuotaExceed.ExportImage", "exports in progress", self.usage.exports, 1, most)
    }
}

fn room(code: &str, what: &str, used: u32, more: u32, most: u32) -> Result<(), Refusal> {
    if more == 0 || used.saturating_add(more) <= most {
        return Ok(());
    }
    let why = format!("the account has {used} {what} in this region; its quota is {most}");
    let advice = "delete what is no longer needed, or have the quota raised: `kiln quota set`";
    Err(Refusal::new(code, why).advise(advice))
}

/// Sets how much the account of the scope may have; what is not said stays as it is.
pub fn set_quotas(view: &View<'_>, wanted: Quotas) -> Result<QuotaSet, Refusal> {
    let now = view.get(&QUOTAS, &[]).unwrap_or_default();
    let quotas = Quotas {
        images: wanted.images.or(now.images),
        snapshots: wanted.snapshots.or(now.snapshots),
        disks: wanted.disks.or(now.disks),
        families: wanted.families.or(now.families),
        family_images: wanted.family_images.or(now.family_images),
        shares: wanted.shares.or(now.shares),
        image_shares: wanted.image_shares.or(now.image_shares),
        exports: wanted.exports.or(now.exports),
    };
    Ok(QuotaSet { quotas })
}

/// Adds an account, once.
pub fn create_account(view: &View<'_>, account: &AccountId, name: &str) -> Result<AccountCreated, Refusal> {
    let shaped = !account.as_str().is_empty()
        && account.as_str().len() <= 18
        && account.as_str().bytes().all(|byte| byte.is_ascii_digit())
        && !account.as_str().starts_with('0');
    if !shaped {
        let why = format!("`{account}` is no account id");
        return Err(Refusal::new("InvalidAccount.Malformed", why)
            .advise("an account id is a decimal number of up to 18 digits"));
    }
    name::account_name(name)?;
    if view.get(&ACCOUNTS, &[account.as_str()]).is_some() {
        return Err(Refusal::new(
            "InvalidAccount.Duplicated",
            format!("the account `{account}` is there already"),
        ));
    }
    Ok(AccountCreated { account: account.clone(), name: name.to_owned() })
}

/// Adds a region, once.
pub fn add_region(view: &View<'_>, wanted: RegionAdded) -> Result<RegionAdded, Refusal> {
    let id = &wanted.region;
    let shaped = !id.as_str().is_empty()
        && id.as_str().len() <= 32
        && id.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && id.as_str().starts_with(|c: char| c.is_ascii_lowercase());
    if !shaped {
        let why = format!("`{id}` is no region id");
        let advice =
            "a region id has up to 32 lower-case letters, digits and hyphens, beginning with a letter";
        return Err(Refusal::new("InvalidRegionId.Malformed", why).advise(advice));
    }
    if view.get(&REGIONS, &[id.as_str()]).is_some() {
        return Err(Refusal::new(
            "InvalidRegionId.Duplicated",
            format!("the region `{id}` is there already"),
        ));
    }
    Ok(wanted)
}

/// The region a request names.
pub fn known_region(regions: &[RegionId], wanted: &RegionId) -> Result<(), Refusal> {
    if regions.contains(wanted) {
        return Ok(());
    }
    let known: Vec<_> = regions.iter().map(|region| format!("`{region}`")).collect();
    Err(Refusal::new("InvalidRegionId.NotFound", format!("there is no region `{wanted}`"))
        .advise(format!("the regions are {}", known.join(", "))))
}

/// Takes a bucket's name.
pub fn reserve_bucket(view: &View<'_>, wanted: BucketReserved) -> Result<BucketReserved, Refusal> {
    name::bucket(&wanted.bucket)?;
    if let Some(there) = view.get(&BUCKETS, &[&wanted.bucket]) {
        let (code, whose) = if there.account == wanted.account {
            ("BucketAlreadyOwnedByYou", "yours")
        } else {
            ("BucketAlreadyExists", "another account's")
        };
        let why = format!("the bucket `{}` is there already; it is {whose}", wanted.bucket);
        return Err(Refusal::new(code, why).advise("names of buckets are unique: choose another"));
    }
    Ok(wanted)
}

/// Lets a bucket that stands be used.
pub fn made_bucket(_view: &View<'_>, bucket: &str) -> Result<BucketMade, Refusal> {
    Ok(BucketMade { bucket: bucket.to_owned() })
}

/// Lets a bucket take nothing in any more, so that it can be removed.
pub fn close_bucket(view: &View<'_>, bucket: &str, by: &AccountId) -> Result<BucketClosed, Refusal> {
    own_bucket(view.get(&BUCKETS, &[bucket]), bucket, by)?;
    Ok(BucketClosed { bucket: bucket.to_owned() })
}

/// Takes that back.
pub fn reopen_bucket(_view: &View<'_>, bucket: &str) -> BucketReopened {
    BucketReopened { bucket: bucket.to_owned() }
}

/// Lets an object go, of a bucket that is the account's.
pub fn condemn_object(view: &View<'_>, at: &Location, by: &AccountId) -> Result<ObjectCondemned, Refusal> {
    let bucket = at.bucket.as_ref().map(|bucket| bucket.name.as_str()).unwrap_or_default();
    own_bucket(view.get(&BUCKETS, &[bucket]), bucket, by)?;
    Ok(ObjectCondemned { at: at.clone() })
}

/// Gives a bucket's name back.
pub fn remove_bucket(_view: &View<'_>, bucket: &str) -> BucketRemoved {
    BucketRemoved { bucket: bucket.to_owned() }
}

/// The bucket, if it is this account's and may be used. To others it is not there.
pub fn own_bucket(found: Option<Bucket>, bucket: &str, by: &AccountId) -> Result<Bucket, Refusal> {
    let own = found.filter(|found| found.account == *by && found.ready);
    own.ok_or_else(|| {
        Refusal::new("InvalidOSSBucket.NotFound", format!("there is no bucket `{bucket}`"))
            .advise("`kiln bucket list` shows those there are, `kiln bucket create` makes one")
    })
}
