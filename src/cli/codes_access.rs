//! Pages of codes: who may ask, and as whom.
//!
//! Data and nothing else: `codes.rs` says what a page is and finds one.

use crate::codes::Page;

/// Sorted by code.
pub(crate) const ACCESS: &[Page] = &[
    Page {
        code: "EntityNotExist.User.AccessKey",
        means: "There is no access key of that id.",
        cause: "Its id is misspelt, it was deleted, or it is another account's.",
        todo: "`kiln key list` shows those there are, `kiln key create` makes one.",
    },
    Page {
        code: "InvalidAccessKeyId.Malformed",
        means: "The text can not be the id of a new access key.",
        cause: "Ids are made by chance, and this one was taken or is shaped otherwise.",
        todo: "Ask again: another one is made.",
    },
    Page {
        code: "LimitExceeded.User.AccessKey",
        means: "It has as many access keys as it may have.",
        cause: "Keys were rotated, and the old ones not deleted.",
        todo: "Delete one that is used no more: `kiln key list`, `kiln key delete`.",
    },
    Page {
        code: "Seal.Mismatch",
        means: "A secret was not sealed with the seal that lies in the data directory.",
        cause: "The file `kiln.seal` was replaced, or comes from another data directory.",
        todo: "Put the right one back; without it, delete the access keys and make new ones.",
    },
    Page {
        code: "Seal.Missing",
        means: "The seal of the data directory is gone, so no secret can be opened.",
        cause: "The file `kiln.seal` was removed, or left behind when the directory was copied.",
        todo: "Put it back; without it, delete the access keys and make new ones.",
    },
];
