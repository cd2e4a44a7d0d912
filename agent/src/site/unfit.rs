//! Why a file is not the site's.

/// Why a file is not read.
pub(super) enum Unfit {
    /// It was made by somebody who is neither root nor the program's owner, in a folder where everybody may.
    Planted(String),
    /// The site's own mistake.
    Wrong(String),
}
