//! Which images there are, for an account that asks: its own, those others share with it, and
//! those that are everybody's.
//!
//! What it costs depends on the account's own images and on those it is shown, and not on how many
//! the house has: rows come from one scope at a time. What an account may not see of another's
//! image (`ImageView::for_others`) cannot be found out by a filter either.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::image::{
    FAMILIES, IMAGES, Image, PUBLIC, SHARED, SharedImage, Status, is_family_head, parts_of, public_scope,
    scope,
};
use domain::machine::{Architecture, OsType};
use domain::name::TAGS_MAX;
use domain::{AccountId, LISTED, Listed, RegionId};
use engine::Snapshot;
use event::{Actor, Refusal, Seq};

use crate::listing::{Entry, Listing};
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
        let regions = self.regions_asked(&rows, query.region.as_ref())?;
        let here = |region| {
            if query.ids.is_empty() {
                Here::of(self, &rows, actor, region, &wanted, now_ms)
            } else {
                Here::named(&rows, actor, region, &wanted, now_ms)
            }
        };
        let all: Vec<Here> = regions.into_iter().map(here).collect();
        let mut found = Vec::new();
        for here in &all {
            let mut images = here.found(&rows, &wanted);
            if !query.newest_first {
                images.sort_by(|a, b| (a.family, b.born).cmp(&(b.family, a.born)));
            }
            found.extend(images);
        }
        if query.newest_first {
            found.sort_by_key(|found| Reverse(found.born));
        }
        let page = page_of(found, query.page);
        // Of those alone that are shown.
        let view = |found: Found<'_>| {
            let image = match found.image {
                Some(image) => Cow::Borrowed(image),
                None => Cow::Owned(IMAGES.get(&rows, &scope(found.account, found.region), &[found.id])?),
            };
            let is_head = !query.without_heads && is_family_head(&rows, &image);
            Some(if found.own {
                let group_id = self.put_in(&rows, found.account, found.region, &image.id.0);
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
        let is_head = !query.without_heads && is_family_head(rows, &image);
        Some(ImageView::for_others(&image, is_head, now_ms))
    };
    Ok(Images {
        images: page.items.into_iter().filter_map(view).collect(),
        total_count: page.total,
        page_number: page.number,
        page_size: page.size,
    })
}

/// An image that was looked for. An account may have many, so that this is small.
struct Found<'a> {
    id: &'a str,
    born: Seq,
    /// Its family as the account that asks sees it; empty for none.
    family: &'a str,
    /// Whose it is, and where.
    account: &'a AccountId,
    region: &'a RegionId,
    own: bool,
    /// All of it, if that was read already.
    image: Option<&'a Image>,
}

/// The images of a region that may be looked for.
struct Here {
    region: RegionId,
    own: Arc<Listing>,
    others: Listing,
    /// Those that were asked for by their ids, read whole; there are no others then.
    named: Vec<Named>,
}

/// An image that was asked for by its id.
struct Named {
    image: Image,
    /// What its family is called, if it is another account's.
    family_of_others: Option<String>,
    own: bool,
}

impl Named {
    fn entry(&self) -> Entry<'_> {
        let family = self.family_of_others.as_deref().or(self.image.family.as_deref());
        Entry::of(&self.image, family.unwrap_or_default())
    }
}

impl Here {
    fn of(
        service: &Service,
        rows: &Snapshot,
        actor: &Actor,
        region: RegionId,
        wanted: &Wanted<'_>,
        now_ms: i64,
    ) -> Self {
        let own = if wanted.own { own(service, rows, actor, &region, wanted.query) } else { Arc::default() };
        let others = others(service, rows, actor, &region, wanted, now_ms);
        Self { region, own, others, named: Vec::new() }
    }

    /// Those of the ids that are asked for: the account's own, and those of others that it may use.
    fn named(rows: &Snapshot, actor: &Actor, region: RegionId, wanted: &Wanted<'_>, now_ms: i64) -> Self {
        let account = account(actor);
        let here = scope(&account, &region);
        let ids: BTreeSet<&str> =
            wanted.query.ids.iter().map(String::as_str).filter(|id| !id.contains('\0')).collect();
        let public = if wanted.public { PUBLIC.list(rows, &public_scope(&region), &[]) } else { Vec::new() };
        let mut named = Vec::with_capacity(ids.len());
        for id in ids {
            let own = if wanted.own { IMAGES.get(rows, &here, &[id]) } else { None };
            let is_own = own.is_some();
            let image = own.or_else(|| {
                let shared = if wanted.shared { SHARED.get(rows, &here, &[id]) } else { None };
                let shown = shared.or_else(|| public.iter().find(|shown| shown.image.0 == id).cloned())?;
                of_another(rows, &account, &shown, now_ms)
            });
            let Some(image) = image else { continue };
            let family = image.family.as_deref().filter(|_| !is_own);
            let family_of_others = family.map(|family| ImageView::family_of_others(&image.account, family));
            named.push(Named { image, family_of_others, own: is_own });
        }
        Self { region, own: Arc::default(), others: Listing::default(), named }
    }

