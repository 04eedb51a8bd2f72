//! Timer sets: zmq_timers(3). A set belongs to whoever calls; handlers run on the thread that calls
//! `zmq_timers_execute`, with nothing locked, so a handler may use its own set in any way, and even destroy it.
//!
//! Invariants: the timers of a set are ordered by when they are due, those due at the same millisecond by when they got
//! that time. A cancelled timer keeps its place, and its id stays known to reset and set_interval, until it comes to
//! the front, as in libzmq. A timer is given its next time before its handler runs, and runs at most once in one call
//! of execute.

use std::collections::VecDeque;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;

use crate::error::{Error, Result};
use crate::handle::{Guard, Region, Table};
use crate::sys::clock;
use crate::sys::lock::Deferred;
use crate::sys::reserve;
use crate::{entry, entry_unwind};

/// Called when a timer is due, with the timer's id and the argument that was given when it was added.
pub type TimerFn = unsafe extern "C-unwind" fn(timer_id: c_int, arg: *mut c_void);

static TIMERS: Table<TimerSet> = Table::new(Region::Timers);

entry! {
    /// Makes an empty timer set. NULL with `ENOMEM` or `EMFILE`. Source: zmq_timers(3).
    ///
    /// # Safety
    /// None: the result is a handle, which is checked wherever it is used.
    pub unsafe fn zmq_timers_new() -> *mut c_void, on_error ptr::null_mut() => {
        Ok(TIMERS.insert(TimerSet::default())?.as_ptr())
    }
}

entry! {
    /// Destroys a timer set and sets the caller's pointer to NULL. 0, or -1 with `EFAULT`. Source: zmq_timers(3).
    ///
    /// # Safety
    /// `timers_p` is null or points to a readable and writable pointer.
    pub unsafe fn zmq_timers_destroy(timers_p: *mut *mut c_void) -> c_int, on_error -1 => {
        // SAFETY: as the caller promises.
        let timers = unsafe { timers_p.as_mut() }.ok_or(Error::Fault)?;
        TIMERS.remove(*timers).ok_or(Error::Fault)?;
        *timers = ptr::null_mut();
        Ok(0)
    }
}

entry! {
    /// Adds a timer that is due every `interval` milliseconds. Its id (1 or more), or -1 with `EFAULT` or `ENOMEM`.
    /// Source: zmq_timers(3).
    ///
    /// # Safety
    /// `handler` may be called with `arg` for as long as the timer is in the set.
    pub unsafe fn zmq_timers_add(
        timers: *mut c_void, interval: usize, handler: Option<TimerFn>, arg: *mut c_void,
    ) -> c_int, on_error -1 => {
        let callback = Callback { handler: handler.ok_or(Error::Fault)?, arg };
        locked(timers)?.add(now_ms(), interval as u64, callback)
    }
}

entry! {
    /// Cancels a timer. 0, or -1 with `EFAULT`, or with `EINVAL` when the id is unknown or was cancelled. Source:
    /// zmq_timers(3).
    ///
    /// # Safety
    /// None: the handle is checked.
    pub unsafe fn zmq_timers_cancel(timers: *mut c_void, timer_id: c_int) -> c_int, on_error -1 => {
        locked(timers)?.cancel(timer_id).map(|()| 0)
    }
}

entry! {
    /// Makes a timer due every `interval` milliseconds, the first time that long from now. 0, or -1 with `EFAULT` or,
    /// for an unknown id, `EINVAL`. Source: zmq_timers(3).
    ///
    /// # Safety
    /// None: the handle is checked.
    pub unsafe fn zmq_timers_set_interval(
        timers: *mut c_void, timer_id: c_int, interval: usize,
    ) -> c_int, on_error -1 => {
        locked(timers)?.restart(now_ms(), timer_id, Some(interval as u64)).map(|()| 0)
    }
}

