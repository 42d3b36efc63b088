//! How long a client is waited for while it sends a body. Both dialects of buckets go by it.

use std::time::Duration;

/// How long a client may take for [`SLOWEST_BYTES`]: clients on bad lines stall for seconds, not for a minute.
const SLOWEST_TIME: Duration = Duration::from_mins(1);
/// What has to come in [`SLOWEST_TIME`]: a kilobyte a second is a modem of the last century, and an object at that
/// rate takes for ever. Who sends less holds a connection and a half-written file for nothing.
const SLOWEST_BYTES: u64 = 60 << 10;

/// How long a client was waited for, and what has come of it, since it was last fast enough. Time in which
/// nobody waits for it, because what came is being written, does not count.
#[derive(Debug, Default)]
pub struct Pace {
    waited: Duration,
    came: u64,
}

impl Pace {
    /// How long the next bytes are waited for at most.
    pub fn patience(&self) -> Duration {
        SLOWEST_TIME.saturating_sub(self.waited)
    }

    /// Counts bytes that came after they had been waited for so long.
    pub fn came(&mut self, waited: Duration, bytes: usize) {
        self.waited += waited;
        self.came += bytes as u64;
        if self.came >= SLOWEST_BYTES {
            *self = Self::default();
        }
    }
}
