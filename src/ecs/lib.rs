//! The actions of the ECS API: one file each, from parameters to an answer.
//!
//! An action reads its parameters, asks the service, and shapes the answer as clients know it. It
//! holds no rule: what may be done is the service's to say, in codes that `codes.rs` turns into
//! the ones and the statuses which this action documents.
//!
//! ```text
//!  Params ──▶ describe_images.rs ──Request──▶ service ──Images──▶ shape_image.rs ──▶ Object
//! ```
//!
//! It deliberately knows no signature and no socket: who asks was proved before.

mod actions;
mod add_tags;
mod ask;
mod cancel_copy_image;
mod cancel_task;
mod codes;
mod copy_image;
mod copy_snapshot;
mod create_disk;
mod create_image;
mod create_snapshot;
mod delete_disk;
mod delete_image;
mod delete_snapshot;
mod describe_disks;
mod describe_image_from_family;
mod describe_image_share_permission;
mod describe_images;
mod describe_regions;
mod describe_resource_by_tags;
mod describe_snapshots;
mod describe_tags;
mod describe_task_attribute;
mod describe_tasks;
mod export_image;
mod import_image;
mod list_tag_resources;
mod lock_snapshot;
mod modify_disk_attribute;
mod modify_image_attribute;
mod modify_image_share_group_permission;
mod modify_image_share_permission;
mod modify_snapshot_attribute;
mod pages;
mod remove_tags;
mod resize_disk;
mod shape_image;
mod shape_task;
mod tag_resources;
#[cfg(test)]
mod tests_calls;
#[cfg(test)]
mod tests_contract;
#[cfg(test)]
mod tests_envelope;
#[cfg(test)]
mod tests_exceptions;
#[cfg(test)]
mod tests_kit;
#[cfg(test)]
mod tests_once;
#[cfg(test)]
mod tests_soup;
#[cfg(test)]
mod tests_tree;
#[cfg(test)]
mod tests_words;
mod things;
mod unlock_snapshot;
mod untag_resources;
mod words;

pub use actions::{Action, VERSIONS, find, known_name};
pub use ask::{Ask, Caller};
