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

#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
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
