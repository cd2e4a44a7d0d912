//! What the agent is told from outside: folders, socket, store and log settings, and the profiles of
//! `config.json`. Each value knows where it came from. This is the one file that reads the environment.
//!
//! Authority, client id, proxy and CA variables are the client's to read: they travel with a login.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seqera_agent_proto::configuration::Configuration;
use seqera_agent_proto::place::{Lookup, Places};
use seqera_agent_proto::v1::Setting;
use seqera_agent_proto::values::text;
use tracing::Level;

use crate::clock::WallOffset;
use crate::error::{AgentError, ErrorKind};
use crate::process::handed::Handed;
use crate::profile::{Profile, ProfileName};
use crate::site::{LogPlace, Set, Site};
use crate::storage::ladder::StoreChoice;

mod file;
mod kept;

pub(crate) use kept::Starter;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// An environment variable.
    Env(&'static str),
    /// A file.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sourced<T> {
    /// What is in force.
    pub value: T,
    /// Who said so.
    pub source: Source,
}

impl<T> Sourced<T> {
    fn new(value: T, source: Source) -> Self {
        Self { value, source }
    }
}

/// The command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--dumpable`: core dumps and debuggers are allowed.
    pub dumpable: bool,
    /// `--detached`: started by `--launch`, which waits for the word that the agent serves.
    pub detached: bool,
    /// `--succeeds`: an earlier program of this process has left these open.
    pub succeeds: Option<Handed>,
}

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogTarget {
    /// A file, rotated by size.
    File(PathBuf),
    /// Standard error: the journal, or a terminal.
    Stderr,
    /// The system's journal, by its socket.
    Journal,
}

impl LogTarget {
    /// The file, for people; empty where the log goes elsewhere.
    pub(crate) fn file(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stderr | Self::Journal => String::new(),
        }
    }
}

/// Log settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// The least important level that is written; `None` is `off`.
    pub level: Sourced<Option<Level>>,
    /// Where it is to go.
    pub target: Sourced<LogTarget>,
    /// Where it goes if that file cannot be had, such as one whose name another user has taken in a folder of all.
    pub ordinary: Option<PathBuf>,
    /// True while it goes there.
    pub is_elsewhere: bool,
}

impl Log {
    /// The file that is written, for people; empty where the log goes elsewhere.
    pub(crate) fn file(&self) -> String {
        match self.ordinary.as_ref().filter(|_| self.is_elsewhere) {
            Some(ordinary) => ordinary.display().to_string(),
            None => self.target.value.file(),
        }
    }
}

/// Everything that is decided before the agent touches a file, a socket or a provider.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Folders, host id, sockets.
    pub places: Places,
    /// The store that the user chose, or the ladder.
    pub store: Sourced<StoreChoice>,
    /// What the site sets for this installation. Read once: a policy changes with a restart.
    pub site: Arc<Site>,
    /// The profiles that `config.json` names.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// Log settings.
    pub log: Log,
    /// How long an agent with nothing to keep waits for a caller before it exits; `None`: for ever.
    pub idle_exit: Sourced<Option<Duration>>,
    /// The command line.
    pub flags: Flags,
    /// True where a service manager handed descriptor 3 over as the listening socket (`sd_listen_fds(3)`).
    #[cfg(unix)]
    pub socket_handed_over: bool,
    /// Where the service manager wants to hear that the agent serves (`sd_notify(3)`).
    pub notify_socket: Option<OsString>,
    /// Moves the wall clock, for tests of debug builds.
    pub clock_offset: WallOffset,
    /// The user's login name, for names that people read; empty where the environment has none.
    pub user: String,
    /// Where a debug build kills itself, for tests.
    pub crash_at: Option<String>,
    /// What is wrong with the configuration, in words for the user. The agent runs in spite of it.
    pub problems: Vec<String>,
    /// The same of its surroundings, met at the start: log, lock, core dumps.
    pub met: Vec<String>,
}

/// How long an agent without sessions waits for a caller: nothing lingers on a login node ([Stopping](crate::manual::socket#stopping)).
const IDLE_EXIT: Duration = Duration::from_secs(600);

/// Reads the process environment.
pub(crate) fn environment(name: &str) -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The user's home folder, where the environment names one.
pub(crate) fn home() -> Option<PathBuf> {
    let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    environment(name).map(PathBuf::from).filter(|home| home.is_absolute())
}

/// The variables that an agent is started with, and whether this process has others besides. [`kept`] has the list.
pub(crate) fn kept_environment(starter: Starter) -> (Vec<(OsString, OsString)>, bool) {
    #[expect(clippy::disallowed_methods, reason = "the one file that reads the environment")]
    let all = std::env::vars_os();
    kept::part(all, starter)
}

