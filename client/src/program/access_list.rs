//! The owner and the access list of a file or folder, as texts and numbers.

use std::fs::File;
use std::os::windows::io::AsRawHandle;
use std::ptr::{null_mut, read_unaligned};

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{ConvertSidToStringSidW, GetSecurityInfo, SE_FILE_OBJECT};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACL, DACL_SECURITY_INFORMATION, GetAce, INHERIT_ONLY_ACE, OWNER_SECURITY_INFORMATION,
    PSID,
};

/// `ACCESS_ALLOWED_ACE_TYPE`.
const ALLOWED: u8 = 0;

/// Rights that change a file or who may: write, append, delete, DAC, owner, all.
pub(super) const CHANGES_FILE: u32 = 0x2 | 0x4 | 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x5000_0000;
/// The same for the files in a folder: add files, delete what is in it. Adding folders is harmless.
pub(super) const CHANGES_FOLDER: u32 = 0x2 | 0x40 | 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x5000_0000;

/// Who owns it, and who is granted what.
pub(super) struct Access {
    pub(super) owner: String,
    /// `None` if there is no list, which grants everything to everybody.
    pub(super) granted: Option<Vec<(String, u32)>>,
}

/// Of a file or folder that is open, so that it is the one that is used later.
///
/// # Errors
/// The error code of Windows.
#[expect(unsafe_code, reason = "Win32 has no safe wrapper for access lists")]
pub(super) fn access(open: &File) -> Result<Access, u32> {
    let what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let (mut owner, mut list, mut descriptor) = (null_mut(), null_mut(), null_mut());
    // SAFETY: the handle is open; `owner` and `list` point into `descriptor`, which is freed after its last
    // use with the function that Windows documents for it.
    unsafe {
        let code = GetSecurityInfo(
            open.as_raw_handle(),
            SE_FILE_OBJECT,
            what,
            &mut owner,
            null_mut(),
            &mut list,
            null_mut(),
            &mut descriptor,
        );
        if code != 0 {
            return Err(code);
        }
        let access = Access {
            owner: text(owner).unwrap_or_default(),
            granted: (!list.is_null()).then(|| entries(list)),
        };
        LocalFree(descriptor);
        Ok(access)
    }
}

/// What the list grants here, whatever else it denies.
#[expect(unsafe_code, reason = "Win32 has no safe wrapper for access lists")]
/// # Safety
/// `list` is a valid list.
unsafe fn entries(list: *const ACL) -> Vec<(String, u32)> {
    // SAFETY: the list is valid, and each entry lies within it; an entry of this type has its identifier at its end.
    unsafe {
        let entry = |index| {
            let mut entry = null_mut();
            if GetAce(list, index, &mut entry) == 0 {
                return None;
            }
            let allowed: *const ACCESS_ALLOWED_ACE = entry.cast();
            let header = read_unaligned(&raw const (*allowed).Header);
            if header.AceType != ALLOWED || u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0 {
                return None;
            }
            let sid = (&raw const (*allowed).SidStart).cast_mut().cast();
            Some((text(sid)?, read_unaligned(&raw const (*allowed).Mask)))
        };
        (0..u32::from((*list).AceCount)).filter_map(entry).collect()
    }
}

/// `S-1-…`.
#[expect(unsafe_code, reason = "Win32 has no safe wrapper for identifiers")]
/// # Safety
/// `sid` is a valid identifier.
unsafe fn text(sid: PSID) -> Option<String> {
    let mut text = null_mut();
    // SAFETY: the identifier is valid; the text ends with a zero, and is freed with the function that Windows
    // documents for it.
    unsafe {
        if ConvertSidToStringSidW(sid, &mut text) == 0 {
            return None;
        }
        let length = (0..).take_while(|&i| *text.add(i) != 0).count();
        let sid = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Some(sid)
    }
}
