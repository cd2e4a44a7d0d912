//! How the rest of the agent talks to a worker: commands go in, answers and a view come out.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Moment;
use crate::error::{AgentError, ErrorKind};
use crate::profile::ProfileName;
use crate::sessions::choice::Choice;
use crate::sessions::install::Login;
use crate::sessions::sign_out::SignedOut;
use crate::sessions::verdict::Ask;
use crate::sessions::view::{Served, View};
use crate::storage::other_hosts::Elsewhere;

/// The length of a worker's queue of commands. Further callers wait until there is room.
pub(crate) const QUEUE: usize = 1024;

/// A command to a worker, with the channel for the answer.
pub(crate) enum Command {
    /// Answer with a token, at the latest at this moment.
    Token(Ask, Moment, oneshot::Sender<Result<Served, AgentError>>),
    /// Do what is due; sent by the ticker.
    Tick,
    /// Install a login that has succeeded.
    Install(Box<Login>, oneshot::Sender<Vec<String>>),
    /// Take over a session of another host, whose right to be the agent is held.
    Adopt(Box<Elsewhere>, oneshot::Sender<Result<(), AgentError>>),
    /// Sign out. With `true`, delete a fixed credential at the Platform as well.
    SignOut(bool, oneshot::Sender<SignedOut>),
    /// Choose an organisation or a workspace for the session of this generation.
    Choose(Choice, u64, oneshot::Sender<Result<(), AgentError>>),
    /// Go on under another name.
    Rename(ProfileName, oneshot::Sender<Result<(), AgentError>>),
    /// The profile has gone, or has another worker now: what began before must not be installed.
    Retire(oneshot::Sender<()>),
    /// Start no more jobs, and answer when none runs.
    Drain(oneshot::Sender<()>),
    /// Panic, as a bug would make the worker do.
    #[cfg(test)]
    Panic,
}

/// Where a worker gets its commands.
pub(crate) type Inbox = mpsc::Receiver<Box<Command>>;

/// A handle to one worker. Clones talk to the same worker.
#[derive(Clone)]
pub(crate) struct Handle {
    /// Boxed, because a channel holds room for 32 of them from its beginning.
    commands: mpsc::Sender<Box<Command>>,
    view: watch::Receiver<Arc<View>>,
}

impl Handle {
    /// Creates a handle and the worker's ends of its channels.
    pub(crate) fn new() -> (Self, Inbox, watch::Sender<Arc<View>>) {
        let (commands, inbox) = mpsc::channel(QUEUE);
        let (publish, view) = watch::channel(Arc::default());
        (Self { commands, view }, inbox, publish)
    }

    /// Gets a token for a caller who waits until `until` at most.
    ///
    /// # Errors
    /// Why there is no token: `SIGNED_OUT`, `LOGIN_EXPIRED`, `ISSUER_UNREACHABLE`, `MISCONFIGURED`,
    /// `STORE_FAILED` or `KEYCHAIN_LOCKED`. `UNAVAILABLE` if the agent is stopping, `INTERNAL` if the worker
    /// panicked.
    pub(crate) async fn token(&self, ask: Ask, until: Moment) -> Result<Served, AgentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Token(ask, until, reply)).await?;
        answer.await.unwrap_or_else(|_| Err(restarted()))
    }

    /// Installs a login, and returns its notes for the person once it is stored.
    ///
    /// # Errors
    /// [`ErrorKind::Ended`] if a sign-out or another login came first, or the worker panicked.
    pub(crate) async fn install(&self, login: Login) -> Result<Vec<String>, AgentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Install(Box::new(login), reply)).await?;
        answer.await.map_err(|_| {
            AgentError::new(
                ErrorKind::Ended,
                "a sign-out or another sign-in came before this one was stored",
                "",
            )
        })
    }

    /// Takes a session over from another host, whose right to be the agent the caller holds.
    ///
    /// # Errors
    /// Why the session is still the other host's; [`ErrorKind::Ended`] if a sign-out came first.
    pub(crate) async fn adopt(&self, there: Elsewhere) -> Result<(), AgentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Adopt(Box::new(there), reply)).await?;
        let ended = "a sign-out came before the session was taken over";
        answer.await.unwrap_or_else(|_| Err(AgentError::new(ErrorKind::Ended, ended, "")))
    }

    /// Signs out. With `revoke_fixed`, also revokes a fixed token, which would outlive the sign-out.
    ///
    /// # Errors
    /// `INTERNAL` if the worker panicked.
    pub(crate) async fn sign_out(&self, revoke_fixed: bool) -> Result<SignedOut, AgentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::SignOut(revoke_fixed, reply)).await?;
        answer.await.map_err(|_| restarted())
    }

    /// Stores a choice for the session of `generation`; returns when it is durable.
    ///
    /// # Errors
    /// `SIGNED_OUT` if nobody is signed in, [`ErrorKind::Ended`] if another login or a sign-out came first,
    /// `STORE_FAILED` if the choice is not durable.
    pub(crate) async fn choose(&self, choice: Choice, generation: u64) -> Result<(), AgentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Choose(choice, generation, reply)).await?;
        answer.await.unwrap_or_else(|_| Err(overtaken()))
    }

    /// Gives the profile another name; the session goes on.
    ///
    /// # Errors
    /// Those of [`RenameJob`](super::rename::RenameJob); `STORE_FAILED` while its secret is only in memory.
    pub(crate) async fn rename(&self, to: ProfileName) -> Result<(), AgentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Rename(to, reply)).await?;
        answer.await.unwrap_or_else(|_| Err(restarted()))
    }

    /// Lets nothing be installed that began before.
    pub(crate) async fn retire(&self) {
        let (reply, answer) = oneshot::channel();
        if self.send(Command::Retire(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// Makes the worker do what is due. If its queue is full, the ticker tries again soon.
    pub(crate) fn tick(&self) {
        let _ = self.commands.try_send(Box::new(Command::Tick));
    }

    /// Makes the worker start no more jobs, and returns when none runs.
    pub(crate) async fn drain(&self) {
        let (reply, answer) = oneshot::channel();
        if self.send(Command::Drain(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// Makes the worker panic.
    #[cfg(test)]
    pub(crate) async fn panic(&self) {
        let _ = self.send(Command::Panic).await;
    }

    /// The session as of its last change.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// A receiver of the session's view and its changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// True if somebody else has this handle, too.
    pub(crate) fn is_shared(&self) -> bool {
        self.commands.strong_count() > 1
    }

    async fn send(&self, command: Command) -> Result<(), AgentError> {
        self.commands.send(Box::new(command)).await.map_err(|_| restarted())
    }
}

/// The error for a choice that was made for an earlier account.
pub(crate) fn overtaken() -> AgentError {
    let hint = "nothing was chosen; look at the new account's choices first";
    AgentError::new(ErrorKind::Ended, "a sign-in or a sign-out came before this choice was stored", hint)
}

fn restarted() -> AgentError {
    AgentError::internal("the task of this profile ended; it is started again")
}
