//! Random numbers that a seed brings back.

/// SplitMix64: small, good enough to shuffle a suite, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed for a suite: `TIDINGS_TEST_SEED` if it is set, so that a failure can be run again, else `default`.
    ///
    /// # Panics
    /// If the variable holds something else than a number.
    #[must_use]
    pub fn seed(default: u64) -> u64 {
        match std::env::var("TIDINGS_TEST_SEED") {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("TIDINGS_TEST_SEED is no number: `{text}`")),
            Err(_) => default,
        }
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            return 0;
        }
        // The remainder is below `bound`, so it fits.
        (self.draw() % bound as u64) as usize
    }

    /// True in `percent` of cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
