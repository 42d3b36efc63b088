//! Which images there are, for an account that asks: its own, those others share with it, and
//! those that are everybody's.
//!
//! What it costs depends on the account's own images and on those it is shown, and not on how many
//! the house has: rows come from one scope at a time. What an account may not see of another's
//! image (`ImageView::for_others`) cannot be found out by a filter either.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::image::{
    FAMILIES, IMAGES, Image, PUBLIC, SHARED, SharedImage, Status, is_family_head, parts_of, public_scope,
    scope,
};
use domain::machine::{Architecture, OsType};
use domain::name::TAGS_MAX;
use domain::{AccountId, LISTED, Listed, RegionId};
use engine::Snapshot;
use event::{Actor, Refusal};

use crate::lookup::{self, account};
use crate::page::page_of;
use crate::request_image::ImageQuery;
use crate::view_image::{ImageView, Images};
use crate::{Service, Trouble, groups};

/// Ids asked for at once, as the API documents.
const IDS_MAX: usize = 100;
/// What an image check calls what it says of cloud-init.
const CLOUD_INIT: &str = "GUESTOS.CloudInit";
/// States the API knows, those included that nothing here is ever in.
const STATUSES: [&str; 6] = ["Creating", "Waiting", "Available", "UnAvailable", "CreateFailed", "Deprecated"];

impl Service {
    pub(crate) fn images(&self, actor: &Actor, query: &ImageQuery) -> Result<Images, Trouble> {
        let wanted = Wanted::of(query)?;
        let rows = self.engine.snapshot()?;
        let now_ms = self.clock.now_ms();
        if wanted.is_all_that_is_shared() {
            return shared_images(&rows, actor, query, now_ms);
        }
        let mut found = Vec::new();
        for region in lookup::regions(&rows, query.region.as_ref())? {
            let mut images = Vec::new();
            if wanted.own {
                images.extend(self.own(&rows, actor, &region, query));
            }
            images.extend(others(&rows, actor, &region, &wanted, now_ms));
            images.retain(|found| wanted.fits(&rows, found));
            if !query.newest_first {
                images.sort_by(|a, b| (a.family(), b.listed.born).cmp(&(b.family(), a.listed.born)));
            }
            found.extend(images);
        }
        if query.newest_first {
            found.sort_by_key(|found| std::cmp::Reverse(found.listed.born));
        }
        let page = page_of(found, query.page);
        // Of those alone that are shown.
        let view = |found: Found| {
            let image = found.image(&rows)?;
            let is_head = is_family_head(&rows, &image);
            Some(if found.own {
                let (account, region) = &*found.at;
                let group_id = groups::put_in(&rows, account, region, &image.id.0);
                ImageView { group_id, ..self.own_view(&image, is_head, now_ms) }
            } else {
                ImageView::for_others(&image, is_head, now_ms)
            })
        };
        Ok(Images {
            images: page.items.into_iter().filter_map(view).collect(),
            total_count: page.total,
            page_number: page.number,
            page_size: page.size,
        })
    }
}

/// All that others share with the account. Its rows tell the order and how many there are, so that only the
/// images of the page are looked at.
fn shared_images(rows: &Snapshot, actor: &Actor, query: &ImageQuery, now_ms: i64) -> Result<Images, Trouble> {
    let account = account(actor);
    let mut found = Vec::new();
    for region in lookup::regions(rows, query.region.as_ref())? {
        let shared = SHARED.list(rows, &scope(&account, &region), &[]).into_iter();
        let held = shared.filter(|shared| shared.until_ms.is_none_or(|until_ms| now_ms < until_ms));
        let named = |shared: SharedImage| {
            let owner = parts_of(&shared.scope).map(|(owner, _)| owner).unwrap_or_default();
            let family = shared.family.as_deref();
            let family = family.map(|family| ImageView::family_of_others(&owner, family));
            (family.unwrap_or_default(), shared)
        };
        let mut held: Vec<_> = held.map(named).collect();
        held.sort_by(|(a_family, a), (b_family, b)| (a_family, b.born).cmp(&(b_family, a.born)));
        found.extend(held);
    }
    if query.newest_first {
        found.sort_by_key(|(_, shared)| std::cmp::Reverse(shared.born));
    }
    let page = page_of(found, query.page);
    let view = |(_, shared): (String, SharedImage)| {
        let image = IMAGES.get(rows, &shared.scope, &[shared.image.as_str()])?;
        let is_head = is_family_head(rows, &image);
        Some(ImageView::for_others(&image, is_head, now_ms))
    };
    Ok(Images {
        images: page.items.into_iter().filter_map(view).collect(),
        total_count: page.total,
        page_number: page.number,
        page_size: page.size,
    })
}

