//! What a process inherits of signals, and must not keep: whoever started it may have blocked or ignored some,
//! and a program that is started to stay would then stay deaf to them.

#[cfg(unix)]
pub use self::unix::{survive_full_files, unblock_and_restore, wait_for_children};

/// Windows has no signals to inherit.
#[cfg(windows)]
pub fn unblock_and_restore() {}

/// Windows keeps the end of every process for whoever started it.
#[cfg(windows)]
pub fn wait_for_children() {}

/// Windows ends no process for a file that is too large.
#[cfg(windows)]
pub fn survive_full_files() {}

#[cfg(unix)]
mod unix {
    use std::mem::MaybeUninit;
    use std::ptr;

    /// The kernel numbers signals from 1, and no system has more than these.
    const HIGHEST: libc::c_int = 64;

    /// Blocks no signal any more, and gives those that are ignored back to the system. SIGPIPE is left out, which
    /// the standard library ignores by itself. To be called before there is a second thread: a mask is a
    /// thread's own, and new threads inherit it.
    #[expect(unsafe_code, reason = "masks and dispositions have no safe wrapper")]
    pub fn unblock_and_restore() {
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `sigemptyset` fills the set that `pthread_sigmask` reads; the old mask is not asked for.
        unsafe {
            libc::sigemptyset(none.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
        }
        for signal in (1..=HIGHEST).filter(|signal| *signal != libc::SIGPIPE && is_ignored(*signal)) {
            // SAFETY: no handler is installed, and the default action is always allowed. A number that is the C
            // library's own is refused.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }

    #[expect(unsafe_code, reason = "dispositions have no safe wrapper")]
    fn is_ignored(signal: libc::c_int) -> bool {
        let mut now = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: nothing is set, and `now` is read only where the call has filled it.
        unsafe {
            libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) == 0
                && now.assume_init().sa_sigaction == libc::SIG_IGN
        }
    }

    /// Children can be waited for although whoever started this process ignores SIGCHLD: the system would keep
    /// nobody's end.
    #[expect(unsafe_code, reason = "dispositions have no safe wrapper")]
    pub fn wait_for_children() {
        if is_ignored(libc::SIGCHLD) {
            // SAFETY: no handler is installed, and the default action is always allowed.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        }
    }

    extern "C" fn go_on(_: libc::c_int) {}

    /// A write beyond the limit of a file's size (`ulimit -f`) is an error from now on, as on a full disk, and
    /// not the end of the process. A handler does that and not `SIG_IGN`, because the programs that this one
    /// starts would inherit `SIG_IGN`.
    #[expect(unsafe_code, reason = "dispositions have no safe wrapper")]
    pub fn survive_full_files() {
        let handler: extern "C" fn(libc::c_int) = go_on;
        // SAFETY: the handler does nothing, so it may run at any moment and in any thread.
        unsafe { libc::signal(libc::SIGXFSZ, handler as libc::sighandler_t) };
    }
}
