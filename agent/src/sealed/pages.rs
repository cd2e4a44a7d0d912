//! Locked pages on Unix.

use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous};

/// Pages of their own, so that nothing else is locked with them; and whether they are locked.
pub(super) fn locked(length: usize) -> Option<(&'static mut [u8], bool)> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    #[expect(unsafe_code, reason = "mapping memory has no safe wrapper")]
    // SAFETY: new pages at an address that the system chooses. They are readable, writable and all zeros, are
    // never unmapped, and nobody else knows them.
    unsafe {
        let start = mmap_anonymous(ptr::null_mut(), length, access, MapFlags::PRIVATE).ok()?;
        let is_locked = mlock(start, length).is_ok();
        #[cfg(target_os = "linux")]
        // A core dump is forbidden anyway, but for an agent that is being debugged.
        let _ = rustix::mm::madvise(start, length, rustix::mm::Advice::LinuxDontDump);
        Some((std::slice::from_raw_parts_mut(start.cast(), length), is_locked))
    }
}
