//! Places on Windows: named pipes instead of socket files.

use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::variables::Lookup;

/// `MachineGuid`, drawn when Windows was installed.
pub(super) fn host_identity() -> Vec<u8> {
    windows_registry::LOCAL_MACHINE
        .open(r"SOFTWARE\Microsoft\Cryptography")
        .and_then(|key| key.get_string("MachineGuid"))
        .map(String::into_bytes)
        .unwrap_or_default()
}

/// The pipe, which lies in no folder.
pub(super) fn sockets(_run_dir: &Path, suffix: &str, _env: Lookup<'_>) -> Vec<PathBuf> {
    let Some(sid) = user_sid() else { return Vec::new() };
    vec![PathBuf::from(format!(r"\\.\pipe\seqera-agent-{sid}{suffix}"))]
}

/// The security identifier of the user of this process, as text (`S-1-5-…`).
#[expect(unsafe_code, reason = "Win32 has no safe wrapper for the token's user")]
pub fn user_sid() -> Option<String> {
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: the pseudo handle of this process needs no closing; `token` is written on success only.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) } == 0 {
        return None;
    }
    // A TOKEN_USER with the longest SID has 84 bytes; u64 aligns it.
    let mut buffer = [0_u64; 32];
    let mut used = 0;
    // SAFETY: the buffer is larger than any TOKEN_USER, aligned, and outlives the pointers into it;
    // the token is open and closed once; the string is freed by the function that Windows names for it.
    unsafe {
        let size = size_of_val(&buffer) as u32;
        let read = GetTokenInformation(token, TokenUser, buffer.as_mut_ptr().cast(), size, &mut used);
        CloseHandle(token);
        if read == 0 {
            return None;
        }
        let user = &*buffer.as_ptr().cast::<TOKEN_USER>();
        let mut text = std::ptr::null_mut();
        if ConvertSidToStringSidW(user.User.Sid, &mut text) == 0 {
            return None;
        }
        let length = (0..).take_while(|&i| *text.add(i) != 0).count();
        let sid = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Some(sid)
    }
}
