//! How events that several accounts, regions or images are in become rows.

use event::{Event, Record, RowsMut, Scope};

use crate::events::{
    CopyBegun, CopyEnded, CopyWithdrawn, FamilyHeadReturned, FamilyHeadSet, ImagePublished, ImageUnpublished,
    ShareEnded, SharesChanged,
};
use crate::fold::{change, change_usage, with};
use crate::image::{
    Due, FAMILY_HEADS, FamilyHead, IMAGES, Image, PUBLIC, SHARED, Share, SharedImage, birth, public_scope,
    scope,
};
use crate::{AccountId, ImageId};

/// Folds the record, if it is one of these; says whether it was.
pub(crate) fn apply(rows: &mut dyn RowsMut, record: &Record) -> bool {
    match record.kind.as_str() {
        SharesChanged::KIND => with(record, |event| shares_changed(rows, record, &event)),
        ShareEnded::KIND => with(record, |event: ShareEnded| {
            with_image(rows, record, &event.image, |rows, image| {
                end(rows, &record.scope, image, &event.account);
            });
        }),
        ImagePublished::KIND => with(record, |event: ImagePublished| {
            with_image(rows, record, &event.image, |rows, image| {
                image.public = true;
                let row = SharedImage::of(image, &record.scope, None);
                PUBLIC.put(rows, &public_scope(&image.region), &[&birth(image.born)], &row);
            });
        }),
        ImageUnpublished::KIND => with(record, |event: ImageUnpublished| {
            with_image(rows, record, &event.image, |rows, image| {
                image.public = false;
                PUBLIC.remove(rows, &public_scope(&image.region), &[&birth(image.born)]);
            });
        }),
        CopyBegun::KIND => with(record, |event: CopyBegun| {
            change(rows, record, &event.image, |image| _ = image.copies.insert(event.target, event.to));
        }),
        CopyWithdrawn::KIND => with(record, |event: CopyWithdrawn| {
            change(rows, record, &event.image, |image| _ = image.copies.remove(&event.target));
        }),
        CopyEnded::KIND => with(record, |event: CopyEnded| {
            change(rows, record, &event.image, |image| _ = image.copies.remove(&event.target));
        }),
        FamilyHeadSet::KIND => with(record, |event: FamilyHeadSet| {
            let before = FAMILY_HEADS.get(rows, &record.scope, &[&event.family]);
            let row = FamilyHead::told(before, event.family, event.image, record.flow);
            FAMILY_HEADS.put(rows, &record.scope, &[&row.family], &row);
        }),
        FamilyHeadReturned::KIND => with(record, |event: FamilyHeadReturned| {
            let told = FAMILY_HEADS.get(rows, &record.scope, &[&event.family]);
            if let Some(row) = told.and_then(|told| told.without(record.flow)) {
                put_head(rows, &record.scope, &row);
            }
        }),
        _ => false,
    }
}

fn with_image(
    rows: &mut dyn RowsMut,
    record: &Record,
    id: &ImageId,
    change: impl FnOnce(&mut dyn RowsMut, &mut Image),
) {
    let Some(mut image) = IMAGES.get(rows, &record.scope, &[id.as_str()]) else { return };
    change(rows, &mut image);
    IMAGES.put(rows, &record.scope, &[id.as_str()], &image);
}

fn shares_changed(rows: &mut dyn RowsMut, record: &Record, event: &SharesChanged) {
    with_image(rows, record, &event.image, |rows, image| {
        // Those whose time has come are over, whether or not that was told.
        let over = image.shares.iter().filter(|(_, share)| !share.holds(record.time_ms));
        let over: Vec<AccountId> = over.map(|(account, _)| account.clone()).collect();
        for account in over.iter().chain(&event.removed) {
            end(rows, &record.scope, image, account);
        }
        for account in &event.added {
            begin(rows, record, image, account, event.until_ms);
        }
    });
}

fn begin(
    rows: &mut dyn RowsMut,
    record: &Record,
    image: &mut Image,
    account: &AccountId,
    until_ms: Option<i64>,
) {
    let before = image.shares.get(account).copied();
    if let Some(Share { until_ms: Some(until_ms), .. }) = before {
        due(&record.scope, image, account, until_ms).remove(rows);
    }
    if before.is_none() {
        change_usage(rows, &record.scope, |usage| usage.shares += 1);
    }
    let since_ms = before.map_or(record.time_ms, |before| before.since_ms);
    image.shares.insert(account.clone(), Share { since_ms, until_ms });
    let row = SharedImage::of(image, &record.scope, until_ms);
    SHARED.put(rows, &scope(account, &image.region), &[image.id.as_str()], &row);
    if let Some(until_ms) = until_ms {
        due(&record.scope, image, account, until_ms).put(rows);
    }
}

fn end(rows: &mut dyn RowsMut, owner: &Scope, image: &mut Image, account: &AccountId) {
    let Some(share) = image.shares.remove(account) else { return };
    SHARED.remove(rows, &scope(account, &image.region), &[image.id.as_str()]);
    change_usage(rows, owner, |usage| usage.shares = usage.shares.saturating_sub(1));
    if let Some(until_ms) = share.until_ms {
        due(owner, image, account, until_ms).remove(rows);
    }
}

fn due(owner: &Scope, image: &Image, account: &AccountId, until_ms: i64) -> Due {
    let (image, scope, account) = (image.id.clone(), owner.clone(), account.clone());
    Due::ShareEnd { image, scope, account, until_ms }
}

/// An image stands in another family: those who find it by sharing find it there.
pub(crate) fn refresh(rows: &mut dyn RowsMut, owner: &Scope, image: &Image) {
    for (account, share) in &image.shares {
        let row = SharedImage::of(image, owner, share.until_ms);
        SHARED.put(rows, &scope(account, &image.region), &[image.id.as_str()], &row);
    }
    if image.public {
        let row = SharedImage::of(image, owner, None);
        PUBLIC.put(rows, &public_scope(&image.region), &[&birth(image.born)], &row);
    }
}

/// Ends all shares of an image, and its publication.
pub(crate) fn unshare(rows: &mut dyn RowsMut, record: &Record, id: &ImageId) {
    with_image(rows, record, id, |rows, image| end_all(rows, &record.scope, image));
}

fn end_all(rows: &mut dyn RowsMut, owner: &Scope, image: &mut Image) {
    let accounts: Vec<AccountId> = image.shares.keys().cloned().collect();
    for account in &accounts {
        end(rows, owner, image, account);
    }
    if image.public {
        PUBLIC.remove(rows, &public_scope(&image.region), &[&birth(image.born)]);
        image.public = false;
    }
}

/// An image is gone: nobody finds it any more.
pub(crate) fn forget(rows: &mut dyn RowsMut, owner: &Scope, image: &Image) {
    end_all(rows, owner, &mut image.clone());
    // A family may have been told to stand for it without its standing in that family.
    for told in FAMILY_HEADS.list(rows, owner, &[]) {
        let row = told.clone().forgetting(&image.id);
        if row != told {
            put_head(rows, owner, &row);
        }
    }
}

/// Puts what a family was told; a row that says nothing is none.
fn put_head(rows: &mut dyn RowsMut, scope: &Scope, row: &FamilyHead) {
    if row.is_silent() {
        FAMILY_HEADS.remove(rows, scope, &[&row.family]);
    } else {
        FAMILY_HEADS.put(rows, scope, &[&row.family], row);
    }
}