    /// Those that are looked for.
    fn found<'a>(&'a self, rows: &Snapshot, wanted: &Wanted<'_>) -> Vec<Found<'a>> {
        let mut found = Vec::new();
        let mut look = |looked: Looked<'a>| {
            if wanted.fits(rows, &looked) {
                let Looked { entry, region, own, image, .. } = looked;
                let (id, born, family, account) = (entry.id, entry.born, entry.family, entry.owner);
                found.push(Found { id, born, family, account, region, own, image });
            }
        };
        let region = &self.region;
        for (own, listing) in [(true, &*self.own), (false, &self.others)] {
            let tagged = listing.tagged(&wanted.query.tags);
            for entry in listing.entries() {
                look(Looked { entry, has_tags: tagged.has(&entry), region, own, image: None });
            }
        }
        for named in &self.named {
            let has = |(key, value): &(String, Option<String>)| {
                let tag = named.image.tags.get(key);
                tag.is_some_and(|tag| value.as_ref().is_none_or(|value| value == tag))
            };
            let has_tags = wanted.query.tags.iter().all(has);
            look(Looked {
                entry: named.entry(),
                has_tags,
                region,
                own: named.own,
                image: Some(&named.image),
            });
        }
        found
    }
}

/// An image that is looked at.
struct Looked<'a> {
    entry: Entry<'a>,
    /// Whether it has the tags that are looked for.
    has_tags: bool,
    region: &'a RegionId,
    own: bool,
    /// All of it, if that was read already.
    image: Option<&'a Image>,
}

impl Looked<'_> {
    /// All of it.
    fn image(&self, rows: &Snapshot) -> Option<Cow<'_, Image>> {
        let read = || IMAGES.get(rows, &scope(self.entry.owner, self.region), &[self.entry.id]);
        self.image.map(Cow::Borrowed).or_else(|| read().map(Cow::Owned))
    }
}

/// The account's own images: those of a family, where only they are asked for.
fn own(
    service: &Service,
    rows: &Snapshot,
    actor: &Actor,
    region: &RegionId,
    query: &ImageQuery,
) -> Arc<Listing> {
    let account = account(actor);
    let scope = scope(&account, region);
    let plain = |text: &&String| !text.contains('\0');
    let with_owner = |image: Listed| (account.clone(), image);
    if let Some(family) = query.family.as_ref().filter(plain) {
        let ids = FAMILIES.list(rows, &scope, &[family]);
        let images = ids.iter().filter_map(|id| LISTED.get(rows, &scope, &[id.as_str()]));
        Arc::new(Listing::of(images.map(with_owner)))
    } else {
        service.kept_lists.own(rows, &account, region)
    }
}

/// The images of others that the account may use and asks for.
fn others(
    service: &Service,
    rows: &Snapshot,
    actor: &Actor,
    region: &RegionId,
    wanted: &Wanted<'_>,
    now_ms: i64,
) -> Listing {
    let account = account(actor);
    let shown = scope(&account, region);
    if wanted.shared && !wanted.public && wanted.is_plain() {
        // The rows of shares tell what a list without filters is put in order by: no image need be read.
        let all = service.kept_lists.shown(rows, &shown);
        let held = all.iter().filter(|shared| shared.until_ms.is_none_or(|until_ms| now_ms < until_ms));
        return Listing::of(held.filter_map(shared_listed));
    }
    let mut at: Vec<SharedImage> = Vec::new();
    if wanted.shared {
        at.extend(service.kept_lists.shown(rows, &shown).iter().cloned());
    }
    if wanted.public {
        at.extend(PUBLIC.list(rows, &public_scope(region), &[]));
    }
    let mut seen = BTreeSet::new();
    at.retain(|shared| seen.insert(shared.image.clone()));
    let visible = at.iter().filter_map(|shared| of_another(rows, &account, shared, now_ms));
    let listed = |image: Image| {
        let mut listed = Listed::from(&image);
        let family = listed.family.as_deref();
        listed.family = family.map(|family| ImageView::family_of_others(&image.account, family));
        (image.account, listed)
    };
    Listing::of(visible.map(listed))
}

