//! How this crate locks a mutex.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks the mutex, even after a panic has poisoned it. That is sound because what these mutexes hold is
/// changed in one step, so a panic cannot leave it half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
