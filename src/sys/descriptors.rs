//! The descriptors that belong to the library, so that a forked child can close its copies of them.
//!
//! A bit for each descriptor, set and cleared without a lock, and handlers that fork(2) runs before and after. The child shuts
//! nothing down: closing a copy leaves the parent's connections as they are. Descriptors beyond [`DESCRIPTORS_MAX`] are not
//! kept track of, and a child inherits them until it calls exec.
//!
//! To close is to clear the bit and to close: a fork in between would leave the child a copy that nobody knows of. So a fork
//! waits for whoever is at it, and whoever comes during a fork leaves the descriptor, bit and all, for the end of the fork.
//! Nobody who closes ever waits: whatever a thread holds while it closes, and whatever other handlers of the fork wait for.
#![allow(unsafe_code, reason = "fork handlers close descriptors by number")]

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::fork_gate::{ForkGate, OwnedWord};

/// Descriptors from this number on are not kept track of.
const DESCRIPTORS_MAX: usize = 65_536;

/// How long a fork waits for those who are closing. Only a fork inside a signal handler that interrupted one of them waits so
/// long, as it would for ever: its child may inherit that descriptor.
const FORK_WAIT_MAX: Duration = Duration::from_millis(250);

static OWNED: [OwnedWord; DESCRIPTORS_MAX / 64] = [const {
    OwnedWord {
        owned: AtomicU64::new(0),
        deferred: AtomicU64::new(0),
    }
}; DESCRIPTORS_MAX / 64];
static GATE: ForkGate = ForkGate {
    state: AtomicU64::new(0),
};
/// How many forks lie between the process that first used the library and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);
static HANDLERS_ARE_SET: AtomicBool = AtomicBool::new(false);

/// A number that a forked child has a different one of than its parent; no system call.
pub fn generation() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Has forks counted from now on, and descriptors closed in children. False when memory is short.
pub fn count_forks() -> bool {
    // Two threads may set the handlers twice, which does no harm: they count, or do what is done already.
    if HANDLERS_ARE_SET.load(Ordering::Acquire) {
        return true;
    }
    // SAFETY: the handlers are functions of this library, which is never unloaded.
    let is_set = unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(close_copies)) } == 0;
    HANDLERS_ARE_SET.fetch_or(is_set, Ordering::AcqRel);
    is_set
}

/// Marks a descriptor as the library's for as long as it lives; to be dropped before the descriptor is closed.
#[derive(Debug)]
pub struct Mark(RawFd);

impl Mark {
    /// Marks the descriptor.
    pub fn new(fd: RawFd) -> Mark {
        count_forks();
        if let Some((word, bit)) = place(fd) {
            OWNED[word].mark(bit);
        }
        Mark(fd)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        if let Some((word, bit)) = place(self.0) {
            OWNED[word].unmark(bit);
        }
    }
}

/// A descriptor of the library: closed when dropped, and by a forked child at its start. Dropped during a fork, it is closed
/// at the end of that.
#[derive(Debug)]
pub struct Descriptor {
    _mark: ManuallyDrop<Mark>,
    fd: ManuallyDrop<OwnedFd>,
}

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Descriptor {
        Descriptor {
            _mark: ManuallyDrop::new(Mark::new(fd.as_raw_fd())),
            fd: ManuallyDrop::new(fd),
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let Some((word, bit)) = place(self.fd.as_raw_fd()) else {
            // SAFETY: the descriptor is not used after this.
            unsafe { ManuallyDrop::drop(&mut self.fd) };
            return;
        };
        // In a forked child the copy is closed already, and the number may be another's by now.
        let close_owned = || {
            if OWNED[word].unmark(bit) {
                close(word, bit);
            }
        };
        if !GATE.outside_forks(close_owned) && OWNED[word].is_owned(bit) {
            OWNED[word].defer(bit);
            close_deferred();
        }
    }
}

fn place(fd: RawFd) -> Option<(usize, u64)> {
    let number = usize::try_from(fd).ok().filter(|number| *number < DESCRIPTORS_MAX)?;
    Some((number / 64, 1 << (number % 64)))
}

/// The end of a fork that is under way will do it.
fn close_deferred() {
    GATE.outside_forks_again(|| {
        for (number, word) in OWNED.iter().enumerate() {
            word.close_deferred(|bit| close(number, bit));
        }
    });
}

/// As a plain system call: no cancellation point.
fn close(word: usize, bit: u64) {
    let number = word * 64 + bit.trailing_zeros() as usize;
    // SAFETY: the descriptor belonged to this library until its mark was cleared, and nothing uses it after that: not its
    // former owner, and no object of the parent's in a child.
    unsafe { libc::syscall(libc::SYS_close, number) };
}

/// In the thread that forks: lets those who are closing end it, and keeps others from beginning.
extern "C" fn before_fork() {
    GATE.begin_fork();
    let began = Instant::now();
    while GATE.is_closing() && began.elapsed() < FORK_WAIT_MAX {
        std::thread::yield_now();
    }
}

/// In the parent, also when the fork failed.
extern "C" fn after_fork() {
    GATE.end_fork();
    close_deferred();
}

/// In the child, which has one thread: only what a signal handler may call.
extern "C" fn close_copies() {
    FORKS.fetch_add(1, Ordering::SeqCst);
    GATE.forget();
    super::slab::forked();
    for (number, word) in OWNED.iter().enumerate() {
        word.close_all(|bit| close(number, bit));
    }
}

#[cfg(test)]
mod tests {
    use std::io::PipeReader;
    use std::os::fd::FromRawFd;
    use std::sync::Mutex;

    use super::super::child::{fork, status_of, status_of_child};
    use super::*;