impl Config {
    /// Reads flags, environment and `config.json`. A broken file becomes a problem; a variable that makes
    /// no sense is an error, because the user set it for this very start.
    ///
    /// # Errors
    /// Where no home folder is known, or a variable holds a value that is not one of its own.
    pub(crate) fn read(flags: Flags, env: Lookup<'_>, site: &Arc<Site>) -> Result<Self, AgentError> {
        let places = Places::find(env).map_err(|error| {
            AgentError::new(ErrorKind::Misconfigured, error.to_string(), "the agent needs a home folder")
        })?;
        let (file, mut problems) = file::read(&places.config_dir);
        problems.extend(site.problems.iter().cloned());
        let store = permitted(store(env, &file, &mut problems)?, site, &mut problems);
        let profiles = file::profiles(&file, site, &mut problems);
        let debug = cfg!(debug_assertions);
        Ok(Self {
            log: log(env, flags, &places, site)?,
            site: Arc::clone(site),
            store,
            profiles,
            idle_exit: idle_exit(env, site)?,
            #[cfg(unix)]
            socket_handed_over: handed_over(env),
            notify_socket: env("NOTIFY_SOCKET"),
            clock_offset: WallOffset(env("SEQERA_AGENT_CLOCK_OFFSET").filter(|_| debug).map(PathBuf::from)),
            user: ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| text(env, name)).unwrap_or_default(),
            crash_at: text(env, "SEQERA_AGENT_CRASH_AT").filter(|_| debug),
            flags,
            places,
            problems,
            met: Vec::new(),
        })
    }

    /// What was read at the start and stays until the next one, for those who compare it with what they have set.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let setting = |name: &str, value: String, source: &Source| Setting {
            name: name.to_owned(),
            value,
            source: source.to_string(),
        };
        let level =
            self.log.level.value.map_or_else(|| "off".into(), |level| level.as_str().to_ascii_lowercase());
        let file = self.log.target.value.file();
        let idle = self.idle_exit.value.map_or(0, |limit| limit.as_secs());
        vec![
            setting("SEQERA_CREDENTIAL_STORE", self.store.value.as_str().into(), &self.store.source),
            setting("SEQERA_LOG_LEVEL", level, &self.log.level.source),
            setting("SEQERA_LOG_FILE", file, &self.log.target.source),
            setting("SEQERA_AGENT_IDLE_EXIT", idle.to_string(), &self.idle_exit.source),
            setting("SEQERA_AGENT_HOST_ID", self.places.host_id.clone(), &Source::Default),
        ]
    }

    /// True if a service manager started this process: `restart` then does not bring along what a shell has set.
    pub(crate) fn of_service_manager(&self) -> bool {
        #[cfg(unix)]
        let handed_over = self.socket_handed_over;
        #[cfg(windows)]
        let handed_over = false;
        handed_over || self.notify_socket.is_some()
    }

    /// The same flags and environment, and the file as it is now.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub(crate) fn reread(&self) -> Result<Self, AgentError> {
        Self::read(self.flags, &environment, &self.site)
    }
}

fn store(
    env: Lookup<'_>,
    file: &Configuration,
    problems: &mut Vec<String>,
) -> Result<Sourced<StoreChoice>, AgentError> {
    const NAME: &str = "SEQERA_CREDENTIAL_STORE";
    const CHOICES: &str = "use 'auto', 'keychain', 'file' or 'memory'";
    if let Some(given) = text(env, NAME) {
        let choice = given.parse().map_err(|_| misset(NAME, &given, CHOICES))?;
        return Ok(Sourced::new(choice, Source::Env(NAME)));
    }
    let path = &file.path;
    let Some(given) = file.text("credentialStore").filter(|text| !text.is_empty()) else {
        return Ok(Sourced::new(StoreChoice::Auto, Source::Default));
    };
    match given.parse() {
        Ok(choice) => Ok(Sourced::new(choice, Source::File(path.clone()))),
        Err(_) => {
            problems.push(format!("{}: credentialStore {given:?} is not a store: {CHOICES}", path.display()));
            Ok(Sourced::new(StoreChoice::Auto, Source::Default))
        }
    }
}

fn log_level(env: Lookup<'_>) -> Result<Sourced<Option<Level>>, AgentError> {
    const NAME: &str = "SEQERA_LOG_LEVEL";
    let Some(given) = text(env, NAME) else { return Ok(Sourced::new(Some(Level::INFO), Source::Default)) };
    let level =
        match given.to_ascii_lowercase().as_str() {
            "off" => None,
            other => Some(other.parse().map_err(|_| {
                misset(NAME, &given, "use 'off', 'error', 'warn', 'info', 'debug' or 'trace'")
            })?),
        };
    Ok(Sourced::new(level, Source::Env(NAME)))
}

