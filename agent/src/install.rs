//! Installs a login that has succeeded: the secret is stored and recorded before anybody is told.

use std::sync::Arc;

use secrecy::SecretString;
use tracing::warn;

use crate::issuer::{Granted, Issuer, Revocable};
use crate::profile::{Profile, ProfileName};
use crate::renewal::Unsaved;
use crate::schedule::{Held, keep_alive};
use crate::secrets::stored;
use crate::shared::{Shared, unix};
use crate::state::{Record, StateError};
use crate::store::{Patience, StoreKind, Stored};
use crate::token::{Credential, Kind, RefreshToken};
use crate::verdict::Beginning;

/// A login that has succeeded.
pub struct Login {
    /// Where it was.
    pub profile: Profile,
    /// What it gave.
    pub granted: Granted,
    /// How: `browser` or `token`.
    pub method: &'static str,
    /// Of the session when the login began.
    pub generation: u64,
}

/// What the login replaces.
pub struct Former {
    /// As it was recorded.
    pub record: Option<Record>,
    /// In memory, if it was used since the start.
    pub refresh: Option<RefreshToken>,
    /// The issuer that it came from.
    pub issuer: Option<Arc<dyn Issuer>>,
}

/// A login that is stored.
pub struct Installed {
    /// How the session begins.
    pub beginning: Beginning,
    /// What was recorded.
    pub record: Record,
    /// For renewals.
    pub refresh: Option<RefreshToken>,
    /// The secret, where the store refused it.
    pub unsaved: Option<Unsaved>,
    /// For the person.
    pub notes: Vec<String>,
}

/// Stores and records the login. It never fails: with a store that refuses, the session lives in memory and
/// says so, because a login that a person has finished is not thrown away.
pub async fn install(name: &ProfileName, login: Login, former: Former, shared: &Shared) -> Installed {
    let mut notes = login.granted.notes.clone();
    let replaced = replaced_token(name, &login, &former, shared).await;
    let secret = secret_of(&login, shared);
    let old_place = former.record.as_ref().and_then(|record| record.store);
    let (place, unsaved) = match &secret {
        None => (None, None),
        Some(secret) => match shared.ladder.save(name, secret, None, Patience::Login).await {
            Ok(kept) => {
                notes.extend(kept.notes);
                (Some(kept.kind), None)
            }
            Err(error) => {
                warn!(profile = %name, %error, "a login could not be stored");
                notes.push(format!("the session is kept in memory only, until it can be stored: {error}"));
                (None, Some(Unsaved { secret: secret.clone(), why: error.to_string() }))
            }
        },
    };
    let record = new_record(&login, &former, place, shared);
    // The old place is emptied only when the new one is on record.
    let moved = old_place.filter(|old| place != Some(*old));
    match (write(name, &record, shared).await, moved) {
        (Ok(()), Some(old)) => drop(shared.ladder.remove(name, old).await),
        (Ok(()), None) => {}
        (Err(error), _) => {
            warn!(profile = %name, %error, "a login could not be recorded");
            notes.push(format!("the session will not survive a restart of the agent: {error}"));
        }
    }
    if let (Some(issuer), Some(what)) = (former.issuer, replaced) {
        shared.pending.revoke(name, issuer, what);
    }
    let (beginning, refresh) = begin(login.granted, shared);
    Installed { beginning, record, refresh, unsaved, notes }
}

/// The former refresh token, if it has to be revoked: only where authority or account differ, since some
/// providers end every session of an account with one of its tokens.
async fn replaced_token(
    name: &ProfileName,
    login: &Login,
    former: &Former,
    shared: &Shared,
) -> Option<Revocable> {
    let record = former.record.as_ref()?;
    let same_account =
        record.account.as_ref().is_some_and(|old| old.subject == login.granted.account.subject);
    if record.kind == Kind::Fixed || (same_account && record.profile.same_party(&login.profile)) {
        return None;
    }
    let refresh = match (&former.refresh, record.store) {
        (Some(refresh), _) => Some(refresh.clone()),
        (None, Some(place)) => {
            let stored = shared.ladder.load(name, place).await.ok().flatten();
            stored.map(|stored| RefreshToken::new(secrecy::ExposeSecret::expose_secret(&stored.secret)))
        }
        (None, None) => None,
    };
    refresh.map(|refresh| Revocable { refresh: Some(refresh), access: None })
}

fn secret_of(login: &Login, shared: &Shared) -> Option<Stored> {
    match &login.granted.credential {
        Credential::Renewable(grant) => {
            grant.refresh.as_ref().map(|refresh| stored(refresh, &login.profile, shared.now()))
        }
        Credential::Fixed { token, .. } => Some(Stored {
            authority: login.profile.authority.clone(),
            client_id: login.profile.client_id.clone(),
            kind: Kind::Fixed,
            secret: SecretString::from(token.expose()),
            saved_at: shared.now().wall,
        }),
    }
}

fn new_record(login: &Login, former: &Former, place: Option<StoreKind>, shared: &Shared) -> Record {
    let now = unix(shared.now());
    let (kind, sha256, refresh_lifetime) = match &login.granted.credential {
        Credential::Renewable(grant) => {
            (Kind::Renewable, grant.refresh.as_ref().map(RefreshToken::sha256), grant.refresh_lifetime)
        }
        Credential::Fixed { token, .. } => (Kind::Fixed, Some(token.sha256()), None),
    };
    // Another account clears organisation and workspace.
    let same = former.record.as_ref().filter(|old| old.account.as_ref() == Some(&login.granted.account));
    Record {
        profile: login.profile.clone(),
        account: Some(login.granted.account.clone()),
        kind,
        store: place,
        secret_sha256: sha256.filter(|_| place.is_some()),
        logged_in_at: Some(now),
        last_renewed_at: Some(now),
        refresh_expires_at: refresh_lifetime.map(|life| now + life.as_secs()),
        organization: login
            .granted
            .organization
            .clone()
            .or_else(|| same.and_then(|old| old.organization.clone())),
        workspace_id: same.and_then(|old| old.workspace_id),
        method: Some(login.method.to_owned()),
        ..Record::default()
    }
}

async fn write(name: &ProfileName, record: &Record, shared: &Shared) -> Result<(), StateError> {
    let first = record.clone();
    let written =
        shared.state.update(name, move |old| *old = Record { other: old.other.clone(), ..first }).await;
    let Err(StateError::Corrupt(_)) = written else { return written };
    // A file that cannot be read is set aside by a login, and by nothing else.
    shared.state.set_aside(shared.now().wall).await?;
    let again = record.clone();
    shared.state.update(name, move |old| *old = again).await
}

fn begin(granted: Granted, shared: &Shared) -> (Beginning, Option<RefreshToken>) {
    match granted.credential {
        Credential::Renewable(grant) => {
            let held = Held::renewable(grant.access, granted.sent, shared.jitter());
            let beginning = Beginning {
                kind: Kind::Renewable,
                held: Some(held),
                can_renew: grant.refresh.is_some(),
                keep_alive_at: Some(shared.now().plus(keep_alive(grant.refresh_lifetime))),
                interrupted: None,
            };
            (beginning, grant.refresh)
        }
        Credential::Fixed { token, expires_at } => {
            let now = shared.now();
            let lifetime = expires_at.map(|end| end.duration_since(now.wall).unwrap_or_default());
            let held = Some(Held::fixed(token, now, lifetime));
            let (kind, can_renew) = (Kind::Fixed, false);
            (Beginning { kind, held, can_renew, keep_alive_at: None, interrupted: None }, None)
        }
    }
}
