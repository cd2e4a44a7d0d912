//! Memory for the block on Windows.

use windows_sys::Win32::System::Memory::VirtualLock;

use super::guard::Guard;

/// Zeros of this length for the rest of the process, and how they are guarded.
pub(super) fn reserve(length: usize) -> (&'static mut [u8], Guard) {
    let block = vec![0; length].leak();
    #[expect(unsafe_code, reason = "the system speaks C")]
    // SAFETY: the memory is ours and is never given back; its pages may hold other things too, which are locked
    // with it and never unlocked.
    let is_locked = unsafe { VirtualLock(block.as_mut_ptr().cast(), length) } != 0;
    (block, if is_locked { Guard::Locked } else { Guard::None })
}
