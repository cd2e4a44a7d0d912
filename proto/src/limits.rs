//! What a process has run out of, in the words of the command that shows and sets the limit. A failure that comes
//! of a limit is told as that: nothing else that could be looked at is wrong.

use std::io;

#[cfg(unix)]
#[path = "limits/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "limits/windows.rs"]
mod system;

pub use system::{narrow, open_files, raise};

/// What a person can do about every limit.
pub const HINT: &str = "raise that limit, or end what uses it up, and try again";

/// What a person can do where there is no room on the disk, which no limit of a process changes.
pub const ROOM_HINT: &str = "make room there, or name a place that has some, and try again";

/// What a person can do about this failure, which [`behind`] has named.
pub fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ROOM_HINT,
        _ => HINT,
    }
}

/// The limit that this failure comes of; `None` if it comes of something else.
pub fn behind(error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::StorageFull => Some("the disk is full".to_owned()),
        io::ErrorKind::QuotaExceeded => Some("your disk quota is used up".to_owned()),
        io::ErrorKind::FileTooLarge => Some(system::file_size()),
        io::ErrorKind::OutOfMemory => Some(system::memory()),
        _ => system::behind(error),
    }
}

/// The same for the start of a process or a thread, where "try again" (`EAGAIN`) means that there are too many.
pub fn behind_start(error: &io::Error) -> Option<String> {
    let too_many = error.kind() == io::ErrorKind::WouldBlock;
    behind(error).or_else(|| too_many.then(|| system::threads(error)))
}

/// The limit that keeps this process from opening `more` files at once; `None` if it can. To be asked before
/// something is done that would end the process.
pub fn short_of_files(more: usize) -> Option<String> {
    system::short_of_files(more)
}

/// The limit that keeps this process from starting a thread that takes as much room as most do; `None` if it can.
pub fn short_of_threads(more: usize) -> Option<String> {
    let (end, ended) = std::sync::mpsc::sync_channel::<()>(0);
    let ended = std::sync::Arc::new(std::sync::Mutex::new(ended));
    let start = |_| {
        let ended = std::sync::Arc::clone(&ended);
        std::thread::Builder::new().spawn(move || {
            let ended = ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let _ = ended.recv();
        })
    };
    let started: Vec<_> = (0..more).map(start).collect();
    // Looked up while they run: a control group is only full as long as they do.
    let short = started.iter().find_map(|thread| thread.as_ref().err().map(system::threads));
    drop(end);
    started.into_iter().flatten().for_each(|thread| drop(thread.join()));
    short
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
