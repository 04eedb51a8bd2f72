//! The sizes of recycled blocks: classes, four to a doubling, from 64 bytes to 1 MiB behind the head of a block.

/// The smallest size of a class, in bytes.
pub(super) const CLASS_BYTES_MIN: usize = 1 << CLASS_BITS_MIN;
/// The largest.
pub(super) const CLASS_BYTES_MAX: usize = 1 << CLASS_BITS_MAX;
pub(super) const CLASS_BITS_MIN: usize = 6;
const CLASS_BITS_MAX: usize = 20;
/// How many classes there are.
pub(super) const CLASS_COUNT: usize = 4 * (CLASS_BITS_MAX - CLASS_BITS_MIN) + 1;

/// All small classes are multiples of so many bytes.
const GRANULE_BYTES: usize = CLASS_BYTES_MIN / 4;
/// The class of the lengths of each granule up to 1 KiB, those of most messages.
static SMALL: [u8; 1024 / GRANULE_BYTES] = {
    let mut small = [0; 1024 / GRANULE_BYTES];
    let mut granule = 0;
    while granule < small.len() {
        small[granule] = Class::calculated((granule + 1) * GRANULE_BYTES).0;
        granule += 1;
    }
    small
};

/// A size of blocks that are recycled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::message) struct Class(pub(super) u8);

impl Class {
    /// The smallest class whose blocks have `len` bytes behind their head; none when such blocks are not recycled: none at all in a build
    /// that is to see what is done to memory after it was given back, or beyond its end.
    #[inline]
    pub(in crate::message) fn of(len: usize) -> Option<Class> {
        if cfg!(unpooled) || !(CLASS_BYTES_MIN / 2 + 1..=CLASS_BYTES_MAX).contains(&len) {
            return None;
        }
        if let Some(index) = SMALL.get((len - 1) / GRANULE_BYTES) {
            return Some(Class(*index));
        }
        Some(Class::calculated(len))
    }

    /// As [`Class::of`], of a length that has one.
    const fn calculated(len: usize) -> Class {
        let len = if len < CLASS_BYTES_MIN { CLASS_BYTES_MIN } else { len };
        let last = len - 1;
        let doubling = last.ilog2() as usize;
        // The two bits below the highest one tell the quarter; from 4 to 7 with the highest one.
        let quarter = last >> (doubling - 2);
        Class(((doubling + 1 - CLASS_BITS_MIN) * 4 + quarter - 7) as u8)
    }

    /// The bytes behind the head of a block.
    pub(in crate::message) fn len(self) -> usize {
        (4 + self.index() % 4) << (CLASS_BITS_MIN - 2 + self.index() / 4)
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}
