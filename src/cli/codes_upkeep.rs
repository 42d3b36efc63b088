//! Pages of codes: retention policies and distribution lists.
//!
//! Data and nothing else: `codes.rs` says what a page is and finds one.

use crate::codes::Page;

/// Sorted by code.
pub(crate) const UPKEEP: &[Page] = &[
    Page {
        code: "IncorrectUpkeepStatus",
        means: "The retention policy or distribution list is being run already.",
        cause: "Its schedule ticked while somebody ran it by hand, or a region is slow or waits for a person.",
        todo: "Wait until that run has ended; `kiln workflow watch` with the id in the message follows it.",
    },
    Page {
        code: "InvalidParameter.Distribution",
        means: "The distribution list does not say what can be done.",
        cause: "It names no region and no account, its own home or account, too many, or no image at all.",
        todo: "Name other regions and accounts; `kiln distribution create --help` has examples.",
    },
    Page {
        code: "InvalidParameter.Retention",
        means: "The retention policy does not say which images stay.",
        cause: "It gives neither a number nor an age, or one that is out of bounds.",
        todo: "Give `--keep`, `--younger-than` or both; `kiln retention create --help` has examples.",
    },
    Page {
        code: "InvalidUpkeep.NotFound",
        means: "There is no such retention policy or distribution list.",
        cause: "Its name is misspelt, it was deleted, it is the other of the two, or it is another account's.",
        todo: "See those there are with `kiln retention list` and `kiln distribution list`.",
    },
    Page {
        code: "InvalidUpkeepName.Duplicated",
        means: "A retention policy or a distribution list has the name already.",
        cause: "It was created before; the two kinds share their names.",
        todo: "Choose another name, or change or delete that one.",
    },
    Page {
        code: "InvalidUpkeepName.Malformed",
        means: "That is no name of a retention policy or a distribution list.",
        cause: "It has spaces or other letters, is too long, or begins as an id does.",
        todo: "Use letters, digits, `-`, `_` and `.`, and begin with a letter or a digit.",
    },
    Page {
        code: "OperationDenied.Distributed",
        means: "The image is not copied for the distribution list: a copy of it, or of a newer one, is there.",
        cause: "Another run, or somebody by hand, was first.",
        todo: "Nothing. `kiln distribution plan` says what is missing still.",
    },
    Page {
        code: "OperationDenied.Retained",
        means: "The retention policy lets the image stay after all.",
        cause: "Between the plan and the deed it came to be used, shared or stood for, or newer images went.",
        todo: "Nothing. `kiln retention plan` says what goes now, and the next run looks again.",
    },
    Page {
        code: "QuotaExceed.Upkeep",
        means: "The account has as many retention policies and distribution lists as it may.",
        cause: "They were created by a program, and nobody deletes those that are done with.",
        todo: "Delete those that are not needed.",
    },
];
