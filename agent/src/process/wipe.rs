//! An allocator that wipes what is freed. Tokens pass through buffers of libraries that do not wipe; what
//! they leave behind must not wait in freed memory for a core dump or an overread.

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

/// The system's allocator, with zeros written over every block before it is freed or moved.
pub type Wiping = ZeroAlloc<System>;

/// The one allocator of the program.
pub const WIPING: Wiping = ZeroAlloc(System);

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Stands in for the system's allocator and counts the blocks that come back as zeros and nothing else.
    #[derive(Default)]
    struct Inspector {
        wiped: AtomicUsize,
    }

    #[expect(unsafe_code, reason = "the trait of allocators is unsafe")]
    // SAFETY: every block comes from and goes back to the system's allocator with its own layout.
    unsafe impl GlobalAlloc for Inspector {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promises are passed on; all bytes have a value, so that they can be read.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the caller owns `size` bytes at `block` until this call ends.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            self.wiped.fetch_add(usize::from(bytes.iter().all(|byte| *byte == 0)), Ordering::Relaxed);
            // SAFETY: the caller's promises are passed on.
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[test]
    #[expect(unsafe_code, reason = "allocators are called by hand here")]
    fn a_block_is_all_zeros_when_it_is_freed_and_when_it_moves() {
        let allocator = ZeroAlloc(Inspector::default());
        let wiped = || allocator.0.wiped.load(Ordering::Relaxed);
        let (small, large) = (Layout::array::<u8>(64).unwrap(), Layout::array::<u8>(4096).unwrap());
        // SAFETY: each block is used within its size and freed once with its layout.
        unsafe {
            let block = allocator.alloc(small);
            block.write_bytes(7, 64);
            let block = allocator.realloc(block, small, 4096);
            assert_eq!(wiped(), 1);
            assert!(std::slice::from_raw_parts(block, 64).iter().all(|byte| *byte == 7));
            allocator.dealloc(block, large);
            assert_eq!(wiped(), 2);
        }
    }
}
