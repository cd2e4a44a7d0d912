//! Converts the agent's types into messages of the contract. No decisions are made here.

use std::time::SystemTime;

use prost_types::Timestamp;
use seqera_agent_proto::v1;

use crate::clock::{Moment, from_unix};
use crate::network::Network;
use crate::profile::{Profile, ProfileName};
use crate::providers::Description;
use crate::sessions::verdict::{Failure, Standing, Trouble};
use crate::sessions::view::{Served, View};
use crate::storage::record::{Fallback, Record};
use crate::token::{Account, Kind, Organization, Workspace};

pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::from(time)
}

pub(crate) fn unix(seconds: u64) -> Timestamp {
    timestamp(from_unix(seconds))
}

/// The answer to one hand-out.
pub(crate) fn token(name: &ProfileName, served: &Served) -> v1::AccessToken {
    let record = &served.record;
    v1::AccessToken {
        access_token: served.held.token.expose().to_owned(),
        token_type: "Bearer".into(),
        expires_at: served.held.end().map(|end| timestamp(end.wall)),
        renewed_at: Some(timestamp(served.held.sent.wall)),
        profile: name.to_string(),
        authority: record.profile.authority.clone(),
        account: record.account.as_ref().map(account),
        renewal_failing: served.failing,
        valid_for: served.remaining.and_then(|left| prost_types::Duration::try_from(left).ok()),
        api_url: record.profile.api().to_owned(),
        workspace_id: record.workspace.as_ref().map(|one| one.id).unwrap_or_default(),
        kind: kind(record.kind).into(),
        provider: record.profile.provider.as_str().into(),
        sign_in_ends_at: record.sign_in_ends_at.map(unix),
        signed_in_at: record.logged_in_at.map(unix),
    }
}

pub(crate) fn account(account: &Account) -> v1::Account {
    v1::Account {
        subject: account.subject.clone(),
        email: account.email.clone().into(),
        user_name: account.user_name.clone().into(),
        display_name: account.display_name.clone().into(),
        user_id: account.user_id,
    }
}

pub(crate) fn organization(organization: &Organization) -> v1::Organization {
    let Organization { id, name, full_name } = organization.clone();
    v1::Organization { id, name: name.into(), full_name: full_name.into() }
}

pub(crate) fn workspace(workspace: &Workspace) -> v1::Workspace {
    let Workspace { id, name, full_name, organization: of } = workspace.clone();
    v1::Workspace {
        id,
        name: name.into(),
        full_name: full_name.into(),
        organization: Some(organization(&of)),
    }
}

/// The owner of a token, and what the provider says about itself.
pub(crate) fn description(description: &Description) -> v1::Description {
    v1::Description {
        account: Some(account(&description.account)),
        organizations: description.organizations.iter().map(organization).collect(),
        problems: description.problems.clone(),
        backend_url: description.backend_url.clone(),
        api_version: description.api_version.clone(),
        platform_version: description.version.clone(),
        api_url: description.api_url.clone(),
    }
}

pub(crate) fn kind(kind: Kind) -> v1::CredentialKind {
    match kind {
        Kind::Renewable => v1::CredentialKind::Renewable,
        Kind::Fixed => v1::CredentialKind::Fixed,
    }
}

pub(crate) fn state(standing: &Standing) -> v1::SessionState {
    match standing {
        Standing::SignedOut => v1::SessionState::SignedOut,
        Standing::SignedIn => v1::SessionState::SignedIn,
        Standing::Expired(_) => v1::SessionState::LoginExpired,
    }
}

pub(crate) fn settings(profile: &Profile) -> v1::ProfileSettings {
    v1::ProfileSettings {
        authority: profile.authority.clone(),
        client_id: profile.client_id.clone(),
        audience: profile.audience.clone(),
        api_url: profile.api().to_owned(),
        backend_url: profile.backend().to_owned(),
        settings_of: profile.endpoints_of.clone(),
        scopes: profile.scopes.clone(),
        provider: profile.provider.as_str().into(),
        authority_is_default: false,
        network: Some(network(&profile.network)),
    }
}

/// The network settings without the proxy's password.
pub(crate) fn network(network: &Network) -> v1::Network {
    v1::Network {
        proxy: network.proxy.clone(),
        no_proxy: network.no_proxy.clone(),
        ca_file: network.ca_file.clone(),
    }
}

/// Everything that `status` shows. All of it comes from memory.
pub(crate) fn status(name: &ProfileName, view: &View, now: Moment) -> v1::SessionStatus {
    let record: &Record = &view.record;
    let held = view.held.as_ref().filter(|held| held.is_valid(now));
    let signed_in = view.standing == Standing::SignedIn;
    let workspace = record.workspace.clone();
    v1::SessionStatus {
        profile: name.to_string(),
        state: state(&view.standing).into(),
        kind: kind(record.kind).into(),
        settings: (!record.profile.authority.is_empty()).then(|| settings(&record.profile)),
        account: record.account.as_ref().map(account),
        organization: record.organization.as_ref().map(organization),
        workspace_id: workspace.as_ref().map(|one| one.id).unwrap_or_default(),
        logged_in_at: record.logged_in_at.map(unix),
        last_renewed_at: record.last_renewed_at.map(unix),
        access_expires_at: held.and_then(|held| held.end()).map(|end| timestamp(end.wall)),
        session_expires_at: session_end(view),
        sign_in_ends_at: sign_in_end(view).map(unix),
        next_renewal_at: view.due.filter(|_| signed_in).map(|due| timestamp(due.wall)),
        store: record.store.map(|store| store.as_str().to_owned()).unwrap_or_default(),
        unsaved: view.unsaved.is_some(),
        last_failure: last_failure(view),
        notes: notes(view),
        method: record.method.as_ref().map(|method| method.as_str().to_owned()).unwrap_or_default(),
        workspace_name: workspace.map(|one| one.name.into()).unwrap_or_default(),
        organization_is_chosen: record.organization_is_chosen,
        sources: None,
        fallback: record.store.and(record.fallback.as_ref()).map(fallback),
        host: None,
    }
}

