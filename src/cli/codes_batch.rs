//! Pages of codes: batches and their manifests.
//!
//! Data and nothing else: `codes.rs` says what a page is and finds one.

use crate::codes::Page;

/// Sorted by code.
pub(crate) const BATCH: &[Page] = &[
    Page {
        code: "BatchFailed",
        means: "A batch did not do all that its manifest says.",
        cause: "Lines failed, or it was stopped, paused or cancelled.",
        todo: "`kiln batch report` shows what failed, and writes it as a manifest for another try.",
    },
    Page {
        code: "IncorrectBatchStatus",
        means: "The batch does not stand where that could be done.",
        cause: "It has ended, or somebody else was quicker.",
        todo: "`kiln batch show` says where it stands.",
    },
    Page {
        code: "InvalidBatchId.NotFound",
        means: "There is no batch of that name or id.",
        cause: "It is misspelt, was forgotten, or is another account's.",
        todo: "`kiln batch list` shows those there are.",
    },
    Page {
        code: "InvalidBatchName.Duplicated",
        means: "Another batch has that name.",
        cause: "The same command was run with another manifest.",
        todo: "Give it a name of its own with `--name`.",
    },
    Page {
        code: "InvalidBatchName.Malformed",
        means: "That is no name of a batch.",
        cause: "It has characters that names do not have, or looks like an id.",
        todo: "Use 1 to 128 letters, digits and `:` `_` `-` `.`.",
    },
    Page {
        code: "InvalidManifest.Action",
        means: "A line asks for something that the request did not say that lines ask for.",
        cause: "Another program than `kiln` sent the manifest, and named its actions wrongly.",
        todo: "Name every action of the lines in the request: each is judged by policies.",
    },
    Page {
        code: "InvalidManifest.Digest",
        means: "What was sent is not the manifest of that digest.",
        cause: "The file was changed while it was sent.",
        todo: "Run it again.",
    },
    Page {
        code: "InvalidManifest.Lines",
        means: "A manifest has 1 to 1,000,000 lines, and 256 MiB in the form it is kept in.",
        cause: "It is empty, or very large.",
        todo: "Make several manifests of it.",
    },
    Page {
        code: "InvalidManifest.Malformed",
        means: "Lines of the manifest cannot be; nothing was started.",
        cause: "A column, an operation or a value is wrong.",
        todo: "Mend the lines that were told, and run it again.",
    },
    Page {
        code: "InvalidManifest.NotFound",
        means: "There is no such manifest.",
        cause: "It was sent more than a day ago and never run, or its batch was forgotten.",
        todo: "Run it from its file again.",
    },
    Page {
        code: "InvalidManifest.Repeated",
        means: "A batch of the same manifest is there already.",
        cause: "The same command was run twice at the same time.",
        todo: "`kiln batch list` shows it; `--again NAME` does it all once more.",
    },
    Page {
        code: "InvalidParameter.BatchPlan",
        means: "A batch cannot be done in that way.",
        cause: "The concurrency, the rate, the bandwidth or the budget is out of range, no line says what they are \
                sorted by, or no line copies anything that a bandwidth could hold.",
        todo: "See `kiln batch run --help`.",
    },
    Page {
        code: "InvalidParameter.Reason",
        means: "The reason is too long.",
        cause: "It has more characters than the message says it may.",
        todo: "Say it shorter.",
    },
    Page {
        code: "InvalidSource.NotHere",
        means: "A request from elsewhere names a file of the server's computer.",
        cause: "A path stands where only an object in a bucket can be reached.",
        todo: "Put the file into a bucket and name the object: `oss://BUCKET/KEY`.",
    },
    Page {
        code: "QuotaExceed.Batch",
        means: "The account has as many batches as it may have.",
        cause: "Batches that have ended stay in the list.",
        todo: "`kiln batch forget` takes one out of it.",
    },
    Page {
        code: "QuotaExceed.Manifest",
        means: "The account has sent as many manifests as it may that no batch is of.",
        cause: "They were planned or sent, and never run; each stays for a day.",
        todo: "Run one of them, or wait until the oldest are a day old.",
    },
];
