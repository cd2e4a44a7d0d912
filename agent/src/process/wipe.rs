//! An allocator that wipes what is freed. Tokens pass through buffers of libraries that do not wipe; what
//! they leave behind must not wait in freed memory for a core dump or an overread.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, with zeros written over every block before it is freed or moved.
#[derive(Debug, Default)]
pub struct Wiping;

#[expect(unsafe_code, reason = "the trait of allocators is unsafe")]
// SAFETY: every block comes from and goes back to the system's allocator with its own layout. `realloc` is
// the trait's: a new block, a copy, and `dealloc` of the old one, so that a block that moves is wiped too.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller owns `size` bytes at `block` until this call ends.
        unsafe { wipe(block, layout.size()) };
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The barrier keeps the compiler from leaving out writes that nobody reads before the block is freed.
#[expect(unsafe_code, reason = "a block on its way to be freed has no type")]
unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: the caller owns `size` bytes at `block`, which is not null.
    let bytes = unsafe {
        block.write_bytes(0, size);
        std::slice::from_raw_parts(block, size)
    };
    zeroize::optimization_barrier(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "the block is looked at between wiping and freeing")]
    fn a_block_is_all_zeros_before_it_is_freed() {
        let mut secret = b"canary".repeat(100);
        // SAFETY: the vector owns the bytes and stays alive.
        unsafe { wipe(secret.as_mut_ptr(), secret.len()) };
        assert!(secret.iter().all(|byte| *byte == 0));
    }

    #[test]
    #[expect(unsafe_code, reason = "allocators are called by hand here")]
    fn what_was_written_survives_a_move_to_a_larger_block() {
        let small = Layout::array::<u8>(64).unwrap();
        // SAFETY: each block is used within its size and freed once with its layout.
        unsafe {
            let block = Wiping.alloc(small);
            block.write_bytes(7, 64);
            let block = Wiping.realloc(block, small, 4096);
            assert!(std::slice::from_raw_parts(block, 64).iter().all(|byte| *byte == 7));
            Wiping.dealloc(block, Layout::array::<u8>(4096).unwrap());
        }
    }
}
