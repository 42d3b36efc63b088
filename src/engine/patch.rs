//! A story that is changed under its version: flows that went past the change before keep to the old way.

use event::Draft;

use crate::flow::Flow;
use crate::kinds::Patched;
use crate::queue::lock;

impl<P: Send + Sync + 'static> Flow<P> {
    /// Whether this flow goes the new way at a change of its story, by the change's name. The first time a flow comes
    /// here it does, and that is an event; a flow that may have gone past here before the change keeps to the old way,
    /// for as long as it lives. The answer is the same however often it is asked.
    ///
    /// Keep the old way in the story until no flow needs it (`kiln workflow list --open`), then take out both the
    /// question and the old way: what the log holds of the question is passed over.
    ///
    /// A flow that was taken up from the log and has done nothing new yet in this line of its story counts as one that
    /// may have gone past: what a step does before its event leaves no trace in the log. One that only undoes what it
    /// did goes the old way, unless the log has it that it went the new one.
    #[must_use = "the old way has to be there as long as flows need it"]
    pub fn patched(&self, name: &str) -> bool {
        let path = path_of(name);
        let goes_forward = self.forward().is_ok();
        let record = {
            let mut told = lock(&self.inner.told);
            if let Some(known) = told.patches.get(name) {
                return *known;
            }
            told.journal.remove(&path)
        };
        if let Some(record) = record {
            self.met(record.time_ms);
            lock(&self.inner.told).patches.insert(name.to_owned(), true);
            return true;
        }
        // A line that only undoes settles nothing for the others, and nothing of the new way has begun in it.
        if !goes_forward {
            return false;
        }
        let goes = self.is_fresh() && !self.came_further();
        lock(&self.inner.told).patches.insert(name.to_owned(), goes);
        if goes {
            self.append(path.as_str(), Draft::of(&Patched { name: name.to_owned() }));
        }
        goes
    }

    /// Whether nothing of this line of the story happened without this telling knowing.
    fn is_fresh(&self) -> bool {
        #[cfg(test)]
        if crate::planted::is(crate::planted::Planted::PatchAnew) {
            return true;
        }
        lock(&self.branch.line).fresh
    }
}

/// Where the log has a change that a flow went the new way at. It has no number, so that asking moves no step.
fn path_of(name: &str) -> String {
    format!("?{name}")
}

/// Whether a record stands for a question that a story may have stopped asking.
pub(crate) fn is_passed_over(path: &str) -> bool {
    path.starts_with('?')
}
