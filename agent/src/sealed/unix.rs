//! Memory for the block on macOS and the BSDs.

use super::guard::Guard;
use super::pages::locked;

/// Zeros of this length for the rest of the process, and how they are guarded.
pub(super) fn reserve(length: usize) -> (&'static mut [u8], Guard) {
    match locked(length) {
        Some((block, true)) => (block, Guard::Locked),
        Some((block, false)) => (block, Guard::None),
        None => (vec![0; length].leak(), Guard::None),
    }
}
