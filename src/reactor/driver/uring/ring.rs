//! Setting up a ring, and proving that this kernel and its filters let it work.
//!
//! Called on the reactor thread that will own the ring; the kernel binds the ring to it.

use io_uring::{IoUring, Probe, opcode};

/// Submission queue entries. More operations than that at once cost more system calls, nothing else.
pub(super) const SUBMISSIONS: u32 = 256;

/// Completion queue entries; what does not fit the kernel keeps until the next turn.
const COMPLETIONS: u32 = 4 * SUBMISSIONS;

/// Every operation code that the driver submits.
const OPERATION_CODES: [u8; 6] = [
    opcode::Nop::CODE,
    opcode::PollAdd::CODE,
    opcode::AcceptMulti::CODE,
    opcode::RecvMulti::CODE,
    opcode::SendMsg::CODE,
    opcode::AsyncCancel::CODE,
];

/// A working ring with as many of the wanted flags as the kernel has; close-on-exec, not inherited by a forked child. True:
/// its completions are deferred to `io_uring_enter`.
///
/// # Errors
/// The value of `errno`: `ENOSYS`, `EPERM`, `EINVAL` where io_uring is missing, forbidden or too old; `EMFILE`, `ENOMEM`.
pub(super) fn build() -> Result<(IoUring, bool), i32> {
    let (mut ring, is_deferred) = set_up()?;
    if !(ring.params().is_feature_ext_arg() && ring.params().is_feature_nodrop()) {
        return Err(libc::ENOSYS);
    }
    let mut probe = Probe::new();
    ring.submitter()
        .register_probe(&mut probe)
        .map_err(|error| errno_of(&error))?;
    if !OPERATION_CODES.iter().all(|&code| probe.is_supported(code)) {
        return Err(libc::ENOSYS);
    }
    submit_no_operation(&mut ring)?;
    Ok((ring, is_deferred))
}

/// The `errno` of an error of the io_uring crate.
pub(super) fn errno_of(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// Tries the flags of Linux 6.1, then those of 6.0, then those of 5.19.
fn set_up() -> Result<(IoUring, bool), i32> {
    let attempt = |single_issuer: bool, deferred: bool| {
        let mut builder = IoUring::builder();
        builder
            .dontfork()
            .setup_clamp()
            .setup_cqsize(COMPLETIONS)
            .setup_submit_all()
            .setup_coop_taskrun();
        if single_issuer {
            builder.setup_single_issuer();
        }
        if deferred {
            builder.setup_defer_taskrun();
        }
        let ring = builder.build(SUBMISSIONS).map_err(|error| errno_of(&error))?;
        Ok((ring, deferred))
    };
    match attempt(true, true) {
        Err(libc::EINVAL) => match attempt(true, false) {
            Err(libc::EINVAL) => attempt(false, false),
            other => other,
        },
        other => other,
    }
}

/// A filter may allow the set-up and forbid the use; only a completed operation proves that the ring works.
fn submit_no_operation(ring: &mut IoUring) -> Result<(), i32> {
    // SAFETY: a no-op points to nothing.
    unsafe { ring.submission().push(&opcode::Nop::new().build()) }.map_err(|_| libc::ENOSYS)?;
    ring.submit_and_wait(1).map_err(|error| errno_of(&error))?;
    match ring.completion().next() {
        Some(entry) if entry.result() == 0 => Ok(()),
        _ => Err(libc::ENOSYS),
    }
}
