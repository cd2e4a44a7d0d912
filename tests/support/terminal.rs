//! A terminal, as util-linux's `script` makes one: what is written to the program is typed there, and what it
//! writes to any of its streams comes out as one, with a terminal's line ends.

use crate::process::Invocation;
use crate::{Home, skip};

/// A command in a terminal of its own; its input is kept open. Skips the running test where there is no
/// `script`.
#[track_caller]
pub fn in_terminal(home: &Home, command: &str) -> Option<Invocation> {
    skip::have(&["script"], "apt-get install bsdutils")
        .then(|| home.program("script").args(["-qefc", command, "/dev/null"]).typed())
}

/// What a person sees, with plain line ends.
pub fn seen(output: &str) -> String {
    output.replace('\r', "")
}
