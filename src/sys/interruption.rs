//! Whether the calling thread is in a signal handler that has interrupted this library, and so whatever it held.
//!
//! Found out by a look at the thread's stack, because nothing is noted when a call begins. It takes microseconds, and is asked
//! only when a lock has been waited for longer than any call holds it.
#![allow(
    unsafe_code,
    reason = "the unwinder and the dynamic linker are asked about addresses"
)]

use std::ffi::{c_int, c_void};

/// What the unwinder calls for each frame; 0 asks for the next one.
type Visit = extern "C" fn(frame: *mut c_void, seen: *mut c_void) -> c_int;

unsafe extern "C" {
    fn _Unwind_Backtrace(visit: Visit, seen: *mut c_void) -> c_int;
    fn _Unwind_GetIPInfo(frame: *mut c_void, is_interrupted: *mut c_int) -> usize;
}

/// Frames looked at, at most.
const FRAMES_MAX: usize = 256;

#[derive(Default)]
struct Seen {
    frames: usize,
    is_below_signal: bool,
    is_in_library: bool,
}

/// True in a signal handler that was called while this thread was in a function of the library.
pub fn is_interrupted() -> bool {
    let mut seen = Seen::default();
    // SAFETY: the callback gets the live local back, during the call.
    unsafe { _Unwind_Backtrace(visit, (&raw mut seen).cast()) };
    seen.is_in_library
}

extern "C" fn visit(frame: *mut c_void, seen: *mut c_void) -> c_int {
    // SAFETY: what `is_interrupted` passed, which nobody else uses meanwhile.
    let seen = unsafe { &mut *seen.cast::<Seen>() };
    let mut is_interrupted = 0;
    // SAFETY: the frame that the unwinder is at, and a live local.
    let address = unsafe { _Unwind_GetIPInfo(frame, &raw mut is_interrupted) };
    seen.is_below_signal |= is_interrupted != 0;
    seen.is_in_library =
        seen.is_below_signal && image_of(address) == image_of(self::is_interrupted as fn() -> bool as usize);
    seen.frames += 1;
    c_int::from(seen.is_in_library || seen.frames == FRAMES_MAX)
}

/// Where the program or shared library that an address is in begins; 0 for none.
fn image_of(address: usize) -> usize {
    let mut found = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: any address may be asked about; the answer is a live local, and zeros are a valid one.
    unsafe {
        if libc::dladdr(std::ptr::without_provenance(address), found.as_mut_ptr()) == 0 {
            return 0;
        }
        found.assume_init().dli_fbase.addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI32, Ordering};

    static ANSWER: AtomicI32 = AtomicI32::new(-1);

    extern "C" fn on_signal(_number: c_int) {
        ANSWER.store(is_interrupted().into(), Ordering::SeqCst);
    }

    #[test]
    fn only_a_handler_that_interrupted_the_library_is_told_so() {
        assert!(!is_interrupted());
        // SAFETY: the action is all zeros but for the handler; the signal is sent to this thread, and handled when the call returns.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as extern "C" fn(c_int) as usize;
            assert_eq!(
                libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut()),
                0
            );
            assert_eq!(libc::raise(libc::SIGUSR2), 0);
        }
        assert_eq!(ANSWER.load(Ordering::SeqCst), 1);
    }
}
