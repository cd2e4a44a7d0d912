//! Memory for the block on Linux.

use std::fs::read_to_string;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap};

use super::guard::Guard;
use super::pages::locked;

/// Zeros of this length for the rest of the process, and how they are guarded.
pub(super) fn reserve(length: usize) -> (&'static mut [u8], Guard) {
    if let Some(block) = (!may_hibernate()).then(|| secret(length)).flatten() {
        return (block, Guard::Secret);
    }
    match locked(length) {
        Some((block, true)) => (block, Guard::Locked),
        Some((block, false)) => (block, Guard::None),
        None => (vec![0; length].leak(), Guard::None),
    }
}

/// memfd_secret(2): Linux 5.14, where it is switched on; 6.5 and later, where it is not switched off. Within
/// the limit of locked memory (RLIMIT_MEMLOCK).
fn secret(length: usize) -> Option<&'static mut [u8]> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    #[expect(unsafe_code, reason = "the system call has no safe wrapper")]
    // SAFETY: its only argument is a number; the result is a descriptor or −1.
    let descriptor = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let descriptor = RawFd::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0)?;
    #[expect(unsafe_code, reason = "the system call has no safe wrapper")]
    // SAFETY: the descriptor is new, so that nobody else owns it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    rustix::fs::ftruncate(&descriptor, u64::try_from(length).ok()?).ok()?;
    #[expect(unsafe_code, reason = "mapping memory has no safe wrapper")]
    // SAFETY: new pages at an address that the system chooses, as long as the file. They are readable, writable
    // and all zeros, and are never unmapped. The only descriptor of the file is closed here.
    unsafe {
        let start = mmap(ptr::null_mut(), length, access, MapFlags::SHARED, &descriptor, 0).ok()?;
        Some(std::slice::from_raw_parts_mut(start.cast(), length))
    }
}

/// While a process has secret memory, the kernel does not hibernate, and an agent lives for weeks. So a machine
/// that could hibernate, by its kernel and its swap space, gets locked memory.
fn may_hibernate() -> bool {
    let states = read_to_string("/sys/power/state").unwrap_or_default();
    let swaps = read_to_string("/proc/swaps").unwrap_or_default();
    states.split_whitespace().any(|state| state == "disk") && has_swap(&swaps)
}

/// True for a disk or a file in proc_swaps(5). A compressed part of the memory is no place to hibernate to.
fn has_swap(swaps: &str) -> bool {
    swaps.lines().skip(1).any(|line| !line.is_empty() && !line.starts_with("/dev/zram"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_swap_on_a_disk_can_be_hibernated_to() {
        const HEAD: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(!has_swap("") && !has_swap(HEAD));
        assert!(!has_swap(&format!("{HEAD}/dev/zram0                              partition\t8\t0\t100\n")));
        assert!(has_swap(&format!("{HEAD}/dev/zram0 partition 8 0 100\n/swap.img file 8 0 -2\n")));
    }

    #[test]
    fn secret_memory_can_be_written_and_read_where_the_kernel_has_it() {
        if let Some(block) = secret(8192) {
            assert!(block.iter().all(|byte| *byte == 0));
            block.fill(7);
            assert!(block.iter().all(|byte| *byte == 7));
        }
    }
}
