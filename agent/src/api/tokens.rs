//! Service `Tokens`: hands out access tokens.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use seqera_agent_proto::v1::{
    self, GetAccessTokenRequest, TokenEvent, WatchAccessTokenRequest, tokens_server,
};
use seqera_agent_proto::{ASKED_BY_HEADER, assistant};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::api::convert;
use crate::api::deadline::until;
use crate::api::watcher::Watcher;
use crate::clock::Moment;
use crate::error::{AgentError, ErrorKind};
use crate::profile::ProfileName;
use crate::sessions::registry::Registry;
use crate::sessions::verdict::Ask;
use crate::sessions::view::Served;

pub(crate) struct Tokens {
    pub registry: Arc<Registry>,
}

#[tonic::async_trait]
impl tokens_server::Tokens for Tokens {
    async fn get_access_token(
        &self,
        request: Request<GetAccessTokenRequest>,
    ) -> Result<Response<v1::AccessToken>, Status> {
        let until = until(&request, self.registry.shared.now());
        note(&self.registry, request.metadata());
        let asked = request.into_inner();
        let name = self.registry.present(self.registry.resolve(&asked.profile, &asked.authority)?);
        let served = hand_out(&self.registry, &name, ask(&asked)?, until).await?;
        Ok(Response::new(convert::token(&name, &served)))
    }

    type WatchAccessTokenStream = Pin<Box<dyn Stream<Item = Result<TokenEvent, Status>> + Send>>;

    async fn watch_access_token(
        &self,
        request: Request<WatchAccessTokenRequest>,
    ) -> Result<Response<Self::WatchAccessTokenStream>, Status> {
        note(&self.registry, request.metadata());
        let asked = request.into_inner();
        let name = self.registry.present(self.registry.resolve(&asked.profile, &asked.authority)?);
        let watcher = Watcher::new(Arc::clone(&self.registry), name)?;
        Ok(Response::new(Box::pin(watcher.events())))
    }
}

/// Remembers which assistant the caller says that it works for.
pub(crate) fn note(registry: &Registry, metadata: &MetadataMap) {
    let said = metadata.get(ASKED_BY_HEADER).and_then(|name| name.to_str().ok()).unwrap_or_default();
    registry.shared.askers.note(&assistant::cleaned(said), registry.shared.now());
}

fn ask(asked: &GetAccessTokenRequest) -> Result<Ask, AgentError> {
    let bad = |what: &str| AgentError::new(ErrorKind::BadRequest, what, "");
    let min_valid = match asked.min_valid {
        None => Duration::ZERO,
        Some(given) => given.try_into().map_err(|_| bad("min_valid must not be negative"))?,
    };
    let rejected = Some(asked.rejected_sha256.to_ascii_lowercase()).filter(|hash| !hash.is_empty());
    if rejected.as_ref().is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        return Err(bad("rejected_sha256 must be 64 hexadecimal digits"));
    }
    Ok(Ask { min_valid, rejected, ..Ask::default() })
}

/// Gets a token for one caller. A caller whose deadline passes loses only its own answer: the renewal goes
/// on.
///
/// # Errors
/// If the profile is unknown or signed out, its session has ended, or no renewal succeeds before the
/// deadline.
pub(crate) async fn hand_out(
    registry: &Registry,
    name: &ProfileName,
    ask: Ask,
    until: Moment,
) -> Result<Served, AgentError> {
    let worker = registry.worker(name)?;
    let limit = registry.shared.now().until(until);
    match tokio::time::timeout(limit, worker.token(ask, until)).await {
        Ok(answer) => answer,
        Err(_) => {
            let authority = &worker.view().record.profile.authority;
            let why = "the renewal takes longer than this call waits";
            Err(AgentError::unreachable(authority, why, Duration::from_secs(1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use seqera_agent_proto::place::token_sha256;

    use super::tokens_server::Tokens as _;
    use super::*;
    use crate::clock::Clock;
    use crate::testing::fakes::Agent;

    /// One call, for whoever reports `rejected`.
    async fn asked(agent: &Agent, rejected: &str) -> Result<String, Status> {
        let tokens = Tokens { registry: Arc::clone(&agent.registry) };
        let mut message =
            GetAccessTokenRequest { profile: "work".into(), ..GetAccessTokenRequest::default() };
        if !rejected.is_empty() {
            message.rejected_sha256 = token_sha256(rejected);
        }
        let mut request = Request::new(message);
        request.set_timeout(Duration::from_secs(30));
        Ok(tokens.get_access_token(request).await?.into_inner().access_token)
    }

    /// As in a machine that sleeps with both of its clocks, which virtual ones do (WSL 2).
    #[tokio::test(start_paused = true)]
    async fn what_both_clocks_think_fresh_and_the_api_refuses_is_renewed_at_the_first_report() {
        let agent = Agent::signed_in().await;
        let before = agent.clock.now();
        assert_eq!(asked(&agent, "").await.unwrap(), "access-0");
        assert_eq!(asked(&agent, "access-0").await.unwrap(), "access-1");
        assert_eq!(agent.clock.now(), before, "both clocks stood still");
        assert_eq!((agent.stored().as_deref(), agent.provider.calls()), (Some("refresh-1"), 1));
        // Others report the same one later; it is no longer the one that is served.
        assert_eq!(asked(&agent, "access-0").await.unwrap(), "access-1");
        assert_eq!(agent.provider.calls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_report_it_at_once_get_the_token_of_one_renewal() {
        let agent = Agent::signed_in().await;
        agent.provider.held.send_replace(true);
        let let_go = async {
            agent.provider.called(1).await;
            agent.provider.held.send_replace(false);
        };
        let report = || asked(&agent, "access-0");
        let (first, second, third, ()) = tokio::join!(report(), report(), report(), let_go);
        for token in [first, second, third] {
            assert_eq!(token.unwrap(), "access-1");
        }
        assert_eq!(agent.provider.calls(), 1);
    }
}
