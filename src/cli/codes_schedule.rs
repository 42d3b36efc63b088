//! Pages of codes: schedules.
//!
//! Data and nothing else: `codes.rs` says what a page is and finds one.

use crate::codes::Page;

/// Sorted by code.
pub(crate) const SCHEDULE: &[Page] = &[
    Page {
        code: "IncorrectScheduleStatus",
        means: "The schedule is not in a state for that.",
        cause: "It is paused already, or not paused, or a run of it goes on, or what was meant has been done.",
        todo: "See how it stands with `kiln schedule show`.",
    },
    Page {
        code: "InvalidSchedule.Bounds",
        means: "The beginning comes after the end.",
        cause: "The two times were exchanged, or one is in another year than was meant.",
        todo: "Give a time that begins before it ends; one to make up for has to have passed.",
    },
    Page {
        code: "InvalidSchedule.NeverTicks",
        means: "The schedule would never tick.",
        cause: "What it says has passed, or its end comes before its first tick.",
        todo: "Look at the ticks with `kiln schedule preview --when`, and give a later time or end.",
    },
    Page {
        code: "InvalidSchedule.NotFound",
        means: "There is no such schedule.",
        cause: "Its name is misspelt, it was deleted, or it is another account's.",
        todo: "See those there are with `kiln schedule list`.",
    },
    Page {
        code: "InvalidSchedule.Span",
        means: "A length of time is too short or too long.",
        cause: "A jitter has up to a day, a window to catch up in ten seconds to a year.",
        todo: "Give one in between, such as `10m` or `6h`.",
    },
    Page {
        code: "InvalidSchedule.TimeZone",
        means: "There is no such time zone.",
        cause: "It is misspelt, or it is an abbreviation such as CEST, which several zones have.",
        todo: "Give the name of a place as the tz database has it: `Europe/Berlin`.",
    },
    Page {
        code: "InvalidSchedule.When",
        means: "What says when is no cron expression, no rate and no time.",
        cause: "A field has a value it cannot have, or there are too many or too few of them.",
        todo: "Correct the field the message names; `kiln schedule create --help` shows the ways to say when.",
    },
    Page {
        code: "InvalidScheduleName.Duplicated",
        means: "There is a schedule of that name already.",
        cause: "It was created before.",
        todo: "Choose another name, or delete that one.",
    },
    Page {
        code: "InvalidScheduleName.Malformed",
        means: "The name will not do for a schedule.",
        cause: "It has other characters than letters, digits, `-`, `_` and `.`, or too many.",
        todo: "Give 1 to 64 of them, a letter or a digit first, and do not begin with `sch-`.",
    },
    Page {
        code: "QuotaExceed.Schedule",
        means: "The account has as many schedules as it may.",
        cause: "Those that have ended are still there.",
        todo: "Delete those that are not needed.",
    },
];
