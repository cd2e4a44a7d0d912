//! What every command has: the environment, the screen and the flags that all commands share.

use std::cell::OnceCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use seqera_client::proto::place::PlaceError;
use seqera_client::proto::v1::SessionStatus;
use seqera_client::proto::values::text;
use seqera_client::{Client, Error, Options};

use crate::screen::Output;
use crate::screen::Screen;
use crate::screen::failure::Failure;
use crate::settings::Settings;
use crate::settings::at_start;
use crate::settings::config::{self, Config};
use crate::settings::env::{Env, EnvToken, TOKEN_FILE};
use crate::settings::subject::{Named, Subject};

pub(crate) struct Context {
    pub(crate) env: Env,
    pub(crate) screen: Screen,
    /// The profile that `--profile` names.
    pub(crate) profile: Option<String>,
    /// The name by which the program was called.
    pub(crate) called: &'static str,
    /// True if a flag asked for JSON, and not just a variable.
    pub(crate) json_by_flag: bool,
    /// Found once, because that takes several looks at the file system.
    options: OnceCell<Options>,
}

impl Context {
    /// `output` and `profile` are those of the flags.
    pub(crate) fn new(
        env: Env,
        called: &'static str,
        output: Option<Output>,
        profile: Option<String>,
    ) -> Self {
        let json = output.map_or(env.wants_json(), |output| output == Output::Json);
        Self {
            screen: Screen::new(json, !env.no_colour()).with_links(|| env.has_links()),
            json_by_flag: output == Some(Output::Json),
            profile: profile.map(|name| text::trimmed(&name).to_owned()).filter(|name| !name.is_empty()),
            called,
            env,
            options: OnceCell::new(),
        }
    }

    /// The command that signs in to the provider that this command is about.
    pub(crate) fn login(&self) -> &'static str {
        self.env.provider().login(self.called)
    }

    /// The command that signs in to a profile. The name is left out only where the command finds it by itself, so
    /// that whoever follows the hint signs in to this profile and no other.
    pub(crate) fn login_to(&self, profile: &str) -> String {
        format!("{}{}", self.login(), self.option_for(profile))
    }

    /// The option that names a profile, with a space before it; empty where a command finds it by itself.
    pub(crate) fn option_for(&self, profile: &str) -> String {
        let finds_it = match self.env.provider().own_profile() {
            Some(own) => own == profile,
            None => profile == FALLBACK && matches!(self.env.token(), Ok(None)) && self.names_nothing(),
        };
        if finds_it { String::new() } else { option(profile) }
    }

    fn names_nothing(&self) -> bool {
        self.named().is_ok_and(|named| named == Named::default())
    }

    pub(crate) fn options(&self) -> Result<Options, Failure> {
        if let Some(options) = self.options.get() {
            return Ok(options.clone());
        }
        at_start::check(&self.env)?;
        let options = self.env.options()?;
        Ok(self.options.get_or_init(|| options).clone())
    }

    /// The configuration file, for commands that also look at the variables beside it.
    ///
    /// # Errors
    /// A mistake in the file, or a variable with a value that cannot be used.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        self.env.check()?;
        self.file()
    }

    /// The configuration file alone, where the variables have been looked at.
    fn file(&self) -> Result<Config, Failure> {
        config::read(&self.options()?.places.config_dir)
    }

    /// Warns about keys of the file that have no effect. Only for commands with which a person looks at or
    /// changes something, never for those that scripts call in loops.
    pub(crate) fn warn_of_unknown_keys(&self) -> Result<(), Failure> {
        if !self.screen.json {
            self.config()?.unknown().iter().for_each(|doubt| self.screen.warn(doubt));
        }
        Ok(())
    }

    /// Whose token the command uses. Prints a note if a flag overrides a token in the environment.
    pub(crate) fn subject(&self) -> Result<Subject, Failure> {
        self.env.check()?;
        if let (Some(profile), Some(variable)) = (&self.profile, self.env.foreign_token()) {
            self.screen.note(&format!("profile '{profile}' is used, not the token in {variable}"));
        }
        let subject = Subject::choose(self.profile.as_deref(), &self.env, || self.file())?;
        if let Subject::Token(EnvToken { variable: TOKEN_FILE, .. }) = subject {
            self.env.stand_by_file();
        }
        Ok(subject)
    }

    /// The settings for a token of the environment: whose it is, and where it may go.
    ///
    /// # Errors
    /// That is not known, or what says so cannot be used.
    pub(crate) fn settings_of(&self, token: &EnvToken) -> Result<Settings, Failure> {
        self.env.check()?;
        // Such a token needs no agent, and in a container often no home: there is no file then.
        let config = match self.env.options() {
            Err(Error::Places(PlaceError::NoHome)) => Config::default(),
            options => config::read(&options?.places.config_dir)?,
        };
        Settings::of_token(token, &self.env, &config)
    }

    /// The profile that the command is about, whatever token is in the environment.
    pub(crate) fn named(&self) -> Result<Named, Failure> {
        self.env.check()?;
        Named::choose(self.profile.as_deref(), &self.env, || self.file())
    }

    pub(crate) fn client(&self, named: Named) -> Result<Client, Failure> {
        let Named { profile, authority } = named;
        Ok(Client::new(Options { profile, authority, ..self.options()? }))
    }

    pub(crate) fn client_within(&self, named: Named, deadline: Duration) -> Result<Client, Failure> {
        let Named { profile, authority } = named;
        Ok(Client::new(Options { profile, authority, deadline, ..self.options()? }))
    }

    /// The state of a profile, from the agent's memory.
    pub(crate) fn status(&self, named: Named) -> Result<SessionStatus, Failure> {
        let client = self.client(named)?;
        wait(async { Ok(client.status().await?) })
    }
}

/// The profile that the agent uses where none is named or chosen.
const FALLBACK: &str = "default";

/// The option that names a profile, with a space before it, for the commands in hints.
pub(crate) fn option(profile: &str) -> String {
    if profile.is_empty() { String::new() } else { format!(" --profile {profile}") }
}

/// Runs the calls of a command on this thread: a second thread would take longer to start than the call
/// takes.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut done = None;
    block_on(pin!(async { done = Some(work.await) }))?;
    done.expect("what was run has come to its end")
}

/// For a connection, timers, signals, and the launcher with its pipes.
const FEWEST_FILES: usize = 12;

/// Not generic, so that it is compiled once: tokio's part of it is large.
fn block_on(work: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Failure> {
    seqera_client::runtime::check(FEWEST_FILES)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::system("cannot wait for input and output", &error))?.block_on(work);
    Ok(())
}

/// Runs work that Ctrl-C ends: the work is dropped, so that the agent sees its caller hang up.
pub(crate) async fn interruptible<T>(
    what: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted(&format!("{what} was interrupted"))),
    }
}
