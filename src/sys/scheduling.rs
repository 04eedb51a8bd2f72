//! How background threads are scheduled: the context options ZMQ_THREAD_SCHED_POLICY, _PRIORITY and _AFFINITY_CPU_*.
#![allow(unsafe_code, reason = "the scheduling calls are C functions")]

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

/// Applies it to the calling thread. What the system refuses stays as it was.
pub fn apply(wanted: &Scheduling) {
    if wanted.policy >= 0 {
        let realtime = matches!(wanted.policy, libc::SCHED_FIFO | libc::SCHED_RR);
        // SAFETY: plain data for which all zeroes is valid.
        let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
        parameters.sched_priority = if realtime { wanted.priority.max(1) } else { 0 };
        // SAFETY: the calling thread, and a live structure.
        unsafe { libc::pthread_setschedparam(libc::pthread_self(), wanted.policy, &parameters) };
    }
    if !wanted.cpus.is_empty() {
        // SAFETY: plain data for which all zeroes is the empty set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        for cpu in wanted.cpus.iter().filter(|cpu| (0..libc::CPU_SETSIZE).contains(*cpu)) {
            // SAFETY: the number is within the set.
            unsafe { libc::CPU_SET(*cpu as usize, &mut set) };
        }
        // SAFETY: the calling thread, and a live set of the stated size.
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    }
}
