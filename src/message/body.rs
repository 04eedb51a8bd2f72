//! Message bodies that live outside their message: what rides by reference in pipes.
//!
//! A body is a pointer, a length and a counted block; the block either precedes the bytes in one allocation, or stands for
//! a caller's buffer and its free function, or is absent (constant data). Bodies may be cloned and dropped on any thread;
//! the bytes are not changed while more than one body refers to them, except by C programs that break zmq_msg_copy(3).

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::fmt;
use std::mem::offset_of;
use std::ops::Deref;
use std::ptr::{self, NonNull};

use super::pool::{self, Class};
use crate::error::{Error, Result};
use crate::sys::copy;
use crate::sys::sync::atomic::{AtomicUsize, Ordering, fence};

/// Gives a caller's buffer back: called with the buffer and the hint (zmq_msg_init_data(3)), from any thread.
pub type FreeFn = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void);

/// How far a [`BodyBuilder`] touches memory ahead of what has arrived, in bytes.
pub const BODY_WINDOW_BYTES_MAX: usize = 1024 * 1024;

/// The head of an allocation. The bytes follow it, 16-aligned, unless there is a free function.
#[repr(C, align(16))]
struct Block {
    references: AtomicUsize,
    /// Bytes behind this head.
    capacity: usize,
    free: Option<FreeFn>,
    hint: *mut c_void,
}

const _: () = assert!(align_of::<Block>() == pool::ALIGNMENT && size_of::<Block>() == pool::HEAD_BYTES);
const _: () = assert!(offset_of!(Block, capacity) == pool::CAPACITY_OFFSET);

/// A reference-counted sequence of bytes. Cloning is cheap and shares the bytes.
#[repr(C)]
pub struct Body {
    /// None for constant data, which nobody owns.
    block: Option<NonNull<Block>>,
    data: *mut u8,
    len: usize,
}

// SAFETY: the count is atomic, the bytes are only read through a shared body, and a free function may be called anywhere.
unsafe impl Send for Body {}
// SAFETY: as above; `&Body` gives read access alone.
unsafe impl Sync for Body {}

impl Body {
    /// `len` bytes of arbitrary content. Fails with [`Error::NoMemory`].
    pub(super) fn with_size(len: usize) -> Result<Body> {
        let block = allocate(len)?;
        // SAFETY: the block was allocated with `len` bytes behind its head.
        Ok(unsafe { Body::own(block, len) })
    }

    /// As [`Body::with_size`], in memory that the calling thread used last, if it has any of that size.
    #[inline(always)]
    pub(super) fn recycled(len: usize) -> Option<Body> {
        let block = begin(pool::take_last(Class::of(len)?)?);
        // SAFETY: the block has `len` bytes or more behind its head.
        Some(unsafe { Body::own(block, len) })
    }

    /// Keeps the memory for the next body that the calling thread makes, if this is the only one that refers to it and there is
    /// place. True when the body is gone: it must not be used or dropped.
    #[inline(always)]
    pub(super) fn recycle(&mut self) -> bool {
        let Some(block) = self.block else { return false };
        // SAFETY: this body holds a reference, so the block is alive.
        let head = unsafe { block.as_ref() };
        if head.references.load(Ordering::Acquire) != 1 || head.free.is_some() {
            return false;
        }
        // SAFETY: blocks of such a capacity come from the pool, and nothing else refers to this one.
        Class::of(head.capacity).is_some_and(|class| unsafe { pool::keep_last(class, block.cast()) })
    }

    /// A copy of `bytes` in an allocation of its own. Fails with [`Error::NoMemory`].
    pub fn from_slice(bytes: &[u8]) -> Result<Body> {
        let body = Body::with_size(bytes.len())?;
        // SAFETY: the new allocation has room for `bytes` and does not overlap them.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), body.data, bytes.len()) };
        Ok(body)
    }

    /// Refers to data that is never freed.
    ///
    /// # Safety
    /// `data` is valid for reads of `len` bytes from any thread as long as any clone of the body lives; it may be null when
    /// `len` is 0.
    pub(super) unsafe fn constant(data: *const u8, len: usize) -> Body {
        Body {
            block: None,
            data: data.cast_mut(),
            len,
        }
    }

