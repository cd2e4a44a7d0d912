//! Memory that an idle agent does not need. The C library keeps freed pages that lie between others in use, so that
//! after a burst of calls a process stays as large as it was at the peak. And of the program itself nearly everything
//! is mapped after the start, since the kernel maps sixteen pages around each one that is touched.

use std::time::Duration;

/// How long after the last call, or a burst of them, an agent lets go of what it needed for it.
pub(crate) const SETTLED: Duration = Duration::from_secs(3);

/// Where the system makes pages of two megabytes wherever it can, a page of a connection would keep the memory of
/// hundreds.
pub(crate) fn without_huge_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Gives back to the system what the C library keeps, and the stack what deep calls have left on it. Musl returns
/// whole groups of blocks by itself.
pub(crate) fn give_back() {
    #[cfg(target_os = "linux")]
    let_go_of_stack();
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

/// Bytes of the stack that stay below the frame that asks, for what it calls itself.
#[cfg(target_os = "linux")]
const STACK_KEPT: usize = 8 << 10;

/// Lets go of what lies below the end of the first thread's stack: the calls of the start go deeper than any later one,
/// and what they have left there is nobody's. Other threads end by themselves.
#[cfg(target_os = "linux")]
fn let_go_of_stack() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    let here = 0_u8;
    let Some((bottom, length)) = unused_of_stack(&maps, (&raw const here).addr()) else { return };
    let start = (&raw const here).cast_mut().with_addr(bottom);
    #[expect(unsafe_code, reason = "what happens to memory is for the caller to know")]
    // SAFETY: it lies on the stack of this very thread, with room for the frames of this call above it. No frame is
    // there; the next one begins with zeros.
    let _ = unsafe { rustix::mm::madvise(start.cast(), length, rustix::mm::Advice::LinuxDontNeed) };
}

/// Start and length of what is free of the stack that ends here (proc(5), "maps"). `None` on another thread's stack.
#[cfg(target_os = "linux")]
fn unused_of_stack(maps: &str, here: usize) -> Option<(usize, usize)> {
    let line = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).ok());
    let (start, end) = (start?, end?);
    let free = here.checked_sub(STACK_KEPT)? / rustix::param::page_size() * rustix::param::page_size();
    (here < end && start < free).then(|| (start, free - start))
}

/// Bytes of files that may stay mapped: about what an idle agent and its calls need.
#[cfg(target_os = "linux")]
const LITTLE: usize = 3 << 20;

/// Lets go of the program if much of it is mapped.
pub(crate) fn let_go_of_much() {
    #[cfg(target_os = "linux")]
    if mapped().is_none_or(|bytes| bytes > LITTLE) {
        let_go_of_program();
    }
}

/// Lets go of the pages of the program that have been mapped so far. They are unchanged and stay in the cache of the
/// file system, so that the few that an idle agent needs are back at once. A debugger's breakpoints would go with them.
pub(crate) fn let_go_of_program() {
    #[cfg(target_os = "linux")]
    {
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
    fn only_what_lies_below_the_first_threads_frames_is_free() {
        let maps = "10000-20000 r-xp 0 0:0 1 /bin/x\n7000000-7100000 rw-p 00000000 00:00 0    [stack]\n";
        assert_eq!(super::unused_of_stack(maps, 0x70f_f123), Some((0x700_0000, 0xf_d000)));
        for elsewhere in [0, 0x1_5000, 0x700_1000, 0x710_0000, usize::MAX] {
            assert_eq!(super::unused_of_stack(maps, elsewhere), None, "{elsewhere:x}");
        }
        // This is the thread of a test.
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert_eq!(super::unused_of_stack(&maps, (&raw const maps).addr()), None);
    }

    #[test]
    fn the_program_is_let_go_of_and_runs_on() {
        let before = mapped();
        super::let_go_of_program();
        let after = mapped();
        assert!(after < before, "{after} of {before} KiB");
    }
}
