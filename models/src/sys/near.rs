//! In the place of the library's: nothing is ever found, and the pool uses its thread-local value.

use std::marker::PhantomData;
use std::ptr::NonNull;

pub struct Near<T>(PhantomData<fn(T)>);

impl<T> Near<T> {
    pub const fn new() -> Near<T> {
        Near(PhantomData)
    }

    pub fn find(&self) -> Option<NonNull<T>> {
        None
    }

    pub fn keep(&self, _object: NonNull<T>) {}

    pub fn forget(&self) {}
}
