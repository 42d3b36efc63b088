//! What every code means, that a refusal or a failure can have: one table, in a few files.
//!
//! A page says what the code means, what is most likely the cause, and what to do. The message of a
//! refusal says what it was about; this says what it is about in general, so it names no thing. A test
//! looks through the rooms for codes that have no page.

pub(crate) use crate::codes_access::ACCESS;
pub(crate) use crate::codes_batch::BATCH;
pub(crate) use crate::codes_bucket::BUCKET;
pub(crate) use crate::codes_disk::DISK;
pub(crate) use crate::codes_house::HOUSE;
pub(crate) use crate::codes_image::IMAGE;
pub(crate) use crate::codes_network::NETWORK;
pub(crate) use crate::codes_schedule::SCHEDULE;
pub(crate) use crate::codes_upkeep::UPKEEP;

/// Changes of a letter that still count as a slip of the hand: codes are long.
const SLIPS_MAX: usize = 6;

/// The page of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The code, as the ECS API spells it where it has it.
    pub(crate) code: &'static str,
    /// What it means.
    pub(crate) means: &'static str,
    /// What is most likely the cause.
    pub(crate) cause: &'static str,
    /// What to do.
    pub(crate) todo: &'static str,
}

/// Every page there is.
pub(crate) fn pages() -> impl Iterator<Item = &'static Page> {
    IMAGE
        .iter()
        .chain(DISK)
        .chain(HOUSE)
        .chain(ACCESS)
        .chain(BUCKET)
        .chain(NETWORK)
        .chain(BATCH)
        .chain(SCHEDULE)
        .chain(UPKEEP)
}

/// The page of a code, in any case of letters.
pub(crate) fn page(code: &str) -> Option<&'static Page> {
    pages().find(|page| page.code.eq_ignore_ascii_case(code))
}

/// Codes that may be meant: those that begin or end so, or hold the text, and else the nearest.
pub(crate) fn like(text: &str) -> Vec<&'static str> {
    let text = text.to_lowercase();
    let found: Vec<_> =
        pages().map(|page| page.code).filter(|code| code.to_lowercase().contains(&text)).collect();
    if !found.is_empty() && !text.is_empty() {
        return found;
    }
    let close = pages().map(|page| (service::slips(&text, &page.code.to_lowercase()), page.code));
    let best = close.min_by_key(|(slips, _)| *slips);
    best.filter(|(slips, _)| *slips <= SLIPS_MAX.min(text.chars().count() / 3))
        .into_iter()
        .map(|(_, code)| code)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Rooms that make codes.
    const ROOMS: [&str; 6] = ["src/domain", "src/service", "src/data", "src/disk", "src/engine", "workflows"];
    /// What a code without a point begins with, and nothing else in the rooms does.
    const BEGINNINGS: [&str; 12] = [
        "Invalid",
        "Incorrect",
        "Missing",
        "Operation",
        "Quota",
        "ImageIs",
        "ImageU",
        "ImageFamilyQuota",
        "ImageQuota",
        "Idempot",
        "Bucket",
        "Snapshot",
    ];
    /// Texts shaped like codes that are none: the names of what an image check looks at.
    const NOT_CODES: [&str; 1] = ["GUESTOS."];
    /// Words after which the first text is a code.
    const MAKERS: [&str; 4] = ["Refusal::new(", "Failure::caller(", "Trouble::new(", "caller("];

    fn is_code(text: &str) -> bool {
        let parts: Vec<&str> = text.split('.').collect();
        let word = |part: &&str| {
            part.len() > 1
                && part.starts_with(|c: char| c.is_ascii_uppercase())
                && part.chars().all(|c| c.is_ascii_alphabetic())
                && part.chars().any(|c| c.is_ascii_lowercase())
        };
        let shaped = parts.iter().all(word);
        let begins = BEGINNINGS.iter().any(|beginning| text.starts_with(beginning) && text != *beginning);
        shaped && (parts.len() > 1 || begins)
    }

    /// The texts between quotes of a source, its tests and comments left out, each with what stands
    /// before it.
    fn texts(source: &str) -> Vec<(String, String)> {
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        let mut found = Vec::new();
        let mut before = String::new();
        for (number, part) in code.split('"').enumerate() {
            if number % 2 == 1 {
                found.push((before.trim_end().to_owned(), part.to_owned()));
            }
            before = part.to_owned();
        }
        found
    }

    fn codes_of(room: &Path) -> BTreeSet<String> {
        let mut codes = BTreeSet::new();
        for file in std::fs::read_dir(room).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.extension().is_none_or(|extension| extension != "rs")
                || name.contains("test")
                || name.contains("bench")
            {
                continue;
            }
            for (before, text) in texts(&std::fs::read_to_string(&path).unwrap()) {
                let made = is_made_by(&before) && text.starts_with(|c: char| c.is_ascii_uppercase());
                let none = NOT_CODES.iter().any(|beginning| text.starts_with(beginning));
                if !none && (is_code(&text) || (made && text.chars().all(|c| c.is_alphabetic() || c == '.')))
                {
                    codes.insert(text);
                }
            }
        }
        codes
    }

    /// Whether what stands before a text makes a refusal or a trouble with it as the code.
    fn is_made_by(before: &str) -> bool {
        let before = match before.rsplit_once("Family::") {
            Some((head, family)) if family.trim_end_matches(',').chars().all(char::is_alphabetic) => {
                head.trim_end()
            }
            _ => before,
        };
        MAKERS.iter().any(|maker| before.ends_with(maker))
    }

    #[test]
    fn every_code_the_house_can_answer_has_a_page() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let codes: BTreeSet<String> = ROOMS.iter().flat_map(|room| codes_of(&root.join(room))).collect();
        assert!(codes.len() > 100, "codes were found: {codes:?}");
        for known in ["InvalidImageId.NotFound", "Storage.Full", "InvalidDataDiskSize", "Stopped"] {
            assert!(codes.contains(known), "{known} was not found");
        }
        let without: Vec<_> = codes.iter().filter(|code| page(code).is_none()).collect();
        assert!(without.is_empty(), "without a page in src/cli/codes_*.rs: {without:?}");
    }

    #[test]
    fn pages_are_whole_sentences_and_each_code_has_one() {
        let codes: Vec<&str> = pages().map(|page| page.code).collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        for page in pages() {
            for text in [page.means, page.cause, page.todo] {
                let begins = text.starts_with(|c: char| c.is_uppercase() || c == '`' || c.is_ascii_digit());
                assert!(
                    begins || page.code == "OperationDenied.SameRegionOnly" || text.starts_with("arm64"),
                    "{page:?}"
                );
                assert!(text.ends_with(['.', ')']) && !text.contains("  "), "{page:?}");
            }
        }
        for part in [IMAGE, DISK, HOUSE, ACCESS, BUCKET, NETWORK, BATCH, SCHEDULE] {
            assert!(part.is_sorted_by_key(|page| page.code));
        }
    }

    #[test]
    fn a_misspelt_code_is_recognised_and_a_part_of_one_lists_those_with_it() {
        assert_eq!(page("invalidimageid.notfound").unwrap().code, "InvalidImageId.NotFound");
        assert_eq!(like("InvalidImgeId.NotFond"), ["InvalidImageId.NotFound"]);
        assert!(like("QuotaExceed").len() > 3);
        assert_eq!(like("web"), [] as [&str; 0]);
    }
}
