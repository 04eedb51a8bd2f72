//! How much memory the machine has.
#![allow(unsafe_code, reason = "sysconf is a C function")]

/// All of it, in bytes, used or not; as much as there can be where the system does not say.
pub fn total_bytes() -> u64 {
    // SAFETY: sysconf takes a number and touches no memory of ours.
    let [pages, page] = [libc::_SC_PHYS_PAGES, libc::_SC_PAGESIZE].map(|name| unsafe { libc::sysconf(name) });
    match (u64::try_from(pages), u64::try_from(page)) {
        (Ok(pages), Ok(page)) => pages.saturating_mul(page),
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::total_bytes;

    #[test]
    fn it_is_what_the_kernel_says() {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap();
        let line = text.lines().find(|line| line.starts_with("MemTotal:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(total_bytes() / 1024, kib);
    }
}
