//! Reactors of a simulated world (`sys/simulation`): they live on its thread, which gives them their turns.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crossbeam_channel::unbounded;

use super::driver::simulated::{Pulse, SimulatedDriver};
use super::{Alarm, Link, Reactor, Running, clock, thread};
use crate::error::{Error, Result};
use crate::sys::simulation;

struct Living {
    /// `None`: it has ended.
    reactor: Option<Reactor>,
    pulse: Pulse,
}

thread_local! {
    static REACTORS: RefCell<Vec<Living>> = const { RefCell::new(Vec::new()) };
}

/// As [`Running::start`], on the thread's world.
pub fn start() -> Result<Running> {
    let driver = SimulatedDriver::new().map_err(Error::from_errno)?;
    let (pulse, alarm) = (driver.pulse(), Arc::new(Alarm::new()?));
    let (commands, receiver) = unbounded();
    let link = Link {
        commands,
        waker: pulse.waker(),
        alarm: alarm.clone(),
        load: Arc::new(AtomicUsize::new(0)),
    };
    let mut reactor = Reactor::new(Box::new(driver), receiver, alarm);
    reactor.begin();
    // The first turn falls asleep.
    reactor.run_once();
    let reactor = Some(reactor);
    REACTORS.with_borrow_mut(|reactors| reactors.push(Living { reactor, pulse }));
    let thread = thread::spawn_background("simulated", || {})?;
    Ok(Running { link, thread })
}

/// Gives a turn to every reactor that has something to do: when the next one has.
pub fn turn() -> Option<u64> {
    let count = REACTORS.with_borrow(Vec::len);
    let mut next_ns = None;
    for place in 0..count {
        let now_ns = clock::now_ns();
        let taken = REACTORS.with_borrow_mut(|reactors| {
            let living = &mut reactors[place];
            living.reactor.as_ref()?;
            let due_ns = living.pulse.due_ns(now_ns)?;
            next_ns = next_ns.into_iter().chain([due_ns]).min();
            living.reactor.take_if(|_| due_ns <= now_ns)
        });
        // A turn may be as long as it likes: nothing is borrowed.
        if let Some(mut reactor) = taken {
            if reactor.run_once() {
                REACTORS.with_borrow_mut(|reactors| reactors[place].reactor = Some(reactor));
            }
            simulation::touched();
        }
    }
    next_ns
}

/// Ends the thread's reactors, which must have been stopped. That nothing was under way on what they closed the world has seen.
pub fn end() {
    for (place, living) in REACTORS.take().into_iter().enumerate() {
        if living.reactor.is_some() {
            simulation::violate(format!("reactor {place} was never stopped"));
        }
        let lent = living.pulse.lent();
        if lent > 0 {
            simulation::violate(format!("reactor {place} left {lent} buffers"));
        }
    }
}
