//! A terminal made with util-linux's `script`. What is written to the program is typed there. All of the
//! program's output comes from one stream, with a terminal's line breaks.
//! writes to any of its streams comes out as one, with a terminal's line ends.

use crate::process::Invocation;
use crate::{Home, skip};

/// A command in its own terminal, with its input kept open. Skips the running test if there is no `script`.
#[track_caller]
pub fn in_terminal(home: &Home, command: &str) -> Option<Invocation> {
    skip::have(&["script"], "apt-get install bsdutils")
        .then(|| home.program("script").args(["-qefc", command, "/dev/null"]).typed())
}

/// What a person sees, with plain line breaks.
pub fn seen(output: &str) -> String {
    output.replace('\r', "")
}
