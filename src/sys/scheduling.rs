//! How background threads are scheduled: the context options ZMQ_THREAD_SCHED_POLICY, _PRIORITY and _AFFINITY_CPU_*.
#![allow(unsafe_code, reason = "the scheduling calls are C functions")]

use crate::error::{Error, Result};

/// The nice value of what runs first, which stands for every priority under a policy that has none (zmq_ctx_set(3)).
const FIRST_NICE: i32 = -20;

/// What a background thread asks of the scheduler.
#[derive(Clone, Debug, Default)]
pub struct Scheduling {
    /// `SCHED_OTHER` and so on; -1: as the process.
    pub policy: i32,
    /// The priority; -1: the policy's own.
    pub priority: i32,
    /// The CPUs to run on; none: all.
    pub cpus: Vec<i32>,
}

/// Applies it to the calling thread.
///
/// Errors: `EPERM` where a privilege is missing, `EINVAL` for a policy or a CPU that there is not.
pub fn apply(wanted: &Scheduling) -> Result<()> {
    let realtime = matches!(wanted.policy, libc::SCHED_FIFO | libc::SCHED_RR);
    if !realtime && wanted.priority > 0 {
        // SAFETY: the call takes numbers; 0 is the calling thread.
        if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, FIRST_NICE) } != 0 {
            // The kernel says EACCES here, nice(2) and the other calls EPERM.
            return Err(Error::Os(libc::EPERM));
        }
    }
    if wanted.policy >= 0 {
        // SAFETY: plain data for which all zeroes is valid.
        let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
        parameters.sched_priority = if realtime { wanted.priority.max(1) } else { 0 };
        // SAFETY: the calling thread, and a live structure.
        succeeded(unsafe { libc::pthread_setschedparam(libc::pthread_self(), wanted.policy, &parameters) })?;
    }
    if !wanted.cpus.is_empty() {
        // SAFETY: plain data for which all zeroes is the empty set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        for cpu in wanted.cpus.iter().filter(|cpu| (0..libc::CPU_SETSIZE).contains(*cpu)) {
            // SAFETY: the number is within the set.
            unsafe { libc::CPU_SET(*cpu as usize, &mut set) };
        }
        // SAFETY: the calling thread, and a live set of the stated size.
        succeeded(unsafe { libc::pthread_setaffinity_np(libc::pthread_self(), size_of::<libc::cpu_set_t>(), &set) })?;
    }
    Ok(())
}

/// For calls that return the error number.
fn succeeded(errno: i32) -> Result<()> {
    if errno == 0 {
        Ok(())
    } else {
        Err(Error::from_errno(errno))
    }
}
