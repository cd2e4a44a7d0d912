//! The sandboxes of coding assistants, as bubblewrap makes them: a filter of system calls that refuses Unix sockets,
//! a network of their own, a home that cannot be written to.

use std::path::{Path, PathBuf};

use crate::process::Invocation;
use crate::{Home, skip};

/// What installs bubblewrap.
pub const REMEDY: &str = "apt-get install bubblewrap";

/// The numbers of `socket` and `socketpair` on this machine (`asm/unistd.h`).
const SOCKET: [u32; 2] = if cfg!(target_arch = "x86_64") { [41, 53] } else { [198, 199] };

/// Which calls the filter refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// `socket(AF_UNIX, …)`, as the sandboxes of assistants do.
    Socket,
    /// `socketpair(AF_UNIX, …)` as well.
    Pairs,
}

/// True if sandboxes can be made here. Otherwise the test is skipped, visibly.
pub fn works() -> bool {
    if !skip::have(&["bwrap"], REMEDY) {
        return false;
    }
    let tried = std::process::Command::new("bwrap").args(["--dev-bind", "/", "/", "true"]).status();
    let works = tried.is_ok_and(|status| status.success());
    if !works {
        skip::skip("bwrap may not make namespaces here");
    }
    works
}

/// `command` below a filter that refuses Unix sockets, with everything else of the machine.
pub fn without_sockets(home: &Home, refused: Refused, command: &str) -> Invocation {
    let filter = filter_file(home, refused);
    let script =
        format!("exec bwrap --dev-bind / / --seccomp 9 -- /bin/sh -c \"$0\" 9<'{}'", filter.display());
    home.program("/bin/sh").args(["-c", &script, command])
}

/// `command` in a sandbox of its own with these options of bwrap behind `--dev-bind / /`.
pub fn inside(home: &Home, options: &[&str], command: &str) -> Invocation {
    let base = ["--dev-bind", "/", "/"].into_iter().chain(options.iter().copied());
    home.program("bwrap").args(base).args(["--", "/bin/sh", "-c", command])
}

fn filter_file(home: &Home, refused: Refused) -> PathBuf {
    let path = home.root().join(format!("{refused:?}.bpf"));
    if !Path::new(&path).exists() {
        std::fs::write(&path, filter(refused)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    path
}

/// A program for seccomp(2) in the form of bpf(4): four fields an instruction.
fn filter(refused: Refused) -> Vec<u8> {
    const LOAD: u16 = 0x20;
    const EQUALS: u16 = 0x15;
    const RETURN: u16 = 0x06;
    /// Offsets in `seccomp_data`: the number of the call, and the low half of its first argument.
    const NUMBER: u32 = 0;
    const ARGUMENT: u32 = 16;
    const AF_UNIX: u32 = 1;
    /// `SECCOMP_RET_ERRNO | EPERM`, and `SECCOMP_RET_ALLOW`.
    const REFUSE: u32 = 0x0005_0001;
    const ALLOW: u32 = 0x7fff_0000;
    let second = if refused == Refused::Pairs { SOCKET[1] } else { SOCKET[0] };
    let program: [(u16, u8, u8, u32); 7] = [
        (LOAD, 0, 0, NUMBER),
        (EQUALS, 1, 0, SOCKET[0]),
        (EQUALS, 0, 3, second),
        (LOAD, 0, 0, ARGUMENT),
        (EQUALS, 0, 1, AF_UNIX),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ];
    let bytes = |(code, yes, no, value): (u16, u8, u8, u32)| {
        let mut bytes = code.to_ne_bytes().to_vec();
        bytes.extend([yes, no]);
        bytes.extend(value.to_ne_bytes());
        bytes
    };
    program.into_iter().flat_map(bytes).collect()
}