entry! {
    /// Makes a timer due its interval from now. 0, or -1 with `EFAULT` or, for an unknown id, `EINVAL`. Source:
    /// zmq_timers(3).
    ///
    /// # Safety
    /// None: the handle is checked.
    pub unsafe fn zmq_timers_reset(timers: *mut c_void, timer_id: c_int) -> c_int, on_error -1 => {
        locked(timers)?.restart(now_ms(), timer_id, None).map(|()| 0)
    }
}

entry! {
    /// Milliseconds until the next timer is due, 0 when one is; -1 when there is none, and with `EFAULT`. Source:
    /// zmq_timers(3).
    ///
    /// # Safety
    /// None: the handle is checked.
    pub unsafe fn zmq_timers_timeout(timers: *mut c_void) -> c_long, on_error -1 => {
        let left_ms = locked(timers)?.timeout(now_ms());
        Ok(left_ms.map_or(-1, |left_ms| c_long::try_from(left_ms).unwrap_or(c_long::MAX)))
    }
}

entry_unwind! {
    /// Runs the handlers of all timers that are due, the earliest first. 0, or -1 with `EFAULT`. Source: zmq_timers(3).
    ///
    /// # Safety
    /// The handlers may be called, as was promised when their timers were added.
    pub unsafe fn zmq_timers_execute(timers: *mut c_void) -> c_int, on_error -1 => {
        let set = TIMERS.slot(timers).ok_or(Error::Fault)?;
        let now_ms = now_ms();
        let pass = set.lock().ok_or(Error::Fault)?.begin_pass();
        // A handler may destroy the set: that ends the pass.
        while let Some((id, callback)) = set.lock().and_then(|mut set| set.next_due(now_ms, pass)) {
            // SAFETY: as was promised when the timer was added.
            unsafe { (callback.handler)(id, callback.arg) };
        }
        Ok(0)
    }
}

fn locked(timers: *mut c_void) -> Result<Guard<TimerSet>> {
    TIMERS
        .slot(timers)
        .and_then(|reference| reference.lock())
        .ok_or(Error::Fault)
}

fn now_ms() -> u64 {
    clock::now_ns() / 1_000_000
}

#[derive(Clone, Copy)]
struct Callback {
    handler: TimerFn,
    arg: *mut c_void,
}

// SAFETY: the argument is only handed back to the caller's function, on a thread of the caller's choice.
unsafe impl Send for Callback {}

struct Timer {
    id: c_int,
    due_ms: u64,
    interval_ms: u64,
    /// The last pass of execute that ran it.
    ran_in: u64,
    cancelled: bool,
    callback: Callback,
}

#[derive(Default)]
struct TimerSet {
    timers: VecDeque<Timer>,
    last_id: c_int,
    passes: u64,
}

impl Deferred for TimerSet {
    type After = ();

    /// Nobody leaves work for a timer set.
    fn run_deferred(&mut self, _after: &mut ()) {}
}

impl TimerSet {
    fn add(&mut self, now_ms: u64, interval_ms: u64, callback: Callback) -> Result<c_int> {
        reserve::spare()?;
        self.timers.try_reserve(1).map_err(|_| Error::NoMemory)?;
        let id = self.last_id.checked_add(1).ok_or(Error::NoMemory)?;
        self.last_id = id;
        self.place(Timer {
            id,
            due_ms: now_ms.saturating_add(interval_ms),
            interval_ms,
            ran_in: 0,
            cancelled: false,
            callback,
        });
        Ok(id)
    }

    fn cancel(&mut self, id: c_int) -> Result<()> {
        let timer = self.timers.iter_mut().find(|timer| timer.id == id && !timer.cancelled);
        timer.ok_or(Error::Invalid)?.cancelled = true;
        Ok(())
    }

    /// Starts a timer anew, with a new interval if one is given.
    fn restart(&mut self, now_ms: u64, id: c_int, interval_ms: Option<u64>) -> Result<()> {
        let index = self
            .timers
            .iter()
            .position(|timer| timer.id == id)
            .ok_or(Error::Invalid)?;
        self.move_to_next_time(index, now_ms, interval_ms);
        Ok(())
    }

