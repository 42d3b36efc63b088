//! Use cases on what several accounts are in: accounts, shares, quotas, and the regions of the house.

use std::sync::Arc;

use domain::events::RegionAdded;
use domain::image::{ACCOUNTS, Account, QUOTAS, Quotas, USAGE, house, scope};
use domain::{AccountId, RegionId, StoreId, rules};
use event::{Actor, Refusal, Rows, View};
use workflows::{AddRegion, ChangeShares, CreateAccount, PublishImage, SetQuotas, UnpublishImage};

use crate::asked::Asked;
use crate::lookup::{self, account};
use crate::operator::{is_operator, operator};
use crate::request::{ImageAt, Reply};
use crate::request_share::{ShareRequest, Term};
use crate::service::DEFAULT_ACCOUNT;
use crate::view::Started;
use crate::view_image::shares;
use crate::view_share::{AccountView, Accounts, QuotaItem, QuotaView, QuotaViews, Shares};
use crate::{Service, Trouble};

/// Account ids made here have 16 digits, as the cloud's have.
const ACCOUNT_ID_MIN: u64 = 1_000_000_000_000_000;

impl Service {
    pub(crate) async fn share(
        self: &Arc<Self>,
        actor: Actor,
        asked: &Asked,
        request: ShareRequest,
    ) -> Result<Reply, Trouble> {
        use ShareRequest as R;
        Ok(match request {
            R::AccountCreate { name, account } => {
                self.create_account(actor, asked, name, account).await?.into()
            }
            R::AccountList => self.accounts(&actor)?.into(),
            R::Share { at, with, term } => self.share_with(actor, asked, &at, with, term).await?.into(),
            R::Unshare { at, from } => self.unshare(actor, asked, &at, from).await?.into(),
            R::Change { at, add, remove } => match self.known(asked)? {
                Some(known) => known.into(),
                None => self.change_shares(actor, asked, &at, add, None, &remove).await?.into(),
            },
            R::Shares(at) => self.shares(&actor, &at)?.into(),
            R::Publish(at) => self.publish(actor, asked, &at).await?.into(),
            R::Unpublish(at) => self.unpublish(actor, asked, &at).await?.into(),
            R::Copy(ask) => self.copy(actor, asked, ask).await?.into(),
            R::CancelCopy { at, reason } => self.cancel_copy(actor, asked, &at, &reason).await?.into(),
            R::FamilyMove { family, to, regions } => {
                self.move_family(actor, asked, family, to, regions).await?.into()
            }
            R::QuotaShow { account, region } => self.quotas(&actor, account, region.as_ref())?.into(),
            R::QuotaSet { account, region, quotas } => {
                self.set_quotas(actor, asked, account, region, quotas).await?.into()
            }
            R::RegionAdd(region) => self.add_region(actor, asked, region).await?.into(),
        })
    }

    async fn create_account(
        &self,
        actor: Actor,
        asked: &Asked,
        name: String,
        id: Option<AccountId>,
    ) -> Result<Started, Trouble> {
        operator(&actor)?;
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let id = id.unwrap_or_else(|| fresh_account(&rows, &asked.id));
        if id.as_str().contains('\0') {
            return Err(no_account(&id).into());
        }
        rules::create_account(&View::new(&rows, &house(), self.clock.now_ms()), &id, &name)?;
        drop(rows);
        let flow = CreateAccount { account: id.clone(), name };
        self.begin(actor, asked, flow, id.0).await
    }

    fn accounts(&self, actor: &Actor) -> Result<Accounts, Trouble> {
        let rows = self.engine.snapshot()?;
        let mut accounts = ACCOUNTS.list(&rows, &house(), &[]);
        accounts.retain(|account| is_operator(actor) || account.id.as_str() == actor.account);
        let view = |account: Account| AccountView {
            is_operator: account.id.as_str() == DEFAULT_ACCOUNT,
            account_id: account.id.0,
            account_name: account.name,
        };
        Ok(Accounts { accounts: accounts.into_iter().map(view).collect() })
    }

    async fn share_with(
        &self,
        actor: Actor,
        asked: &Asked,
        at: &ImageAt,
        with: Vec<AccountId>,
        term: Term,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let until_ms = match term {
            Term::Ever => None,
            Term::Until(until_ms) => Some(until_ms),
            Term::For(ms) => Some(self.clock.now_ms().saturating_add(ms)),
        };
        self.change_shares(actor, asked, at, with, until_ms, &[]).await
    }

