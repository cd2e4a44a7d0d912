//! What stands in the memory of a process. Linux only.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Read at once; zeros are skipped in blocks of this size.
const BLOCK: usize = 64 * 1024;

/// How much is shown of what stands around a text.
const AROUND: usize = 100;

/// The memory of a process at one moment.
pub struct Memory(String);

impl Memory {
    /// Reads all that the process can read and write, which must be a child of this one and allow it.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn of(pid: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the process lives");
        let file = File::open(format!("/proc/{pid}/mem")).expect("its memory can be read");
        let mut found = Vec::new();
        for line in maps.lines() {
            let mut fields = line.split_whitespace();
            let (range, access) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let bounds = range.split_once('-').map(|(start, end)| (hex(start), hex(end)));
            if let Some((start, end)) = bounds.filter(|_| access.starts_with("rw")) {
                read(&file, start, end, &mut found);
                found.push(b'\n');
            }
        }
        assert!(found.len() > BLOCK, "too little to be a process: {maps}");
        Self(String::from_utf8_lossy(&found).into_owned())
    }

    /// How many times it contains the text.
    pub fn count(&self, text: &str) -> usize {
        self.0.matches(text).count()
    }

    /// The text with what stands around it, for whoever wants to know what holds it.
    pub fn around(&self, text: &str) -> Vec<String> {
        let printable = |found: char| if found.is_ascii_graphic() { found } else { '.' };
        let found = self.0.match_indices(text).map(|(at, _)| {
            let before = self.0[..at].chars().rev().take(AROUND).map(printable).collect::<Vec<_>>();
            let from = self.0[at..].chars().take(text.len() + AROUND).map(printable);
            before.into_iter().rev().chain(from).collect()
        });
        found.collect()
    }
}

fn hex(digits: &str) -> u64 {
    u64::from_str_radix(digits, 16).expect("an address")
}

/// Leaves out what cannot be read, such as memory that even the kernel does not see.
fn read(file: &File, start: u64, end: u64, found: &mut Vec<u8>) {
    let mut block = vec![0; BLOCK];
    let mut at = start;
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK);
        match file.read_at(&mut block[..wanted], at) {
            Ok(count @ 1..) => {
                if block[..count].iter().any(|byte| *byte != 0) {
                    found.extend_from_slice(&block[..count]);
                }
                at += count as u64;
            }
            Ok(0) | Err(_) => at += wanted as u64,
        }
    }
}
