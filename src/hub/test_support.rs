//! A seeded generator for the model tests of this room: the same seed gives the same run.

/// Marsaglia's xorshift.
pub(super) struct Generator(u64);

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Generator(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    /// A short topic over few letters, so that prefixes meet, split and join often.
    pub(super) fn topic(&mut self) -> Vec<u8> {
        let length = self.below(7);
        (0..length)
            .map(|_| [b'a', b'b', 0, 0xff][self.below(4) as usize])
            .collect()
    }
}