    async fn unshare(
        &self,
        actor: Actor,
        asked: &Asked,
        at: &ImageAt,
        from: Option<Vec<AccountId>>,
    ) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let from = if let Some(from) = from {
            from
        } else {
            let rows = self.engine.snapshot()?;
            lookup::image(&rows, &actor, at)?.shares.into_keys().collect()
        };
        self.change_shares(actor, asked, at, Vec::new(), None, &from).await
    }

    async fn change_shares(
        &self,
        actor: Actor,
        asked: &Asked,
        at: &ImageAt,
        add: Vec<AccountId>,
        until_ms: Option<i64>,
        remove: &[AccountId],
    ) -> Result<Started, Trouble> {
        let image = self.allowed(&actor, at, |view, image| {
            rules::change_shares(view, &image.id, &add, until_ms, remove).map(drop)
        })?;
        let rows = self.engine.snapshot()?;
        // Accounts are never removed, so what is there now is there when it is decided.
        add.iter().chain(remove).try_for_each(|account| known_account(&rows, account))?;
        drop(rows);
        let remove = remove.to_vec();
        let (account, region, id) = (image.account, image.region, image.id.clone());
        let flow = ChangeShares { account, region, image: id, add, until_ms, remove };
        self.begin(actor, asked, flow, image.id.0).await
    }

    fn shares(&self, actor: &Actor, at: &ImageAt) -> Result<Shares, Trouble> {
        let image = lookup::image(&self.engine.snapshot()?, actor, at)?;
        Ok(Shares {
            accounts: shares(&image, self.clock.now_ms()),
            is_public: image.public,
            image_id: image.id.0,
            region_id: image.region.0,
        })
    }

    async fn publish(&self, actor: Actor, asked: &Asked, at: &ImageAt) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let image = self.allowed(&actor, at, |view, image| rules::publish(view, &image.id).map(drop))?;
        let flow = PublishImage { account: image.account, region: image.region, image: image.id.clone() };
        self.begin(actor, asked, flow, image.id.0).await
    }

    async fn unpublish(&self, actor: Actor, asked: &Asked, at: &ImageAt) -> Result<Started, Trouble> {
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let image = self.allowed(&actor, at, |view, image| rules::unpublish(view, &image.id).map(drop))?;
        let flow = UnpublishImage { account: image.account, region: image.region, image: image.id.clone() };
        self.begin(actor, asked, flow, image.id.0).await
    }

    fn quotas(
        &self,
        actor: &Actor,
        of: Option<AccountId>,
        region: Option<&RegionId>,
    ) -> Result<QuotaViews, Trouble> {
        let rows = self.engine.snapshot()?;
        let of = whose(&rows, actor, of)?;
        let regions = lookup::regions(&rows, region)?;
        let view = |region: RegionId| QuotaView {
            items: quota_items(&rows, &of, &region),
            account_id: of.0.clone(),
            region_id: region.0,
        };
        Ok(QuotaViews { quotas: regions.into_iter().map(view).collect() })
    }

    async fn set_quotas(
        &self,
        actor: Actor,
        asked: &Asked,
        of: Option<AccountId>,
        region: Option<RegionId>,
        quotas: Quotas,
    ) -> Result<Started, Trouble> {
        // Whoever has a quota does not set it.
        operator(&actor)?;
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let account = whose(&rows, &actor, of)?;
        let region = lookup::region(&rows, region.as_ref())?.id;
        rules::set_quotas(&View::new(&rows, &scope(&account, &region), self.clock.now_ms()), quotas)?;
        drop(rows);
        self.begin(actor, asked, SetQuotas { account, region, quotas }, String::new()).await
    }

    async fn add_region(&self, actor: Actor, asked: &Asked, region: RegionId) -> Result<Started, Trouble> {
        operator(&actor)?;
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let wanted = RegionAdded { region: region.clone(), store: StoreId::default() };
        rules::add_region(&View::new(&rows, &house(), self.clock.now_ms()), wanted)?;
        drop(rows);
        self.begin(actor, asked, AddRegion { region }, String::new()).await
    }
}

/// The account that is meant: another one only for the operator.
fn whose(rows: &dyn Rows, actor: &Actor, of: Option<AccountId>) -> Result<AccountId, Trouble> {
    let own = account(actor);
    let Some(other) = of.filter(|of| *of != own) else { return Ok(own) };
    operator(actor)?;
    known_account(rows, &other)?;
    Ok(other)
}

/// An account id of 16 digits that no account has, the same for the same request.
fn fresh_account(rows: &dyn Rows, request: &str) -> AccountId {
    let candidate = |number: u64| {
        let digest = blake3::hash(format!("account/{number}/{request}").as_bytes());
        let bytes = digest.as_bytes().first_chunk().expect("a digest has 32 bytes");
        AccountId((ACCOUNT_ID_MIN + u64::from_le_bytes(*bytes) % (9 * ACCOUNT_ID_MIN)).to_string())
    };
    let free = |id: &AccountId| ACCOUNTS.get(rows, &house(), &[id.as_str()]).is_none();
    let mut fresh = (0..).map(candidate).filter(free);
    fresh.next().expect("there are more ids than accounts")
}

/// Fails unless the account is there.
pub(crate) fn known_account(rows: &dyn Rows, id: &AccountId) -> Result<(), Refusal> {
    let there = !id.as_str().contains('\0') && ACCOUNTS.get(rows, &house(), &[id.as_str()]).is_some();
    if there { Ok(()) } else { Err(no_account(id)) }
}

fn no_account(id: &AccountId) -> Refusal {
    Refusal::new("InvalidAccount.NotFound", format!("there is no account `{}`", id.as_str().escape_debug()))
        .advise("`kiln account list` shows those there are")
}

fn quota_items(rows: &dyn Rows, account: &AccountId, region: &RegionId) -> Vec<QuotaItem> {
    let scope = scope(account, region);
    let usage = USAGE.get(rows, &scope, &[]).unwrap_or_default();
    let set = QUOTAS.get(rows, &scope, &[]).unwrap_or_default();
    let items = [
        ("images", Some(usage.images), set.images, rules::IMAGES_MAX),
        ("snapshots", Some(usage.snapshots), set.snapshots, rules::SNAPSHOTS_MAX),
        ("disks", Some(usage.disks), set.disks, rules::DISKS_MAX),
        ("families", Some(usage.families), set.families, rules::FAMILIES_MAX),
        ("family-images", None, set.family_images, rules::FAMILY_IMAGES_MAX),
        ("shares", Some(usage.shares), set.shares, rules::SHARES_MAX),
        ("image-shares", None, set.image_shares, rules::IMAGE_SHARES_MAX),
        ("exports", Some(usage.exports), set.exports, rules::EXPORTS_MAX),
    ];
    let view = |(name, used, set, default): (&str, Option<u32>, Option<u32>, u32)| QuotaItem {
        name: name.to_owned(),
        used: used.map(u64::from),
        limit: u64::from(set.unwrap_or(default)),
        is_set: set.is_some(),
    };
    items.into_iter().map(view).collect()
}
