//! Pages of codes: objects that come over the bucket wire.
//!
//! Data and nothing else: `codes.rs` says what a page is and finds one.

use crate::codes::Page;

/// Sorted by code.
pub(crate) const BUCKET: &[Page] = &[
    Page {
        code: "EntityTooSmall",
        means: "The object is not made: a part of it that is not the last has less than 100 KiB.",
        cause: "The client was told to send very small parts.",
        todo: "Abort the upload and begin it anew with larger parts.",
    },
    Page {
        code: "IncompleteBody",
        means: "The body was not as long as its client had said.",
        cause: "The connection broke off, or something on the way changed the body.",
        todo: "Send it again.",
    },
    Page {
        code: "InvalidDigest",
        means: "The body is not the one whose MD5 or CRC-64 came with it, or what came is no digest.",
        cause: "The body was changed on its way, or its digest was computed from something else.",
        todo: "Send it again; if that does not help, look at how the client computes the digest.",
    },
    Page {
        code: "InvalidPart",
        means: "A part that the object is to be made of is not there, or is another.",
        cause: "Its upload failed, it was sent again with other bytes, or the list is of another upload.",
        todo: "List the parts of the upload, send those that are missing, and complete it with their tags.",
    },
    Page {
        code: "InvalidPartOrder",
        means: "The list of parts does not ascend.",
        cause: "The client lists parts in the order in which they were sent.",
        todo: "Sort the list by the numbers of the parts, each once.",
    },
    Page {
        code: "NoSuchUpload",
        means: "There is no such upload in parts.",
        cause: "It was completed or aborted, or its id belongs to another key.",
        todo: "Look whether the object is there; if not, begin the upload anew.",
    },
    Page {
        code: "ObjectNotAppendable",
        means: "Nothing can be appended to the object: it did not come by appending.",
        cause: "It was put whole or in parts, or made by an export.",
        todo: "Append to another key, or remove the object first.",
    },
    Page {
        code: "PositionNotEqualToLength",
        means: "The append does not begin where the object ends.",
        cause: "Another append came first, or one was sent again that had been done.",
        todo: "Ask for the object's length, and append there what is missing.",
    },
];
