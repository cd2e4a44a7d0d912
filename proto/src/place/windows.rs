//! Places on Windows: named pipes instead of socket files.

use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;

use directories::BaseDirs;
use windows_sys::Win32::Foundation::{CloseHandle, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, GetSecurityInfo, SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::{
    GetTokenInformation, OWNER_SECURITY_INFORMATION, PSID, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::host::Host;
use super::variables::{Lookup, absolute, text};

/// `MachineGuid` is generated when Windows is installed. It alone has always identified the host, whatever the
/// file system; only where it cannot be read the name takes its place.
pub(super) fn host(env: Lookup<'_>) -> Host {
    let machine = windows_registry::LOCAL_MACHINE
        .open(r"SOFTWARE\Microsoft\Cryptography")
        .and_then(|key| key.get_string("MachineGuid"))
        .map(String::into_bytes)
        .unwrap_or_default();
    let name = text(env, "COMPUTERNAME").ok().flatten().unwrap_or_default();
    Host { machine, name, was_named: false }
}

/// Not asked: the id does not depend on it here.
pub(super) fn is_local(_: &Path) -> bool {
    false
}

/// The profile folder, as Windows itself knows it: services and tasks may run without `USERPROFILE`.
pub(super) fn known_home() -> Option<PathBuf> {
    BaseDirs::new().map(|known| known.home_dir().to_owned())
}

/// `%LOCALAPPDATA%`, because a log should not roam with the user from host to host.
pub(super) fn state_folder(env: Lookup<'_>, _: Option<PathBuf>) -> Option<(PathBuf, Option<&'static str>)> {
    const LOCAL: &str = "LOCALAPPDATA";
    match absolute(env, LOCAL) {
        Ok(Some(local)) => Some((local, Some(LOCAL))),
        _ => BaseDirs::new().map(|known| (known.data_local_dir().to_owned(), None)),
    }
}

/// The named pipe, which is not in any folder.
pub(super) fn sockets(_run_dir: &Path, suffix: &str, _env: Lookup<'_>) -> Vec<PathBuf> {
    let Some(sid) = user_sid() else { return Vec::new() };
    vec![PathBuf::from(format!(r"\\.\pipe\seqera-agent-{sid}{suffix}"))]
}

/// The security identifier of the user of this process, as text (`S-1-5-…`).
#[expect(unsafe_code, reason = "Win32 has no safe wrapper for the token's user")]
pub fn user_sid() -> Option<String> {
    let mut token: HANDLE = null_mut();
    // SAFETY: the pseudo handle of this process needs no closing; `token` is written on success only.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) } == 0 {
        return None;
    }
    // A TOKEN_USER with the longest SID has 84 bytes; an array of u64 is aligned for it.
    let mut buffer = [0_u64; 32];
    let mut used = 0;
    // SAFETY: the buffer is larger than any TOKEN_USER, aligned, and outlives the pointers into it; the token
    // is open and closed once.
    unsafe {
        let size = size_of_val(&buffer) as u32;
        let read = GetTokenInformation(token, TokenUser, buffer.as_mut_ptr().cast(), size, &mut used);
        CloseHandle(token);
        if read == 0 {
            return None;
        }
        let user = &*buffer.as_ptr().cast::<TOKEN_USER>();
        sid_text(user.User.Sid)
    }
}

/// The owner of a pipe that is open, as text; `None` if Windows does not say.
#[expect(unsafe_code, reason = "Win32 has no safe wrapper for the owner of a handle")]
pub fn owner_sid(pipe: &impl AsRawHandle) -> Option<String> {
    let (mut owner, mut descriptor) = (null_mut(), null_mut());
    let (handle, what) = (pipe.as_raw_handle(), OWNER_SECURITY_INFORMATION);
    let none = null_mut();
    // SAFETY: the handle is open; `owner` points into `descriptor`, which is freed after its last use with the function
    // that Windows documents for it.
    unsafe {
        let kind = SE_KERNEL_OBJECT;
        let code =
            GetSecurityInfo(handle, kind, what, &mut owner, none, null_mut(), null_mut(), &mut descriptor);
        if code != 0 {
            return None;
        }
        let sid = sid_text(owner);
        LocalFree(descriptor);
        sid
    }
}

/// # Safety
/// `sid` is a valid identifier.
#[expect(unsafe_code, reason = "Win32 has no safe wrapper for identifiers")]
unsafe fn sid_text(sid: PSID) -> Option<String> {
    let mut text = null_mut();
    // SAFETY: the identifier is valid; the text ends with a zero, and is freed with the function that Windows documents
    // for it.
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

#[cfg(test)]
mod tests {
    use super::super::Places;

    #[test]
    fn without_variables_the_known_folders_of_the_system_count() {
        let places = Places::find(&|_| None).unwrap();
        assert!(places.config_is_default && places.config_dir.ends_with(r".config\seqera-ai"));
        let (log, variable) = places.log_file(&|_| None).unwrap();
        assert!(log.ends_with(r"AppData\Local\seqera\agent.log") && variable.is_none());
    }
}
