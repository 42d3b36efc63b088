//! Stretches of data, as `next_data` of the formats with blocks gives them: holes of the file left
//! out, neighbours joined.

use std::ops::Range;

use files::File;

use crate::Error;

/// A stretch of data that `next_data` gives is not sought further than this.
const STRETCH_BYTES_MAX: u64 = 1 << 30;

/// The first data at or after `from` in a disk of which `look` tells, for a guest byte, how many
/// from there on are stored alike, and where among these the first data are.
pub(crate) fn first_data(
    from: u64,
    disk_bytes: u64,
    mut look: impl FnMut(u64) -> Result<(u64, Option<Range<u64>>), Error>,
) -> Result<Option<Range<u64>>, Error> {
    let mut found: Option<Range<u64>> = None;
    let mut at = from;
    while at < disk_bytes {
        let (len, data) = look(at)?;
        let data = data.map(|data| at + data.start..at + data.end);
        // Behind a hole in the middle of a stretch there may be data again.
        at = data.as_ref().map_or(at + len, |data| data.end);
        found = match (found, data) {
            (None, data) => data,
            (Some(found), Some(data))
                if found.end == data.start && found.end - found.start < STRETCH_BYTES_MAX =>
            {
                Some(found.start..data.end)
            }
            (found, _) => return Ok(found),
        };
    }
    Ok(found)
}

/// What is known of the holes in the file, so that a run of blocks takes one look and not one
/// each: blocks that were only preallocated are holes, and need not be read.
#[derive(Default)]
pub(crate) struct Holes {
    looked_from: u64,
    data: Range<u64>,
}

impl Holes {
    /// The first data in a stretch of the file, counted from its beginning.
    pub(crate) fn data_in(
        &mut self,
        file: &dyn File,
        place: u64,
        len: u64,
    ) -> Result<Option<Range<u64>>, Error> {
        if place < self.looked_from || place >= self.data.end {
            let data =
                file.next_data(place).map_err(|e| Error::io("looking for data in the disk file", e))?;
            self.looked_from = place;
            self.data = data.unwrap_or(u64::MAX..u64::MAX);
        }
        let begin = self.data.start.max(place) - place;
        let end = self.data.end.min(place.saturating_add(len)).saturating_sub(place);
        Ok((begin < end).then_some(begin..end))
    }
}
