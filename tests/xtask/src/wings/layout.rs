//! The order of the wings of a crate, from top to bottom. A wing is a module of the crate's root with
//! everything in it. It may import only from lower floors.

/// One crate's wings.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The root file of the crate.
    pub(crate) root: &'static str,
    /// The files above all wings. They may import each other.
    pub(crate) top: &'static [&'static str],
    /// Wings of one floor do not import each other.
    pub(crate) floors: &'static [&'static [&'static str]],
    /// Whether other files at the root are allowed. They lie below all wings.
    pub(crate) has_ground: bool,
    /// Modules that import nothing.
    pub(crate) silent: &'static [&'static str],
    /// Modules that only help tests. No rule applies to them.
    pub(crate) exempt: &'static [&'static str],
}

pub(crate) const LAYOUTS: [Layout; 3] = [
    Layout {
        root: "agent/src/lib.rs",
        top: &["lib"],
        floors: &[
            &["process"],
            &["api"],
            &["doctor", "imports"],
            &["sessions"],
            &["leases", "socket"],
            &["sign_in", "storage"],
            &["providers"],
        ],
        has_ground: true,
        silent: &["manual"],
        exempt: &["testing"],
    },
    Layout {
        root: "client/src/bin/seqera/main.rs",
        top: &["main", "cli", "ending"],
        floors: &[&["commands"], &["settings"], &["screen"]],
        has_ground: false,
        silent: &["arena"],
        exempt: &[],
    },
    Layout {
        root: "tests/sandbox/src/lib.rs",
        top: &["lib"],
        floors: &[
            &["serve"],
            &["sign_in"],
            &["control", "oauth", "platform", "scitoolkit"],
            &["app", "page"],
            &["faults", "tower"],
            &["providers", "tokens"],
            &["settings"],
            &["people"],
        ],
        has_ground: true,
        silent: &[],
        exempt: &[],
    },
];

impl Layout {
    /// The floor of a wing, counted from the top.
    pub(crate) fn floor(&self, wing: &str) -> Option<usize> {
        let below = self.floors.len() + 1;
        if self.top.contains(&wing) {
            Some(0)
        } else if self.silent.contains(&wing) {
            Some(below + 1)
        } else if let Some(floor) = self.floors.iter().position(|wings| wings.contains(&wing)) {
            Some(floor + 1)
        } else {
            self.has_ground.then_some(below)
        }
    }

    /// Whether one wing may import another.
    pub(crate) fn allows(&self, wing: &str, imported: &str) -> bool {
        let (Some(from), Some(to)) = (self.floor(wing), self.floor(imported)) else { return true };
        let is_row_of_files = from == 0 || from == self.floors.len() + 1;
        wing == imported || from < to || (from == to && is_row_of_files)
    }
}
