//! What the header of an ELF file says about how a program is loaded (System V ABI, "Object Files").

/// How a program is loaded.
#[derive(Debug, PartialEq)]
pub(super) struct Kind {
    /// It can be loaded at any address (`ET_DYN`).
    pub(super) position_independent: bool,
    /// It names a loader (`PT_INTERP`), which finds its libraries.
    has_loader: bool,
}

const ET_DYN: u64 = 3;
const PT_INTERP: u64 = 3;

impl Kind {
    /// Reads a 64-bit little-endian file; `None` if it is anything else.
    pub(super) fn of(file: &[u8]) -> Option<Self> {
        if !file.starts_with(&[0x7f, b'E', b'L', b'F', 2, 1]) {
            return None;
        }
        let (table, size, count) = (number(file, 32, 8)?, number(file, 54, 2)?, number(file, 56, 2)?);
        let headers = (0..count).map(|index| number(file, table + index * size, 4));
        let kinds: Vec<u64> = headers.collect::<Option<_>>()?;
        let position_independent = number(file, 16, 2)? == ET_DYN;
        Some(Self { position_independent, has_loader: kinds.contains(&PT_INTERP) })
    }

    pub(super) fn is_static(&self) -> bool {
        !self.has_loader
    }
}

/// The number of `length` bytes at `start`.
fn number(file: &[u8], start: u64, length: u64) -> Option<u64> {
    let range = usize::try_from(start).ok()?..usize::try_from(start.checked_add(length)?).ok()?;
    Some(file.get(range)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_test_needs_a_loader() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let kind = Kind::of(&own).unwrap();
        assert!(!kind.is_static() && kind.position_independent, "{kind:?}");
    }

    #[test]
    fn a_file_that_is_cut_off_or_something_else_is_nothing() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(Kind::of(&own[..60]), None);
        assert_eq!(Kind::of(b"#!/bin/sh"), None);
    }
}
