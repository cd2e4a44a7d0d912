//! Programs on Windows: the owner and the access list of the file and its folder say who can change them.

use std::os::windows::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use seqera_agent_proto::place::user_sid;

use crate::error::Error;
use crate::program::held::Held;
use crate::program::system::access_list::{Access, access};

mod access_list;

/// Whoever may be the owner beside this user: the system, the administrators, TrustedInstaller.
const OWNERS: [&str; 3] =
    ["S-1-5-18", "S-1-5-32-544", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"];

/// Groups that anybody is in: everyone, local, anonymous, interactive and authenticated users, users, guests.
const ANYBODY: [&str; 7] =
    ["S-1-1-0", "S-1-2-0", "S-1-5-7", "S-1-5-4", "S-1-5-11", "S-1-5-32-545", "S-1-5-32-546"];

pub(super) fn trusted(program: &Path) -> Result<PathBuf, Error> {
    let us = user_sid().unwrap_or_default();
    let folder = program.parent().unwrap_or(program);
    for (path, is_folder) in [(program, false), (folder, true)] {
        let fault = match access(&wide(path)) {
            Ok(found) => fault(&found, &us, is_folder),
            Err(code) => Some(format!("its access list cannot be read (error {code})")),
        };
        if let Some(why) = fault {
            return Err(Error::Distrusted { path: path.to_owned(), why });
        }
    }
    Ok(program.to_owned())
}

/// What lies beside this program is as trusted as it is: Windows loads libraries from that folder as well.
pub(super) fn held(program: &Path) -> Result<Held, Error> {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent) == program.parent();
    if beside { Ok(Held { path: program.to_owned() }) } else { trusted(program).map(|path| Held { path }) }
}

/// Not told apart here: groups have no mode of their own.
pub(super) fn open_to_a_group(_: &Path) -> Option<PathBuf> {
    None
}

fn wide(path: &Path) -> Vec<u16> {
    path.as_os_str().encode_wide().chain([0]).collect()
}

fn fault(found: &Access, us: &str, is_folder: bool) -> Option<String> {
    if found.owner != us && !OWNERS.contains(&found.owner.as_str()) {
        return Some(format!("it belongs to another user ({})", found.owner));
    }
    let Some(granted) = &found.granted else { return Some("everybody may write to it".to_owned()) };
    let writes = if is_folder { access_list::CHANGES_FOLDER } else { access_list::CHANGES_FILE };
    let open = granted.iter().find(|(sid, rights)| ANYBODY.contains(&sid.as_str()) && rights & writes != 0);
    open.map(|(sid, _)| format!("everybody may write to it ({sid})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "S-1-5-21-1-2-3-1001";

    fn found(owner: &str, granted: &[(&str, u32)]) -> Access {
        let granted = granted.iter().map(|(sid, rights)| ((*sid).to_owned(), *rights)).collect();
        Access { owner: owner.to_owned(), granted: Some(granted) }
    }

    #[test]
    fn owners_are_this_user_the_administrators_and_the_system() {
        for owner in [US, "S-1-5-18", "S-1-5-32-544"] {
            assert_eq!(fault(&found(owner, &[]), US, false), None, "{owner}");
        }
        assert!(fault(&found("S-1-5-21-1-2-3-1002", &[]), US, false).is_some());
    }

    #[test]
    fn what_anybody_may_change_is_refused_and_what_anybody_may_read_is_not() {
        const READ_AND_RUN: u32 = 0x0012_00A9;
        const MODIFY: u32 = 0x0013_01BF;
        let readable = found("S-1-5-18", &[("S-1-5-32-545", READ_AND_RUN), (US, MODIFY)]);
        assert_eq!(fault(&readable, US, false), None);
        assert!(fault(&found(US, &[("S-1-5-11", MODIFY)]), US, false).is_some());
        assert!(fault(&found(US, &[("S-1-1-0", MODIFY)]), US, true).is_some());
        // Whoever may add folders to a folder changes no program in it.
        assert_eq!(fault(&found("S-1-5-18", &[("S-1-5-11", 0x4)]), US, true), None);
        let without_list = Access { owner: US.to_owned(), granted: None };
        assert!(fault(&without_list, US, false).is_some());
    }
}