    /// Descriptors of the tests have lower numbers.
    const NUMBERS_MAX: RawFd = 4096;

    #[test]
    fn a_descriptor_is_marked_until_it_is_closed() {
        let file = std::io::pipe().unwrap().0;
        let descriptor = copy_of(&file);
        let (word, bit) = place(descriptor.as_raw_fd()).unwrap();
        assert!(OWNED[word].is_owned(bit));
        assert_eq!(open_copies(&file), 1);
        drop(descriptor);
        assert_eq!(settled_copies(&file), 0);
        assert!(place(DESCRIPTORS_MAX as RawFd).is_none() && place(-1).is_none());
    }

    #[test]
    fn a_child_inherits_nothing_that_another_thread_is_closing() {
        const FORKS: usize = 500;
        let file = std::io::pipe().unwrap().0;
        // The handlers are set from here on.
        drop(copy_of(&file));
        // Forks only while nothing is being opened: what is not marked yet is inherited.
        let opening = Mutex::new(());
        let stop = AtomicBool::new(false);
        let inherited: Vec<i32> = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    settle();
                    let held = opening.lock().unwrap();
                    let descriptors: Vec<Descriptor> = (0..200).map(|_| copy_of(&file)).collect();
                    drop(held);
                    drop(descriptors);
                }
            });
            let inherited = (0..FORKS)
                .map(|_| {
                    let held = opening.lock().unwrap();
                    let status = status_of_child(|| open_copies(&file).min(100));
                    drop(held);
                    status
                })
                .filter(|status| *status != 0)
                .collect();
            stop.store(true, Ordering::Relaxed);
            inherited
        });
        assert!(
            inherited.is_empty(),
            "wait statuses of {FORKS} children: {inherited:x?}"
        );
        assert_eq!(settled_copies(&file), 0);
    }

    #[test]
    fn a_fork_waits_for_who_is_closing() {
        let (entered, left) = (AtomicBool::new(false), AtomicBool::new(false));
        let close_slowly = || {
            entered.store(true, Ordering::SeqCst);
            while !GATE.is_forking() {
                std::thread::yield_now();
            }
            (0..100).for_each(|_| std::thread::yield_now());
            left.store(true, Ordering::SeqCst);
        };
        std::thread::scope(|scope| {
            scope.spawn(|| while !GATE.outside_forks(close_slowly) {});
            while !entered.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            before_fork();
            let waited = left.load(Ordering::SeqCst);
            after_fork();
            assert!(waited);
        });
    }

    #[test]
    fn what_is_closed_during_a_fork_waits_for_its_end_and_nobody_else_does() {
        let file = std::io::pipe().unwrap().0;
        let (one, two) = (copy_of(&file), copy_of(&file));
        before_fork();
        drop(one);
        // A fork inside the fork, as other threads have them.
        let child = status_of_child(|| open_copies(&file));
        drop(two);
        let meanwhile = open_copies(&file);
        after_fork();
        assert_eq!((child, meanwhile, settled_copies(&file)), (0, 2, 0));
    }

    #[test]
    fn a_child_opens_closes_and_forks_as_its_parent_does() {
        let file = std::io::pipe().unwrap().0;
        let deferred = copy_of(&file);
        let number = deferred.as_raw_fd();
        before_fork();
        drop(deferred);
        let status = status_of_child(|| {
            // SAFETY: makes a descriptor that nothing else owns: the copy with that number is closed.
            let own = Descriptor::from(unsafe { OwnedFd::from_raw_fd(libc::dup2(file.as_raw_fd(), number)) });
            let grandchild = status_of_child(|| open_copies(&file));
            let before = open_copies(&file);
            drop(own);
            i32::from((grandchild, before, open_copies(&file)) != (0, 1, 0))
        });
        after_fork();
        assert_eq!((status, settled_copies(&file)), (0, 0));
    }

    #[test]
    fn a_fork_amid_a_close_does_not_wait_for_ever() {
        let file = std::io::pipe().unwrap().0;
        let kept = copy_of(&file);
        let mut child = -1;
        while !GATE.outside_forks(|| child = fork()) {
            std::thread::yield_now();
        }
        let status = status_of(child, || {
            drop(copy_of(&file));
            open_copies(&file)
        });
        assert_eq!((status, open_copies(&file)), (0, 1));
        drop(kept);
    }

    fn copy_of(file: &PipeReader) -> Descriptor {
        let copy = OwnedFd::from(file.try_clone().unwrap());
        assert!(copy.as_raw_fd() < NUMBERS_MAX);
        copy.into()
    }

    /// Descriptors of the file, without itself. A signal handler may call this.
    fn open_copies(file: &PipeReader) -> i32 {
        let wanted = identity(file.as_raw_fd());
        let all = (0..NUMBERS_MAX).filter(|number| identity(*number) == wanted).count();
        all as i32 - 1
    }

    fn settled_copies(file: &PipeReader) -> i32 {
        settle();
        open_copies(file)
    }

    /// Returns when what the forks of other tests deferred is closed.
    fn settle() {
        let began = Instant::now();
        while OWNED.iter().any(OwnedWord::has_deferred) || !GATE.is_idle() {
            assert!(began.elapsed().as_secs() < 60, "what was deferred is never closed");
            std::thread::yield_now();
        }
    }

    fn identity(fd: RawFd) -> Option<(libc::dev_t, libc::ino_t)> {
        // SAFETY: plain data for which all zeroes is valid.
        let mut status: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: the structure lives through the call.
        (unsafe { libc::fstat(fd, &mut status) } == 0).then_some((status.st_dev, status.st_ino))
    }
}
