//! Pages by number or by token, where an action has both. A token is the number of the next page, sealed
//! only by its shape: it gives nothing that a number would not.

use service::Page;
use wire::{Fault, Object};

use crate::ask::Ask;

/// What tokens begin with, so that a number typed by hand is none.
const TOKEN: &str = "kiln-page-";

/// Which page, and in which style it was asked for.
pub(crate) struct Paging {
    pub(crate) page: Page,
    by_token: bool,
}

impl Paging {
    /// Reads `NextToken` and `MaxResults`, which win where they are, or else `PageNumber` and `PageSize`. `results`
    /// are entries
    /// of a page by token where nobody says, and at most; more is cut to that.
    pub(crate) fn of(ask: &Ask, results: (u32, u32)) -> Result<Self, Fault> {
        let (token, most) = (ask.params.text("NextToken"), ask.params.number("MaxResults")?);
        if token.is_none() && most.is_none() {
            return Ok(Self { page: ask.checked_page(100)?, by_token: false });
        }
        let size = most.map_or(results.0, |most| u32::try_from(most).unwrap_or(1).clamp(1, results.1));
        let number = match token {
            None => 1,
            Some(token) => token
                .strip_prefix(TOKEN)
                .and_then(|number| number.parse().ok())
                .filter(|number| *number > 0)
                .ok_or_else(|| {
                    Fault::new(
                        403,
                        "Invalid.NextToken",
                        format!("The specified NextToken is not valid: `{}`.", token.escape_debug()),
                    )
                })?,
        };
        Ok(Self { page: Page { number, size }, by_token: true })
    }

    /// With the fields of the page.
    pub(crate) fn answer(&self, answer: Object, total: u64) -> Object {
        let is_last = u64::from(self.page.number) * u64::from(self.page.size) >= total;
        let next = if self.by_token && !is_last {
            format!("{TOKEN}{}", self.page.number + 1)
        } else {
            String::new()
        };
        answer
            .put("TotalCount", total)
            .put("PageNumber", self.page.number)
            .put("PageSize", self.page.size)
            .put("NextToken", next)
    }
}
