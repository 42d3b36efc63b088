//! What may be asked of accounts, shares, copies, families that are moved, quotas and new regions.

use std::collections::BTreeMap;

use domain::image::Quotas;
use domain::{AccountId, RegionId};
use serde::{Deserialize, Serialize};

use crate::request::ImageAt;

/// How long an image is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Term {
    /// For ever.
    Ever,
    /// Until a time, milliseconds since 1970 UTC.
    Until(i64),
    /// For so many milliseconds from now on. Said so rather than as a time, so that the same words with
    /// the same token are the same request.
    For(i64),
}

/// A copy of an image to one or several regions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCopy {
    /// The image: the account's own, or one that is shared with it.
    pub at: ImageAt,
    /// Where to; within the image's region if none is given.
    pub to: Vec<RegionId>,
    /// Name of the copies; that of the image if it is not said.
    pub name: Option<String>,
    /// Their description; empty for none.
    pub description: String,
    /// Their tags.
    pub tags: BTreeMap<String, String>,
    /// Bytes a second that one copy may send at most; no limit for none.
    pub bytes_per_second: Option<u64>,
}

/// What a family is told to stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FamilyTo {
    /// An image, by id or name; in each region that image, the one of its name there, or its copy.
    Image(String),
    /// The newest Available image that is older than the present one.
    Before,
    /// Its newest image again, whichever that is.
    Newest,
}

/// In which regions a family is moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FamilyWhere {
    /// In the one region where it is, or where the image is; refused if that is not one.
    One,
    /// In these.
    Named(Vec<RegionId>),
    /// Wherever the account has the family, or the image it is to stand for.
    All,
}

/// What may be asked here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShareRequest {
    /// Creates an account.
    AccountCreate {
        /// What people call it.
        name: String,
        /// Its decimal id; a fresh one if none is given.
        account: Option<AccountId>,
    },
    /// Accounts: all for the operator, itself for any other.
    AccountList,
    /// Shares an image with accounts.
    Share {
        /// The image.
        at: ImageAt,
        /// With whom.
        with: Vec<AccountId>,
        /// How long.
        term: Term,
    },
    /// Ends shares of an image.
    Unshare {
        /// The image.
        at: ImageAt,
        /// With whom; all if none is named.
        from: Option<Vec<AccountId>>,
    },
    /// Shares an image with some accounts for ever and no more with others, at once.
    Change {
        /// The image.
        at: ImageAt,
        /// With whom.
        add: Vec<AccountId>,
        /// With whom no more.
        remove: Vec<AccountId>,
    },
    /// With whom an image is shared.
    Shares(ImageAt),
    /// Lets everybody in the region use an image.
    Publish(ImageAt),
    /// Makes an image its owner's again.
    Unpublish(ImageAt),
    /// Starts to copy an image.
    Copy(ImageCopy),
    /// Stops a copy, named by the image that would come to be.
    CancelCopy {
        /// That image.
        at: ImageAt,
        /// Why.
        reason: String,
    },
    /// Tells a family what to stand for, in all regions that are meant or in none.
    FamilyMove {
        /// The family.
        family: String,
        /// What to stand for.
        to: FamilyTo,
        /// Where.
        regions: FamilyWhere,
    },
    /// Quotas and usage.
    QuotaShow {
        /// Whose; the one that asks if none is named.
        account: Option<AccountId>,
        /// Where; everywhere if none is named.
        region: Option<RegionId>,
    },
    /// Sets quotas.
    QuotaSet {
        /// Whose; the one that asks if none is named.
        account: Option<AccountId>,
        /// Where; the default region if none is named.
        region: Option<RegionId>,
        /// What is set; the rest stays as it is.
        quotas: Quotas,
    },
    /// Adds a region.
    RegionAdd(RegionId),
}
