//! Where a flow asks whether it is its turn, and says that it waits for something else.
//!
//! Without an order, which is every house but a simulated one, nothing is asked and nothing said.

use event::Wait;

use crate::flow::Flow;
use crate::workflow::Halt;

impl<P: Send + Sync + 'static> Flow<P> {
    /// Waits while the flow is to stand still, and for its turn to do what is at a path. A flow that is cancelled
    /// waits for its turn as well; one that is to stop does not.
    pub(crate) async fn turn(&self, path: &str) -> Result<(), Halt> {
        self.gate().await?;
        let Some(order) = &self.inner.shared.order else { return Ok(()) };
        tokio::select! {
            () = order.turn(self.inner.id, path) => Ok(()),
            () = self.inner.live.closing() => self.open(),
        }
    }

    /// Says that the flow waits, until what is returned is dropped.
    pub(crate) fn pauses(&self, wait: Wait) -> Pause<'_, P> {
        if let Some(order) = &self.inner.shared.order {
            order.waits(self.inner.id, wait);
        }
        Pause(self)
    }
}

/// A flow that waits for something else than its turn.
pub(crate) struct Pause<'a, P>(&'a Flow<P>);

impl<P> Drop for Pause<'_, P> {
    fn drop(&mut self) {
        if let Some(order) = &self.0.inner.shared.order {
            order.moves(self.0.inner.id);
        }
    }
}
