//! Memory that an idle agent does not need. The C library keeps freed pages that lie between others in use, so that
//! after a burst of calls a process stays as large as it was at the peak. And of the program itself nearly everything
//! is mapped after the start, since the kernel maps sixteen pages around each one that is touched.

/// Where the system makes pages of two megabytes wherever it can, a page of a connection would keep the memory of
/// hundreds.
pub(crate) fn without_huge_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

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

/// Bytes of files that may stay mapped: about what an idle agent and its calls need.
#[cfg(target_os = "linux")]
const LITTLE: usize = 3 << 20;

/// Lets go of the pages of the program that have been mapped so far, if they are many. They are unchanged and stay in
/// the cache of the file system, so that the few that an idle agent needs are back at once. A debugger's breakpoints
/// would go with them.
pub(crate) fn let_go_of_program() {
    #[cfg(target_os = "linux")]
    if mapped().is_none_or(|bytes| bytes > LITTLE) {
        #[expect(unsafe_code, reason = "the linker says where the program lies")]
        // SAFETY: both are made by the linker (ld(1), "etext"; GNU ld's and lld's `__executable_start`). They are
        // never read: only their addresses count.
        unsafe extern "C" {
            static __executable_start: u8;
            static etext: u8;
        }
        let start = (&raw const __executable_start).cast_mut();
        let length = (&raw const etext).addr().saturating_sub(start.addr());
        #[expect(unsafe_code, reason = "what happens to memory is for the caller to know")]
        // SAFETY: from the program's first page to the last one with code everything is read-only and as it is in
        // the file, from where the kernel maps it again.
        let _ = unsafe { rustix::mm::madvise(start.cast(), length, rustix::mm::Advice::LinuxDontNeed) };
    }
}

/// How much of files is mapped and present (proc(5), "statm").
#[cfg(target_os = "linux")]
fn mapped() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(2)?.parse::<usize>().ok()?;
    Some(pages * rustix::param::page_size())
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    /// KiB of the first file that can be executed, which is this program.
    fn mapped() -> u64 {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let of_program = smaps.lines().skip_while(|line| !line.contains(" r-xp "));
        let resident = of_program.skip(1).find_map(|line| line.strip_prefix("Rss:")).unwrap();
        resident.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[test]
    fn the_program_is_let_go_of_and_runs_on() {
        let before = mapped();
        super::let_go_of_program();
        let after = mapped();
        assert!(after < before, "{after} of {before} KiB");
    }
}
