//! Images as lists look at them, close together in memory.
//!
//! A list looks at every image of an account to show ten. What it looks at lies in a few stretches of memory, one
//! image behind the other: a thousand that nobody has looked at for an hour cost little more than a thousand that
//! were looked at a moment ago. With texts and tags each by itself in memory they cost twice as much.

use std::collections::HashMap;
use std::hash::Hash;

use domain::image::{Image, Status};
use domain::machine::{Architecture, OsType};
use domain::{AccountId, Listed};
use event::Seq;

/// Images, in the order they were put in.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    rows: Vec<Row>,
    /// Of each image its id and its name.
    texts: Texts,
    owners: Vec<AccountId>,
    /// Each once, however many images are in them.
    families: Texts,
    /// Tags with their values, each once.
    tags: Texts,
    /// Which of the tags images have together, each once.
    tag_sets: Vec<Box<[u32]>>,
    /// The images by their names.
    by_name: Vec<u32>,
}

/// What is looked at of an image, but for its texts. The numbers are places in the listing.
#[derive(Clone, Copy, Debug)]
struct Row {
    born: Seq,
    created_ms: i64,
    owner: u32,
    family: u32,
    tag_set: u32,
    status: Status,
    architecture: Architecture,
    os_type: OsType,
}

/// An image of a listing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    /// As the account that asks sees it; empty for none.
    pub(crate) family: &'a str,
    pub(crate) owner: &'a AccountId,
    pub(crate) born: Seq,
    pub(crate) created_ms: i64,
    pub(crate) status: Status,
    pub(crate) architecture: Architecture,
    pub(crate) os_type: OsType,
    tag_set: u32,
}

impl<'a> Entry<'a> {
    /// An image that is in no listing, with its family as the account that asks sees it.
    pub(crate) fn of(image: &'a Image, family: &'a str) -> Self {
        Self {
            id: image.id.as_str(),
            name: &image.name,
            family,
            owner: &image.account,
            born: image.born,
            created_ms: image.created_ms,
            status: image.status,
            architecture: image.machine.architecture,
            os_type: image.machine.os_type,
            tag_set: 0,
        }
    }
}

impl Listing {
    /// Of these images, each with its owner.
    pub(crate) fn of(images: impl IntoIterator<Item = (AccountId, Listed)>) -> Self {
        let (mut families, mut owners) = (Once::default(), Once::default());
        let (mut tags, mut tag_sets) = (Once::default(), Once::default());
        let mut rows = Vec::new();
        let mut texts = Texts::default();
        for (owner, image) in images {
            let tag_set: Box<[u32]> = image.tags.into_iter().map(|tag| tags.place(tag)).collect();
            rows.push(Row {
                born: image.born,
                created_ms: image.created_ms,
                owner: owners.place(owner),
                family: families.place(image.family.unwrap_or_default()),
                tag_set: tag_sets.place(tag_set),
                status: image.status,
                architecture: image.architecture,
                os_type: image.os_type,
            });
            texts.push(&image.id.0);
            texts.push(&image.name);
        }
        rows.shrink_to_fit();
        let mut by_name: Vec<u32> = (0..place(rows.len())).collect();
        by_name.sort_unstable_by_key(|image| texts.get(name_at(*image as usize)));
        Self {
            rows,
            by_name,
            texts: texts.sealed(),
            owners: owners.sorted(),
            families: Texts::of(families.sorted().iter()),
            tags: Texts::of(tags.sorted().iter().flat_map(|(key, value)| [key, value])),
            tag_sets: tag_sets.sorted(),
        }
    }

    /// How many images it has.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Its images.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).map(|image| self.entry(image))
    }

    fn entry(&self, image: usize) -> Entry<'_> {
        let row = &self.rows[image];
        Entry {
            id: self.texts.get(id_at(image)),
            name: self.texts.get(name_at(image)),
            family: self.families.get(row.family as usize),
            owner: &self.owners[row.owner as usize],
            born: row.born,
            created_ms: row.created_ms,
            status: row.status,
            architecture: row.architecture,
            os_type: row.os_type,
            tag_set: row.tag_set,
        }
    }

    /// The image of a name; any of them if there are several, as there are not of one account in one region.
    pub(crate) fn named(&self, name: &str) -> Option<Entry<'_>> {
        let found =
            self.by_name.binary_search_by_key(&name, |image| self.texts.get(name_at(*image as usize)));
        found.ok().map(|place| self.entry(self.by_name[place] as usize))
    }

    /// Those of its sets of tags that have all of these, each with a value or with any.
    pub(crate) fn tagged(&self, wanted: &[(String, Option<String>)]) -> Tagged {
        if wanted.is_empty() {
            return Tagged(None);
        }
        let is_wanted = |tag: u32, (key, value): &(String, Option<String>)| {
            let place = 2 * tag as usize;
            self.tags.get(place) == key
                && value.as_ref().is_none_or(|value| self.tags.get(place + 1) == value)
        };
        let has = |set: &[u32]| wanted.iter().all(|wanted| set.iter().any(|tag| is_wanted(*tag, wanted)));
        Tagged(Some(self.tag_sets.iter().map(|set| has(set)).collect()))
    }
}

