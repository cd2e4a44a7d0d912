//! The site's file: what an administrator sets for everybody who runs this installation. It holds the defaults of a
//! sign-in (authority, proxy, certificate authorities) and a policy.
//!
//! There are two places: `<prefix>/etc/seqera-agent/config.json` beside the program, and, on Unix,
//! `/etc/seqera-agent/config.json`. No variable names another one: a user could unset it, and the agent inherits
//! its variables from its first caller. The file belongs to root or to the program's owner, since anybody else could
//! then choose where tokens go. Defaults of the first file win; of the policies the stricter one counts.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seqera_agent_proto::configuration::{names_a_user, position};
use seqera_agent_proto::files::{self, Writer};
use seqera_agent_proto::values::{address, length, text};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{AgentError, ErrorKind as Kind};
use crate::network::{BadNetwork, Network};
use crate::profile::{Profile, ProviderId};

use self::unfit::Unfit;

#[cfg(unix)]
#[path = "site/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "site/windows.rs"]
mod system;
mod unfit;

/// Hundreds of times what an administrator writes.
const LARGEST: u64 = 1 << 20;

/// Whom a user can ask: the file is not theirs to correct.
const ASK: &str = "ask the administrator of this machine: the file is the site's";

/// A value with the file that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set<T> {
    pub value: T,
    pub file: PathBuf,
}

/// Where the log has to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogPlace {
    /// The system's journal.
    Journal,
    /// A folder; each user has a file of their own there.
    Folder(PathBuf),
}

/// What the site lays down for the agents of this installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// No secret is written to a file.
    pub no_files: Option<Set<()>>,
    /// The longest time for which a program keeps an access token of its own.
    pub longest_lease: Option<Set<Duration>>,
    pub log: Option<Set<LogPlace>>,
    /// The longest time that an agent with nothing to keep waits for a caller.
    pub idle_exit: Option<Set<Duration>>,
}

