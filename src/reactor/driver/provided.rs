//! The receive buffers of one driver: one mapping, cut into equal buffers, lent out and taken back by number.
//!
//! Reactor thread only. A buffer is either at home (with epoll in the free list, with io_uring in the ring that the kernel
//! takes buffers from) or lent out as one [`ReceivedBuffer`], which alone may read it. The pool lives until the driver and
//! the last lent buffer are gone. A forked child does not inherit the memory.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::{fmt, slice};

use io_uring::types::BufRingEntry;

use super::buffers::errno;

/// Received bytes in a buffer of the driver. Dropping it gives the buffer back.
pub struct ReceivedBuffer {
    /// None: no buffer was needed (end of the stream).
    lease: Option<(Rc<BufferPool>, u16)>,
    length: usize,
}

impl ReceivedBuffer {
    /// The end of a stream.
    pub(super) fn empty() -> Self {
        Self { lease: None, length: 0 }
    }
}

impl Deref for ReceivedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let Some((pool, index)) = &self.lease else { return &[] };
        // SAFETY: the pool maps this buffer for as long as it lives; `length` bytes of it were written, and nobody writes
        // to a lent buffer.
        unsafe { slice::from_raw_parts(pool.address(*index).as_ptr(), self.length) }
    }
}

impl Drop for ReceivedBuffer {
    fn drop(&mut self) {
        if let Some((pool, index)) = self.lease.take() {
            pool.give_back(index);
        }
    }
}

impl fmt::Debug for ReceivedBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ReceivedBuffer({} bytes)", self.length)
    }
}

/// Where buffers are at home.
enum Home {
    /// Numbers of the free buffers; the last one back is the first one out, while it is still in the cache.
    List(RefCell<Vec<u16>>),
    /// A provided-buffer ring (`io_uring_register_buf_ring(3)`), whose tail only this side moves.
    Ring { entries: Mapping, tail: Cell<u16> },
}

/// All receive buffers of one driver.
pub(super) struct BufferPool {
    memory: Mapping,
    home: Home,
    count: u16,
    buffer_bytes: usize,
    lent: Cell<u16>,
}

impl BufferPool {
    /// A pool with a free list, `count` times `buffer_bytes`.
    pub(super) fn with_list(count: u16, buffer_bytes: usize) -> Result<Rc<Self>, i32> {
        let free = (0..count).rev().collect();
        Self::new(Home::List(RefCell::new(free)), count, buffer_bytes)
    }

    /// A pool with a ring that holds every buffer. `count` is a power of two.
    pub(super) fn with_ring(count: u16, buffer_bytes: usize) -> Result<Rc<Self>, i32> {
        let entries = Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let pool = Self::new(
            Home::Ring {
                entries,
                tail: Cell::new(0),
            },
            count,
            buffer_bytes,
        )?;
        for index in 0..count {
            pool.bring_home(index);
        }
        Ok(pool)
    }

    fn new(home: Home, count: u16, buffer_bytes: usize) -> Result<Rc<Self>, i32> {
        let memory = Mapping::new(usize::from(count) * buffer_bytes)?;
        Ok(Rc::new(Self {
            memory,
            home,
            count,
            buffer_bytes,
            lent: Cell::new(0),
        }))
    }

    /// Buffers that are not lent out.
    pub(super) fn available(&self) -> u16 {
        self.count - self.lent.get()
    }

    /// Address of the ring's entries, for the registration; none for a list.
    pub(super) fn ring_address(&self) -> Option<u64> {
        match &self.home {
            Home::List(_) => None,
            Home::Ring { entries, .. } => Some(entries.start.as_ptr() as u64),
        }
    }

    /// The kernel took buffer `index` from the ring and wrote `length` bytes.
    pub(super) fn lend_from_ring(self: &Rc<Self>, index: u16, length: usize) -> ReceivedBuffer {
        self.lend(index, length)
    }

    /// Takes a buffer from the list and lends out what `fill` wrote into it; none: all are lent out.
    pub(super) fn lend_filled(
        self: &Rc<Self>,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, i32>,
    ) -> Option<Result<ReceivedBuffer, i32>> {
        let Home::List(free) = &self.home else { return None };
        let index = free.borrow_mut().pop()?;
        let mut buffer = self.lend(index, 0);
        // SAFETY: the buffer was free, so that `buffer`, which nobody reads meanwhile, is the only way to it; the mapping
        // is zeroed, hence initialised.
        let bytes = unsafe { slice::from_raw_parts_mut(self.address(index).as_ptr(), self.buffer_bytes) };
        Some(fill(bytes).map(|length| {
            buffer.length = length.min(self.buffer_bytes);
            buffer
        }))
    }

