//! What the unit tests of this room share: a seeded generator of numbers.

/// A small seeded generator (xorshift64*); the same seed gives the same numbers.
pub(crate) struct Generator(u64);

impl Generator {
    /// A generator that starts from `seed`, which is not 0.
    pub(crate) fn new(seed: u64) -> Generator {
        Generator(seed)
    }

    /// A number from 0 to `bound - 1`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound as u64) as usize
    }
}
