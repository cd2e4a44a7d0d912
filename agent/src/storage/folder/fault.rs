//! What the check of a folder can find.

/// What makes a folder unsafe. The text completes a sentence that begins with the folder's path.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(windows, expect(dead_code, reason = "access lists are inherited from the profile folder"))]
pub(crate) enum Fault {
    #[cfg_attr(unix, error("is a symbolic link"))]
    #[cfg_attr(windows, error("is a link"))]
    Link,
    #[error("is not a folder")]
    NotAFolder,
    #[error("belongs to uid {owner}, not to you (uid {us}){}", remedy(*us))]
    Foreign { owner: u32, us: u32 },
    #[error("can be written to by others (mode {mode:04o}, wanted 0700)")]
    Writable { mode: u32 },
}

/// What helps root: `sudo` and `su` may leave a person's `HOME` and `XDG_RUNTIME_DIR` as they are.
pub(crate) fn remedy(us: u32) -> &'static str {
    match us {
        0 => ": run without sudo, or set HOME and XDG_RUNTIME_DIR to folders of your own",
        _ => "",
    }
}