    fn lend(self: &Rc<Self>, index: u16, length: usize) -> ReceivedBuffer {
        assert!(
            index < self.count && length <= self.buffer_bytes,
            "the kernel named a buffer it was not given"
        );
        self.lent.set(self.lent.get() + 1);
        ReceivedBuffer {
            lease: Some((Rc::clone(self), index)),
            length,
        }
    }

    fn give_back(&self, index: u16) {
        self.lent.set(self.lent.get() - 1);
        self.bring_home(index);
    }

    fn bring_home(&self, index: u16) {
        match &self.home {
            Home::List(free) => free.borrow_mut().push(index),
            Home::Ring { entries, tail } => {
                let base = entries.start.cast::<BufRingEntry>();
                let position = tail.get() & (self.count - 1);
                // SAFETY: the position is inside the mapping of `count` zeroed entries. The kernel reads an entry only
                // once the tail has passed it, and this buffer was taken out of the ring, so that its place is free. The
                // tail lies in a field of the first entry that none of the setters touches.
                unsafe {
                    let entry = &mut *base.add(usize::from(position)).as_ptr();
                    entry.set_addr(self.address(index).as_ptr() as u64);
                    entry.set_len(u32::try_from(self.buffer_bytes).unwrap_or(u32::MAX));
                    entry.set_bid(index);
                }
                tail.set(tail.get().wrapping_add(1));
                // SAFETY: the tail is an aligned 16-bit field of the live mapping, shared with the kernel and accessed
                // atomically on this side.
                let shared = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(base.as_ptr()).cast_mut()) };
                shared.store(tail.get(), Ordering::Release);
            }
        }
    }

    fn address(&self, index: u16) -> NonNull<u8> {
        // SAFETY: `index` is below `count`, so that the offset is inside the mapping.
        unsafe { self.memory.start.add(usize::from(index) * self.buffer_bytes) }
    }
}

/// Zeroed, page-aligned memory that a forked child does not inherit. Pages are committed when first touched.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    fn new(length: usize) -> Result<Self, i32> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: asks for new memory at no particular address; the result is checked.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(errno());
        }
        let Some(start) = NonNull::new(start.cast::<u8>()) else {
            return Err(libc::ENOMEM);
        };
        let mapping = Self { start, length };
        // SAFETY: advises on exactly the new mapping, which nobody uses yet.
        if unsafe { libc::madvise(start.as_ptr().cast(), length, libc::MADV_DONTFORK) } != 0 {
            return Err(errno());
        }
        Ok(mapping)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `new` mapped; the pool and the lent buffers, the only users, are gone.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_does_not_inherit_the_memory() {
        let pool = BufferPool::with_ring(4, 4096).unwrap();
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        for address in [
            pool.memory.start,
            pool.ring_address()
                .map(|it| NonNull::new(it as *mut u8).unwrap())
                .unwrap(),
        ] {
            let address = address.as_ptr() as u64;
            let mut lines = maps.lines().skip_while(|line| {
                let range = line.split(' ').next().and_then(|range| range.split_once('-'));
                let bound = |text| u64::from_str_radix(text, 16).ok();
                let bounds = range.and_then(|(low, high)| Some(bound(low)?..bound(high)?));
                !bounds.is_some_and(|bounds| bounds.contains(&address))
            });
            let flags = lines.find(|line| line.starts_with("VmFlags:")).unwrap();
            assert!(flags.contains(" dc"), "{flags}");
        }
    }

    #[test]
    fn every_buffer_is_lent_once_and_comes_back() {
        let pool = BufferPool::with_list(4, 4096).unwrap();
        let mut lent = Vec::new();
        for fill in 0..4_u8 {
            let buffer = pool
                .lend_filled(|bytes| {
                    bytes.fill(fill);
                    Ok(bytes.len())
                })
                .unwrap();
            lent.push(buffer.unwrap());
        }
        assert_eq!(pool.available(), 0);
        assert!(pool.lend_filled(|_| Ok(0)).is_none());
        for (fill, buffer) in lent.iter().enumerate() {
            assert!(buffer.len() == 4096 && buffer.iter().all(|&byte| usize::from(byte) == fill));
        }
        lent.pop();
        assert_eq!(
            pool.lend_filled(|_| Err(libc::EAGAIN)).unwrap().unwrap_err(),
            libc::EAGAIN
        );
        assert_eq!(pool.available(), 1, "a failed fill gives its buffer back");
        drop(pool);
        assert_eq!(lent[2][4095], 2, "lent buffers outlive the pool's owner");
    }
}
