//! The outside of a worker: commands in, answers and a view out.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Moment;
use crate::error::{AgentError, ErrorKind};
use crate::sessions::choice::Choice;
use crate::sessions::install::Login;
use crate::sessions::sign_out::SignedOut;
use crate::sessions::verdict::Ask;
use crate::sessions::view::{Served, View};

/// Commands that may wait for one worker. More callers than this wait for a place in the queue.
pub(crate) const QUEUE: usize = 1024;

/// What a worker is asked.
pub(crate) enum Command {
    /// A token, until the moment.
    Token(Ask, Moment, oneshot::Sender<Result<Served, AgentError>>),
    /// The ticker says that something is due.
    Tick,
    /// A login has succeeded.
    Install(Box<Login>, oneshot::Sender<Vec<String>>),
    /// Sign out; `true`: delete a fixed credential at the Platform as well.
    SignOut(bool, oneshot::Sender<SignedOut>),
    /// Choose an organisation or a workspace for the session of this generation.
    Choose(Choice, u64, oneshot::Sender<Result<(), AgentError>>),
    /// Start nothing any more; answered when nothing runs.
    Drain(oneshot::Sender<()>),
    /// Dies as a defect of ours would make it die.
    #[cfg(test)]
    Panic,
}

/// Speaks to one worker. Clones speak to the same.
#[derive(Clone)]
pub(crate) struct Handle {
    commands: mpsc::Sender<Command>,
    view: watch::Receiver<Arc<View>>,
}

impl Handle {
    /// A handle with the worker's ends of its channels.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Command>, watch::Sender<Arc<View>>) {
        let (commands, inbox) = mpsc::channel(QUEUE);
        let (publish, view) = watch::channel(Arc::default());
        (Self { commands, view }, inbox, publish)
    }

    /// A token for one caller, who waits until then.
    ///
    /// # Errors
    /// Where there is none, with what the person can do.
    pub(crate) async fn token(&self, ask: Ask, until: Moment) -> Result<Served, AgentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Token(ask, until, reply)).await?;
        answer.await.unwrap_or_else(|_| Err(restarted()))
    }

    /// Installs a login; its notes for the person come back when it is stored.
    ///
    /// # Errors
    /// Where a sign-out or another fault came between.
    pub(crate) async fn install(&self, login: Login) -> Result<Vec<String>, AgentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Install(Box::new(login), reply)).await?;
        answer.await.map_err(|_| {
            AgentError::new(
                ErrorKind::Ended,
                "a sign-out or another login came before this one was stored",
                "",
            )
        })
    }

    /// Signs out.
    ///
    /// # Errors
    /// Where the worker failed.
    pub(crate) async fn sign_out(&self, revoke_fixed: bool) -> Result<SignedOut, AgentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::SignOut(revoke_fixed, reply)).await?;
        answer.await.map_err(|_| restarted())
    }

    /// Stores a choice for the session that `generation` counts; returns when it is durable.
    ///
    /// # Errors
    /// `SIGNED_OUT`; where another login or a sign-out came between; `STORE_FAILED` where it is not durable.
    pub(crate) async fn choose(&self, choice: Choice, generation: u64) -> Result<(), AgentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Choose(choice, generation, reply)).await?;
        answer.await.unwrap_or_else(|_| Err(overtaken()))
    }

    /// Something may be due. A worker that is too busy to be told will see for itself.
    pub(crate) fn tick(&self) {
        let _ = self.commands.try_send(Command::Tick);
    }

    /// Returns when nothing runs, and nothing new will be started.
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

    /// What is seen of the session, now.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// What is seen of the session, from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    async fn send(&self, command: Command) -> Result<(), AgentError> {
        self.commands.send(command).await.map_err(|_| restarted())
    }
}

/// The choice was made for an account that has gone.
pub(crate) fn overtaken() -> AgentError {
    let hint = "nothing was chosen; look at the new account's choices first";
    AgentError::new(ErrorKind::Ended, "a login or a sign-out came before this choice was stored", hint)
}

fn restarted() -> AgentError {
    AgentError::internal("the task of this profile ended; it is started again")
}
