//! Families of images, read from their rows: which there are, what is in one, and which image it
//! stands for.
//!
//! The question that is asked most, which image a family stands for, reads one row for it however
//! many images the family has. What a family may be told to stand for is a rule and not here.

use event::{Rows, Scope};

use crate::ImageId;
use crate::image::{FAMILIES, FAMILY_AVAILABLE, FAMILY_HEADS, FAMILY_SIZES, IMAGES, Image, Status};

/// The image a family stands for: the one it was told to, while that is Available, or else the
/// newest that is.
pub fn family_head(rows: &dyn Rows, scope: &Scope, family: &str) -> Option<Image> {
    family_head_id(rows, scope, family).and_then(|id| IMAGES.get(rows, scope, &[id.as_str()]))
}

/// The id of the image a family stands for. Costs the same however many images the family has.
pub fn family_head_id(rows: &dyn Rows, scope: &Scope, family: &str) -> Option<ImageId> {
    let told = FAMILY_HEADS.get(rows, scope, &[family]).and_then(|told| told.image);
    let available = |id: &ImageId| {
        IMAGES.get(rows, scope, &[id.as_str()]).is_some_and(|image| image.status == Status::Available)
    };
    told.filter(available).or_else(|| {
        let mut newest = None;
        rows.scan(&FAMILY_AVAILABLE.key(scope, &[family, ""]), &mut |_, id| {
            newest = Some(FAMILY_AVAILABLE.read(id));
            false
        });
        newest
    })
}

/// The families of an account in a region, sorted, with how many images each has.
pub fn families(rows: &dyn Rows, scope: &Scope) -> Vec<(String, u32)> {
    let prefix = FAMILY_SIZES.key(scope, &[""]);
    let mut families = Vec::new();
    rows.scan(&prefix, &mut |key, size| {
        let family = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
        families.push((family, FAMILY_SIZES.read(size)));
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
