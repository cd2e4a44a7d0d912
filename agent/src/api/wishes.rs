//! What a caller has set for an agent that was started before: it is honoured or refused, and never ignored.

use seqera_agent_proto::STORE_HEADER;
use tonic::metadata::MetadataMap;

use crate::error::{AgentError, ErrorKind};
use crate::sessions::shared::Shared;
use crate::storage::ladder::StoreChoice;

/// Lets a call store a secret where its caller names no store, or the one that this agent was started with.
///
/// # Errors
/// `BAD_REQUEST` for the name of no store. `MISCONFIGURED` for another choice: it is the agent's for all profiles, and
/// a renewal by it would move the secrets of the others.
pub(super) fn keeps_where_asked(headers: &MetadataMap, shared: &Shared) -> Result<(), AgentError> {
    let Some(asked) = headers.get(STORE_HEADER) else { return Ok(()) };
    let asked = asked.to_str().unwrap_or_default().to_ascii_lowercase();
    let choice: StoreChoice = asked.parse().map_err(|bad: String| {
        AgentError::new(ErrorKind::BadRequest, format!("SEQERA_CREDENTIAL_STORE: {bad}"), "")
    })?;
    let policy = &shared.site.policy;
    if let Some(set) = policy.no_files.as_ref().filter(|_| choice == StoreChoice::File) {
        let what = format!("the credential store 'file' is not allowed here, says {}", set.file.display());
        let hint = "nothing was stored; leave SEQERA_CREDENTIAL_STORE and 'credentialStore' out, or choose \
                    'keychain' or 'memory'";
        return Err(AgentError::new(ErrorKind::Misconfigured, what, hint));
    }
    let here = shared.ladder.choice();
    if choice == here {
        return Ok(());
    }
    let message = format!(
        "the credential store '{}' was asked for, and this agent was started with '{}' ({})",
        choice.as_str(),
        here.as_str(),
        shared.store_source
    );
    let hint = format!(
        "nothing was stored; 'SEQERA_CREDENTIAL_STORE={} seqera agent restart' starts one that keeps all \
         secrets so, and 'credentialStore' in config.json makes it last",
        choice.as_str()
    );
    Err(AgentError::new(ErrorKind::Misconfigured, message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fakes::Agent;

    fn asked(store: &str) -> MetadataMap {
        let mut headers = MetadataMap::new();
        headers.insert(STORE_HEADER, store.parse().unwrap());
        headers
    }

    #[tokio::test]
    async fn another_store_than_the_agents_is_refused_with_the_command_that_makes_it_true() {
        let agent = Agent::signed_in().await;
        let shared = &agent.registry.shared;
        let own = shared.ladder.choice().as_str();
        assert_eq!(keeps_where_asked(&MetadataMap::new(), shared), Ok(()));
        assert_eq!(keeps_where_asked(&asked(own), shared), Ok(()));
        let other = if own == "memory" { "file" } else { "memory" };
        let error = keeps_where_asked(&asked(other), shared).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured);
        let command = format!("SEQERA_CREDENTIAL_STORE={other} seqera agent restart");
        assert!(error.hint().contains(&command), "{}", error.hint());
        let error = keeps_where_asked(&asked("foo"), shared).unwrap_err();
        assert!(error.to_string().contains("use auto, keychain, file or memory"), "{error}");
    }
}