/// Which sets of tags of a listing are looked for; none for any.
pub(crate) struct Tagged(Option<Vec<bool>>);

impl Tagged {
    /// Whether an image of that listing has them.
    pub(crate) fn has(&self, entry: &Entry<'_>) -> bool {
        self.0.as_ref().is_none_or(|sets| sets[entry.tag_set as usize])
    }
}

/// Where an image's id is among the texts.
fn id_at(image: usize) -> usize {
    2 * image
}

/// Where its name is.
fn name_at(image: usize) -> usize {
    2 * image + 1
}

/// A place as it is kept.
fn place(place: usize) -> u32 {
    u32::try_from(place).expect("no account has four thousand million of anything")
}

/// Texts one after the other.
#[derive(Debug, Default)]
struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    fn of<'a>(texts: impl Iterator<Item = &'a String>) -> Self {
        let mut all = Self::default();
        texts.for_each(|text| all.push(text));
        all.sealed()
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// Without room for more.
    fn sealed(mut self) -> Self {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
        self
    }

    fn get(&self, place: usize) -> &str {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin..self.ends[place]]
    }
}

/// Things of which each is kept once, and found again by its place.
struct Once<T>(HashMap<T, u32>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Once<T> {
    fn place(&mut self, one: T) -> u32 {
        let next = place(self.0.len());
        *self.0.entry(one).or_insert(next)
    }

    /// All of them by their places.
    fn sorted(self) -> Vec<T> {
        let mut all: Vec<(T, u32)> = self.0.into_iter().collect();
        all.sort_unstable_by_key(|(_, place)| *place);
        all.into_iter().map(|(one, _)| one).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn image(number: u64, family: Option<&str>, tags: &[(&str, &str)]) -> Listed {
        Listed {
            id: format!("m-{number}").into(),
            name: "n".repeat(usize::try_from(number).unwrap()),
            family: family.map(str::to_owned),
            status: Status::Available,
            born: Seq(number),
            created_ms: 0,
            architecture: Architecture::X8664,
            os_type: OsType::Linux,
            tags: tags
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn images_are_as_they_were_put_in_and_found_by_all_the_tags_asked_for() {
        let (one, two) = (AccountId::from("1"), AccountId::from("2"));
        let images = [
            (one.clone(), image(3, Some("web"), &[("team", "red"), ("tier", "db")])),
            (two, image(0, None, &[])),
            (one.clone(), image(2, Some("web"), &[("team", "blue"), ("tier", "")])),
            (one, image(1, Some("db"), &[("team", "red"), ("tier", "db")])),
        ];
        let listing = Listing::of(images.clone());
        assert_eq!(listing.len(), images.len());
        for (entry, (owner, image)) in listing.entries().zip(&images) {
            let family = image.family.as_deref().unwrap_or_default();
            assert_eq!((entry.id, entry.name), (image.id.as_str(), image.name.as_str()));
            assert_eq!((entry.family, entry.owner, entry.born), (family, owner, image.born));
        }
        for (_, image) in &images {
            assert_eq!(listing.named(&image.name).map(|entry| entry.id), Some(image.id.as_str()));
        }
        assert!(listing.named("nobody").is_none() && Listing::default().named("").is_none());
        let ids = |tags: &[(&str, Option<&str>)]| {
            let tags: Vec<_> =
                tags.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect();
            let tagged = listing.tagged(&tags);
            listing.entries().filter(|entry| tagged.has(entry)).map(|entry| entry.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&[]), ["m-3", "m-0", "m-2", "m-1"]);
        assert_eq!(ids(&[("team", Some("red"))]), ["m-3", "m-1"]);
        assert_eq!(ids(&[("team", None)]), ["m-3", "m-2", "m-1"]);
        assert_eq!(ids(&[("tier", Some(""))]), ["m-2"]);
        assert_eq!(ids(&[("team", Some("red")), ("tier", Some("db"))]), ["m-3", "m-1"]);
        for none in
            [&[("team", Some("blue")), ("tier", Some("db"))][..], &[("red", None)], &[("", Some("db"))]]
        {
            assert!(ids(none).is_empty(), "{none:?}");
        }
    }
}