    /// Takes over a caller's buffer and its free function. Fails with [`Error::NoMemory`]; then nothing was taken over.
    ///
    /// # Safety
    /// `data` is valid for reads and writes of `len` bytes from any thread until `free` is called, which may happen on any
    /// thread; it may be null when `len` is 0.
    pub(super) unsafe fn external(data: *mut u8, len: usize, free: FreeFn, hint: *mut c_void) -> Result<Body> {
        let mut block = allocate(0)?;
        // SAFETY: the block is new and ours alone.
        let head = unsafe { block.as_mut() };
        head.free = Some(free);
        head.hint = hint;
        Ok(Body {
            block: Some(block),
            data,
            len,
        })
    }

    /// Where the bytes start: for a caller's buffer, the caller's own pointer.
    pub fn as_ptr(&self) -> *const u8 {
        self.data
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody owns the bytes.
    pub(super) fn is_constant(&self) -> bool {
        self.block.is_none()
    }

    /// Whether other bodies refer to the same bytes now.
    pub(super) fn is_shared(&self) -> bool {
        // Acquire: whoever sees itself alone may write, after the last read of whoever let go.
        self.block()
            .is_some_and(|block| block.references.load(Ordering::Acquire) > 1)
    }

    /// Whether a free function waits for the last reference.
    pub fn has_free_function(&self) -> bool {
        self.block().is_some_and(|block| block.free.is_some())
    }

    /// Becomes a copy of `bytes` in the memory that it has. False, and as it was, unless it is the only body that refers to that
    /// memory, which must fit.
    #[inline]
    pub(super) fn overwrite(&mut self, bytes: &[u8]) -> bool {
        let Some(block) = self.block() else { return false };
        let alone = block.references.load(Ordering::Acquire) == 1 && block.free.is_none();
        // Much too large memory is given back instead.
        if !alone || block.capacity < bytes.len() || block.capacity / 4 > bytes.len() {
            return false;
        }
        // A part of what was received begins behind the beginning of its memory.
        // SAFETY: the memory behind the head is valid for so many bytes, and nothing else refers to it.
        self.data = unsafe { bytes_of(NonNull::from(block)) };
        // SAFETY: as above.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.data, bytes.len()) };
        self.len = bytes.len();
        true
    }

    /// As [`Body::overwrite`], of 255 bytes at most.
    #[inline(always)]
    pub(super) fn overwrite_quickly(&mut self, bytes: &[u8]) -> bool {
        let Some(block) = self.block else { return false };
        // SAFETY: this body holds a reference, so the block is alive.
        let head = unsafe { block.as_ref() };
        let alone = head.references.load(Ordering::Acquire) == 1 && head.free.is_none();
        if !alone || head.capacity / 4 > bytes.len() {
            return false;
        }
        // SAFETY: the bytes lie behind the head in the same allocation. A part of what was received begins behind their beginning.
        let data = unsafe { bytes_of(block) };
        // SAFETY: the memory behind the head is valid for so many bytes, and nothing else refers to it.
        let memory = unsafe { std::slice::from_raw_parts_mut(data, head.capacity) };
        let is_filled = copy::overwrite(memory, bytes);
        if is_filled {
            (self.data, self.len) = (data, bytes.len());
        }
        is_filled
    }

    /// The bytes for writing, when this is the only body that refers to them.
    pub(super) fn unique_mut(&mut self) -> Option<&mut [u8]> {
        if self.is_constant() || self.is_shared() {
            return None;
        }
        if self.len == 0 {
            return Some(&mut []);
        }
        // SAFETY: the bytes are valid for writes, and no other body refers to them.
        Some(unsafe { std::slice::from_raw_parts_mut(self.data, self.len) })
    }

    /// Gives a caller's buffer back; the last reference is gone.
    #[cold]
    fn free_external(&mut self) {
        let owner = self.block().and_then(|block| block.free.map(|free| (free, block.hint)));
        if let Some(block) = self.block.take() {
            // SAFETY: the last reference is gone.
            unsafe { deallocate(block) };
        }
        if let Some((free, hint)) = owner {
            // SAFETY: the caller of zmq_msg_init_data promised that `free` takes these two arguments, once, on any thread.
            unsafe { free(self.data.cast(), hint) };
        }
    }

    /// # Safety
    /// `block` has a reference count of one, no free function, and at least `len` bytes behind its head; it is given away.
    unsafe fn own(block: NonNull<Block>, len: usize) -> Body {
        // SAFETY: the bytes lie behind the head in the same allocation.
        let data = unsafe { bytes_of(block) };
        Body {
            block: Some(block),
            data,
            len,
        }
    }

    fn block(&self) -> Option<&Block> {
        // SAFETY: this body holds a reference, so the block is alive; its fields do not change once it is shared.
        self.block.map(|block| unsafe { &*block.as_ptr() })
    }
}

impl Clone for Body {
    fn clone(&self) -> Body {
        if let Some(block) = self.block() {
            // A new reference is made from one that exists, so nothing needs to be ordered against it.
            block.references.fetch_add(1, Ordering::Relaxed);
        }
        Body {
            block: self.block,
            data: self.data,
            len: self.len,
        }
    }
}

impl Drop for Body {
    #[inline]
    fn drop(&mut self) {
        let Some(block) = self.block() else { return };
        // The only holder needs no read-modify-write: nobody is left who could make another reference.
        if block.references.load(Ordering::Acquire) != 1 {
            if block.references.fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            fence(Ordering::Acquire);
        }
        if block.free.is_some() {
            return self.free_external();
        }
        let Some(block) = self.block else { return };
        // SAFETY: the last reference is gone.
        unsafe { deallocate(block) };
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the bytes are valid for reads as long as a body refers to them.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Body")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// A body that is being received: its allocation grows as bytes arrive, so that a peer which announces a large frame and
/// sends little of it costs little.
///
/// Memory beyond what has arrived is touched up to [`BODY_WINDOW_BYTES_MAX`]; the allocation at most doubles what has
/// arrived. One thread at a time drives a builder.
pub struct BodyBuilder {
    block: NonNull<Block>,
    capacity: usize,
    len: usize,
    total: usize,
}

// SAFETY: the block is owned by the builder alone.
unsafe impl Send for BodyBuilder {}

impl BodyBuilder {
    /// Begins a body of `total` bytes. Fails with [`Error::NoMemory`].
    pub fn new(total: usize) -> Result<BodyBuilder> {
        let capacity = total.min(BODY_WINDOW_BYTES_MAX);
        Ok(BodyBuilder {
            block: allocate(capacity)?,
            capacity,
            len: 0,
            total,
        })
    }

    /// The window for the next bytes: the rest of the body, at most [`BODY_WINDOW_BYTES_MAX`] of it; empty when the body is
    /// complete. Its content is arbitrary. Fails with [`Error::NoMemory`]; what has arrived is kept.
    pub fn spare(&mut self) -> Result<&mut [u8]> {
        let window = (self.total - self.len).min(BODY_WINDOW_BYTES_MAX);
        if self.len + window > self.capacity {
            self.grow()?;
        }
        // SAFETY: `len + window` bytes lie behind the head, filled (if arbitrarily) by `allocate` or `grow`, and the builder
        // owns them alone.
        Ok(unsafe { std::slice::from_raw_parts_mut(bytes_of(self.block).add(self.len), window) })
    }

    /// Counts the first `count` bytes of the last [`spare`](BodyBuilder::spare) as arrived; a count past the allocation is cut
    /// there.
    pub fn advance(&mut self, count: usize) {
        debug_assert!(
            count <= self.capacity - self.len,
            "more bytes arrived than there was room for"
        );
        self.len += count.min(self.capacity - self.len);
    }

    /// How many bytes have arrived.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether all bytes have arrived.
    pub fn is_complete(&self) -> bool {
        self.len == self.total
    }

    /// What has arrived.
    pub fn filled(&mut self) -> &mut [u8] {
        // SAFETY: `len` bytes lie behind the head, and the builder owns them alone.
        unsafe { std::slice::from_raw_parts_mut(bytes_of(self.block), self.len) }
    }

    /// As [`BodyBuilder::finish`], of these bytes alone, as far as they have arrived.
    pub fn finish_part(self, part: std::ops::Range<usize>) -> Body {
        let start = part.start.min(self.len);
        let end = part.end.clamp(start, self.len);
        let mut body = self.finish();
        // SAFETY: so many bytes lie behind the body's start.
        body.data = unsafe { body.data.add(start) };
        body.len = end - start;
        body
    }

    /// The body, as far as it has arrived.
    pub fn finish(self) -> Body {
        let builder = std::mem::ManuallyDrop::new(self);
        // SAFETY: the block holds at least `len` bytes and has one reference; the builder gives it away and is not dropped.
        unsafe { Body::own(builder.block, builder.len) }
    }

    /// Doubles the allocation, up to the total, and at least to the next full window.
    fn grow(&mut self) -> Result<()> {
        let wanted = self
            .len
            .saturating_add(self.len.max(BODY_WINDOW_BYTES_MAX))
            .min(self.total);
        let layout = layout_of(wanted)?;
        // SAFETY: the builder owns the block alone, so its head may be read and the whole may move.
        let moved = unsafe {
            let old = layout_unchecked(self.block.as_ref().capacity);
            System.realloc(self.block.as_ptr().cast(), old, layout.size())
        };
        let mut block = NonNull::new(moved.cast::<Block>()).ok_or(Error::NoMemory)?;
        // SAFETY: the head was moved with the allocation.
        unsafe { block.as_mut() }.capacity = wanted;
        fill_arbitrarily(moved);
        self.block = block;
        self.capacity = wanted;
        Ok(())
    }
}

impl Drop for BodyBuilder {
    fn drop(&mut self) {
        // SAFETY: the builder owns the block alone.
        unsafe { deallocate(self.block) };
    }
}

fn layout_of(capacity: usize) -> Result<Layout> {
    let size = size_of::<Block>().checked_add(capacity).ok_or(Error::NoMemory)?;
    Layout::from_size_align(size, pool::ALIGNMENT).map_err(|_| Error::NoMemory)
}

/// # Safety
/// [`layout_of`] succeeds for this capacity.
unsafe fn layout_unchecked(capacity: usize) -> Layout {
    // SAFETY: as the caller promises.
    unsafe { Layout::from_size_align_unchecked(size_of::<Block>() + capacity, pool::ALIGNMENT) }
}

/// A new block with one reference, no free function, and `len` bytes or more of arbitrary content behind its head.
#[inline]
fn allocate(len: usize) -> Result<NonNull<Block>> {
    let Some(class) = Class::of(len) else {
        return allocate_apart(len);
    };
    Ok(begin(pool::take(class).ok_or(Error::NoMemory)?))
}

/// Memory of the pool as a block with one reference and no free function.
#[inline(always)]
fn begin(memory: NonNull<u8>) -> NonNull<Block> {
    let block = memory.cast::<Block>();
    fill_arbitrarily(block.as_ptr().cast());
    let head = block.as_ptr();
    // SAFETY: the memory is ours, large enough and aligned, and the pool has written the capacity.
    unsafe {
        (&raw mut (*head).references).write(AtomicUsize::new(1));
        (&raw mut (*head).free).write(None);
    }
    block
}

/// As [`allocate`], of a length that is not pooled.
#[cold]
fn allocate_apart(len: usize) -> Result<NonNull<Block>> {
    let layout = layout_of(len)?;
    // SAFETY: the layout has the size of a head at least.
    let memory = NonNull::new(unsafe { System.alloc(layout) }).ok_or(Error::NoMemory)?;
    fill_arbitrarily(memory.as_ptr());
    let block = memory.cast::<Block>();
    let head = Block {
        references: AtomicUsize::new(1),
        capacity: len,
        free: None,
        hint: ptr::null_mut(),
    };
    // SAFETY: the memory is ours, large enough and aligned.
    unsafe { block.write(head) };
    Ok(block)
}

/// # Safety
/// `block` came from [`allocate`] and nothing refers to it any more.
#[inline(always)]
unsafe fn deallocate(block: NonNull<Block>) {
    // SAFETY: the block is alive.
    let capacity = unsafe { block.as_ref() }.capacity;
    match Class::of(capacity) {
        // SAFETY: blocks of such a capacity come from the pool, whose capacities are those of the classes.
        Some(class) => unsafe { pool::give(class, block.cast()) },
        // SAFETY: the head records the capacity that the block was allocated with.
        None => unsafe { System.dealloc(block.as_ptr().cast(), layout_unchecked(capacity)) },
    }
}

/// # Safety
/// `block` is alive.
unsafe fn bytes_of(block: NonNull<Block>) -> *mut u8 {
    // SAFETY: the head is followed by the bytes in the same allocation.
    unsafe { block.as_ptr().add(1).cast() }
}

/// Makes the compiler take new memory for initialised, with whatever bytes it has: clearing a large body that is about
/// to be overwritten would cost as much as receiving it.
#[inline]
fn fill_arbitrarily(memory: *mut u8) {
    // SAFETY: the statement does nothing; to the compiler it may have written anything to the memory.
    unsafe { std::arch::asm!("/* {0} */", in(reg) memory, options(nostack, preserves_flags)) };
}
