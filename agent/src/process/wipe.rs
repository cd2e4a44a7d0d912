//! An allocator that wipes what is freed. Tokens pass through buffers of libraries that do not wipe; what they leave
//! behind must not wait in freed memory for a core dump or an overread.
//!
//! On Linux large blocks are mapped and unmapped one by one. The two buffers of each connection are such blocks, of
//! which a small part is ever used: from the C library they would take all of it, since wiping touches every page,
//! and after thousands of connections musl would keep what it has noted of them.

#[cfg(not(target_os = "linux"))]
use std::alloc::System;

#[cfg(not(target_os = "linux"))]
use zeroizing_alloc::ZeroAlloc;

/// The system's allocator, with zeros written over every block before it is freed or moved.
#[cfg(not(target_os = "linux"))]
pub type Wiping = ZeroAlloc<System>;

/// The one allocator of the program.
#[cfg(not(target_os = "linux"))]
pub const WIPING: Wiping = ZeroAlloc(System);

#[cfg(target_os = "linux")]
pub use self::mapped::{WIPING, Wiping};

#[cfg(target_os = "linux")]
mod mapped {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::ptr;

    use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap, munmap};
    use zeroizing_alloc::ZeroAlloc;

    /// From so many bytes on a block has pages of its own. No page is larger than 64 KiB, and most have 4.
    const LARGE: usize = 8 * 1024;

    /// The least alignment of a mapping.
    const PAGE: usize = 4096;

    /// The system's allocator, with zeros written over every block before it is freed or moved, and mappings for
    /// large blocks, which the kernel clears.
    pub struct Wiping(ZeroAlloc<System>);

    /// The one allocator of the program.
    pub const WIPING: Wiping = Wiping(ZeroAlloc(System));

    /// A layout says the same each time, so that a block needs no mark.
    fn is_mapped(layout: Layout) -> bool {
        layout.size() >= LARGE && layout.align() <= PAGE
    }

    #[expect(unsafe_code, reason = "the trait of allocators is unsafe")]
    // SAFETY: a block comes from and goes back to the place that its layout names. A mapping is as long as it was
    // asked for, private, and nobody else's.
    unsafe impl GlobalAlloc for Wiping {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if !is_mapped(layout) {
                // SAFETY: the caller's promises are passed on.
                return unsafe { self.0.alloc(layout) };
            }
            let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
            // SAFETY: nothing lies where the kernel puts a new mapping.
            let block = unsafe { mmap_anonymous(ptr::null_mut(), layout.size(), access, flags) };
            block.map_or(ptr::null_mut(), <*mut _>::cast)
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            if is_mapped(layout) {
                // SAFETY: the caller's promises are passed on. A new mapping is all zeros.
                return unsafe { self.alloc(layout) };
            }
            // SAFETY: the caller's promises are passed on.
            unsafe { self.0.alloc_zeroed(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            if !is_mapped(layout) {
                // SAFETY: the caller's promises are passed on.
                return unsafe { self.0.dealloc(block, layout) };
            }
            // SAFETY: the block is a mapping of this length, and its owner gives it up.
            let _ = unsafe { munmap(block.cast(), layout.size()) };
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: the caller promises that the size is possible with this alignment.
            let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
            match (is_mapped(layout), is_mapped(new)) {
                // SAFETY: the caller's promises are passed on.
                (false, false) => unsafe { self.0.realloc(block, layout, size) },
                (true, true) => {
                    // SAFETY: the block is a mapping of this length, and may move.
                    let moved = unsafe { mremap(block.cast(), layout.size(), size, MremapFlags::MAYMOVE) };
                    moved.map_or(ptr::null_mut(), <*mut _>::cast)
                }
                // SAFETY: both blocks have at least so many bytes, and the old one is the caller's to give up.
                _ => unsafe {
                    let copy = self.alloc(new);
                    if !copy.is_null() {
                        ptr::copy_nonoverlapping(block, copy, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    copy
                },
            }
        }
    }

    #[cfg(test)]
    #[expect(unsafe_code, reason = "allocators are called by hand here")]
    mod tests {
        use super::*;

        #[test]
        fn a_block_keeps_its_content_on_its_way_from_small_to_large_and_back() {
            // SAFETY: each block is used within its size and freed once with its layout.
            unsafe {
                let mut layout = Layout::array::<u8>(100).unwrap();
                let mut block = WIPING.alloc(layout);
                block.write_bytes(7, 100);
                for size in [LARGE - 1, LARGE, 5 * LARGE + 1, 200 * LARGE, LARGE + 1, LARGE - 1, 100] {
                    block = WIPING.realloc(block, layout, size);
                    layout = Layout::array::<u8>(size).unwrap();
                    assert!(std::slice::from_raw_parts(block, 100).iter().all(|byte| *byte == 7), "{size}");
                    block.add(size - 1).write(7);
                }
                WIPING.dealloc(block, layout);
            }
        }

        #[test]
        fn what_is_aligned_to_more_than_a_page_is_the_systems() {
            let (wide, zeros) =
                (Layout::from_size_align(LARGE, 4 * PAGE).unwrap(), Layout::array::<u8>(LARGE).unwrap());
            // SAFETY: as above.
            unsafe {
                let block = WIPING.alloc(wide);
                assert!(block.addr().is_multiple_of(4 * PAGE));
                WIPING.dealloc(block, wide);
                let block = WIPING.alloc_zeroed(zeros);
                assert!(std::slice::from_raw_parts(block, LARGE).iter().all(|byte| *byte == 0));
                WIPING.dealloc(block, zeros);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use zeroizing_alloc::ZeroAlloc;

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
