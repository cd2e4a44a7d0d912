//! `seqera token --write FILE`: the one place where a short-lived token is written down, for programs in a sandbox
//! that cannot reach the agent. The file is private, on each change a new one takes its place, and with `--watch` it
//! goes with the session and with this command.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use seqera_client::proto::values::token_file::{MARK, TokenFile};
use seqera_client::{Change, Client, Error, Token, Want};
use serde_json::json;
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::screen::failure::Failure;
use crate::screen::time::{now, rfc3339_of, time_of_day};
use crate::settings::context::{Context, wait};
use crate::settings::provider::Provider;

/// How often to look whether the token has expired, and to try again what has failed.
const LOOK: Duration = Duration::from_secs(2);

/// A larger file is none of ours.
const LARGEST: u64 = 64 * 1024;

/// Writes `token`, and with a client goes on until the session or this command ends.
pub(super) fn run(
    context: &Context,
    mut file: Kept,
    token: Token,
    client: Option<Client>,
) -> Result<(), Failure> {
    if !Provider::named(&token.provider).has_token_file() {
        let what =
            format!("a token of {} is not written to a file", Provider::named(&token.provider).label());
        return Err(Failure::usage(what, Some("SEQERA_ACCESS_TOKEN_FILE is for tokens of a Platform")));
    }
    file.put(&token).map_err(|error| file.failure(&error))?;
    told(context, &file, &token)?;
    drop(token);
    let Some(client) = client else {
        file.is_left = true;
        return Ok(());
    };
    wait(async {
        tokio::select! {
            failure = follow(context, &client, &mut file) => Err(failure),
            ended = ended() => ended,
        }
    })
}

/// Says once what it means that the token is in a file.
fn told(context: &Context, file: &Kept, token: &Token) -> Result<(), Failure> {
    let shown = file.path.display();
    if context.screen.json {
        return context.screen.object(&json!({
            "file": file.path.to_string_lossy(),
            "expires_at": rfc3339_of(token.expires_at),
            "profile": token.profile,
            "authority": token.authority,
        }));
    }
    let until = token.expires_at.map(|end| format!(" until {}", time_of_day(end.into()))).unwrap_or_default();
    context.screen.tell(&format!("{shown} holds the token of profile '{}'{until}.", token.profile));
    context.screen.note("whoever can read this file can use the account as long as its token is valid");
    if file.is_on_disk() {
        let note = "it is on a disk, where the token may outlive it; a folder in memory is better, such as one \
            below $XDG_RUNTIME_DIR or /dev/shm";
        context.screen.note(note);
    }
    Ok(())
}

/// Ends when this command has to.
#[cfg(unix)]
async fn ended() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let caught = |kind| signal(kind).map_err(|error| Failure::system("cannot wait for signals", &error));
    let (mut terminated, mut hung_up) = (caught(SignalKind::terminate())?, caught(SignalKind::hangup())?);
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted("the file is no longer kept fresh, and was removed")),
        _ = terminated.recv() => Ok(()),
        _ = hung_up.recv() => Ok(()),
    }
}

#[cfg(windows)]
async fn ended() -> Result<(), Failure> {
    let _ = tokio::signal::ctrl_c().await;
    Err(Failure::interrupted("the file is no longer kept fresh, and was removed"))
}

/// Keeps the file as the session is, across restarts of the agent. Returns what cannot be waited for.
async fn follow(context: &Context, client: &Client, file: &mut Kept) -> Failure {
    let mut warned = false;
    loop {
        match changes(context, client, file).await {
            Ok(()) => {}
            Err(error @ (Error::Refused(_) | Error::Distrusted { .. } | Error::Misunderstood(_))) => {
                return error.into();
            }
            Err(error) if !warned => {
                warned = true;
                context.screen.warn(&format!("{error}; it is tried again"));
            }
            Err(_) => {}
        }
        file.look();
        sleep(LOOK).await;
    }
}

