//! How far the making of an image has come, for people and clients that look at it while it lasts.
//!
//! Disks come one after another, each in two steps that take about as long: it is transferred, and read
//! back. The row says which steps are over, the operation how far the present one is. It is a guess from
//! what was measured, never more than 99 % before the image is whole, and nothing depends on it.

use domain::image::{Image, ImageDisk};
use event::Progress;

use crate::Service;
use crate::view_image::{ImageView, PERCENT_MAX};

impl Service {
    /// An image as its owner sees it, with how far its making has come.
    pub(crate) fn own_view(&self, image: &Image, is_family_image: bool, now_ms: i64) -> ImageView {
        let mut view = ImageView::of(image, is_family_image, now_ms);
        if !image.status.is_being_made() {
            return view;
        }
        let progress = self.engine.watch(image.flow).map(|watch| watch.progress.borrow().clone());
        let percents = percents(&image.disks, progress.as_ref());
        let elapsed_ms = now_ms.saturating_sub(image.created_ms);
        for (disk, percent) in view.disks.iter_mut().zip(&percents) {
            (disk.progress, disk.remain_time) = (*percent, remaining_seconds(elapsed_ms, *percent));
        }
        let count = u32::try_from(percents.len()).unwrap_or(u32::MAX).max(1);
        view.progress = (percents.iter().sum::<u32>() / count).min(PERCENT_MAX - 1);
        view
    }
}

/// How far each disk is, in percent.
fn percents(disks: &[ImageDisk], progress: Option<&Progress>) -> Vec<u32> {
    let of_step = progress.filter(|progress| progress.total_bytes > 0).map_or(0, |progress| {
        let part = u128::from(progress.done_bytes.min(progress.total_bytes)) * 50;
        u32::try_from(part / u128::from(progress.total_bytes)).unwrap_or_default()
    });
    let mut is_present = true;
    let percent = |disk: &ImageDisk| {
        if disk.verified {
            return PERCENT_MAX;
        }
        // The first that is not over is the one being dealt with.
        let part = if std::mem::take(&mut is_present) { of_step } else { 0 };
        let stored = if disk.disk.is_some() { PERCENT_MAX / 2 } else { 0 };
        (stored + part).min(PERCENT_MAX - 1)
    };
    disks.iter().map(percent).collect()
}

/// What is left of the time, if it goes on as it went.
pub(crate) fn remaining_seconds(elapsed_ms: i64, percent: u32) -> u64 {
    let (elapsed_ms, percent) = (u64::try_from(elapsed_ms).unwrap_or_default(), u64::from(percent));
    let left = elapsed_ms.saturating_mul(u64::from(PERCENT_MAX) - percent);
    left.checked_div(percent).unwrap_or_default() / 1000
}

#[cfg(test)]
mod tests {
    use domain::image::DiskKind;
    use domain::port::StoredDisk;
    use domain::{ContentRoot, Digest, ManifestId, SnapshotId};

    use super::*;

    fn disk(stored: bool, verified: bool) -> ImageDisk {
        let stored = stored.then_some(StoredDisk {
            manifest: ManifestId(Digest([0; 32])),
            disk_bytes: 1,
            root: ContentRoot(Digest([0; 32])),
        });
        ImageDisk {
            device: String::new(),
            kind: DiskKind::Data,
            snapshot: SnapshotId::default(),
            own: true,
            size_bytes: 1,
            disk_bytes: 1,
            format: None,
            source: None,
            disk: stored,
            verified,
            data_bytes: 0,
            stored_bytes: 0,
        }
    }

    #[test]
    fn a_disk_is_half_done_when_it_is_stored_and_the_next_has_not_begun() {
        let disks = [disk(true, true), disk(true, false), disk(false, false)];
        let progress = Progress { doing: String::new(), done_bytes: 30, total_bytes: 100 };
        assert_eq!(percents(&disks, Some(&progress)), [100, 65, 0]);
        assert_eq!(percents(&disks, None), [100, 50, 0]);
        let over = Progress { done_bytes: 900, ..progress };
        assert_eq!(percents(&disks, Some(&over)), [100, 99, 0]);
    }

    #[test]
    fn what_is_left_takes_as_long_as_what_went_before() {
        assert_eq!(remaining_seconds(30_000, 75), 10);
        assert_eq!(remaining_seconds(30_000, 0), 0);
        assert_eq!(remaining_seconds(-1, 50), 0);
    }
}
