//! Families of images, read from their rows: which there are, what is in one, and which image it
//! stands for.
//!
//! The question that is asked most, which image a family stands for, reads two small rows for it however
//! many images the family has: what it was told, which for most is nothing, and the newest. What a family may
//! be told to stand for is a rule and not here.

use event::{Rows, Scope};
use serde::{Deserialize, Serialize};

use crate::image::{FAMILIES, FAMILY_HEADS, FAMILY_ROWS, IMAGES, Image, Status, scope};
use crate::{ImageId, LISTED};

/// What is asked most of a family: as small as it is, the rows of very many are in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyRow {
    /// Images in it, those being made included.
    pub images: u32,
    /// The newest that is Available, which it stands for unless it was told otherwise.
    pub newest: Option<ImageId>,
}

/// The image a family stands for: the one it was told to, while that is Available, or else the
/// newest that is.
pub fn family_head(rows: &dyn Rows, scope: &Scope, family: &str) -> Option<Image> {
    family_head_id(rows, scope, family).and_then(|id| IMAGES.get(rows, scope, &[id.as_str()]))
}

/// The id of the image a family stands for. Costs the same however many images the family has.
pub fn family_head_id(rows: &dyn Rows, scope: &Scope, family: &str) -> Option<ImageId> {
    let told = FAMILY_HEADS.get(rows, scope, &[family]).and_then(|told| told.image);
    let available = |id: &ImageId| {
        LISTED.get(rows, scope, &[id.as_str()]).is_some_and(|image| image.status == Status::Available)
    };
    told.filter(available).or_else(|| FAMILY_ROWS.get(rows, scope, &[family])?.newest)
}

/// Whether an image is the one its family stands for.
pub fn is_family_head(rows: &dyn Rows, image: &Image) -> bool {
    let scope = scope(&image.account, &image.region);
    let head = image.family.as_deref().and_then(|family| family_head_id(rows, &scope, family));
    head.as_ref() == Some(&image.id)
}

/// The families of an account in a region, sorted, with how many images each has.
pub fn families(rows: &dyn Rows, scope: &Scope) -> Vec<(String, u32)> {
    let prefix = FAMILY_ROWS.key(scope, &[""]);
    let mut families = Vec::new();
    rows.scan(&prefix, &mut |key, row| {
        let family = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
        families.push((family, FAMILY_ROWS.read(row).images));
        true
    });
    families
}

/// The images of a family, newest first, those being made left out.
pub fn family_members(rows: &dyn Rows, scope: &Scope, family: &str) -> Vec<Image> {
    let ids = FAMILIES.list(rows, scope, &[family]);
    let images = ids.into_iter().rev().filter_map(|id| IMAGES.get(rows, scope, &[id.as_str()]));
    images.filter(|image| !image.status.is_being_made()).collect()
}
