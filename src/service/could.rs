//! Who could do what with an image at a moment, and why: the rules of today asked about the rows and
//! the time of then, so that the answer is the code's own.
//!
//! The events that show it come from the image's history. What a rule would ask of the other end (a
//! copy's name, room for it there) is not asked: nobody has said where to.

use std::collections::BTreeMap;

use domain::events::{
    Attributes, CopyBegun, ExportBegun, ImageDeprecated, ImageModified, ImagePublished, ImageReserved,
    ImageRestored, ImageSealed, SharesChanged,
};
use domain::image::{ACCOUNTS, Image, REGIONS, Status, house, scope};
use domain::{AccountId, ImageId, RegionId, TaskId, rules};
use engine::{Past, Snapshot};
use event::{Actor, Event, Record, Refusal, Rows, View};

use crate::past::{EVERYBODY, Place, Reach, image_then};
use crate::request::ImageAt;
use crate::request_audit::Action;
use crate::view::time_text;
use crate::view_audit::{Judged, Verdict};
use crate::when::When;
use crate::{Service, Trouble, lookup};

/// Somebody who has nothing to do with any image: decimal as accounts are, and never made as one.
const ANYBODY: &str = "0";

/// What an account has to do with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tie {
    Owner,
    Shared,
    Everybody,
    None,
}

impl Tie {
    fn of(image: &Image, account: &AccountId, now_ms: i64) -> Self {
        if image.account == *account {
            Self::Owner
        } else if image.shares.get(account).is_some_and(|share| share.holds(now_ms)) {
            Self::Shared
        } else if image.public {
            Self::Everybody
        } else {
            Self::None
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Shared => "shared",
            Self::Everybody => EVERYBODY,
            Self::None => "none",
        }
    }
}

/// An image at a moment, and everything needed to judge it.
struct Case {
    past: Past,
    place: Place,
    image: Image,
    evidence: Evidence,
}

impl Service {
    pub(crate) fn who_could(
        &self,
        actor: &Actor,
        action: Action,
        at: &ImageAt,
        when: When,
    ) -> Result<Judged, Trouble> {
        let reach = Reach::of(actor);
        let case = self.case(actor, &reach, at, when)?;
        let Case { past, place, image, .. } = &case;
        let mut accounts: Vec<AccountId> =
            ACCOUNTS.list(past, &house(), &[]).into_iter().map(|account| account.id).collect();
        let all = accounts.len();
        let now_ms = place.time_ms;
        let tie = |account: &AccountId| Tie::of(image, account, now_ms);
        if reach == Reach::All {
            accounts.retain(|account| tie(account) != Tie::None);
        } else {
            // Who else there is in the house is nothing an account is told.
            accounts.retain(|account| matches!(tie(account), Tie::Owner | Tie::Shared));
            accounts.extend(image.public.then(|| AccountId::from(EVERYBODY)));
        }
        accounts.sort_by_key(|account| (tie(account) as u8, account.clone()));
        let verdicts: Vec<Verdict> = accounts.iter().map(|account| case.verdict(account, action)).collect();
        let others = if reach == Reach::All { all - verdicts.len() } else { 0 };
        Ok(case.judged(verdicts, others as u64))
    }

    pub(crate) fn could(
        &self,
        actor: &Actor,
        account: &AccountId,
        at: &ImageAt,
        when: When,
    ) -> Result<Judged, Trouble> {
        let reach = Reach::of(actor);
        let case = self.case(actor, &reach, at, when)?;
        let there = !account.as_str().contains('\0')
            && ACCOUNTS.get(&case.past, &house(), &[account.as_str()]).is_some();
        if reach == Reach::All && !there {
            let why = format!("there was no account `{}`", account.as_str().escape_debug());
            return Err(Refusal::new("InvalidAccount.NotFound", why)
                .advise("`kiln account list` shows those there are")
                .into());
        }
        let verdicts = Action::ALL.into_iter().map(|action| case.verdict(account, action));
        Ok(case.judged(verdicts.collect(), 0))
    }

    fn case(&self, actor: &Actor, reach: &Reach, at: &ImageAt, when: When) -> Result<Case, Trouble> {
        let snapshot = self.engine.snapshot()?;
        let place = self.place(&snapshot, when)?;
        let past = self.engine.at(place.seq)?;
        if let Some(region) = &at.region {
            lookup::regions(&past, Some(region))?;
        }
        let image = image_then(&past, actor, reach, at)?;
        let evidence = Evidence::of(&snapshot, &image, place)?;
        Ok(Case { past, place, image, evidence })
    }
}

