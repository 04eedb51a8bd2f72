//! Threads for C programs (`zmq_utils.h`; there is no manual page). As with libzmq, such a thread is called ZMQapp and
//! has every signal blocked. Its handle is looked up, so that no thread is waited for twice.
//!
//! What the function throws, and `pthread_exit`, pass through: nothing between it and the C library catches or cleans
//! up.

use std::ffi::{c_int, c_uint, c_void};
use std::mem::{self, MaybeUninit};
use std::ptr;

use crate::error::{Error, Result};
use crate::handle::{Region, Table};
use crate::sys::lock::Deferred;
use crate::{entry, entry_unwind};

/// What a thread runs.
pub type ThreadFn = unsafe extern "C-unwind" fn(arg: *mut c_void);

/// What the C library calls a new thread with.
type StartFn = extern "C" fn(*mut c_void) -> *mut c_void;

static THREADS: Table<Thread> = Table::new(Region::Threads);

entry! {
    /// Starts a thread that calls `func(arg)`. Its handle, or NULL with `EAGAIN`, `ENOMEM`, `EMFILE` or `EFAULT`.
    ///
    /// # Safety
    /// `func` may be called with `arg` on another thread.
    pub unsafe fn zmq_threadstart(
        func: Option<ThreadFn>, arg: *mut c_void,
    ) -> *mut c_void, on_error ptr::null_mut() => {
        let mut place = Vec::new();
        place.try_reserve_exact(1).map_err(|_| Error::NoMemory)?;
        place.push(Start { func: func.ok_or(Error::Fault)?, arg });
        let handle = THREADS.insert(Thread::default())?.as_ptr();
        let started = start(place.into_boxed_slice()).and_then(|id| {
            THREADS.slot(handle).and_then(|thread| thread.lock()).ok_or(Error::Fault)?.id = id;
            Ok(handle)
        });
        if started.is_err() {
            THREADS.remove(handle);
        }
        started
    }
}

entry_unwind! {
    /// Waits until a thread has ended, and releases it. `EFAULT` for what is no thread, or was given to this function before.
    ///
    /// # Safety
    /// None: the handle is checked.
    pub unsafe fn zmq_threadclose(thread: *mut c_void) -> (), on_error () => {
        let thread = THREADS.remove(thread).ok_or(Error::Fault)?;
        // SAFETY: a thread that was started and, because its handle is gone now, is joined once.
        match unsafe { libc::pthread_join(thread.id, ptr::null_mut()) } {
            0 => Ok(()),
            errno => Err(Error::from_errno(errno)),
        }
    }
}

entry_unwind! {
    /// Sleeps for some seconds, or until a signal arrives. A negative number is refused with `EINVAL`.
    ///
    /// # Safety
    /// None.
    pub unsafe fn zmq_sleep(seconds: c_int) -> (), on_error () => {
        let seconds = c_uint::try_from(seconds).map_err(|_| Error::Invalid)?;
        // SAFETY: takes any number.
        unsafe { libc::sleep(seconds) };
        Ok(())
    }
}

#[derive(Default)]
struct Thread {
    id: libc::pthread_t,
}

impl Deferred for Thread {
    type After = ();

    /// Nobody leaves work for a thread's handle.
    fn run_deferred(&mut self, _after: &mut ()) {}
}

struct Start {
    func: ThreadFn,
    arg: *mut c_void,
}

fn start(start: Box<[Start]>) -> Result<libc::pthread_t> {
    let start = Box::into_raw(start).cast::<Start>();
    let mut thread = MaybeUninit::uninit();
    // SAFETY: "C" and "C-unwind" functions are called alike, and the caller is the C library, which unwinding may reach.
    let run = unsafe { mem::transmute::<extern "C-unwind" fn(*mut c_void) -> *mut c_void, StartFn>(run) };
    // SAFETY: `run` takes the box over, if it comes to run.
    let errno = unsafe { libc::pthread_create(thread.as_mut_ptr(), ptr::null(), run, start.cast()) };
    if errno != 0 {
        // SAFETY: no thread was made, so the box is still this function's.
        drop(unsafe { Box::from_raw(start) });
        return Err(Error::from_errno(errno));
    }
    // SAFETY: the call succeeded, so it stored the thread.
    Ok(unsafe { thread.assume_init() })
}

/// The first frame of a thread. Holds nothing while the caller's function runs.
extern "C-unwind" fn run(start: *mut c_void) -> *mut c_void {
    // SAFETY: the starter gave its box to this thread.
    let Start { func, arg } = *unsafe { Box::from_raw(start.cast::<Start>()) };
    block_signals();
    // SAFETY: the name is a string, and the thread is this one.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), c"ZMQapp".as_ptr()) };
    // SAFETY: as was promised to `zmq_threadstart`.
    unsafe { func(arg) };
    ptr::null_mut()
}

fn block_signals() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: the set is filled before it is read, and only this thread's mask changes.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::errno;
    use std::fs;

    unsafe extern "C-unwind" fn describe(arg: *mut c_void) {
        // SAFETY: the test passes a string that lives until it has joined the thread.
        let text = unsafe { &mut *arg.cast::<String>() };
        *text = fs::read_to_string("/proc/thread-self/status").unwrap();
    }

    unsafe extern "C-unwind" fn leave_early(arg: *mut c_void) {
        // SAFETY: as in `describe`; ends this thread through the frames of the library.
        unsafe {
            arg.cast::<bool>().write(true);
            libc::pthread_exit(ptr::null_mut());
        }
    }

    #[test]
    fn a_thread_runs_its_function_and_close_waits_for_it() {
        let mut text = String::new();
        // SAFETY: the argument lives until the thread is joined.
        unsafe {
            let thread = zmq_threadstart(Some(describe), (&raw mut text).cast());
            assert!(!thread.is_null());
            zmq_threadclose(thread);
        }
        assert!(text.contains("Name:\tZMQapp\n"), "{text}");
        // All but SIGKILL, SIGSTOP and the C library's own two.
        assert!(text.contains("SigBlk:\tfffffffe7ffbfeff\n"), "{text}");
    }

    #[test]
    fn a_thread_may_leave_by_pthread_exit() {
        let mut ran = false;
        // SAFETY: the argument lives until the thread is joined.
        unsafe {
            let thread = zmq_threadstart(Some(leave_early), (&raw mut ran).cast());
            zmq_threadclose(thread);
        }
        assert!(ran);
    }

    #[test]
    fn null_is_neither_a_function_nor_a_thread() {
        errno::set(0);
        // SAFETY: null is allowed.
        assert!(unsafe { zmq_threadstart(None, ptr::null_mut()) }.is_null());
        assert_eq!(errno::current(), libc::EFAULT);
        errno::set(0);
        // SAFETY: null is allowed.
        unsafe { zmq_threadclose(ptr::null_mut()) };
        assert_eq!(errno::current(), libc::EFAULT);
    }

    #[test]
    fn no_time_and_less_than_none_pass_at_once() {
        errno::set(0);
        // SAFETY: no promise is asked for.
        unsafe { zmq_sleep(0) };
        assert_eq!(errno::current(), 0);
        // SAFETY: no promise is asked for.
        unsafe { zmq_sleep(-1) };
        assert_eq!(errno::current(), libc::EINVAL);
    }
}