/// The defaults and the policy of the site. `Debug` shows no proxy, whose address may hold a password.
#[derive(Clone, Default)]
pub(crate) struct Site {
    /// The authority of a sign-in that names none.
    pub authority: Option<Set<String>>,
    /// The proxy, with the hosts that are reached without it.
    proxy: Option<Set<(String, String)>>,
    /// PEM file of certificate authorities.
    ca_file: Option<Set<String>>,
    pub policy: Policy,
    /// What is wrong with the files, each a sentence that begins with the path.
    pub problems: Vec<String>,
    /// A file cannot be used, so that nobody knows where a sign-in should go.
    is_broken: bool,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("authority", &self.authority)
            .field("policy", &self.policy)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct Written {
    auth_domain: String,
    proxy: String,
    no_proxy: String,
    ca_file: String,
    policy: WrittenPolicy,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WrittenPolicy {
    file_store: Option<bool>,
    longest_lease: Option<String>,
    log: Option<String>,
    idle_exit: Option<String>,
}

impl Site {
    /// The site's files of the program that runs. Blocks on the file system.
    pub(crate) fn of_this_program() -> Self {
        let program = std::env::current_exe().and_then(fs::canonicalize).ok();
        let beside =
            program.as_deref().and_then(|program| Some(program.parent()?.parent()?.join(system::BESIDE)));
        let owner = program.as_deref().and_then(system::owner);
        let places = beside.into_iter().chain(system::OF_MACHINE.map(PathBuf::from));
        Self::read(places, owner)
    }

    /// Reads the files that are there, the one that comes first first. `owner`: whose they may be besides root.
    pub(crate) fn read(places: impl Iterator<Item = PathBuf>, owner: Option<u32>) -> Self {
        let mut site = Self::default();
        for path in places {
            let found = match content(&path, owner) {
                Ok(Some(found)) => site.take(&path, found),
                Ok(None) => continue,
                // Somebody who has no say here made it, and is not to keep anybody from signing in.
                Err(Unfit::Planted(why)) => {
                    site.problems.push(why);
                    continue;
                }
                Err(Unfit::Wrong(why)) => Err(why),
            };
            if let Err(why) = found {
                site.is_broken = true;
                site.problems.push(format!("{why}; {ASK}"));
            }
        }
        site
    }

    /// A mistake is no reason to drop the rules that can be read.
    fn take(&mut self, path: &Path, found: Found) -> Result<(), String> {
        let Found { written, mistake } = found;
        let odd = |key: &str, what: &str| format!("{}: '{key}' {what}", path.display());
        let (policy, odd_rule) = Policy::of(path, &written.policy);
        self.policy.tighten(policy);
        if let Some(mistake) = mistake.or(odd_rule.map(|(key, what)| odd(key, &what))) {
            return Err(mistake);
        }
        let authority = match text::trimmed(&written.auth_domain) {
            "" => None,
            given if names_a_user(given) => return Err(odd("authDomain", address::NAMES_USER)),
            given => Some(address::read(given).map_err(|what| odd("authDomain", what))?),
        };
        let read = Network::read(&written.proxy, &written.no_proxy, &written.ca_file);
        read.map_err(|bad| format!("{}: {bad}", path.display()))?;
        let of = |value: String| (!value.is_empty()).then(|| Set { value, file: path.to_owned() });
        let proxy = of(written.proxy).map(|set| Set { value: (set.value, written.no_proxy), file: set.file });
        self.authority = self.authority.take().or(authority.and_then(of));
        self.proxy = self.proxy.take().or(proxy);
        self.ca_file = self.ca_file.take().or(of(written.ca_file));
        Ok(())
    }

    /// The authority of a profile that names none. That of the site is a Platform; other kinds of provider have
    /// their own.
    pub(crate) fn authority_or<'a>(&'a self, defaults: &'a Profile) -> &'a str {
        match &self.authority {
            Some(set) if defaults.provider == ProviderId::default() => &set.value,
            _ => &defaults.authority,
        }
    }

    /// The longest time for which a program keeps a token of its own, where the site sets one.
    pub(crate) fn longest_lease(&self) -> Option<Duration> {
        self.policy.longest_lease.as_ref().map(|set| set.value)
    }

    /// How a provider is reached where the caller says less.
    ///
    /// # Errors
    /// As [`Network::read`].
    pub(crate) fn network(&self, [proxy, no_proxy, ca_file]: [&str; 3]) -> Result<Network, BadNetwork> {
        let (proxy, no_proxy) = match &self.proxy {
            Some(set) if proxy.is_empty() => (set.value.0.as_str(), set.value.1.as_str()),
            _ => (proxy, no_proxy),
        };
        let ca_file = match &self.ca_file {
            Some(set) if ca_file.is_empty() => &set.value,
            _ => ca_file,
        };
        Network::read(proxy, no_proxy, ca_file)
    }

    /// Lets a sign-in, or a token for a program, go on.
    ///
    /// # Errors
    /// `MISCONFIGURED` where a file cannot be used: the sign-in could go to the wrong place, and nobody knows how long
    /// the token may live.
    pub(crate) fn check(&self) -> Result<(), AgentError> {
        match self.problems.first().filter(|_| self.is_broken) {
            Some(why) => {
                let what = why.strip_suffix(ASK).unwrap_or(why).trim_end_matches("; ");
                Err(AgentError::new(Kind::Misconfigured, what.to_owned(), ASK))
            }
            None => Ok(()),
        }
    }
}

impl Policy {
    /// What can be understood; and the first key whose value cannot, with what is odd about it.
    fn of(path: &Path, written: &WrittenPolicy) -> (Self, Option<(&'static str, String)>) {
        let mut first = None;
        let mut understood = |key, read: Result<Duration, String>| {
            let read = read.map_err(|odd| first.get_or_insert((key, odd)).0);
            read.ok().map(|value| Set { value, file: path.to_owned() })
        };
        let time = |given: &String| match length::read(given) {
            Ok(value) if value.is_zero() => Err("must be longer than nothing".to_owned()),
            Ok(value) => Ok(value),
            Err(odd) => Err(format!("is wrong: {odd}")),
        };
        let mut of = |key, given: &Option<String>| understood(key, time(given.as_ref()?));
        let longest_lease = of("policy.longestLease", &written.longest_lease);
        let idle_exit = of("policy.idleExit", &written.idle_exit);
        let log = match written.log.as_deref().map(text::trimmed) {
            None => None,
            Some("journal") => Some(LogPlace::Journal),
            Some(folder) if Path::new(folder).is_absolute() => Some(LogPlace::Folder(folder.into())),
            Some(_) => {
                let what = "must be 'journal' or the absolute path of a folder";
                first.get_or_insert(("policy.log", what.to_owned()));
                None
            }
        };
        let log = log.map(|value| Set { value, file: path.to_owned() });
        let no_files = (written.file_store == Some(false)).then(|| Set { value: (), file: path.to_owned() });
        (Self { no_files, longest_lease, log, idle_exit }, first)
    }

    /// Takes what another file lays down as well.
    fn tighten(&mut self, other: Self) {
        let shorter = |one: Option<Set<Duration>>, other: Option<Set<Duration>>| match (one, other) {
            (Some(one), Some(other)) => Some(if other.value < one.value { other } else { one }),
            (one, other) => one.or(other),
        };
        self.no_files = self.no_files.take().or(other.no_files);
        self.longest_lease = shorter(self.longest_lease.take(), other.longest_lease);
        self.log = self.log.take().or(other.log);
        self.idle_exit = shorter(self.idle_exit.take(), other.idle_exit);
    }

    /// Each rule in words, with its file.
    pub(crate) fn rules(&self) -> Vec<String> {
        let rule = |what: String, file: &Path| format!("{what} ({})", file.display());
        let no_files = self.no_files.as_ref().map(|set| rule("no secret in a file".into(), &set.file));
        let lease = self.longest_lease.as_ref().map(|set| {
            rule(format!("tokens of programs live for at most {} s", set.value.as_secs()), &set.file)
        });
        let log = self.log.as_ref().map(|set| match &set.value {
            LogPlace::Journal => rule("the log goes to the journal".into(), &set.file),
            LogPlace::Folder(folder) => rule(format!("the log goes to {}", folder.display()), &set.file),
        });
        let idle = self.idle_exit.as_ref().map(|set| {
            rule(format!("an agent with nothing to keep ends after {} s", set.value.as_secs()), &set.file)
        });
        [no_files, lease, log, idle].into_iter().flatten().collect()
    }
}

/// What is in a file.
struct Found {
    written: Written,
    /// A mistake beside the rules, which are all that was read then.
    mistake: Option<String>,
}

/// What is in a file; `None` if there is none.
fn content(path: &Path, owner: Option<u32>) -> Result<Option<Found>, Unfit> {
    system::check(path, owner)?;
    let bytes = match read(path, owner) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Unfit::Wrong(files::sentence(path, &error))),
    };
    // Once more: what was looked at may have been replaced before it was read.
    system::check(path, owner)?;
    understood(path, &bytes).map(Some).map_err(Unfit::Wrong)
}

/// Reads the file, if what was opened is the site's: in a folder that is open to everybody the path can lead to another
/// one for that moment alone.
fn read(path: &Path, owner: Option<u32>) -> std::io::Result<Vec<u8>> {
    let file = files::open(path, Writer::Site)?;
    system::check_opened(&file.metadata()?, owner)?;
    files::whole(file, LARGEST)
}

fn understood(path: &Path, bytes: &[u8]) -> Result<Found, String> {
    let decoded = text::decoded(bytes).map_err(|odd| format!("{} {odd}", path.display()))?;
    let text = decoded.trim_start_matches('\u{feff}');
    let text = if text::trimmed(text).is_empty() { "{}" } else { text };
    let failed = |error| format!("{}:{}", path.display(), position(&error));
    // serde takes a list for a struct as well, in the order of its fields.
    let object: Map<String, Value> = serde_json::from_str(text).map_err(failed)?;
    if object.get("policy").is_some_and(|policy| !policy.is_object()) {
        return Err(format!("{}: 'policy' must be an object", path.display()));
    }
    Ok(match serde_json::from_str(text) {
        Ok(written) => Found { written, mistake: None },
        Err(error) => Found {
            written: Written { policy: WrittenPolicy::beside_mistakes(&object), ..Written::default() },
            mistake: Some(failed(error)),
        },
    })
}

impl WrittenPolicy {
    /// The rules of a file that has a mistake somewhere, each for itself.
    fn beside_mistakes(object: &Map<String, Value>) -> Self {
        let rule = |key| object.get("policy")?.get(key);
        let text = |key| rule(key)?.as_str().map(str::to_owned);
        Self {
            // Whoever writes anything but `true` there means to forbid.
            file_store: rule("fileStore").map(|given| *given == Value::Bool(true)),
            longest_lease: text("longestLease"),
            log: text("log"),
            idle_exit: text("idleExit"),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