impl Case {
    fn judged(&self, verdicts: Vec<Verdict>, other_accounts: u64) -> Judged {
        let image = &self.image;
        Judged {
            image_id: image.id.0.clone(),
            image_name: image.name.clone(),
            region_id: image.region.0.clone(),
            owner_id: image.account.0.clone(),
            status: image.status.word().to_owned(),
            event: self.place.seq.0,
            time: self.place.time_text(),
            events_folded: self.place.seq.0,
            verdicts,
            other_accounts,
        }
    }

    fn verdict(&self, account: &AccountId, action: Action) -> Verdict {
        let Self { image, place, evidence, .. } = self;
        let tie = Tie::of(image, account, place.time_ms);
        let refused = judge(&self.past, image, account, action, place.time_ms).err();
        let share = image.shares.get(account).filter(|_| tie == Tie::Shared);
        let until = share.and_then(|share| share.until_ms).map(time_text).unwrap_or_default();
        let shown = evidence.tie(tie, account, share.map(|share| share.since_ms));
        let since = shown.first().map(|shown| time_text(shown.time_ms)).unwrap_or_default();
        let mut events: Vec<u64> = shown.iter().map(|shown| shown.event).collect();
        let whose = format!("`{}`", image.account);
        let bond = match tie {
            Tie::Owner => format!("its owner since {since}"),
            Tie::Shared => {
                let by = shown.last().map(|shown| format!(" by `{}`", shown.by)).unwrap_or_default();
                let end = if until.is_empty() { String::new() } else { format!(", until {until}") };
                format!("shared with it since {since}{by}{end}")
            }
            Tie::Everybody => format!("everybody's since {since}"),
            Tie::None => format!("it is {whose}'s, and not shared with this account"),
        };
        let (code, why) = match &refused {
            None if action == Action::Launch && image.status == Status::Deprecated => {
                events.extend(evidence.status);
                (String::new(), format!("{bond}; it was Deprecated, so by its id and not by its family"))
            }
            None => (String::new(), bond),
            Some(refusal) if tie == Tie::None => (refusal.code.clone(), bond),
            Some(refusal) if tie != Tie::Owner && refusal.code == NOT_FOUND => (
                refusal.code.clone(),
                format!("{bond}; but only its owner, {whose}, may {} it", action.word()),
            ),
            Some(refusal) => {
                events.extend(evidence.state(&refusal.code));
                (refusal.code.clone(), format!("{bond}; but {}", refusal.message))
            }
        };
        events.sort_unstable();
        events.dedup();
        Verdict {
            account_id: account.0.clone(),
            action: action.word().to_owned(),
            allowed: refused.is_none(),
            tie: tie.word().to_owned(),
            since,
            until,
            code,
            why,
            events,
        }
    }
}

/// The code for an image that is not there, or not to be seen.
const NOT_FOUND: &str = "InvalidImageId.NotFound";

/// Asks the rule of an action, in the account's own scope, where a decide would ask it.
fn judge(
    rows: &dyn Rows,
    image: &Image,
    account: &AccountId,
    action: Action,
    now_ms: i64,
) -> Result<(), Refusal> {
    let own = scope(account, &image.region);
    let view = View::new(rows, &own, now_ms);
    let id = &image.id;
    match action {
        Action::Launch => {
            if !image.is_visible_to(account, now_ms) {
                return Err(rules::not_found(id));
            }
            if image.status.is_being_made() {
                let why = format!("the image `{id}` is {}", image.status.word());
                return Err(Refusal::new("IncorrectImageStatus", why));
            }
            Ok(())
        }
        Action::Share => rules::change_shares(&view, id, &[AccountId::from(ANYBODY)], None, &[]).map(drop),
        Action::Copy => {
            let owners = scope(&image.account, &image.region);
            let region =
                if image.account == *account { elsewhere(rows, image) } else { image.region.clone() };
            let to = scope(account, &region);
            let target = ImageId::from("");
            rules::begin_copy(&View::new(rows, &owners, now_ms), id, account, &target, &to).map(drop)
        }
        Action::Export => rules::begin_export(&view, id, &TaskId::from(""), &[]).map(drop),
        Action::Modify => rules::modify(&view, id, &Attributes::default()).map(drop),
        Action::Delete => rules::delete(&view, id, rules::Deletion::default()).map(drop),
    }
}

