//! What a family was told to stand for, and how that is taken back.
//!
//! Operations that tell a family something may overlap, and any of them may yet take back what it
//! told. So the row keeps what each told, as a pile: the top counts, an operation takes its own word
//! out wherever it lies, and what remains is as if it had said nothing. It deliberately does not know
//! which operations have ended: a word nobody will take back only lies there.

use event::FlowId;
use serde::{Deserialize, Serialize};

use crate::ImageId;

/// Words kept below the top one: more operations than tell one family something at the same time.
const BELOW_MAX: usize = 8;

/// What a family was told to stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyHead {
    /// The family.
    pub family: String,
    /// The image; its newest if none was named.
    pub image: Option<ImageId>,
    /// The operation that told it.
    pub flow: FlowId,
    /// What it had been told before, by operations that may yet take that back; the newest last.
    pub below: Vec<Told>,
}

/// What a family was told by one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The operation.
    pub flow: FlowId,
    /// The image; its newest if none was named.
    pub image: Option<ImageId>,
}

impl FamilyHead {
    /// A family that is told something, on top of what it had been told before.
    pub fn told(before: Option<Self>, family: String, image: Option<ImageId>, flow: FlowId) -> Self {
        let mut below = before.map_or_else(Vec::new, |before| {
            let mut below = before.below;
            below.push(Told { flow: before.flow, image: before.image });
            below
        });
        below.drain(..below.len().saturating_sub(BELOW_MAX));
        Self { family, image, flow, below }
    }

    /// The same without the last word of an operation; none if it has no word here.
    pub fn without(mut self, flow: FlowId) -> Option<Self> {
        if self.flow != flow {
            let place = self.below.iter().rposition(|told| told.flow == flow)?;
            self.below.remove(place);
            return Some(self);
        }
        // An operation of nobody's: what remains has nothing to say.
        let top = self.below.pop().unwrap_or(Told { flow: FlowId([0; 16]), image: None });
        Some(Self { image: top.image, flow: top.flow, ..self })
    }

    /// The same after an image has gone.
    #[must_use]
    pub fn forgetting(mut self, gone: &ImageId) -> Self {
        self.image.take_if(|image| image == gone);
        for told in &mut self.below {
            told.image.take_if(|image| image == gone);
        }
        self
    }

    /// Whether it says what a family that was told nothing says, and always will.
    pub fn is_silent(&self) -> bool {
        self.image.is_none() && self.below.iter().all(|told| told.image.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(told: &[(u8, &str)]) -> FamilyHead {
        let mut head = None;
        for (flow, image) in told {
            head = Some(FamilyHead::told(head, "web".into(), Some((*image).into()), FlowId([*flow; 16])));
        }
        head.expect("it was told something")
    }

    fn text(head: &FamilyHead) -> Option<&str> {
        head.image.as_ref().map(ImageId::as_str)
    }

    #[test]
    fn a_word_is_taken_back_wherever_it_lies() {
        let three = head(&[(1, "m-1"), (2, "m-2"), (3, "m-3")]);
        for (first, then, left) in [(1, 2, "m-3"), (2, 3, "m-1"), (3, 1, "m-2"), (3, 2, "m-1")] {
            let left_over =
                three.clone().without(FlowId([first; 16])).and_then(|head| head.without(FlowId([then; 16])));
            assert_eq!(text(&left_over.expect("both had told it")), Some(left), "{first}, then {then}");
        }
        assert_eq!(three.without(FlowId([4; 16])), None);
    }

    #[test]
    fn a_family_that_nobody_has_told_anything_any_more_is_silent() {
        let alone = head(&[(1, "m-1")]).without(FlowId([1; 16])).expect("it had told it");
        assert!(alone.is_silent());
        let two = head(&[(1, "m-1"), (2, "m-2")]);
        assert!(!two.clone().forgetting(&"m-2".into()).is_silent(), "the first may still count");
        assert!(two.forgetting(&"m-2".into()).forgetting(&"m-1".into()).is_silent());
    }

    #[test]
    fn the_pile_has_a_bound() {
        let many: Vec<(u8, &str)> = (1..=20).map(|flow| (flow, "m-1")).collect();
        assert_eq!(head(&many).below.len(), BELOW_MAX);
    }
}
