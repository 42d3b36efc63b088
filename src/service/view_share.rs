//! Views of accounts, shares, copies that were started, and quotas.

use event::FlowId;
use serde::{Deserialize, Serialize};

use crate::view::views;
use crate::view_image::ShareView;

views! {
    /// An account.
    AccountView {
        /// Its decimal id.
        account_id: String,
        /// What people call it.
        account_name: String,
        /// Whether it may do what concerns all accounts.
        is_operator: bool,
    }
    /// Accounts.
    Accounts {
        /// By id.
        accounts: Vec<AccountView>,
    }
    /// With whom an image is shared.
    Shares {
        /// The image.
        image_id: String,
        /// Its region.
        region_id: String,
        /// Whether everybody in the region may use it.
        is_public: bool,
        /// With whom, by account.
        accounts: Vec<ShareView>,
    }
    /// A copy that has been started.
    CopyStarted {
        /// The operation.
        workflow_id: FlowId,
        /// The image that comes to be.
        image_id: String,
        /// Where.
        region_id: String,
    }
    /// Copies that have been started.
    CopiesStarted {
        /// One a region, in the order they were named in.
        copies: Vec<CopyStarted>,
    }
    /// How much of one thing an account has in a region, and may have.
    QuotaItem {
        /// What: `images`, `image-shares` …
        name: String,
        /// How much of it there is; none for what is counted for each image or family by itself.
        used: Option<u64>,
        /// How much of it there may be.
        limit: u64,
        /// Whether that was set; it is the default else.
        is_set: bool,
    }
    /// The quotas of an account in a region.
    QuotaView {
        /// The account.
        account_id: String,
        /// The region.
        region_id: String,
        /// One by one.
        items: Vec<QuotaItem>,
    }
    /// Quotas.
    QuotaViews {
        /// By region.
        quotas: Vec<QuotaView>,
    }
}