/// A region that an owner may copy to: one that no copy is on its way to, if there is any.
fn elsewhere(rows: &dyn Rows, image: &Image) -> RegionId {
    let busy = |region: &RegionId| image.copies.values().any(|to| *to == scope(&image.account, region));
    let regions = REGIONS.list(rows, &house(), &[]).into_iter().filter(|region| region.ready);
    let mut others: Vec<RegionId> =
        regions.map(|region| region.id).filter(|region| *region != image.region).collect();
    others.sort_by_key(busy);
    others.into_iter().next().unwrap_or_else(|| image.region.clone())
}

/// An event that shows something.
#[derive(Clone, Debug)]
struct Shown {
    event: u64,
    time_ms: i64,
    by: String,
}

impl Shown {
    fn of(record: &Record) -> Self {
        Self { event: record.seq.0, time_ms: record.time_ms, by: record.actor.account.clone() }
    }
}

/// The last events of an image that made it what it was.
#[derive(Debug, Default)]
struct Evidence {
    reserved: Option<Shown>,
    /// Of where it stood.
    status: Option<u64>,
    shares: BTreeMap<AccountId, Vec<Shown>>,
    published: Option<Shown>,
    exporting: Option<u64>,
    copying: Option<u64>,
}

impl Evidence {
    fn of(snapshot: &Snapshot, image: &Image, place: Place) -> Result<Self, Trouble> {
        let mut evidence = Self::default();
        for record in snapshot.history(image.id.as_str())?.iter().take_while(|record| record.seq <= place.seq)
        {
            evidence.note(record, &image.id);
        }
        Ok(evidence)
    }

    fn note(&mut self, record: &Record, id: &ImageId) {
        let event = Some(record.seq.0);
        match record.kind.as_str() {
            ImageReserved::KIND => (self.reserved, self.status) = (Some(Shown::of(record)), event),
            ImageSealed::KIND | ImageDeprecated::KIND | ImageRestored::KIND => self.status = event,
            ImageModified::KIND => {
                let modified = record.get::<ImageModified>();
                if modified.is_ok_and(|modified| modified.to.deprecated.is_some()) {
                    self.status = event;
                }
            }
            ImagePublished::KIND => self.published = Some(Shown::of(record)),
            ExportBegun::KIND => self.exporting = event,
            CopyBegun::KIND if record.get::<CopyBegun>().is_ok_and(|begun| begun.image == *id) => {
                self.copying = event;
            }
            SharesChanged::KIND => {
                let added = record.get::<SharesChanged>().map(|changed| changed.added).unwrap_or_default();
                for account in added {
                    self.shares.entry(account).or_default().push(Shown::of(record));
                }
            }
            _ => {}
        }
    }

    /// What shows a tie, oldest first.
    fn tie(&self, tie: Tie, account: &AccountId, since_ms: Option<i64>) -> Vec<Shown> {
        match tie {
            Tie::Owner => self.reserved.iter().cloned().collect(),
            Tie::Everybody => self.published.iter().cloned().collect(),
            Tie::Shared => {
                let shares = self.shares.get(account).map(Vec::as_slice).unwrap_or_default();
                // Shares that had ended before this one began show nothing of it.
                let of_this = |shown: &&Shown| since_ms.is_none_or(|since_ms| shown.time_ms >= since_ms);
                shares.iter().filter(of_this).cloned().collect()
            }
            Tie::None => Vec::new(),
        }
    }

    /// What shows the state that a refusal names.
    fn state(&self, code: &str) -> Option<u64> {
        match code {
            "ImageIsExporting" => self.exporting,
            "OperationDenied.ImageCopying" | "OperationDenied.ImageCopyConflict" => {
                self.copying.or(self.status)
            }
            "Image.Public"
            | "ImageIsPublic"
            | "InvalidImageCategory.NotSupported"
            | "OperationDenied.CommunityImage" => self.published.as_ref().map(|shown| shown.event),
            "ImageUseShared" => self.shares.values().flatten().map(|shown| shown.event).max(),
            code if code.contains("Status") || code == "ImageIsImporting" => self.status,
            _ => None,
        }
    }
}
