//! What every command has: environment, screen, flags that all share.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use seqera_client::proto::v1::SessionStatus;
use seqera_client::{Client, Options};

use crate::screen::Output;
use crate::screen::Screen;
use crate::screen::failure::Failure;
use crate::settings::config::{self, Config};
use crate::settings::env::Env;
use crate::settings::subject::{Named, Subject};

pub(crate) struct Context {
    pub(crate) env: Env,
    pub(crate) screen: Screen,
    /// `--profile`.
    pub(crate) profile: Option<String>,
    /// The name that the program was called by.
    pub(crate) called: &'static str,
    /// `-o json` was asked for by flag, not by a variable.
    pub(crate) json_by_flag: bool,
}

impl Context {
    /// `output` and `profile` as flags say them.
    pub(crate) fn new(
        env: Env,
        called: &'static str,
        output: Option<Output>,
        profile: Option<String>,
    ) -> Self {
        let json = output.map_or(env.wants_json(), |output| output == Output::Json);
        Self {
            screen: Screen::new(json, !env.no_colour()),
            json_by_flag: output == Some(Output::Json),
            profile: profile.filter(|profile| !profile.is_empty()),
            called,
            env,
        }
    }

    /// The command that signs in where this one looks for a session.
    pub(crate) fn login(&self) -> &'static str {
        self.env.provider().login(self.called)
    }

    pub(crate) fn options(&self) -> Result<Options, Failure> {
        Ok(self.env.options()?)
    }

    pub(crate) fn config(&self) -> Result<Config, Failure> {
        config::read(&self.options()?.places.config_dir)
    }

    /// Warns about keys of the file that have no effect. For commands that a person calls to see or change
    /// how things are; never for what scripts call in loops.
    pub(crate) fn warn_of_unknown_keys(&self) -> Result<(), Failure> {
        if !self.screen.json {
            self.config()?.unknown().iter().for_each(|doubt| self.screen.warn(doubt));
        }
        Ok(())
    }

    /// Whom the command is about. Says so where a flag sets a token of the environment aside.
    pub(crate) fn subject(&self) -> Result<Subject, Failure> {
        let foreign = self.env.token().filter(|token| self.env.exec_profile(token).is_none());
        if let (Some(profile), Some(token)) = (&self.profile, foreign) {
            self.screen.note(&format!("profile '{profile}' is used, not the token in {}", token.variable));
        }
        Subject::choose(self.profile.as_deref(), &self.env, || self.config())
    }

    /// The profile that the command is about, whatever token is in the environment.
    pub(crate) fn named(&self) -> Result<Named, Failure> {
        Named::choose(self.profile.as_deref(), &self.env, || self.config())
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

/// Runs the calls of a command, on this thread: a thread more would be slower to start than the call is.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut done = None;
    block_on(pin!(async { done = Some(work.await) }))?;
    done.expect("what was run has come to its end")
}

/// Compiled once, whatever the work gives: tokio's part of it is large.
fn block_on(work: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::system("cannot wait for input and output", &error))?.block_on(work);
    Ok(())
}

/// Work that Ctrl-C ends: what it holds is dropped, so that the agent sees its caller go.
pub(crate) async fn interruptible<T>(
    what: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted(&format!("{what} was interrupted"))),
    }
}
