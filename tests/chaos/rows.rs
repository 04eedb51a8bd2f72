//! The rows of the table: each fault, and the program that plays it.

pub struct Row {
    pub number: u32,
    pub fault: &'static str,
    /// A C program beside this file, or `nm`.
    pub program: &'static str,
    /// Whether it takes little time, and depends on nobody else's.
    pub is_quick: bool,
}

const fn quick(number: u32, program: &'static str, fault: &'static str) -> Row {
    Row {
        number,
        fault,
        program,
        is_quick: true,
    }
}

const fn slow(number: u32, program: &'static str, fault: &'static str) -> Row {
    Row {
        number,
        fault,
        program,
        is_quick: false,
    }
}

pub const ROWS: [Row; 26] = [
    quick(
        1,
        "resources",
        "the process is aborted when descriptors or privileges are missing",
    ),
    quick(
        2,
        "resources",
        "a connection that fails with an unusual errno aborts the process",
    ),
    quick(3, "resources", "a listener at the limit of descriptors spins"),
    quick(
        4,
        "calls",
        "closed messages, stale handles, a close under a receiver and shared sockets crash",
    ),
    slow(5, "peers", "a message that never ends takes memory without a limit"),
    slow(6, "costs", "one slow name stalls every socket"),
    quick(7, "calls", "a monitor that nobody reads blocks its socket for ever"),
    quick(8, "peers", "no back-off from a peer that accepts and then closes"),
    quick(9, "peers", "a reset connection loses more than the kernel held"),
    quick(10, "peers", "a client whose routing id is taken is never told"),
    slow(11, "calls", "the default linger hangs without a word"),
    quick(12, "calls", "LINGER that is set late does not count"),
    quick(13, "calls", "the address of a closed socket is still in use"),
    slow(
        14,
        "costs",
        "small messages pin large buffers, and bursts are not given back",
    ),
    slow(15, "costs", "subscriptions cost 1.5 KB each"),
    slow(16, "costs", "polling idle sockets is expensive"),
    slow(17, "costs", "a message after a pause is slow"),
    quick(18, "costs", "dropped messages are silent"),
    quick(19, "costs", "nothing tells what a socket did, and with whom"),
    quick(20, "costs", "io_uring is forbidden in many containers"),
    quick(21, "calls", "a forked child's use of inherited sockets"),
    quick(22, "calls", "interrupted calls"),
    quick(23, "resources", "the limits of sockets and of the size of messages"),
    quick(24, "nm", "internal names are exported"),
    quick(25, "peers", "published attacks"),
    quick(26, "peers", "a late reader loses messages over ipc"),
];
