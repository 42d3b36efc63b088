//! Views of tasks, in the words of the ECS API.

use event::FlowId;
use serde::{Deserialize, Serialize};

use crate::view::views;

views! {
    /// An import or an export, in progress or over.
    TaskView {
        /// Its id.
        task_id: String,
        /// `ImportImage` or `ExportImage`.
        task_action: String,
        /// `Waiting`, `Processing`, `Finished`, `Failed`, `Deleted` (it was cancelled) or `Paused` (it is
        /// parked, for a person to look at).
        task_status: String,
        /// How far it is: `42%`.
        task_process: String,
        /// The image it is about.
        resource_id: String,
        /// Its region.
        region_id: String,
        /// Whether it can be cancelled.
        support_cancel: bool,
        /// When it was created.
        creation_time: String,
        /// When it ended; empty while it has not.
        finished_time: String,
        /// Disks it is about.
        total_count: u32,
        /// Disks it has dealt with.
        success_count: u32,
        /// Disks it will not deal with, because it failed or was cancelled.
        failed_count: u32,
        /// Why it failed or is paused: the code; empty if nothing is wrong.
        error_code: String,
        /// Why it failed or is paused.
        error_msg: String,
        /// What it made: of an export bucket, key and format of each disk, of an import the image.
        related_items: Vec<RelatedItem>,
        /// Its operation.
        workflow_id: FlowId,
    }
    /// Something a task made, or will.
    RelatedItem {
        /// What it is: `OSSBucket`, `OSSObject`, `ImageFormat`, `ImageId`, or `File` for a file on this
        /// computer.
        name: String,
        /// Its name.
        value: String,
    }
    /// Tasks.
    Tasks {
        /// Newest first.
        tasks: Vec<TaskView>,
        /// How many there are on all pages.
        total_count: u64,
        /// The page, from 1.
        page_number: u32,
        /// How many a page has; all there are if nobody asked for pages.
        page_size: u32,
    }
}
