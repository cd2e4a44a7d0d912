//! One watching client of `Tokens.WatchAccessToken`. It holds the newest value only, however slowly it is
//! read, and tells a sign-out before it tells another account's token.

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

/// What a watcher was told last.
#[derive(PartialEq, Eq)]
enum Told {
    Nothing,
    SignedOut,
    /// By generation, and hash of the token.
    Token(u64, String),
}

/// One watching client.
pub(crate) struct Watcher {
    registry: Arc<Registry>,
    name: ProfileName,
    worker: Handle,
    views: watch::Receiver<Arc<View>>,
    stopping: watch::Receiver<bool>,
    told: Told,
}

impl Watcher {
    /// Watches a profile.
    ///
    /// # Errors
    /// Where it is not known.
    pub(crate) fn new(registry: Arc<Registry>, name: ProfileName) -> Result<Self, AgentError> {
        let worker = registry.worker(&name)?;
        let (views, stopping) = (worker.watch(), registry.stopping());
        Ok(Self { registry, name, worker, views, stopping, told: Told::Nothing })
    }

    /// The events, until the client goes or the agent stops.
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
        if self.told == Told::Nothing {
            // After a start there is no token in memory until somebody asks. The outcome shows in the view;
            // a provider that is down for now is no event.
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

    /// What the view has to tell that was not told.
    fn event(&mut self, view: &View) -> Option<token_event::Event> {
        let served = view.served(self.registry.shared.now());
        let other_session =
            matches!(&self.told, Told::Token(generation, _) if *generation != view.generation);
        let signed_out = view.standing != Standing::SignedIn && served.is_none();
        if other_session || (signed_out && self.told != Told::SignedOut) {
            self.told = Told::SignedOut;
            let state = if signed_out { view.standing.clone() } else { Standing::SignedOut };
            return Some(token_event::Event::SignedOut(convert::state(&state).into()));
        }
        let served = served?;
        let now = Told::Token(view.generation, served.held.sha256.clone());
        if now == self.told {
            return None;
        }
        self.told = now;
        Some(token_event::Event::Token(convert::token(&self.name, &served)))
    }
}

#[cfg(test)]
mod tests;