/// An image, and how the account that asks sees it. An account may have many, so that this is small.
struct Found {
    listed: Arc<Listed>,
    /// Whose it is, and where.
    at: Arc<(AccountId, RegionId)>,
    own: bool,
    /// Its family as that account sees it, if it is another's.
    family: String,
}

impl Found {
    fn others(image: &Image) -> Self {
        let family = image.family.as_deref();
        let family = family.map(|family| ImageView::family_of_others(&image.account, family));
        let at = Arc::new((image.account.clone(), image.region.clone()));
        Self { listed: Arc::new(image.into()), at, own: false, family: family.unwrap_or_default() }
    }

    /// Its family as the account that asks sees it; empty for none.
    fn family(&self) -> &str {
        if self.own { self.listed.family.as_deref().unwrap_or_default() } else { &self.family }
    }

    /// All of it.
    fn image(&self, rows: &Snapshot) -> Option<Image> {
        let (account, region) = &*self.at;
        IMAGES.get(rows, &scope(account, region), &[self.listed.id.as_str()])
    }
}

impl Service {
    /// The account's own images: those of a family or of some ids, where only they are asked for.
    fn own(&self, rows: &Snapshot, actor: &Actor, region: &RegionId, query: &ImageQuery) -> Vec<Found> {
        let account = account(actor);
        let scope = scope(&account, region);
        let at = Arc::new((account, region.clone()));
        let found = |listed| Found { listed, at: at.clone(), own: true, family: String::new() };
        let plain = |text: &&String| !text.contains('\0');
        let by_id = |id: &str| LISTED.get(rows, &scope, &[id]).map(|listed| found(Arc::new(listed)));
        if !query.ids.is_empty() {
            let ids: BTreeSet<&String> = query.ids.iter().filter(plain).collect();
            ids.into_iter().filter_map(|id| by_id(id)).collect()
        } else if let Some(family) = query.family.as_ref().filter(plain) {
            let ids = FAMILIES.list(rows, &scope, &[family]);
            ids.iter().filter_map(|id| by_id(id.as_str())).collect()
        } else {
            self.own_lists.of(rows, &scope).iter().cloned().map(found).collect()
        }
    }
}

/// The images of others that the account may use and asks for.
fn others(rows: &Snapshot, actor: &Actor, region: &RegionId, wanted: &Wanted<'_>, now_ms: i64) -> Vec<Found> {
    let account = account(actor);
    let ids = &wanted.query.ids;
    let mut at: Vec<SharedImage> = Vec::new();
    if wanted.shared {
        let shown = scope(&account, region);
        if ids.is_empty() {
            at.extend(SHARED.list(rows, &shown, &[]));
        } else {
            // An account may be shown thousands: where some are named, only they are looked at.
            let plain = ids.iter().filter(|id| !id.contains('\0'));
            at.extend(plain.filter_map(|id| SHARED.get(rows, &shown, &[id])));
        }
    }
    if wanted.public {
        at.extend(PUBLIC.list(rows, &public_scope(region), &[]));
        at.retain(|shared| ids.is_empty() || ids.contains(&shared.image.0));
    }
    let mut seen = BTreeSet::new();
    at.retain(|shared| seen.insert(shared.image.clone()));
    let images = at.iter().filter_map(|shared| IMAGES.get(rows, &shared.scope, &[shared.image.as_str()]));
    let visible = images.filter(|image| {
        image.account != account && !image.status.is_being_made() && image.is_visible_to(&account, now_ms)
    });
    visible.map(|image| Found::others(&image)).collect()
}

