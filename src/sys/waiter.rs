//! Where a thread of the application waits: one eventfd a thread, kept for its life, and a word that tells whether writing to
//! it is needed at all. A call has the waiter to itself: one that a signal handler makes meanwhile gets another.
//!
//! Protocol: the thread calls [`Waiter::prepare`], leaves the waiter where others find it, looks once more, and waits. Whoever
//! has news writes the eventfd only if the thread sleeps ([`WakeWord`]). A write that comes late makes the next wait
//! return early, which every caller allows for.
#![allow(unsafe_code, reason = "poll and eventfd are C functions")]

use std::ops::Deref;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::counters::{Counter, count};
use super::descriptors::{Descriptor, generation};
use super::spin::Spin;
use super::wake_word::WakeWord;
use super::{clock, errno};
use crate::error::{Error, Result};

/// So many entries of a poll need no allocation.
const ENTRIES_FEW: usize = 8;

/// One thread's place to wait.
#[derive(Debug)]
pub struct Waiter {
    word: WakeWord,
    eventfd: Descriptor,
    /// The process that it belongs to: see [`generation`].
    process: u32,
    spin: Spin,
}

/// Threads that are woken when this is dropped.
#[derive(Debug, Default)]
pub struct Wakes {
    waiters: Vec<Arc<Waiter>>,
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.waiters.iter().for_each(|waiter| waiter.wake());
    }
}

/// A descriptor to wait for beside the waiter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// The descriptor.
    pub fd: RawFd,
    /// What to wait for: `POLLIN` and so on.
    pub events: i16,
    /// What was found.
    pub found: i16,
}

/// The calling thread's waiter, for as long as it is needed.
#[derive(Debug)]
pub struct Mine(Option<Arc<Waiter>>);

impl Deref for Mine {
    type Target = Arc<Waiter>;

    fn deref(&self) -> &Arc<Waiter> {
        match &self.0 {
            Some(waiter) => waiter,
            None => unreachable!("it is given back when this is dropped"),
        }
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let Some(waiter) = self.0.take() else { return };
        if waiter.process != generation() {
            return waiter.end();
        }
        // A thread that is being torn down keeps none.
        let _ = KEPT.try_with(|kept| kept.put(waiter));
    }
}

/// The waiter that a thread keeps while no call of it uses it. A signal handler may come between any two instructions.
struct Kept(AtomicPtr<Waiter>);

impl Kept {
    fn take(&self) -> Option<Arc<Waiter>> {
        let kept = self.0.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: a pointer that is there was made by `put` from an Arc; who has swapped it out owns it.
        (!kept.is_null()).then(|| unsafe { Arc::from_raw(kept) })
    }

