//! Whose a site's file is.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Below the folder that holds the program's `bin`.
pub(super) const BESIDE: &str = "etc/seqera-agent/config.json";

/// For every installation of the machine.
pub(super) const OF_MACHINE: Option<&str> = Some("/etc/seqera-agent/config.json");

/// The owner of the program: of a module tree, a shared conda environment, Homebrew, or root.
pub(super) fn owner(program: &Path) -> Option<u32> {
    Some(program.metadata().ok()?.uid())
}

/// What keeps the file from being the site's. The folder counts too: who may write there replaces the file.
pub(super) fn stranger(path: &Path, owner: Option<u32>) -> Option<String> {
    let folder = path.parent().unwrap_or(path);
    [(path, ""), (folder, "its folder ")].into_iter().find_map(|(place, name)| {
        let found = place.metadata().ok()?;
        if found.uid() != 0 && Some(found.uid()) != owner {
            return Some(format!(
                "is not used: {name}belongs to uid {}, which is not the program's",
                found.uid()
            ));
        }
        let is_open = found.mode() & 0o002 != 0;
        is_open.then(|| {
            format!("is not used: {name}can be written to by everybody (mode {:o})", found.mode() & 0o7777)
        })
    })
}
