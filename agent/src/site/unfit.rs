//! Why a file is not the site's.

/// Why a file is not read.
pub(super) enum Unfit {
    /// It was made by somebody who is neither root nor the program's owner, in a folder where everybody may.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "there a file beside the program is as safe as the program")
    )]
    Planted(String),
    /// The site's own mistake.
    Wrong(String),
}
