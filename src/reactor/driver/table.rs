//! Hash tables keyed by tokens and descriptors. The reactor chooses the keys, so nobody outside can aim at collisions and
//! one multiplication is hash enough. Reactor thread only.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::{TOKENS_MAX, Token};

/// A table keyed by a token or a descriptor.
pub(super) type Table<K, V> = HashMap<K, V, BuildHasherDefault<KeyHasher>>;

/// Whether an operation may start under this token; makes room for it.
///
/// # Errors
/// `EINVAL`: the token is too large; `EEXIST`: it names a live operation; `ENOMEM`.
pub(super) fn admit<V>(operations: &mut Table<Token, V>, token: Token) -> Result<(), i32> {
    if token >= TOKENS_MAX {
        return Err(libc::EINVAL);
    }
    if operations.contains_key(&token) {
        return Err(libc::EEXIST);
    }
    operations.try_reserve(1).map_err(|_| libc::ENOMEM)
}

/// Multiplicative hashing of one integer.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

/// An odd number close to 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        // The table takes its bits from both ends of the hash; the product mixes upwards only.
        let product = (self.0 ^ value).wrapping_mul(MULTIPLIER);
        self.0 = product ^ (product >> 32);
    }

    fn write_i32(&mut self, value: i32) {
        self.write_u64(u64::from(value.cast_unsigned()));
    }
}
