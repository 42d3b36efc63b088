//! A clock that goes with the virtual time of a life, and stands still between lives.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

/// When a stage's time begins, milliseconds since 1970 UTC: 14 November 2023, 22:13:20.
const BEGINS_MS: i64 = 1_700_000_000_000;

/// The time of a stage.
#[derive(Debug)]
pub struct VirtualClock(Mutex<Now>);

#[derive(Debug)]
struct Now {
    /// When the life began, or what time it is between two.
    base_ms: i64,
    life: Option<(Handle, Instant)>,
}

impl Now {
    fn now_ms(&self) -> i64 {
        let Some((runtime, begun)) = &self.life else { return self.base_ms };
        // The log's own threads are not the runtime's, and ask as well.
        let _inside = runtime.enter();
        self.base_ms.saturating_add(millis(begun.elapsed()))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl VirtualClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Now { base_ms: BEGINS_MS, life: None }))
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it goes with the time of this runtime, until that is over.
    pub(crate) fn follow(&self, runtime: &Handle) {
        let _inside = runtime.enter();
        self.lock().life = Some((runtime.clone(), Instant::now()));
    }

    pub(crate) fn stop(&self) {
        let mut now = self.lock();
        now.base_ms = now.now_ms();
        now.life = None;
    }

    /// Moves it on while nobody looks, or back, as clocks of machines do.
    pub(crate) fn jump(&self, by_ms: i64) {
        let mut now = self.lock();
        now.base_ms = now.base_ms.saturating_add(by_ms);
    }
}

impl engine::Clock for VirtualClock {
    fn now_ms(&self) -> i64 {
        self.lock().now_ms()
    }
}