/// One connection's worth of changes. A new agent has no token at hand before somebody asks for one.
async fn changes(context: &Context, client: &Client, file: &mut Kept) -> Result<(), Error> {
    match client.token(Want::default()).await {
        Ok(token) => store(context, file, &token),
        Err(error @ Error::Refused(_)) if is_ended(&error) => sign_out(context, file),
        Err(error @ Error::Refused(_)) if is_passing(&error) => {}
        Err(error) => return Err(error),
    }
    let mut watch = client.watch().await?;
    loop {
        tokio::select! {
            change = watch.next() => match change? {
                Some(Change::Token(token)) => store(context, file, &token),
                Some(Change::SignedOut(_)) => sign_out(context, file),
                None => return Ok(()),
            },
            () = sleep(LOOK) => file.look(),
        }
    }
}

/// The next sign-in brings the file back.
fn is_ended(error: &Error) -> bool {
    matches!(error.exit_code(), 3)
}

fn is_passing(error: &Error) -> bool {
    matches!(error.exit_code(), 4 | 5)
}

fn store(context: &Context, file: &mut Kept, token: &Token) {
    if file.holds(token) {
        return;
    }
    match file.put(token) {
        Ok(()) if context.screen.json => {
            let written = json!({"event": "written", "expires_at": rfc3339_of(token.expires_at)});
            context.screen.event(&written);
        }
        Ok(()) => {}
        Err(error) => context.screen.warn(&format!("{}; it is tried again", file.failure(&error).message)),
    }
}

fn sign_out(context: &Context, file: &mut Kept) {
    file.wanted = None;
    if file.remove() {
        context
            .screen
            .note("there is no session any more: the file was removed, and comes back with the next sign-in");
    }
}

/// The file. Dropping this removes it.
pub(super) struct Kept {
    path: PathBuf,
    /// What identifies the file that was written last. Another one that stands there now belongs to another command.
    written: Option<Identity>,
    /// What has to be in it, and whether it is.
    wanted: Option<Zeroizing<String>>,
    is_written: bool,
    expires: Option<SystemTime>,
    /// It stays when this command ends.
    is_left: bool,
}

type Identity = (u64, u64);

impl Kept {
    /// A file that is not there, or is one of ours, in a folder where nobody else can put another.
    pub(super) fn at(path: &Path) -> Result<Self, Failure> {
        let path = std::path::absolute(path)
            .ok()
            .filter(|path| path.file_name().is_some())
            .ok_or_else(|| Failure::usage(format!("{} names no file", path.display()), None))?;
        let file =
            Self { path, written: None, wanted: None, is_written: false, expires: None, is_left: false };
        let folder = file.folder();
        let found = fs::metadata(folder).map_err(|error| {
            let what = format!("cannot write into {}: {error}", folder.display());
            Failure::usage(what, Some("the folder has to be there: mkdir -m 700 makes it"))
        })?;
        let fault = match found.is_dir() {
            true => open_to_others(&found),
            false => Some("it is not a folder".to_owned()),
        };
        if let Some(fault) = fault {
            let what = format!("a token is not written into {}: {fault}", folder.display());
            return Err(Failure::usage(what, Some("name a file in a folder of your own")));
        }
        file.replaceable().map_err(|error| file.failure(&error))?;
        Ok(file)
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// An error if what stands there was not written by this command. An empty file is what `mktemp` makes.
    fn replaceable(&self) -> io::Result<()> {
        let not_ours =
            || io::Error::new(ErrorKind::AlreadyExists, "it is there, and was not written by this command");
        let found = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        if !found.is_file() || found.len() > LARGEST {
            return Err(not_ours());
        }
        let text = Zeroizing::new(fs::read(&self.path)?);
        let second = text.split(|byte| *byte == b'\n').nth(1);
        let ours = text.is_empty() || second.is_some_and(|line| line.starts_with(MARK.as_bytes()));
        if ours { Ok(()) } else { Err(not_ours()) }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        let shown = self.path.display();
        match error.kind() {
            ErrorKind::AlreadyExists => Failure::usage(
                format!("{shown} is left alone: {error}"),
                Some("name another file, or remove it"),
            ),
            _ => Failure::system(&format!("cannot write {shown}"), error),
        }
    }

    /// Writes a token, or keeps the former one if that fails.
    fn put(&mut self, token: &Token) -> io::Result<()> {
        let whole =
            |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs());
        let content = TokenFile {
            token: token.secret().to_owned(),
            is_marked: true,
            authority: token.authority.clone(),
            api: token.api_url.clone(),
            workspace: token.workspace_id,
            profile: token.profile.clone(),
            expires: token.expires_at.and_then(whole),
        };
        self.wanted = Some(Zeroizing::new(content.text()));
        drop(Zeroizing::new(content.token));
        (self.is_written, self.expires) = (false, token.expires_at);
        self.write()
    }

