//! The agent's folders, the file systems that they are on, and the process itself.

use std::path::{Path, PathBuf};

use seqera_agent_proto::v1::{Check, InfoResponse};

use super::host::{self, FileSystem};
use super::report::{DISK_LIMIT, Report, in_time, ok, problem, skipped, warning};
use crate::sealed::{self, Guard};
use crate::sessions::shared::Shared;
use crate::storage::folder;
use crate::storage::store::StoreKind;

/// Where systemd keeps the runtime folders of logged-in users.
const LOGIN_FOLDERS: &str = "/run/user/";

/// `user` is the login name, or empty if unknown.
pub(super) async fn examine(info: &InfoResponse, user: &str, shared: &Shared, report: &Report) {
    let socket = PathBuf::from(&info.socket);
    report.tell(socket_file(&socket)).await;
    if let Some(folder) = socket.parent().filter(|_| cfg!(unix)) {
        report.tell(runtime_folder(folder.to_owned()).await).await;
    }
    report.tell(configuration_folder(shared).await).await;
    if cfg!(target_os = "linux") {
        report.tell(linger(&socket, user)).await;
    }
    report.tell(memory(info.dumpable, sealed::guard())).await;
}

fn memory(dumpable: bool, guard: Guard) -> Check {
    const NAME: &str = "memory";
    if dumpable {
        let remedy = "start it again without --dumpable when you have finished debugging";
        return warning(NAME, "core dumps and debuggers are allowed: they can read every token", remedy);
    }
    match guard {
        #[cfg(target_os = "linux")]
        Guard::Secret => {
            ok(NAME, "secrets are sealed, with a key that even the kernel cannot read (memfd_secret)")
        }
        Guard::Locked => ok(NAME, "secrets are sealed, with a key in locked memory"),
        Guard::None => warning(
            NAME,
            "secrets are sealed, but their key may be written to a swap device: the system locks no memory",
            "raise the limit of locked memory ('ulimit -l', or LimitMEMLOCK= in the unit) and restart the agent",
        ),
    }
}

fn socket_file(socket: &Path) -> Check {
    // A named pipe on Windows is not a file.
    if cfg!(unix) && socket.symlink_metadata().is_err() {
        let text = format!("{} has disappeared; it is bound again within seconds", socket.display());
        return warning("socket", text, "if it goes on disappearing, find out what cleans its folder");
    }
    ok("socket", socket.display().to_string())
}

async fn runtime_folder(folder: PathBuf) -> Check {
    const NAME: &str = "runtime folder";
    let path = folder.clone();
    let Some((safe, kind)) = in_time(move || (folder::private(&path, false), host::file_system(&path))).await
    else {
        return problem(NAME, silent(&folder), "set XDG_RUNTIME_DIR to a folder on a local disk");
    };
    if let Err(error) = safe {
        return problem(NAME, error.to_string(), "make it yours alone: chown and chmod 0700");
    }
    let shown = format!("{}, yours alone, {kind}", folder.display());
    if kind.is_network {
        return warning(NAME, shown, "set XDG_RUNTIME_DIR to a folder on a local disk");
    }
    ok(NAME, shown)
}

async fn configuration_folder(shared: &Shared) -> Check {
    const NAME: &str = "home";
    let folder = shared.places.config_dir.clone();
    let path = folder.clone();
    let kind: Option<FileSystem> = in_time(move || host::file_system(&path)).await;
    let Some(kind) = kind else {
        return problem(NAME, silent(&folder), "set SEQERA_CLI_CONFIG_DIR to a folder on a local disk");
    };
    let shown = format!("{}, {kind}", folder.display());
    match shared.ladder.current_kind() {
        StoreKind::File if kind.is_network => warning(
            NAME,
            format!(
                "{shown}: other hosts see it, and secrets are in files there; each host keeps a session of its own"
            ),
            "where the administrators of those hosts are not trusted: \"credentialStore\": \"memory\" in config.json, \
             then 'seqera agent restart'",
        ),
        _ => ok(NAME, shown),
    }
}

/// Without lingering, systemd removes the runtime folder at logout and may end the agent.
fn linger(socket: &Path, user: &str) -> Check {
    const NAME: &str = "linger";
    if !socket.starts_with(LOGIN_FOLDERS) || !Path::new("/run/systemd/system").exists() {
        return skipped(NAME, "the socket is not in a folder that systemd keeps for a login");
    }
    if user.is_empty() {
        return skipped(NAME, "neither USER nor LOGNAME says who you are");
    }
    if Path::new("/var/lib/systemd/linger").join(user).exists() {
        return ok(NAME, "on: the agent stays when you log out");
    }
    warning(
        NAME,
        "off: at your last logout systemd may end the agent, and removes the folder of its socket. Sessions in \
         the keychain or in files go on with the next command; renewals pause until then, and what is kept in \
         memory only is lost",
        "run 'loginctl enable-linger', or ask an administrator where you may not",
    )
}

fn silent(folder: &Path) -> String {
    format!("{} does not answer within {} s", folder.display(), DISK_LIMIT.as_secs())
}
