//! Pages of a list, as the ECS API counts them.

use event::Refusal;

use crate::request_image::Page;

/// How many a page may have, as the API documents.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 1..=100;

/// A page of a list, and how many there are in all.
pub(crate) struct Paged<T> {
    /// Those on the page; none behind the last one.
    pub(crate) items: Vec<T>,
    /// How many there are on all pages.
    pub(crate) total: u64,
    /// The page's number.
    pub(crate) number: u32,
    /// How many a page may have; all there are where nobody asked for pages.
    pub(crate) size: u32,
}

impl Page {
    /// How many there are on the pages before it.
    pub fn before(self) -> usize {
        self.number.saturating_sub(1) as usize * self.size as usize
    }

    /// Refuses a page that cannot be.
    pub(crate) fn check(self) -> Result<(), Refusal> {
        if self.number == 0 {
            return Err(Refusal::new("InvalidParameter.PageNumber", "there is no page `0`")
                .advise("pages are counted from 1"));
        }
        if !PAGE_SIZES.contains(&self.size) {
            let why = format!("a page cannot have {} entries", self.size);
            return Err(Refusal::new("InvalidParameter.PageSize", why).advise("ask for 1 to 100 at a time"));
        }
        Ok(())
    }
}

/// The page of a list that was asked for, or all of it.
pub(crate) fn page_of<T>(all: Vec<T>, page: Option<Page>) -> Paged<T> {
    let total = all.len() as u64;
    let Some(page) = page else {
        return Paged { items: all, total, number: 1, size: u32::try_from(total).unwrap_or(u32::MAX) };
    };
    let items = all.into_iter().skip(page.before()).take(page.size as usize).collect();
    Paged { items, total, number: page.number, size: page.size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_the_list_once_and_end_in_empty_ones() {
        let all: Vec<u32> = (0..23).collect();
        let mut seen = Vec::new();
        for number in 1..=4 {
            let page = page_of(all.clone(), Some(Page { number, size: 10 }));
            assert_eq!((page.total, page.number, page.size), (23, number, 10));
            assert_eq!(page.items.len(), [10, 10, 3, 0][number as usize - 1]);
            seen.extend(page.items);
        }
        assert_eq!(seen, all);
        assert_eq!(page_of(all.clone(), None).items, all);
        for (number, size) in [(0, 10), (1, 0), (1, 101)] {
            assert!(Page { number, size }.check().is_err(), "{number} {size}");
        }
        assert_eq!(page_of(all, Some(Page { number: u32::MAX, size: 100 })).items, Vec::<u32>::new());
    }
}