/// An image of another account, if the one that asks may see it.
fn of_another(rows: &Snapshot, account: &AccountId, shared: &SharedImage, now_ms: i64) -> Option<Image> {
    let image = IMAGES.get(rows, &shared.scope, &[shared.image.as_str()])?;
    let is_shown =
        image.account != *account && !image.status.is_being_made() && image.is_visible_to(account, now_ms);
    is_shown.then_some(image)
}

/// A shared image as far as its row of shares tells, and its owner. It is Available for as long as it is shared; of
/// what lists without filters do not look at, it says something.
fn shared_listed(shared: &SharedImage) -> Option<(AccountId, Listed)> {
    let (owner, _) = parts_of(&shared.scope)?;
    let family = shared.family.as_deref().map(|family| ImageView::family_of_others(&owner, family));
    let listed = Listed {
        id: shared.image.clone(),
        name: String::new(),
        family,
        tags: BTreeMap::new(),
        status: Status::Available,
        born: shared.born,
        created_ms: 0,
        architecture: Architecture::X8664,
        os_type: OsType::Linux,
    };
    Some((owner, listed))
}

/// A query whose words are known.
struct Wanted<'a> {
    query: &'a ImageQuery,
    own: bool,
    shared: bool,
    public: bool,
    statuses: Option<Vec<&'static str>>,
    name: Option<Pattern<'a>>,
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
        let name = query.name.as_deref().map(Pattern::of);
        Ok(Self { query, own, shared: shared && !query.public, public, statuses, name })
    }

    /// Whether nothing but what others share is asked for, and all of it: a shared image is Available
    /// for as long as its share is in force.
    fn is_all_that_is_shared(&self) -> bool {
        let available = Status::Available.word();
        let statuses = self.statuses.as_ref();
        self.shared
            && !self.own
            && !self.public
            && self.is_plain()
            && statuses.is_none_or(|statuses| statuses.contains(&available))
    }

    /// Whether images are asked for by whose they are and their state alone.
    fn is_plain(&self) -> bool {
        let any = ImageQuery {
            region: self.query.region.clone(),
            status: self.query.status.clone(),
            owner: self.query.owner.clone(),
            page: self.query.page,
            newest_first: self.query.newest_first,
            without_heads: self.query.without_heads,
            ..ImageQuery::default()
        };
        *self.query == any
    }

    fn fits(&self, rows: &Snapshot, found: &Looked<'_>) -> bool {
        let (query, image) = (self.query, &found.entry);
        let is = |said: &Option<String>, word: &str| said.as_deref().is_none_or(|said| said == word);
        let is_word = |said: &Option<String>, word: &str| {
            said.as_deref().is_none_or(|said| said.eq_ignore_ascii_case(word))
        };
        // No instance uses anything before there are instances.
        query.usage.as_deref().is_none_or(|usage| usage == "none")
            && self.statuses.as_ref().is_none_or(|statuses| statuses.contains(&image.status.word()))
            && (query.ids.is_empty() || query.ids.iter().any(|id| id == image.id))
            && self.name.as_ref().is_none_or(|name| name.fits(image.name))
            && is(&query.family, image.family)
            && is(&query.owner_id, image.owner.as_str())
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
            && (query.tags.is_empty() || found.own && found.has_tags)
            && query.group.as_ref().is_none_or(|group| {
                found.own && groups::group_of(rows, image.owner, found.region, image.id).as_str() == group
            })
            && query.snapshot.as_ref().is_none_or(|snapshot| {
                let disks = found.image(rows).filter(|_| found.own).map(|image| image.into_owned().disks);
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

/// What names are looked for: `*` stands for anything, and a text without one may stand anywhere in the name.
struct Pattern<'a> {
    /// The texts between its `*`: a single one if it has none.
    parts: Vec<&'a str>,
}

impl<'a> Pattern<'a> {
    fn of(pattern: &'a str) -> Self {
        Self { parts: pattern.split('*').collect() }
    }

    fn fits(&self, name: &str) -> bool {
        let (first, middle, last) = match self.parts.as_slice() {
            [first, middle @ .., last] => (first, middle, last),
            alone => return alone.iter().all(|text| name.contains(text)),
        };
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        for part in middle {
            match rest.find(part) {
                Some(place) => rest = &rest[place + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
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
            assert_eq!(Pattern::of(pattern).fits("web-12-x86"), fits, "{pattern}");
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