/// A query whose words are known.
struct Wanted<'a> {
    query: &'a ImageQuery,
    own: bool,
    shared: bool,
    public: bool,
    statuses: Option<Vec<&'static str>>,
}

impl<'a> Wanted<'a> {
    /// Reads the words of a query, and refuses those that mean nothing with the codes of the API.
    fn of(query: &'a ImageQuery) -> Result<Self, Refusal> {
        let owner = query.owner.as_deref().filter(|owner| !owner.is_empty());
        let (own, shared) = match owner {
            None => (true, true),
            Some("self") => (true, false),
            Some("others") => (false, true),
            Some("system" | "marketplace") => (false, false),
            Some(other) => {
                let why = format!("`{}` says not whose images are meant", other.escape_debug());
                return Err(Refusal::new("InvalidImageOwnerAlias.ValueNotSupported", why)
                    .advise("choose one of self, others, system, marketplace"));
            }
        };
        if query.public && owner != Some("others") {
            let why = "what is everybody's is looked for among the images of others only";
            return Err(Refusal::new("InvalidImageOwnerAlias.PublicImageUnsupported", why)
                .advise("ask for those of `others`"));
        }
        if query.owner_id.is_some() && owner != Some("others") {
            let why = "an account is named only where images of others are looked for";
            return Err(Refusal::new("InvalidOperation.ImageOwnerIdUnsupported", why)
                .advise("ask for those of `others`"));
        }
        if query.ids.len() > IDS_MAX {
            let why = format!("{} ids; at most {IDS_MAX} are looked for at once", query.ids.len());
            return Err(Refusal::new("InvalidParamter", why).advise("ask in several requests"));
        }
        check_words(query)?;
        query.page.map_or(Ok(()), crate::request_image::Page::check)?;
        let statuses = query.status.as_deref().map(statuses).transpose()?.flatten();
        // Somebody's images are those that are shared and those that are everybody's.
        let public = query.public || query.owner_id.is_some();
        Ok(Self { query, own, shared: shared && !query.public, public, statuses })
    }

    /// Whether nothing but what others share is asked for, and all of it: a shared image is Available
    /// for as long as its share is in force.
    fn is_all_that_is_shared(&self) -> bool {
        let available = Status::Available.word();
        let any = ImageQuery {
            region: self.query.region.clone(),
            status: self.query.status.clone(),
            owner: self.query.owner.clone(),
            page: self.query.page,
            newest_first: self.query.newest_first,
            ..ImageQuery::default()
        };
        let statuses = self.statuses.as_ref();
        self.shared
            && !self.own
            && !self.public
            && *self.query == any
            && statuses.is_none_or(|statuses| statuses.contains(&available))
    }

    fn fits(&self, rows: &Snapshot, found: &Found) -> bool {
        let (query, image) = (self.query, &found.listed);
        let is = |said: &Option<String>, word: &str| said.as_deref().is_none_or(|said| said == word);
        let is_word = |said: &Option<String>, word: &str| {
            said.as_deref().is_none_or(|said| said.eq_ignore_ascii_case(word))
        };
        // No instance uses anything before there are instances.
        query.usage.as_deref().is_none_or(|usage| usage == "none")
            && self.statuses.as_ref().is_none_or(|statuses| statuses.contains(&image.status.word()))
            && (query.ids.is_empty() || query.ids.contains(&image.id.0))
            && query.name.as_deref().is_none_or(|name| is_called(&image.name, name))
            && is(&query.family, found.family())
            && is(&query.owner_id, found.at.0.as_str())
            && is_word(&query.architecture, image.architecture.word())
            && is_word(&query.os_type, image.os_type.word())
            && query.usable.is_none_or(|usable| usable != image.status.is_being_made())
            && query.cloud_init.is_none_or(|wanted| {
                // What a check found is its owner's to know.
                let image = found.image(rows).filter(|_| found.own);
                image.is_some_and(|image| has_cloud_init(&image)) == wanted
            })
            && query.from_ms.is_none_or(|from_ms| image.created_ms >= from_ms)
            && query.until_ms.is_none_or(|until_ms| image.created_ms <= until_ms)
            && query.tags.iter().all(|(key, value)| {
                let has = image.tags.get(key).filter(|_| found.own);
                has.is_some_and(|has| value.as_ref().is_none_or(|value| value == has))
            })
            && query.group.as_ref().is_none_or(|group| {
                found.own && groups::group_of(rows, &found.at.0, &found.at.1, &image.id.0).as_str() == group
            })
            && query.snapshot.as_ref().is_none_or(|snapshot| {
                let disks = found.image(rows).filter(|_| found.own).map(|image| image.disks);
                disks.is_some_and(|disks| disks.iter().any(|disk| disk.snapshot.0 == *snapshot))
            })
    }
}