/// The store that was chosen, unless the site allows no secret in a file.
fn permitted(store: Sourced<StoreChoice>, site: &Site, problems: &mut Vec<String>) -> Sourced<StoreChoice> {
    match &site.policy.no_files {
        Some(Set { file, .. }) if store.value == StoreChoice::File => {
            let what = "the store 'file' is not allowed here, and 'auto' is used instead";
            problems.push(format!("{}: {what} ({} asks for it)", file.display(), store.source));
            Sourced::new(StoreChoice::Auto, Source::File(file.clone()))
        }
        _ => store,
    }
}

fn log(env: Lookup<'_>, flags: Flags, places: &Places, site: &Site) -> Result<Log, AgentError> {
    let target = log_target(env, flags, places, site)?;
    let unchosen = |name: &str| if name == "SEQERA_LOG_FILE" { None } else { env(name) };
    let ordinary = places.log_file(&unchosen).ok().map(|(path, _)| path);
    let ordinary = ordinary.filter(|path| target.value != LogTarget::File(path.clone()));
    Ok(Log { level: log_level(env)?, target, ordinary, is_elsewhere: false })
}

fn log_target(
    env: Lookup<'_>,
    flags: Flags,
    places: &Places,
    site: &Site,
) -> Result<Sourced<LogTarget>, AgentError> {
    if let Some(Set { value, file }) = &site.policy.log {
        let target = match value {
            LogPlace::Journal => LogTarget::Journal,
            LogPlace::Folder(folder) => LogTarget::File(folder.join(format!("{}.log", log_name(env)))),
        };
        return Ok(Sourced::new(target, Source::File(file.clone())));
    }
    let chosen = text(env, "SEQERA_LOG_FILE").is_some();
    let to_journal = env("JOURNAL_STREAM").is_some();
    let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    if !chosen && !flags.detached && (to_journal || on_terminal) {
        let source = if to_journal { Source::Env("JOURNAL_STREAM") } else { Source::Default };
        return Ok(Sourced::new(LogTarget::Stderr, source));
    }
    let (path, variable) = places.log_file(env).map_err(|error| {
        AgentError::new(ErrorKind::Misconfigured, error.to_string(), "use an absolute path")
    })?;
    Ok(Sourced::new(LogTarget::File(path), variable.map_or(Source::Default, Source::Env)))
}

/// A name that no other user of the machine has, for files in a folder of all.
#[cfg(unix)]
fn log_name(_: Lookup<'_>) -> String {
    rustix::process::getuid().as_raw().to_string()
}

/// A name that no other user of the machine has, for files in a folder of all.
#[cfg(windows)]
fn log_name(env: Lookup<'_>) -> String {
    text(env, "USERNAME").unwrap_or_default()
}

fn idle_exit(env: Lookup<'_>, site: &Site) -> Result<Sourced<Option<Duration>>, AgentError> {
    let asked = asked_idle_exit(env)?;
    Ok(match &site.policy.idle_exit {
        Some(Set { value, file }) if asked.value.is_none_or(|limit| limit > *value) => {
            Sourced::new(Some(*value), Source::File(file.clone()))
        }
        _ => asked,
    })
}

fn asked_idle_exit(env: Lookup<'_>) -> Result<Sourced<Option<Duration>>, AgentError> {
    const NAME: &str = "SEQERA_AGENT_IDLE_EXIT";
    Ok(match number(env, NAME)? {
        None => Sourced::new(Some(IDLE_EXIT), Source::Default),
        Some(seconds) => {
            let limit = u64::try_from(seconds).ok().filter(|s| *s > 0).map(Duration::from_secs);
            Sourced::new(limit, Source::Env(NAME))
        }
    })
}

/// The descriptors are for this process only if `LISTEN_PID` says so: the variables are inherited on.
#[cfg(unix)]
fn handed_over(env: Lookup<'_>) -> bool {
    let is = |name, wanted: fn(u32) -> bool| {
        text(env, name).and_then(|value| value.parse().ok()).is_some_and(wanted)
    };
    is("LISTEN_PID", |pid| pid == std::process::id()) && is("LISTEN_FDS", |count| count >= 1)
}

/// What a variable is set to, without the blanks and line ends around it; nothing else is as if it were not set.
fn text(env: Lookup<'_>, name: &str) -> Option<String> {
    // What is no text stays something that no variable may hold, and is refused by its name.
    let value = env(name)?.to_string_lossy().into_owned();
    Some(text::trimmed(&value).to_owned()).filter(|value| !value.is_empty())
}

fn number(env: Lookup<'_>, name: &'static str) -> Result<Option<i64>, AgentError> {
    let Some(given) = text(env, name) else { return Ok(None) };
    given.parse().map(Some).map_err(|_| misset(name, &given, "use a whole number of seconds"))
}

fn misset(name: &str, given: &str, hint: &str) -> AgentError {
    let given: String = given.chars().take(80).collect();
    AgentError::new(ErrorKind::Misconfigured, format!("{name} is set to {given:?}"), hint)
}

#[cfg(test)]
mod tests;
