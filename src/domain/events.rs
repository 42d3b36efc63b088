//! What becomes true of images, families, snapshots and regions, in the domain's words.

use std::collections::BTreeMap;

use event::{Event, Subject};
use serde::{Deserialize, Serialize};

use crate::port::{Collected, Source, StoredDisk, Target, Transferred};
use crate::{AccountId, ContentRoot, ImageId, RegionId, SnapshotId, StoreId};

macro_rules! events {
    ($(
        $(#[$doc:meta])*
        $name:ident $kind:literal $(about $subject:ident)? {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
            }

            impl Event for $name {
                const KIND: &'static str = $kind;

                fn subjects(&self) -> Vec<Subject> {
                    vec![$(Subject(self.$subject.0.clone()))?]
                }
            }
        )*

        /// The kinds of all events of the domain.
        pub const KINDS: &[&str] = &[$($kind),*];
    };
}

events! {
    /// An account exists.
    AccountCreated "account.created/1" {
        /// Its decimal id.
        account: AccountId,
        /// What people call it.
        name: String,
    }
    /// A region exists, and which store it is.
    RegionAdded "region.added/1" {
        /// The region.
        region: RegionId,
        /// The id its store has to show.
        store: StoreId,
    }
    /// The store of a region stands.
    StoreMade "region.store-made/1" {
        /// The region.
        region: RegionId,
    }
    /// A disk file was looked at.
    SourceInspected "source.inspected/1" {
        /// What it is.
        source: Source,
    }
    /// An image's id, name and place in its family are taken; it is being made.
    ImageReserved "image.reserved/1" about image {
        /// The image.
        image: ImageId,
        /// The snapshot its system disk will be.
        snapshot: SnapshotId,
        /// Its name.
        name: String,
        /// Its description; empty for none.
        #[serde(default)]
        description: String,
        /// Its family, if it stands in one.
        #[serde(default)]
        family: Option<String>,
        /// Its tags.
        #[serde(default)]
        tags: BTreeMap<String, String>,
        /// The account that makes it.
        account: AccountId,
        /// The region it is made in.
        region: RegionId,
        /// The disk it is made from.
        source: Source,
    }
    /// An image that did not come to be gave its id and name back.
    ImageReleased "image.released/1" about image {
        /// The image.
        image: ImageId,
    }
    /// A disk's bytes are in the store.
    DataTransferred "image.data-transferred/1" about image {
        /// The image.
        image: ImageId,
        /// What was stored.
        data: Transferred,
    }
    /// What had been stored for an image is gone.
    DataDiscarded "image.data-discarded/1" about image {
        /// The image.
        image: ImageId,
    }
    /// A disk was read back from the store and is what was read from the source.
    DataVerified "image.data-verified/1" about image {
        /// The image.
        image: ImageId,
        /// The content root, computed anew.
        root: ContentRoot,
        /// Chunks read, decoded and hashed again.
        chunks: u64,
    }
    /// An image is whole and Available.
    ImageSealed "image.sealed/1" about image {
        /// The image.
        image: ImageId,
    }
    /// An image's chunks serve the whole account from now on.
    DataSettled "image.data-settled/1" about image {
        /// The image.
        image: ImageId,
    }
    /// Attributes of an image changed.
    ImageModified "image.modified/1" about image {
        /// The image.
        image: ImageId,
        /// What was set.
        to: Attributes,
        /// What it was before, of that.
        from: Attributes,
    }
    /// An image was deprecated: its family falls back to the one before.
    ImageDeprecated "image.deprecated/1" about image {
        /// The image.
        image: ImageId,
    }
    /// A deprecated image is Available again.
    ImageRestored "image.restored/1" about image {
        /// The image.
        image: ImageId,
    }
    /// An image is gone, with the snapshots it had made.
    ImageDeleted "image.deleted/1" about image {
        /// The image.
        image: ImageId,
        /// The name it had, for whoever reads the story.
        name: String,
        /// The snapshots that went with it.
        snapshots: Vec<SnapshotId>,
    }
    /// An image is being exported; it can not be deleted meanwhile.
    ExportBegun "image.export-begun/1" about image {
        /// The image.
        image: ImageId,
        /// The disk that is exported.
        disk: StoredDisk,
        /// Where to.
        target: Target,
    }
    /// An export that did not come to its end let go of its image.
    ExportWithdrawn "image.export-withdrawn/1" about image {
        /// The image.
        image: ImageId,
    }
    /// An exported file is whole and durable.
    ExportWritten "image.export-written/1" about image {
        /// The image.
        image: ImageId,
        /// The file.
        path: String,
        /// Size of the disk in it.
        disk_bytes: u64,
    }
    /// What an export had written is gone.
    ExportDiscarded "image.export-discarded/1" about image {
        /// The image.
        image: ImageId,
    }
    /// An export is over and its file stands.
    ExportEnded "image.export-ended/1" about image {
        /// The image.
        image: ImageId,
    }
    /// What no image needs was collected in a region.
    ChunksCollected "region.chunks-collected/1" {
        /// The region.
        region: RegionId,
        /// What was done.
        collected: Collected,
    }
}

/// Attributes of an image that can be set; what is not there is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its description; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its family; once set it can be changed, not cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Tags set, or, with nothing as the value, removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Option<String>>,
}
