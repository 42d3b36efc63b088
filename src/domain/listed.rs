//! What a list looks at of each image. An image's own row holds its disks, shares and the findings of
//! its check as well; whoever looks through all images of an account would read those for nothing.

use std::collections::BTreeMap;

use event::{RowsMut, Scope, Seq, Table};
use serde::{Deserialize, Serialize};

use crate::ImageId;
use crate::image::{IMAGES, Image, Status};
use crate::machine::{Architecture, OsType};

/// An image as lists see it: what they are filtered and put in order by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub id: ImageId,
    /// Its name.
    pub name: String,
    /// Its family.
    pub family: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Its place in the order of creation.
    pub born: Seq,
    /// When it was asked for, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// Its processor.
    pub architecture: Architecture,
    /// Its operating system.
    pub os_type: OsType,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What lists look at, by account, region and id: a row for each of [`IMAGES`].
pub const LISTED: Table<Listed> = Table::new("image-listed").by_place();

impl From<&Image> for Listed {
    fn from(image: &Image) -> Self {
        Self {
            id: image.id.clone(),
            name: image.name.clone(),
            family: image.family.clone(),
            status: image.status,
            born: image.born,
            created_ms: image.created_ms,
            architecture: image.machine.architecture,
            os_type: image.machine.os_type,
            tags: image.tags.clone(),
        }
    }
}

/// Puts an image, and what lists look at of it where that is not what was there `before`.
pub(crate) fn put(rows: &mut dyn RowsMut, scope: &Scope, before: Option<&Listed>, image: &Image) {
    let key = [image.id.as_str()];
    let now = Listed::from(image);
    if before != Some(&now) {
        LISTED.put(rows, scope, &key, &now);
    }
    IMAGES.put(rows, scope, &key, image);
}

/// Removes an image from both.
pub(crate) fn remove(rows: &mut dyn RowsMut, scope: &Scope, image: &ImageId) {
    LISTED.remove(rows, scope, &[image.as_str()]);
    IMAGES.remove(rows, scope, &[image.as_str()]);
}