fn has_cloud_init(image: &Image) -> bool {
    let items = image.detection.iter().flat_map(|detection| &detection.items);
    items.filter(|item| item.name == CLOUD_INIT).any(|item| item.risk_code.is_empty())
}

fn check_words(query: &ImageQuery) -> Result<(), Refusal> {
    let known = |words: &[&str], word: &str| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    let no = |code: &str, word: &str, words: &[&str]| {
        let why = format!("no image is of `{}`", word.escape_debug());
        Err(Refusal::new(code, why).advise(format!("choose one of {}", words.join(", "))))
    };
    for (said, words, code) in [
        (&query.architecture, Architecture::WORDS, "InvalidArchitecture"),
        (&query.os_type, OsType::WORDS, "InvalidOSType"),
        (&query.usage, &["instance", "none"], "InvalidUsage"),
    ] {
        if let Some(said) = said.as_deref().filter(|said| !known(words, said)) {
            return no(code, said, words);
        }
    }
    if query.tags.len() > TAGS_MAX {
        let why = format!("{} tags; an image has at most {TAGS_MAX}", query.tags.len());
        return Err(Refusal::new("InvalidTagCount", why).advise("ask for fewer tags"));
    }
    if query.tags.iter().any(|(key, _)| key.is_empty()) {
        let why = "a value was given for a tag without a key";
        return Err(Refusal::new("InvalidTag.Mismatch", why).advise("name the tag's key as well"));
    }
    Ok(())
}

/// The states a comma list names; none for all.
fn statuses(list: &str) -> Result<Option<Vec<&'static str>>, Refusal> {
    let no = |why: String| {
        let advice = format!("give some of {}, or `all` alone", STATUSES.join(","));
        Err(Refusal::new("InvalidParamter", why).advise(advice))
    };
    let words: Vec<&str> = list.split(',').map(str::trim).collect();
    if words.len() == 1 && words[0].eq_ignore_ascii_case("all") {
        return Ok(None);
    }
    let mut statuses = Vec::with_capacity(words.len());
    for word in words {
        match STATUSES.iter().find(|known| known.eq_ignore_ascii_case(word)) {
            Some(known) => statuses.push(*known),
            None => return no(format!("no image is ever `{}`", word.escape_debug())),
        }
    }
    Ok(Some(statuses))
}

/// Whether a name fits a pattern: `*` stands for anything, and a pattern without one may stand
/// anywhere in the name.
fn is_called(name: &str, pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split('*').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return name.contains(pattern) };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    for part in middle {
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_a_plain_text_may_be_anywhere() {
        for (pattern, fits) in [
            ("web", true),
            ("b-1", true),
            ("web-1*", true),
            ("web-*-x86", true),
            ("*x86", true),
            ("*", true),
            ("**", true),
            ("", true),
            ("w*1*x*6", true),
            ("web-1", true),
            ("web*web", false),
            ("x86*", false),
            ("*web-2*", false),
            ("web-12-x86*x86", false),
        ] {
            assert_eq!(is_called("web-12-x86", pattern), fits, "{pattern}");
        }
    }

    #[test]
    fn states_are_words_of_the_api_in_any_case_and_all_stands_alone() {
        assert_eq!(statuses("all"), Ok(None));
        assert_eq!(statuses("available, DEPRECATED"), Ok(Some(vec!["Available", "Deprecated"])));
        for wrong in ["", "all,Available", "Gone", "Available,"] {
            assert_eq!(statuses(wrong).unwrap_err().code, "InvalidParamter", "{wrong}");
        }
    }
}
