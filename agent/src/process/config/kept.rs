//! The variables that an agent keeps. It may live for weeks, and what it was started with is the world of whoever
//! called first: other programs' keys, preloaded libraries and tokens stay out of it.

use std::ffi::{OsStr, OsString};

/// Read by the agent, or by the libraries that reach the keychain's service and the user's folders.
#[cfg(unix)]
const KEPT: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "TMPDIR",
    "TZ",
    "TZDIR",
    "LANG",
    // macOS: how the user's text is encoded.
    "__CF_USER_TEXT_ENCODING",
];

/// The system's libraries look up folders, sockets and the keychain by these.
#[cfg(windows)]
const KEPT: &[&str] = &[
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "PROGRAMDATA",
    "USERPROFILE",
    "USERNAME",
    "USERDOMAIN",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "COMPUTERNAME",
    "TEMP",
    "TMP",
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "TZ",
];

/// The agent's own settings. Tokens are none of them, nor is what a login brings along: authority, client id,
/// proxy and certificate authorities.
const SETTINGS: &[&str] = &[
    "SEQERA_CLI_CONFIG_DIR",
    "SEQERA_AGENT_SOCK",
    "SEQERA_AGENT_HOST_ID",
    "SEQERA_CREDENTIAL_STORE",
    "SEQERA_LOG_LEVEL",
    "SEQERA_LOG_FILE",
    "SEQERA_AGENT_IDLE_EXIT",
];

/// What tests set, and only debug builds keep. The last is where a measured build writes what was covered.
const OF_TESTS: &[&str] = &["SEQERA_AGENT_CLOCK_OFFSET", "SEQERA_AGENT_CRASH_AT", "LLVM_PROFILE_FILE"];

/// What a service manager tells the one process that it has started.
const OF_MANAGER: &[&str] =
    &["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "JOURNAL_STREAM", "INVOCATION_ID"];

/// What every agent is started with. The library that reaches the keychain's service makes a runtime of its own, with
/// a thread for each processor of the machine unless tokio reads this.
pub(super) const GIVEN: (&str, &str) = ("TOKIO_WORKER_THREADS", "1");

/// Who starts the agent with what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starter {
    /// The launcher: what a manager said was said to somebody else.
    Launcher,
    /// A person or a service manager.
    Direct,
}

/// Whether an agent keeps a variable.
pub(crate) fn is_kept(name: &OsStr, starter: Starter) -> bool {
    let Some(name) = name.to_str() else { return false };
    let listed = |names: &[&str]| names.iter().any(|known| is_same(known, name));
    let of_manager = starter == Starter::Direct && listed(OF_MANAGER);
    let of_tests = cfg!(debug_assertions) && listed(OF_TESTS);
    listed(KEPT) || listed(SETTINGS) || name.starts_with("LC_") || of_manager || of_tests
}

fn is_same(known: &str, name: &str) -> bool {
    if cfg!(windows) { known.eq_ignore_ascii_case(name) } else { known == name }
}

/// The part of an environment that is kept with what every agent is given, and whether that is another one.
pub(super) fn part(
    all: impl IntoIterator<Item = (OsString, OsString)>,
    starter: Starter,
) -> (Vec<(OsString, OsString)>, bool) {
    let given = (OsString::from(GIVEN.0), OsString::from(GIVEN.1));
    let (mut kept, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| is_kept(name, starter));
    let is_another = others != [given.clone()];
    kept.push(given);
    (kept, is_another)
}