    fn put(&self, waiter: Arc<Waiter>) {
        let waiter = Arc::into_raw(waiter).cast_mut();
        let found = self
            .0
            .compare_exchange(ptr::null_mut(), waiter, Ordering::AcqRel, Ordering::Relaxed);
        if found.is_err() {
            // SAFETY: made from an Arc above and left with nobody.
            unsafe { Arc::from_raw(waiter) }.end();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(waiter) = self.take() {
            waiter.end();
        }
    }
}

thread_local! {
    static KEPT: Kept = const { Kept(AtomicPtr::new(ptr::null_mut())) };
}

impl Waiter {
    /// The calling thread's waiter; made on the first call, and anew in a forked child.
    ///
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM` of eventfd(2).
    pub fn mine() -> Result<Mine> {
        let process = generation();
        if let Ok(Some(waiter)) = KEPT.try_with(Kept::take) {
            if waiter.process == process {
                return Ok(Mine(Some(waiter)));
            }
            waiter.end();
        }
        Ok(Mine(Some(Arc::new(Waiter {
            word: WakeWord::new(),
            eventfd: new_eventfd()?,
            process,
            spin: Spin::default(),
        }))))
    }

    /// In a forked child the descriptor of a waiter of the parent's is closed, and its number may come back at once: the object is
    /// forgotten, not dropped.
    fn end(self: Arc<Waiter>) {
        if self.process != generation() {
            std::mem::forget(self);
        }
    }

    /// Before the waiter is left with others.
    pub fn prepare(&self) {
        self.word.rise();
    }

    /// There is news for the thread.
    pub fn notify(&self) {
        if self.word.notify() {
            self.wake();
        }
    }

    /// As [`Waiter::notify`]; if the thread sleeps it is woken when `wakes` is dropped.
    pub fn notify_later(self: &Arc<Waiter>, wakes: &mut Wakes) {
        if !self.word.notify() {
            return;
        }
        match wakes.waiters.try_reserve(1) {
            Ok(()) => wakes.waiters.push(self.clone()),
            Err(_) => self.wake(),
        }
    }

    fn wake(&self) {
        count(Counter::Wakes);
        signal(self.eventfd.as_raw_fd());
    }

    /// Looks again for a moment, as long as that has paid, by `look` and for news; true when there is some.
    pub fn spin(&self, deadline_ns: Option<u64>, mut look: impl FnMut()) -> bool {
        self.spin.until(deadline_ns, || {
            look();
            self.word.is_notified()
        })
    }

    /// Sleeps until there is news, a watched descriptor is ready, or the deadline has passed (false then).
    ///
    /// Errors: `Interrupted` when a signal handler ran, whether or not it was installed with `SA_RESTART`.
    pub fn wait(&self, deadline_ns: Option<u64>, watched: &mut [Watched]) -> Result<bool> {
        let own = libc::pollfd {
            fd: self.eventfd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut few = [own; ENTRIES_FEW];
        let mut many = Vec::new();
        let entries = match few.get_mut(..=watched.len()) {
            Some(few) => few,
            None => {
                many.try_reserve(watched.len() + 1).map_err(|_| Error::NoMemory)?;
                many.resize(watched.len() + 1, own);
                &mut many[..]
            }
        };
        for (entry, one) in entries[1..].iter_mut().zip(&*watched) {
            (entry.fd, entry.events) = (one.fd, one.events);
        }
        let sleeps = self.word.fall_asleep();
        if sleeps {
            count(Counter::Sleeps);
        }
        let found = poll(entries, if sleeps { deadline_ns } else { Some(0) });
        self.word.rise();
        if entries[0].revents != 0 {
            drain(self.eventfd.as_raw_fd());
        }
        for (one, entry) in watched.iter_mut().zip(&entries[1..]) {
            one.found = entry.revents;
        }
        found.map(|count| count > 0 || !sleeps)
    }
}

impl Waiter {
    /// Looks at the watched descriptors without sleeping.
    ///
    /// Errors: as [`Waiter::wait`].
    pub fn wait_for_descriptors(&self, watched: &mut [Watched]) -> Result<()> {
        // Nobody else knows of this waiter now.
        self.word.notify();
        self.wait(None, watched).map(drop)
    }
}

/// A new non-blocking eventfd.
pub fn new_eventfd() -> Result<Descriptor> {
    // SAFETY: no pointers; the result is checked.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(Error::from_errno(errno::current()));
    }
    // SAFETY: a descriptor that was just created and that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into())
}

/// Makes an eventfd readable.
pub fn signal(eventfd: RawFd) {
    let one = 1_u64;
    // SAFETY: the kernel reads eight bytes from a live local.
    unsafe { libc::syscall(libc::SYS_write, eventfd, &raw const one, size_of::<u64>()) };
}

/// Makes an eventfd unreadable.
pub fn drain(eventfd: RawFd) {
    let mut count = 0_u64;
    // SAFETY: the kernel writes eight bytes into a live local.
    unsafe { libc::syscall(libc::SYS_read, eventfd, &raw mut count, size_of::<u64>()) };
}

/// `ppoll(2)` as a plain system call: no cancellation point, and interrupted by every signal handler.
fn poll(entries: &mut [libc::pollfd], deadline_ns: Option<u64>) -> Result<usize> {
    #[cfg(test)]
    if let Some(found) = super::simulation::poll(entries, deadline_ns) {
        return found;
    }
    let left = deadline_ns.map(|deadline| deadline.saturating_sub(clock::now_ns()));
    let time = left.map(|left| libc::timespec {
        tv_sec: (left / 1_000_000_000) as libc::time_t,
        tv_nsec: (left % 1_000_000_000) as libc::c_long,
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let none = std::ptr::null::<libc::sigset_t>();
    // SAFETY: the entries are borrowed for the call and the time is a live local, or null.
    let count = unsafe { libc::syscall(libc::SYS_ppoll, entries.as_mut_ptr(), entries.len(), time, none, 8) };
    usize::try_from(count).map_err(|_| Error::from_errno(errno::current()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_within_a_call_has_another_waiter() {
        let outer = Waiter::mine().unwrap();
        let inner = Waiter::mine().unwrap();
        assert!(!Arc::ptr_eq(&outer, &inner));
        let first = Arc::as_ptr(&outer);
        drop(outer);
        drop(inner);
        assert_eq!(Arc::as_ptr(&Waiter::mine().unwrap()), first);
    }

    #[test]
    fn news_before_the_wait_ends_it_at_once() {
        let waiter = Waiter::mine().unwrap();
        waiter.prepare();
        waiter.notify();
        assert_eq!(waiter.wait(None, &mut []), Ok(true));
    }

    #[test]
    fn a_deadline_that_has_passed_is_told_apart_from_news() {
        let waiter = Waiter::mine().unwrap();
        waiter.prepare();
        assert_eq!(waiter.wait(Some(0), &mut []), Ok(false));
    }

    #[test]
    fn no_notification_is_lost_between_threads() {
        let waiter = Waiter::mine().unwrap();
        let news = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 1..=20_000 {
                    while news.load(Ordering::SeqCst) != 0 {
                        std::hint::spin_loop();
                    }
                    news.store(turn, Ordering::SeqCst);
                    waiter.notify();
                }
            });
            for turn in 1..=20_000 {
                loop {
                    waiter.prepare();
                    if news.load(Ordering::SeqCst) == turn {
                        break;
                    }
                    waiter.wait(None, &mut []).unwrap();
                }
                news.store(0, Ordering::SeqCst);
            }
        });
    }
}