/// What a record says about a session that no worker of this agent has.
pub(crate) fn recorded(name: &ProfileName, record: &Record) -> v1::SessionStatus {
    v1::SessionStatus {
        profile: name.to_string(),
        kind: kind(record.kind).into(),
        settings: Some(settings(&record.profile)),
        account: record.account.as_ref().map(account),
        organization: record.organization.as_ref().map(organization),
        logged_in_at: record.logged_in_at.map(unix),
        last_renewed_at: record.last_renewed_at.map(unix),
        store: record.store.map(|store| store.as_str().to_owned()).unwrap_or_default(),
        ..v1::SessionStatus::default()
    }
}

fn fallback(fallback: &Fallback) -> v1::session_status::Fallback {
    v1::session_status::Fallback {
        from: fallback.from.as_str().to_owned(),
        why: fallback.why.clone(),
        since: Some(unix(fallback.since)),
    }
}

/// When the sign-in ends however often it is used, in Unix time, as far as that is known.
pub(crate) fn sign_in_end(view: &View) -> Option<u64> {
    match view.record.kind {
        Kind::Fixed => view.record.refresh_expires_at,
        Kind::Renewable if view.can_renew => view.record.sign_in_ends_at,
        Kind::Renewable => session_end(view).and_then(|end| u64::try_from(end.seconds).ok()),
    }
}

/// The end of the session, if the provider states it. A session that cannot be renewed ends with its access
/// token.
fn session_end(view: &View) -> Option<Timestamp> {
    let renewable = view.can_renew || view.record.kind == Kind::Fixed;
    let token = view.held.as_ref().filter(|_| !renewable && view.standing == Standing::SignedIn);
    let end = token.and_then(|held| held.end()).map(|end| timestamp(end.wall));
    end.or(view.record.refresh_expires_at.map(unix))
}

/// Why renewals fail, or why the session has ended.
fn last_failure(view: &View) -> Option<v1::session_status::Failure> {
    match &view.standing {
        Standing::Expired(why) => Some(v1::session_status::Failure {
            reason: v1::Reason::LoginExpired.into(),
            message: why.clone(),
            ..Default::default()
        }),
        Standing::SignedIn | Standing::SignedOut => {
            view.failure.as_ref().map(|failed| failure(failed, view.due))
        }
    }
}

fn failure(failure: &Failure, retry: Option<Moment>) -> v1::session_status::Failure {
    let reason = match failure.trouble {
        Trouble::Transient(_) | Trouble::Unknown | Trouble::Unclear | Trouble::Reported => {
            v1::Reason::IssuerUnreachable
        }
        Trouble::Misconfigured => v1::Reason::Misconfigured,
        Trouble::Store => v1::Reason::StoreFailed,
        Trouble::Locked => v1::Reason::KeychainLocked,
    };
    v1::session_status::Failure {
        reason: reason.into(),
        message: failure.why.to_string(),
        at: Some(timestamp(failure.at.wall)),
        retry_at: retry.map(|retry| timestamp(retry.wall)),
    }
}

fn notes(view: &View) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = &view.unsaved {
        notes.push(format!("kept in memory only, until it can be stored: {why}"));
    }
    if view.intent_unwritten {
        notes.push("the last renewal could not be recorded in sessions.json; is the disk full?".into());
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::backoff::Jitter;
    use crate::sessions::schedule::Held;
    use crate::token::{Access, AccessToken};

    fn view() -> View {
        let sent = Moment { wall: from_unix(1_000), mono: Duration::ZERO };
        let access = Access { token: AccessToken::new("t"), lifetime: Duration::from_secs(100) };
        let held = Some(Arc::new(Held::renewable(access, sent, Jitter::HALF)));
        View { standing: Standing::SignedIn, held, can_renew: true, ..View::default() }
    }

    fn shown(view: &View) -> v1::SessionStatus {
        let now = Moment { wall: from_unix(1_010), mono: Duration::from_secs(10) };
        status(&ProfileName::fallback(), view, now)
    }

    #[test]
    fn a_session_that_cannot_be_renewed_ends_with_its_access_token() {
        assert_eq!(shown(&view()).session_expires_at, None);
        let end = shown(&View { can_renew: false, ..view() }).session_expires_at;
        assert_eq!(end.map(|end| end.seconds), Some(1_100));
    }

    #[test]
    fn why_a_session_has_ended_is_told() {
        let ended = View { standing: Standing::Expired("invalid_grant".into()), ..view() };
        let failure = shown(&ended).last_failure.unwrap();
        assert_eq!((failure.reason(), failure.message.as_str()), (v1::Reason::LoginExpired, "invalid_grant"));
    }

    #[test]
    fn a_damaged_time_is_shown_and_does_not_end_the_agent() {
        let record = Record { logged_in_at: Some(u64::MAX), ..Record::default() };
        let end = shown(&View { record: Arc::new(record), ..view() }).logged_in_at;
        assert_eq!(end.map(|end| end.seconds), Some(253_402_300_799));
    }
}
