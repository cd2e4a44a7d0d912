//! Windows has no such limits for a process that is in no job object.

use std::io;

const NO_SYSTEM_RESOURCES: i32 = 1450;

pub(super) fn behind(error: &io::Error) -> Option<String> {
    (error.raw_os_error() == Some(NO_SYSTEM_RESOURCES)).then(|| "the system has no resources left".to_owned())
}

pub(super) fn file_size() -> String {
    "the file system allows no larger file".to_owned()
}

pub(super) fn memory() -> String {
    "there is no memory left".to_owned()
}

pub(super) fn threads(error: &io::Error) -> String {
    format!("no thread can be started: {error}")
}

pub(super) fn short_of_files(_: usize) -> Option<String> {
    None
}

/// There is nothing to raise.
pub fn raise() {}

/// There is no such limit.
pub fn open_files() -> usize {
    usize::MAX
}

/// There is none.
pub fn narrow() -> Vec<String> {
    Vec::new()
}
