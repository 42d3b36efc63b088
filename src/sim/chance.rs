//! Chance from a seed: splitmix64, so that the same seed plays the same disaster on every machine.

/// What becomes of un-synced work when the power goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// By the seed: per file and per directory tree all, nothing or a mixture, with torn writes.
    #[default]
    Seeded,
    /// All un-synced work is lost: what a careful program must survive at the least.
    Everything,
    /// Nothing is lost: as if only the process had been killed.
    Nothing,
}

/// The fate of one un-synced write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Lost,
    /// Each sector has its own fate.
    Torn,
}

/// A run of numbers that only its seed decides.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The run of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another run, so that what is drawn here later does not depend on how much is drawn there.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// Whether something happens that happens so many times in a thousand.
    pub fn in_thousand(&mut self, times: usize) -> bool {
        self.below(1000) < times
    }

    /// One of some things, of which there is one at least.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Heads.
    pub fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    /// How one file or the directories fare: mostly mixed, but with many un-synced writes a
    /// mixture alone would hardly ever lose or keep all of them.
    pub(crate) fn mood(&mut self, loss: Loss) -> Option<Fate> {
        match loss {
            Loss::Everything => Some(Fate::Lost),
            Loss::Nothing => Some(Fate::Kept),
            Loss::Seeded => match self.below(4) {
                0 => Some(Fate::Kept),
                1 => Some(Fate::Lost),
                _ => None,
            },
        }
    }

    pub(crate) fn fate(&mut self, mood: Option<Fate>) -> Fate {
        mood.unwrap_or_else(|| match self.below(3) {
            0 => Fate::Kept,
            1 => Fate::Lost,
            _ => Fate::Torn,
        })
    }
}
