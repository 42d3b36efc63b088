//! Views of images: what callers see of one, and what those it is shared with see.

use std::collections::BTreeMap;

use domain::AccountId;
use domain::image::{Image, ImageDisk, Making, Status};
use serde::{Deserialize, Serialize};

use crate::view::{format_word, time_text, views};

/// All of something, in percent.
pub(crate) const PERCENT_MAX: u32 = 100;
/// A GiB, the unit of `Size` in the ECS API.
pub(crate) const GIB: u64 = 1 << 30;

views! {
    /// An image.
    ImageView {
        /// Its id.
        image_id: String,
        /// Its name.
        image_name: String,
        /// Its family, as who asks sees it; empty for none.
        image_family: String,
        /// Whether it is the one its family stands for.
        is_family_image: bool,
        /// `Waiting`, `Creating`, `Available` or `Deprecated`.
        status: String,
        /// How far its making has come, in percent.
        progress: u32,
        /// `self` for the account's own, `others` for one that is shared or everybody's.
        image_owner_alias: String,
        /// Size of its system disk in GiB, rounded up.
        size: u64,
        /// Exact size of its system disk's content.
        disk_size_bytes: u64,
        /// Guest bytes of all its disks that are not zero.
        data_bytes: u64,
        /// Bytes its disks added to the store.
        stored_bytes: u64,
        /// When it was asked for.
        creation_time: String,
        /// Its region.
        region_id: String,
        /// Its owner.
        owner_id: String,
        /// Its description; empty for none.
        description: String,
        /// Its tags.
        tags: BTreeMap<String, String>,
        /// `i386`, `x86_64` or `arm64`.
        architecture: String,
        /// `linux` or `windows`.
        os_type: String,
        /// Its distribution.
        platform: String,
        /// `BIOS`, `UEFI` or `UEFI-Preferred`.
        boot_mode: String,
        /// `Auto`, `Aliyun` or `BYOL`.
        license_type: String,
        /// `supported` or `unsupported`.
        nvme_support: String,
        /// `supported` or `unsupported`.
        secure_boot_support: String,
        /// `v1` or `v2`.
        imds_support: String,
        /// Its disks, the system disk first; none for those it is shared with.
        disks: Vec<ImageDiskView>,
        /// The snapshot of its system disk.
        snapshot_id: String,
        /// The identity of its system disk's content; empty until that is stored.
        content_root: String,
        /// The format its system disk came in; empty if it was no file.
        source_format: String,
        /// The file its system disk came from; empty if it was none.
        source_path: String,
        /// Whether it is a copy.
        is_copied: bool,
        /// The image it is a copy of; empty if it is none.
        copied_from: String,
        /// Whether everybody in the region may use it.
        is_public: bool,
        /// Those it is shared with, as its owner sees it.
        shares: Vec<ShareView>,
        /// Exports in progress.
        exports: u32,
        /// Copies of it in progress.
        copies: u32,
        /// What an image check found; none if none was asked for.
        detection: Option<DetectionView>,
        /// The task the API knows its making by; empty for none.
        task_id: String,
        /// The operation that makes or made it.
        workflow_id: String,
        /// The resource group it was put in; empty where everything is.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        group_id: String,
    }
    /// A disk of an image.
    ImageDiskView {
        /// Where an instance has it.
        device: String,
        /// `system` or `data`.
        r#type: String,
        /// Size an instance's disk has in GiB, rounded up.
        size: u64,
        /// The same, exact.
        size_bytes: u64,
        /// The snapshot that holds it.
        snapshot_id: String,
        /// The format it came in; empty if it was no file.
        format: String,
        /// The file it came from; empty if it was none.
        source: String,
        /// The identity of its content; empty until that is stored.
        content_root: String,
        /// Guest bytes that are not zero.
        data_bytes: u64,
        /// Bytes it added to the store.
        stored_bytes: u64,
        /// How far it has come into the store, in percent.
        progress: u32,
        /// How many seconds that will take as things go; 0 when it is there, or not to be foreseen.
        remain_time: u64,
    }
    /// Somebody an image is shared with.
    ShareView {
        /// The account.
        account_id: String,
        /// Since when.
        shared_time: String,
        /// Until when; empty for ever.
        until_time: String,
    }
    /// What an image check found.
    DetectionView {
        /// `Processing` or `Finished`.
        status: String,
        /// In the order of the API's check names.
        items: Vec<DetectionItem>,
    }
    /// One thing an image check looked at.
    DetectionItem {
        /// What.
        name: String,
        /// What was found.
        value: String,
        /// `High` or `Medium`; empty if nothing is wrong.
        risk_level: String,
        /// What is wrong; empty if nothing is.
        risk_code: String,
    }
    /// Images.
    Images {
        /// By region, family, and newest first.
        images: Vec<ImageView>,
        /// How many there are on all pages.
        total_count: u64,
        /// The page, from 1.
        page_number: u32,
        /// How many a page has; all there are if nobody asked for pages.
        page_size: u32,
    }
}

