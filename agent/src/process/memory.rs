//! Freed memory that the C library keeps for itself. It keeps pages that lie between others in use, so that after
//! a burst of calls a process stays as large as it was at the peak.

/// Gives back to the system what the C library keeps. With musl there is nothing to do: it returns whole groups
/// of blocks by itself.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "the C library speaks C")]
        // SAFETY: declared as in <malloc.h>; it takes a number, and may be called at any time by any thread.
        unsafe extern "C" {
            safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        malloc_trim(0);
    }
    #[cfg(target_os = "macos")]
    {
        #[expect(unsafe_code, reason = "the C library speaks C")]
        // SAFETY: declared as in <malloc/malloc.h>; no zone means all of them, and no goal as much as possible.
        unsafe extern "C" {
            fn malloc_zone_pressure_relief(zone: *mut std::ffi::c_void, goal: usize) -> usize;
        }
        #[expect(unsafe_code, reason = "the C library speaks C")]
        // SAFETY: as above; it may be called at any time by any thread.
        let _ = unsafe { malloc_zone_pressure_relief(std::ptr::null_mut(), 0) };
    }
}
