//! Where a thread of the application waits: one eventfd a thread, kept for its life, and a word that tells whether writing to
//! it is needed at all.
//!
//! Protocol: the thread calls [`Waiter::prepare`], leaves the waiter where others find it, looks once more, and waits. Whoever
//! has news writes the eventfd only if the thread sleeps ([`WakeWord`]). A write that comes late makes the next wait
//! return early, which every caller allows for.
#![allow(unsafe_code, reason = "poll and eventfd are C functions")]

use std::cell::RefCell;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

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

thread_local! {
    static MINE: RefCell<Option<Arc<Waiter>>> = const { RefCell::new(None) };
}

impl Waiter {
    /// The calling thread's waiter; made on the first call, and anew in a forked child.
    ///
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM` of eventfd(2).
    pub fn mine() -> Result<Arc<Waiter>> {
        let process = generation();
        let kept = MINE
            .try_with(|mine| mine.borrow().clone().filter(|waiter| waiter.process == process))
            .ok()
            .flatten();
        if let Some(waiter) = kept {
            return Ok(waiter);
        }
        // In a forked child the descriptor of the parent's waiter is closed, and its number may come back at once: the object is
        // forgotten, not dropped.
        let _ = MINE.try_with(|mine| mine.take().map(std::mem::forget));
        let waiter = Arc::new(Waiter {
            word: WakeWord::new(),
            eventfd: new_eventfd()?,
            process,
            spin: Spin::default(),
        });
        // A thread that is being torn down waits with a waiter of its own.
        drop(MINE.try_with(|mine| mine.replace(Some(waiter.clone()))));
        Ok(waiter)
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
    use std::sync::atomic::Ordering;

    use super::*;

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
