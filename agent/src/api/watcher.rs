//! One watching client of `Tokens.WatchAccessToken`. A slow reader skips to the newest value, but always sees
//! a sign-out before the token of another account.

use std::sync::Arc;

use futures_util::Stream;
use seqera_agent_proto::v1::{TokenEvent, token_event};
use tokio::sync::watch;
use tonic::Status;

use crate::api::convert;
use crate::error::AgentError;
use crate::profile::ProfileName;
use crate::sessions::handle::Handle;
use crate::sessions::registry::Registry;
use crate::sessions::verdict::{Ask, Standing};
use crate::sessions::view::View;

/// The last event sent to a watcher.
#[derive(PartialEq, Eq)]
enum Sent {
    Nothing,
    SignedOut,
    /// The generation, and the hash of the token.
    Token(u64, String),
}

pub(crate) struct Watcher {
    registry: Arc<Registry>,
    name: ProfileName,
    worker: Handle,
    views: watch::Receiver<Arc<View>>,
    stopping: watch::Receiver<bool>,
    sent: Sent,
}

impl Watcher {
    /// Watches a profile.
    ///
    /// # Errors
    /// If the profile is unknown.
    pub(crate) fn new(registry: Arc<Registry>, name: ProfileName) -> Result<Self, AgentError> {
        let worker = registry.worker(&name)?;
        let (views, stopping) = (worker.watch(), registry.stopping());
        Ok(Self { registry, name, worker, views, stopping, sent: Sent::Nothing })
    }

    /// The events until the client hangs up or the agent stops.
    pub(crate) fn events(self) -> impl Stream<Item = Result<TokenEvent, Status>> + Send {
        futures_util::stream::unfold(Some(self), |watcher| async {
            let mut watcher = watcher?;
            match watcher.next().await {
                Ok(event) => Some((Ok(event), Some(watcher))),
                Err(end) => Some((Err(end.into()), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<TokenEvent, AgentError> {
        if self.sent == Sent::Nothing {
            // After a start there is no token in memory until somebody asks for one. The outcome shows in the
            // view; that the provider is unreachable for now is not an event.
            let patient = self.registry.shared.now().plus(std::time::Duration::from_secs(30));
            tokio::select! {
                _ = self.worker.token(Ask::default(), patient) => {}
                _ = self.stopping.wait_for(|stopping| *stopping) => return Err(AgentError::stopping()),
            }
        }
        loop {
            let view = Arc::clone(&self.views.borrow_and_update());
            if let Some(event) = self.event(&view) {
                return Ok(TokenEvent { event: Some(event) });
            }
            tokio::select! {
                changed = self.views.changed() => changed.map_err(|_| AgentError::stopping())?,
                _ = self.stopping.wait_for(|stopping| *stopping) => return Err(AgentError::stopping()),
            }
        }
    }

    /// The event that brings the client up to date, if anything has changed since the last one.
    fn event(&mut self, view: &View) -> Option<token_event::Event> {
        let served = view.served(self.registry.shared.now());
        let other_session =
            matches!(&self.sent, Sent::Token(generation, _) if *generation != view.generation);
        let signed_out = view.standing != Standing::SignedIn && served.is_none();
        if other_session || (signed_out && self.sent != Sent::SignedOut) {
            self.sent = Sent::SignedOut;
            let state = if signed_out { view.standing.clone() } else { Standing::SignedOut };
            return Some(token_event::Event::SignedOut(convert::state(&state).into()));
        }
        let served = served?;
        let now = Sent::Token(view.generation, served.held.sha256.clone());
        if now == self.sent {
            return None;
        }
        self.sent = now;
        let name = view.renamed.as_ref().unwrap_or(&self.name);
        Some(token_event::Event::Token(convert::token(name, &served)))
    }
}

#[cfg(test)]
mod tests;