    fn holds(&self, token: &Token) -> bool {
        let first = self.wanted.as_ref().and_then(|text| text.lines().next());
        self.is_written && first == Some(token.secret())
    }

    /// Renames a new file into the place, so that a reader finds the old one or the new one.
    fn write(&mut self) -> io::Result<()> {
        let Some(text) = self.wanted.as_ref() else { return Ok(()) };
        self.replaceable()?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let new = self.folder().join(format!(".{name}.{}.new", std::process::id()));
        // Left by a process of the same number that was killed.
        let _ = fs::remove_file(&new);
        let written = private(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            let identity = identity(&file.metadata()?);
            drop(file);
            fs::rename(&new, &self.path)?;
            Ok(identity)
        });
        match written {
            Ok(identity) => (self.written, self.is_written) = (Some(identity), true),
            Err(error) => {
                let _ = fs::remove_file(&new);
                return Err(error);
            }
        }
        Ok(())
    }

    /// What is due by the clock: a token that has expired goes, one that could not be written is tried again.
    fn look(&mut self) {
        if self.expires.is_some_and(|end| end <= now()) {
            self.wanted = None;
            self.remove();
        } else if !self.is_written {
            // The warning was given when this failed first.
            let _ = self.write();
        }
    }

    /// Removes the file unless another command has put its own there. True if something was removed.
    fn remove(&mut self) -> bool {
        self.is_written = false;
        let Some(written) = self.written.take() else { return false };
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == written);
        is_ours && fs::remove_file(&self.path).is_ok()
    }

    #[cfg(target_os = "linux")]
    fn is_on_disk(&self) -> bool {
        // statfs(2): TMPFS_MAGIC and RAMFS_MAGIC.
        const IN_MEMORY: [i128; 2] = [0x0102_1994, 0x8584_58f6];
        rustix::fs::statfs(self.folder()).is_ok_and(|found| !IN_MEMORY.contains(&i128::from(found.f_type)))
    }

    #[cfg(not(target_os = "linux"))]
    fn is_on_disk(&self) -> bool {
        false
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.is_left {
            self.remove();
        }
    }
}

#[cfg(unix)]
fn private(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The folder decides who may read it.
#[cfg(windows)]
fn private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn identity(found: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (found.dev(), found.ino())
}

/// Numbers of files are not known here, so the time of the last change has to do.
#[cfg(windows)]
fn identity(found: &fs::Metadata) -> Identity {
    use std::os::windows::fs::MetadataExt;
    (found.creation_time(), found.last_write_time())
}

/// Why others could put another file in the place of ours.
#[cfg(unix)]
fn open_to_others(folder: &fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    /// Only the owner of a file may remove it there, such as in `/tmp`.
    const STICKY: u32 = 0o1000;
    let (uid, mode) = (folder.uid(), folder.mode() & 0o7777);
    if uid != 0 && uid != rustix::process::getuid().as_raw() {
        return Some(format!("it belongs to another user (uid {uid})"));
    }
    (mode & 0o022 != 0 && mode & STICKY == 0).then(|| format!("others may write there (mode {mode:04o})"))
}

#[cfg(windows)]
fn open_to_others(_: &fs::Metadata) -> Option<String> {
    None
}

#[cfg(all(test, unix))]
mod tests;
