//! Whose a site's file is.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use seqera_agent_proto::programs::WRITABLE_BY_ALL;

use crate::site::unfit::Unfit;

/// Below the folder that holds the program's `bin`.
pub(super) const BESIDE: &str = "etc/seqera-agent/config.json";

/// For every installation of the machine.
pub(super) const OF_MACHINE: Option<&str> = Some("/etc/seqera-agent/config.json");

/// The owner of the program: of a module tree, a shared conda environment, Homebrew, or root.
pub(super) fn owner(program: &Path) -> Option<u32> {
    Some(program.metadata().ok()?.uid())
}

/// Checks that nobody but root and the program's owner has a say in the file: whoever owns it, its folder, the `etc`
/// above, or a link in place of one of them, can replace it.
///
/// # Errors
/// What is not theirs. It was planted if the folder around it is open to everybody, as where somebody has unpacked a
/// program in a shared folder.
pub(super) fn check(path: &Path, owner: Option<u32>) -> Result<(), Unfit> {
    let is_stranger = |uid| is_stranger(uid, owner);
    let mut around: [Option<&Path>; 3] = [None; 3];
    around.iter_mut().zip(path.ancestors().skip(1)).for_each(|(place, folder)| *place = Some(folder));
    let [folder, etc, above] = around;
    let is_open = |found: &Metadata| is_stranger(found.uid()) || found.mode() & WRITABLE_BY_ALL != 0;
    let mut within_open = above.and_then(|above| above.metadata().ok()).is_some_and(|found| is_open(&found));
    for (place, name) in [(etc, "the folder above "), (folder, "its folder "), (Some(path), "")] {
        let Some(place) = place else { continue };
        // What is not there is nobody's.
        let Ok(itself) = place.symlink_metadata() else { return Ok(()) };
        // What a link leads to may be out of sight.
        let found = place.metadata().unwrap_or_else(|_| itself.clone());
        let unused = |what: String| format!("{} is not used: {name}{what}", path.display());
        if let Some(uid) = [itself.uid(), found.uid()].into_iter().find(|uid| is_stranger(*uid)) {
            let why = unused(format!("belongs to uid {uid}, which is not the program's"));
            return Err(if within_open { Unfit::Planted(why) } else { Unfit::Wrong(why) });
        }
        within_open = is_open(&found);
        if within_open && Some(place) != etc {
            let mode = found.mode() & 0o7777;
            return Err(Unfit::Wrong(unused(format!("can be written to by everybody (mode {mode:o})"))));
        }
    }
    Ok(())
}

/// Checks whose the file is that was opened.
///
/// # Errors
/// Its owner, if that is neither root nor the program's.
pub(super) fn check_opened(found: &Metadata, owner: Option<u32>) -> io::Result<()> {
    let uid = found.uid();
    match is_stranger(uid, owner) {
        true => {
            let what = format!("belongs to uid {uid}, which is not the program's");
            Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
        }
        false => Ok(()),
    }
}

fn is_stranger(uid: u32, owner: Option<u32>) -> bool {
    uid != 0 && Some(uid) != owner
}