    fn timeout(&mut self, now_ms: u64) -> Option<u64> {
        self.forget_cancelled();
        Some(self.timers.front()?.due_ms.saturating_sub(now_ms))
    }

    fn begin_pass(&mut self) -> u64 {
        self.passes += 1;
        self.passes
    }

    /// The next timer to run in this pass; it is given its next time.
    fn next_due(&mut self, now_ms: u64, pass: u64) -> Option<(c_int, Callback)> {
        self.forget_cancelled();
        let mut due = self.timers.iter().take_while(|timer| timer.due_ms <= now_ms);
        let index = due.position(|timer| timer.ran_in < pass && !timer.cancelled)?;
        let timer = &mut self.timers[index];
        timer.ran_in = pass;
        let call = (timer.id, timer.callback);
        self.move_to_next_time(index, now_ms, None);
        Some(call)
    }

    fn move_to_next_time(&mut self, index: usize, now_ms: u64, interval_ms: Option<u64>) {
        let Some(mut timer) = self.timers.remove(index) else {
            return;
        };
        timer.interval_ms = interval_ms.unwrap_or(timer.interval_ms);
        timer.due_ms = now_ms.saturating_add(timer.interval_ms);
        self.place(timer);
    }

    /// Behind those due at the same time. There is room, so that this cannot fail.
    fn place(&mut self, timer: Timer) {
        let index = self.timers.partition_point(|other| other.due_ms <= timer.due_ms);
        self.timers.insert(index, timer);
    }

