//! The one way into the library from C: every exported function is defined through [`entry!`](crate::entry), which holds
//! the guard and turns an [`Error`] into the return value and `errno`, so neither can be forgotten.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};
use crate::sys::errno;

/// Runs the body of an exported function. No panic leaves it: the caller sees `on_error` with `ENOTRECOVERABLE`.
#[inline]
pub fn guard<R>(on_error: R, body: impl FnOnce() -> Result<R>) -> R {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => answer(on_error, result),
        Err(_) => {
            report(&Error::Os(libc::ENOTRECOVERABLE));
            on_error
        }
    }
}

/// The C answer for a result: the value, or `on_error` with `errno` set.
#[inline]
pub fn answer<R>(on_error: R, result: Result<R>) -> R {
    match result {
        Ok(value) => value,
        Err(error) => {
            report(&error);
            on_error
        }
    }
}

/// Apart from what succeeds: choosing the number took every call through a table.
#[cold]
#[inline(never)]
fn report(error: &Error) {
    errno::set(error.errno());
}

/// Defines an exported function whose body gives a `Result`.
#[macro_export]
macro_rules! entry {
    ($(#[$attribute:meta])* pub unsafe fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $return:ty, on_error $failed:expr => $body:block) => {
        $(#[$attribute])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> $return {
            $crate::abi::entry::guard($failed, || -> $crate::error::Result<$return> { $body })
        }
    };
}

/// As [`entry!`](crate::entry), for functions that run the caller's own code: C++ and foreign exceptions pass through, so nothing here catches.
#[macro_export]
macro_rules! entry_unwind {
    ($(#[$attribute:meta])* pub unsafe fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $return:ty, on_error $failed:expr => $body:block) => {
        $(#[$attribute])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name($($argument: $type),*) -> $return {
            $crate::abi::entry::answer($failed, (|| -> $crate::error::Result<$return> { $body })())
        }
    };
}
