//! Memory for a command that ends before it has used much. To ask the C library for every piece, and to give each
//! back, is a quarter of all instructions of `seqera token`, which scripts call in loops. So the first pieces lie one
//! behind another in a part of the program's own memory. The last one can grow and be taken back; the others stay
//! until the process ends. When that part is full, which only longer commands see, the C library takes over.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Twice what `seqera token` takes. Pages that are never written to are never there.
const ROOM: usize = 128 * 1024;

/// Every piece begins at a multiple of this, as the C library's do.
const ALIGNMENT: usize = 16;

/// The first pieces, and the system's allocator for all others.
#[repr(align(16))]
pub(crate) struct Arena {
    room: UnsafeCell<[u8; ROOM]>,
    /// Where the next piece begins.
    next: AtomicUsize,
}

#[expect(unsafe_code, reason = "an allocator hands out memory")]
// SAFETY: what has been handed out belongs to whoever has it, and `next` only changes as a whole.
unsafe impl Sync for Arena {}

impl Arena {
    pub(crate) const fn new() -> Self {
        Self { room: UnsafeCell::new([0; ROOM]), next: AtomicUsize::new(0) }
    }

    /// Where a piece begins, if it lies here.
    fn place(&self, piece: *mut u8) -> Option<usize> {
        let place = piece.addr().wrapping_sub(self.room.get().addr());
        (place < ROOM).then_some(place)
    }

    /// Moves the end of what has been handed out, if it is still where the caller has seen it.
    fn move_end(&self, from: usize, to: usize) -> bool {
        to <= ROOM && self.next.compare_exchange(from, to, Relaxed, Relaxed).is_ok()
    }

    /// Room for a piece; `None` if there is none, or somebody else takes some at this very moment.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        if layout.align() > ALIGNMENT {
            return None;
        }
        let start = self.next.load(Relaxed);
        self.move_end(start, start.checked_add(taken(layout.size())?)?)
            .then(|| self.room.get().cast::<u8>().wrapping_add(start))
    }
}

/// What a piece of this size takes.
fn taken(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(ALIGNMENT)
}

#[expect(unsafe_code, reason = "the trait of allocators is unsafe")]
// SAFETY: pieces do not overlap, since `next` moves past each before it is handed out, and back only over the last
// one when that is given back. What does not lie in the room is the system's allocator's, and goes back to it.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        self.take(layout).unwrap_or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let Some(start) = self.place(piece) else {
            // SAFETY: it came from there, and the caller's promises are passed on.
            return unsafe { System.dealloc(piece, layout) };
        };
        let end = start + taken(layout.size()).unwrap_or_default();
        self.move_end(end, start);
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(start) = self.place(piece) else {
            // SAFETY: it came from there, and the caller's promises are passed on.
            return unsafe { System.realloc(piece, layout, size) };
        };
        let ends = [layout.size(), size].map(|size| taken(size).and_then(|taken| start.checked_add(taken)));
        let [Some(end), Some(new_end)] = ends else { return ptr::null_mut() };
        if new_end <= end || self.move_end(end, new_end) {
            return piece;
        }
        // SAFETY: the alignment is one that a layout had, and the caller promises that the size is possible with it.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both are the caller's, do not overlap, and have at least so many bytes.
            unsafe { ptr::copy_nonoverlapping(piece, new, layout.size().min(size)) };
        }
        new
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "allocators are called by hand here")]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn pieces_lie_one_behind_another_and_the_last_grows_and_goes() {
        let arena = Box::new(Arena::new());
        // SAFETY: each piece is used within its size, with its layout, and not after it was given back.
        unsafe {
            let first = arena.alloc(layout(5, 1));
            let second = arena.alloc(layout(24, 8));
            assert_eq!((arena.place(first), arena.place(second)), (Some(0), Some(16)));
            second.write_bytes(7, 24);
            assert_eq!(arena.realloc(second, layout(24, 8), 100), second, "it is the last");
            first.write_bytes(3, 5);
            let moved = arena.realloc(first, layout(5, 1), 40);
            assert_eq!(arena.place(moved), Some(16 + 112));
            assert_eq!(std::slice::from_raw_parts(moved, 5), [3; 5]);
            assert_eq!(std::slice::from_raw_parts(second, 24), [7; 24]);
            arena.dealloc(moved, layout(40, 1));
            assert_eq!(
                arena.place(arena.alloc(layout(1, 1))),
                Some(16 + 112),
                "the last one's place is free again"
            );
        }
    }

    #[test]
    fn what_has_no_room_is_the_systems() {
        let arena = Box::new(Arena::new());
        // SAFETY: as above.
        unsafe {
            let page = layout(4096, 4096);
            let aligned = arena.alloc(page);
            assert!(arena.place(aligned).is_none() && aligned.addr().is_multiple_of(4096));
            let mut piece = arena.alloc(layout(ROOM, 1));
            assert_eq!(arena.place(piece), Some(0));
            piece.write_bytes(9, ROOM);
            piece = arena.realloc(piece, layout(ROOM, 1), ROOM + 1);
            assert!(arena.place(piece).is_none());
            assert!(std::slice::from_raw_parts(piece, ROOM).iter().all(|byte| *byte == 9));
            arena.dealloc(piece, layout(ROOM + 1, 1));
            arena.dealloc(aligned, page);
        }
    }
}