    fn forget_cancelled(&mut self) {
        while self.timers.front().is_some_and(|timer| timer.cancelled) {
            self.timers.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::errno;

    unsafe extern "C-unwind" fn ignore(_timer_id: c_int, _arg: *mut c_void) {}

    fn add(set: &mut TimerSet, now_ms: u64, interval_ms: u64) -> c_int {
        let callback = Callback {
            handler: ignore,
            arg: ptr::null_mut(),
        };
        set.add(now_ms, interval_ms, callback).unwrap()
    }

    /// The ids that one call of execute would run, in order.
    fn run(set: &mut TimerSet, now_ms: u64) -> Vec<c_int> {
        let pass = set.begin_pass();
        std::iter::from_fn(|| set.next_due(now_ms, pass))
            .map(|(id, _)| id)
            .collect()
    }

    #[test]
    fn timers_run_when_due_the_earliest_first_and_equals_in_order() {
        let mut set = TimerSet::default();
        assert_eq!((set.timeout(0), run(&mut set, 0)), (None, vec![]));
        assert_eq!(
            [50, 20, 20, 10].map(|interval_ms| add(&mut set, 0, interval_ms)),
            [1, 2, 3, 4]
        );
        assert_eq!(
            (set.timeout(0), set.timeout(9), set.timeout(11)),
            (Some(10), Some(1), Some(0))
        );
        assert_eq!(run(&mut set, 9), []);
        assert_eq!(run(&mut set, 60), [4, 2, 3, 1]);
        // From the time of the call on, however late it was, and once for all that was missed.
        assert_eq!(set.timeout(60), Some(10));
        assert_eq!(run(&mut set, 80), [4, 2, 3]);
    }

    #[test]
    fn restarting_counts_from_now_and_goes_behind_equals() {
        let mut set = TimerSet::default();
        let ids = [20; 3].map(|interval_ms| add(&mut set, 0, interval_ms));
        set.restart(0, ids[0], None).unwrap();
        assert_eq!(run(&mut set, 20), [2, 3, 1]);
        set.restart(25, ids[1], Some(5)).unwrap();
        assert_eq!(set.timeout(25), Some(5));
        assert_eq!(run(&mut set, 30), [2]);
        assert_eq!(set.timeout(30), Some(5), "the new interval stays");
        assert_eq!(set.restart(30, 99, None), Err(Error::Invalid));
        assert_eq!(set.restart(30, 0, Some(1)), Err(Error::Invalid));
    }

    #[test]
    fn a_cancelled_timer_never_runs_and_its_id_is_not_used_again() {
        let mut set = TimerSet::default();
        let (first, second) = (add(&mut set, 0, 10), add(&mut set, 0, 20));
        assert_eq!(set.cancel(first), Ok(()));
        assert_eq!(set.cancel(first), Err(Error::Invalid));
        assert_eq!(
            (set.cancel(0), set.cancel(77)),
            (Err(Error::Invalid), Err(Error::Invalid))
        );
        // As in libzmq: it can be restarted, without effect, until it was at the front.
        assert_eq!(set.restart(0, first, None), Ok(()));
        assert_eq!(set.timeout(0), Some(20));
        assert_eq!(set.restart(0, first, None), Err(Error::Invalid));
        assert_eq!(run(&mut set, 100), [second]);
        set.cancel(second).unwrap();
        assert_eq!((set.timeout(100), run(&mut set, 1000)), (None, vec![]));
        assert_eq!(add(&mut set, 0, 1), 3);
    }

    #[test]
    fn a_timer_without_interval_runs_once_in_each_pass() {
        let mut set = TimerSet::default();
        add(&mut set, 5, 0);
        add(&mut set, 5, 0);
        assert_eq!(set.timeout(5), Some(0));
        assert_eq!(run(&mut set, 5), [1, 2]);
        assert_eq!(run(&mut set, 5), [1, 2]);
    }

    #[test]
    fn a_timer_put_off_within_a_pass_is_no_longer_due() {
        let mut set = TimerSet::default();
        let (first, second) = (add(&mut set, 0, 10), add(&mut set, 0, 10));
        let pass = set.begin_pass();
        assert_eq!(set.next_due(10, pass).map(|(id, _)| id), Some(first));
        set.restart(10, second, None).unwrap();
        assert!(set.next_due(10, pass).is_none());
        assert_eq!(run(&mut set, 20), [first, second]);
    }

    #[test]
    fn the_longest_interval_is_never_due() {
        let mut set = TimerSet::default();
        add(&mut set, 1000, u64::MAX);
        assert_eq!(set.timeout(1000), Some(u64::MAX - 1000));
        assert_eq!(run(&mut set, u64::MAX - 1), []);
    }

    /// What the handlers below are given: where they note their calls, and the set to use.
    struct Scene {
        timers: *mut c_void,
        calls: Vec<c_int>,
        other: c_int,
        results: Vec<c_int>,
    }

    /// A set without timers, and the place for what its handlers do.
    fn scene() -> Box<Scene> {
        // SAFETY: no promise is asked for.
        let timers = unsafe { zmq_timers_new() };
        assert!(!timers.is_null());
        Box::new(Scene {
            timers,
            calls: Vec::new(),
            other: 0,
            results: Vec::new(),
        })
    }

    impl Scene {
        fn add(&mut self, handler: TimerFn) -> c_int {
            let arg: *mut Scene = self;
            // SAFETY: the scene outlives its set.
            unsafe { zmq_timers_add(self.timers, 0, Some(handler), arg.cast()) }
        }

        fn execute(&mut self) -> c_int {
            // SAFETY: the handlers' scene is live.
            unsafe { zmq_timers_execute(self.timers) }
        }
    }

    unsafe extern "C-unwind" fn note(timer_id: c_int, arg: *mut c_void) {
        // SAFETY: every test passes its scene.
        unsafe { &mut *arg.cast::<Scene>() }.calls.push(timer_id);
    }

    unsafe extern "C-unwind" fn cancel_both(timer_id: c_int, arg: *mut c_void) {
        // SAFETY: as in `note`.
        unsafe {
            note(timer_id, arg);
            let scene = &mut *arg.cast::<Scene>();
            for id in [timer_id, scene.other, timer_id] {
                scene.results.push(zmq_timers_cancel(scene.timers, id));
            }
        }
    }

    unsafe extern "C-unwind" fn put_off(timer_id: c_int, arg: *mut c_void) {
        // SAFETY: as in `note`.
        unsafe {
            note(timer_id, arg);
            let scene = &mut *arg.cast::<Scene>();
            scene
                .results
                .push(zmq_timers_set_interval(scene.timers, timer_id, 1 << 40));
            scene.results.push(zmq_timers_reset(scene.timers, timer_id));
            scene.results.push(zmq_timers_add(scene.timers, 0, Some(note), arg));
        }
    }

    unsafe extern "C-unwind" fn destroy_set(timer_id: c_int, arg: *mut c_void) {
        // SAFETY: as in `note`.
        unsafe {
            note(timer_id, arg);
            let scene = &mut *arg.cast::<Scene>();
            let mut timers = scene.timers;
            scene.results.push(zmq_timers_destroy(&mut timers));
        }
    }

    unsafe extern "C-unwind" fn execute_again(timer_id: c_int, arg: *mut c_void) {
        // SAFETY: as in `note`.
        unsafe {
            note(timer_id, arg);
            let scene = arg.cast::<Scene>();
            zmq_timers_set_interval((*scene).timers, timer_id, 1 << 40);
            let result = zmq_timers_execute((*scene).timers);
            (*scene).results.push(result);
        }
    }

    #[test]
    fn a_handler_may_cancel_itself_and_others() {
        let mut scene = scene();
        assert_eq!((scene.add(cancel_both), scene.add(note)), (1, 2));
        scene.other = 2;
        assert_eq!(scene.execute(), 0);
        assert_eq!((&scene.calls[..], &scene.results[..]), (&[1][..], &[0, 0, -1][..]));
        // SAFETY: no promise is asked for.
        assert_eq!(unsafe { zmq_timers_timeout(scene.timers) }, -1);
    }

    #[test]
    fn a_handler_may_restart_itself_and_add_others() {
        let mut scene = scene();
        scene.add(put_off);
        assert_eq!(scene.execute(), 0);
        assert_eq!(scene.calls, [1, 2], "the new one is due at once and runs once");
        assert_eq!(scene.results, [0, 0, 2]);
    }

    #[test]
    fn a_handler_may_destroy_its_set() {
        let mut scene = scene();
        scene.add(destroy_set);
        scene.add(note);
        assert_eq!(scene.execute(), 0);
        assert_eq!((&scene.calls[..], &scene.results[..]), (&[1][..], &[0][..]));
        assert_eq!(scene.execute(), -1);
        assert_eq!(errno::current(), libc::EFAULT);
    }

    #[test]
    fn a_handler_may_execute_its_set() {
        let mut scene = scene();
        scene.add(execute_again);
        scene.add(note);
        assert_eq!(scene.execute(), 0);
        assert_eq!((&scene.calls[..], &scene.results[..]), (&[1, 2][..], &[0][..]));
    }

    #[test]
    fn every_function_refuses_what_is_no_timer_set() {
        let mut scene = scene();
        let closed = scene.timers;
        // SAFETY: pointers that are not handles are allowed.
        unsafe {
            assert_eq!(zmq_timers_add(closed, 1, None, ptr::null_mut()), -1);
            assert_eq!(errno::current(), libc::EFAULT);
            assert_eq!(zmq_timers_destroy(&mut scene.timers), 0);
            assert!(scene.timers.is_null());
            let noise = [0_u64; 64];
            for timers in [
                ptr::null_mut(),
                closed,
                ptr::from_ref(&noise).cast_mut().cast(),
                closed.wrapping_byte_add(8),
            ] {
                errno::set(0);
                let mut place = timers;
                let answers = [
                    zmq_timers_add(timers, 1, Some(note), ptr::null_mut()),
                    zmq_timers_cancel(timers, 1),
                    zmq_timers_set_interval(timers, 1, 1),
                    zmq_timers_reset(timers, 1),
                    zmq_timers_timeout(timers) as c_int,
                    zmq_timers_execute(timers),
                    zmq_timers_destroy(&mut place),
                ];
                assert_eq!((answers, errno::current()), ([-1; 7], libc::EFAULT));
                assert_eq!(place, timers);
            }
            assert_eq!(zmq_timers_destroy(ptr::null_mut()), -1);
        }
    }
}