impl ImageView {
    /// The image as its owner sees it.
    pub(crate) fn of(image: &Image, is_family_image: bool, now_ms: i64) -> Self {
        let system = image.system();
        let sum = |part: fn(&ImageDisk) -> u64| image.disks.iter().map(part).sum();
        Self {
            image_id: image.id.0.clone(),
            image_name: image.name.clone(),
            image_family: image.family.clone().unwrap_or_default(),
            is_family_image,
            status: image.status.word().to_owned(),
            progress: if image.status.is_being_made() { 0 } else { PERCENT_MAX },
            image_owner_alias: "self".to_owned(),
            size: system.size_bytes.div_ceil(GIB),
            disk_size_bytes: system.disk_bytes,
            data_bytes: sum(|disk| disk.data_bytes),
            stored_bytes: sum(|disk| disk.stored_bytes),
            creation_time: time_text(image.created_ms),
            region_id: image.region.0.clone(),
            owner_id: image.account.0.clone(),
            description: image.description.clone(),
            tags: image.tags.clone(),
            architecture: image.machine.architecture.word().to_owned(),
            os_type: image.machine.os_type.word().to_owned(),
            platform: image.machine.platform.clone(),
            boot_mode: image.machine.boot_mode.word().to_owned(),
            license_type: image.machine.license_type.word().to_owned(),
            nvme_support: image.machine.nvme.word().to_owned(),
            secure_boot_support: image.machine.secure_boot.word().to_owned(),
            imds_support: image.machine.imds.word().to_owned(),
            disks: image.disks.iter().map(|disk| ImageDiskView::of(disk, image.status)).collect(),
            snapshot_id: system.snapshot.0.clone(),
            content_root: root_text(system),
            source_format: system.format.map(format_word).unwrap_or_default().to_owned(),
            source_path: system.source.as_ref().map(ToString::to_string).unwrap_or_default(),
            is_copied: matches!(image.making, Making::Copy { .. }),
            copied_from: match &image.making {
                Making::Copy { image, .. } => image.0.clone(),
                _ => String::new(),
            },
            is_public: image.public,
            shares: shares(image, now_ms),
            exports: image.exports,
            copies: u32::try_from(image.copies.len()).unwrap_or(u32::MAX),
            detection: image.detection.as_ref().map(|detection| DetectionView {
                status: if detection.asked { "Processing" } else { "Finished" }.to_owned(),
                items: detection.items.iter().map(DetectionItem::of).collect(),
            }),
            task_id: image.task.as_ref().map(|task| task.0.clone()).unwrap_or_default(),
            workflow_id: image.flow.to_string(),
            group_id: String::new(),
        }
    }

    /// The image as somebody else sees it: what it is, and nothing of how its owner keeps it.
    pub(crate) fn for_others(image: &Image, is_family_image: bool, now_ms: i64) -> Self {
        let family = image.family.as_ref().map(|family| Self::family_of_others(&image.account, family));
        Self {
            image_family: family.unwrap_or_default(),
            image_owner_alias: "others".to_owned(),
            tags: BTreeMap::new(),
            disks: Vec::new(),
            snapshot_id: String::new(),
            stored_bytes: 0,
            source_format: String::new(),
            source_path: String::new(),
            copied_from: String::new(),
            shares: Vec::new(),
            exports: 0,
            copies: 0,
            detection: None,
            task_id: String::new(),
            workflow_id: String::new(),
            ..Self::of(image, is_family_image, now_ms)
        }
    }

    /// What others call a family of an account, as the API has it.
    pub(crate) fn family_of_others(owner: &AccountId, family: &str) -> String {
        format!("acs:{owner}:{family}")
    }

    /// Whether it can be used to start an instance.
    pub fn usable(&self) -> bool {
        self.status == Status::Available.word() || self.status == Status::Deprecated.word()
    }
}

impl ImageDiskView {
    fn of(disk: &ImageDisk, status: Status) -> Self {
        Self {
            device: disk.device.clone(),
            r#type: disk.kind.word().to_owned(),
            size: disk.size_bytes.div_ceil(GIB),
            size_bytes: disk.size_bytes,
            snapshot_id: disk.snapshot.0.clone(),
            format: disk.format.map(format_word).unwrap_or_default().to_owned(),
            source: disk.source.as_ref().map(ToString::to_string).unwrap_or_default(),
            content_root: root_text(disk),
            data_bytes: disk.data_bytes,
            stored_bytes: disk.stored_bytes,
            progress: if status.is_being_made() { 0 } else { PERCENT_MAX },
            remain_time: 0,
        }
    }
}

impl DetectionItem {
    /// The item as callers see it.
    pub(crate) fn of(item: &domain::port::CheckItem) -> Self {
        Self {
            name: item.name.clone(),
            value: item.value.clone(),
            risk_level: item.risk.map(domain::port::Risk::word).unwrap_or_default().to_owned(),
            risk_code: item.risk_code.clone(),
        }
    }
}

fn root_text(disk: &ImageDisk) -> String {
    disk.disk.as_ref().map(|disk| disk.root.to_string()).unwrap_or_default()
}

pub(crate) fn shares(image: &Image, now_ms: i64) -> Vec<ShareView> {
    let held = image.shares.iter().filter(|(_, share)| share.holds(now_ms));
    held.map(|(account, share)| ShareView {
        account_id: account.0.clone(),
        shared_time: time_text(share.since_ms),
        until_time: share.until_ms.map(time_text).unwrap_or_default(),
    })
    .collect()
}
