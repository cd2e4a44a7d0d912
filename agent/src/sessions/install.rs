//! Installs a login that has succeeded: the secret is stored and recorded before the login is announced.

use std::sync::Arc;
use std::time::SystemTime;

use tracing::{info, warn};

use crate::backoff::jitter;
use crate::clock::unix;
use crate::error::{AgentError, Typed};
use crate::profile::{Profile, ProfileName};
use crate::providers::{Granted, Issuer, Revocable};
use crate::sealed::Sealed;
use crate::sessions::choice::{AtLogin, at_login, find};
use crate::sessions::renewal::{Generation, Unsaved, empty};
use crate::sessions::schedule::{Held, keep_alive};
use crate::sessions::secrets::{refresh_of, stored};
use crate::sessions::shared::Shared;
use crate::sessions::verdict::Beginning;
use crate::sign_in::stage::Method;
use crate::storage::record::{Record, SignInMethod};
use crate::storage::state::StateError;
use crate::storage::store::{Patience, StoreKind, Stored};
use crate::token::{AccessToken, Credential, Kind, Memberships, Organization, RefreshToken};

/// A login that has succeeded and is not stored yet.
pub(crate) struct Login {
    /// Where the person signed in.
    pub profile: Profile,
    /// The tokens and the account that the provider granted.
    pub granted: Granted,
    pub method: SignInMethod,
    /// The session's generation when the login began.
    pub generation: u64,
    /// The organisation that the person asked for.
    pub organization: Option<Organization>,
}

/// What a login was granted, before it becomes a [`Login`]: the organisation that the person asked for is looked up
/// first. A name that means none must not cost a session that works, nor bill somebody else.
///
/// # Errors
/// The name means no organisation or several, or nobody says which there are. The tokens are then revoked.
pub(crate) async fn look_up(
    wanted: Option<&str>,
    granted: &mut Granted,
    (name, profile): (&ProfileName, &Profile),
    shared: &Shared,
) -> Result<Option<Organization>, AgentError> {
    let Some(wanted) = wanted else { return Ok(None) };
    let found = match belongs(granted, profile, shared).await {
        Ok(belongs) => {
            let found = find(belongs.organizations.iter(), wanted).cloned();
            granted.memberships = Some(belongs);
            found
        }
        Err(error) => Err(error),
    };
    if found.is_err() {
        info!(profile = %name, "a login asked for an organization that it cannot have; its tokens are revoked");
        revoke(name, profile, granted, shared);
    }
    found.map(Some)
}

/// What the account belongs to. Asks again where the login could not find out, for the reason.
async fn belongs(granted: &Granted, profile: &Profile, shared: &Shared) -> Result<Memberships, AgentError> {
    if let Some(known) = &granted.memberships {
        return Ok(known.clone());
    }
    let issuer = shared.issuers.issuer(profile, granted.credential.kind());
    let token = match &granted.credential {
        Credential::Renewable(grant) => &grant.access.token,
        Credential::Fixed { token, .. } => token,
    };
    Ok(Memberships { organizations: issuer.organizations(token).await?, workspaces: None })
}

impl From<Method> for SignInMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::Browser => Self::Browser,
            Method::Device => Self::Device,
        }
    }
}

/// The session that the login replaces.
pub(crate) struct Former {
    pub record: Option<Arc<Record>>,
    /// The refresh token, if it was used since the agent started and so is in memory.
    pub refresh: Option<RefreshToken>,
    /// The provider of the former tokens.
    pub issuer: Option<Arc<dyn Issuer>>,
}

/// A login that is stored.
pub(crate) struct Installed {
    pub beginning: Beginning,
    pub record: Record,
    /// The refresh token, for renewals.
    pub refresh: Option<RefreshToken>,
    /// The secret, if the store refused it.
    pub unsaved: Option<Unsaved>,
    /// Sentences for the person.
    pub notes: Vec<String>,
}

/// Stores and records the login. If the store refuses, the session lives in memory and the notes say so, because
/// a login that a person has finished must not be lost. Returns `None` if a sign-out came in between: then
/// nothing of the login is left, and its tokens are revoked.
pub(crate) async fn install(
    name: &ProfileName,
    login: Login,
    former: Former,
    generation: Generation,
    shared: &Shared,
) -> Option<Installed> {
    let mut notes = login.granted.notes.clone();
    let replaced = replaced_token(name, &login, &former, shared).await;
    let secret = secret_of(&login, shared);
    let old_place = former.record.as_ref().and_then(|record| record.store);
    let (place, unsaved, fell) = match &secret {
        None => (None, None, None),
        Some(secret) => match shared.ladder.save(name, secret, None, Patience::Login).await {
            Ok(kept) => {
                notes.extend(kept.notes);
                (Some(kept.kind), None, kept.fell)
            }
            Err(error) => {
                warn!(profile = %name, %error, "a login could not be stored");
                notes.push(format!("the session is kept in memory only, until it can be stored: {error}"));
                (None, Some(Unsaved { secret: secret.clone(), why: error.to_string() }), None)
            }
        },
    };
    let (mut record, choice_notes) = new_record(&login, &former, place, shared);
    notes.extend(choice_notes.iter().map(|note| Typed::of(name).words(note)));
    if let Some(fell) = fell.filter(|fell| !fell.is_absent || was_used(fell.from, shared)) {
        record.fall(fell, unix(shared.now()));
    }
    // The old store keeps its secret until the record names the new one.
    let moved = old_place.filter(|old| place != Some(*old));
    record.left_in = moved.filter(|old| *old != StoreKind::Memory);
    let written = write(name, &record, &generation, shared).await;
    if generation.is_past() {
        if let Some(place) = place {
            let _ = shared.ladder.remove(name, place).await;
        }
        give_back(name, &login, shared);
        return None;
    }
    // Now that a record needs it.
    shared.passwords.learn(&login.profile.network);
    match (written, moved) {
        (Ok(()), Some(old)) => {
            empty(name, old, &generation, shared).await;
            record.left_in = shared.state.record(name).and_then(|record| record.left_in);
        }
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
    Some(Installed { beginning, record, refresh, unsaved, notes })
}

/// True for a store that has a secret, or had one before it failed. One that this host has never had does not
/// come back, and nobody is told of it again and again.
fn was_used(store: StoreKind, shared: &Shared) -> bool {
    let sessions = shared.state.snapshot();
    let failed_before = |record: &Record| record.fallback.as_ref().is_some_and(|down| down.from == store);
    sessions.profiles.values().any(|record| record.store == Some(store) || failed_before(record))
}

/// Revokes the tokens of a login that a sign-out has overtaken: nothing signs the person in again behind their
/// back.
pub(crate) fn give_back(name: &ProfileName, login: &Login, shared: &Shared) {
    info!(profile = %name, "a login came too late; its tokens are revoked");
    revoke(name, &login.profile, &login.granted, shared);
}

fn revoke(name: &ProfileName, profile: &Profile, granted: &Granted, shared: &Shared) {
    if let Some(tokens) = granted.revocable() {
        let issuer = shared.issuers.issuer(profile, granted.credential.kind());
        shared.pending.revoke(name, issuer, tokens);
    }
}

/// The former token, if it has to be revoked. A refresh token is revoked only if the authority or the account
/// differs, since some providers end all sessions of an account along with one of its tokens. A fixed token that
/// an earlier browser login created is always revoked: nobody else has it, so nobody else would ever revoke it.
async fn replaced_token(
    name: &ProfileName,
    login: &Login,
    former: &Former,
    shared: &Shared,
) -> Option<Revocable> {
    let record = former.record.as_ref()?;
    if record.kind == Kind::Fixed {
        return replaced_minted(name, login, record, shared).await;
    }
    if is_same_account(record, login) {
        return None;
    }
    let refresh = match (&former.refresh, record.store) {
        (Some(refresh), _) => Some(refresh.clone()),
        (None, Some(place)) => {
            let stored = shared.ladder.load(name, place).await.ok().flatten();
            stored.and_then(|stored| refresh_of(&stored, &record.profile).ok())
        }
        (None, None) => None,
    };
    refresh.map(|refresh| Revocable { refresh: Some(refresh), access: None })
}

/// The former fixed token, if a browser login created it. One that the person brought is theirs, and may be in
/// use elsewhere.
async fn replaced_minted(
    name: &ProfileName,
    login: &Login,
    record: &Record,
    shared: &Shared,
) -> Option<Revocable> {
    let place = record.store.filter(|_| record.method == Some(SignInMethod::Browser))?;
    let stored = shared.ladder.load(name, place).await.ok().flatten()?;
    let old = AccessToken::from(&stored.secret);
    let is_kept = match &login.granted.credential {
        Credential::Fixed { token, .. } => token.sha256() == old.sha256(),
        Credential::Renewable(_) => false,
    };
    let is_of_record = record.profile.same_party(&stored.party()) && !is_kept;
    is_of_record.then_some(Revocable { refresh: None, access: Some(old) })
}

/// True for the same subject at the same authority; the names of an account may change.
fn is_same_account(old: &Record, login: &Login) -> bool {
    let same_subject = old.account.as_ref().is_some_and(|old| old.subject == login.granted.account.subject);
    same_subject && old.profile.same_party(&login.profile)
}

/// True for the same user id at the Platform. The subject may differ: for a personal access token it is the
/// Platform's user id, for other logins the `sub` of the ID token.
fn is_same_person(old: &Record, login: &Login) -> bool {
    let id = login.granted.account.user_id;
    let same_id = old.account.as_ref().is_some_and(|old| old.user_id == id);
    id != 0 && same_id && old.profile.same_party(&login.profile)
}

fn secret_of(login: &Login, shared: &Shared) -> Option<Stored> {
    match &login.granted.credential {
        Credential::Renewable(grant) => {
            grant.refresh.as_ref().map(|refresh| stored(refresh, &login.profile, shared.now(), shared))
        }
        Credential::Fixed { token, .. } => {
            let password = shared.passwords.known(&login.profile.network);
            let secret =
                Stored::new(&login.profile, Kind::Fixed, Sealed::new(token.expose()), shared.now().wall);
            Some(secret.with_proxy_password(password))
        }
    }
}

/// The new record, and the notes about the choice of organisation and workspace.
fn new_record(
    login: &Login,
    former: &Former,
    place: Option<StoreKind>,
    shared: &Shared,
) -> (Record, Vec<String>) {
    let now = unix(shared.now());
    let authorization_lifetime = match &login.granted.credential {
        Credential::Renewable(grant) => grant.authorization_lifetime,
        Credential::Fixed { .. } => None,
    };
    let (kind, sha256, refresh_lifetime) = match &login.granted.credential {
        Credential::Renewable(grant) => {
            (Kind::Renewable, grant.refresh.as_ref().map(RefreshToken::sha256), grant.refresh_lifetime)
        }
        Credential::Fixed { token, expires_at, .. } => {
            let left = |end: SystemTime| end.duration_since(shared.now().wall).unwrap_or_default();
            (Kind::Fixed, Some(token.sha256()), expires_at.map(left))
        }
    };
    // Another account clears organisation and workspace.
    let same =
        former.record.as_deref().filter(|old| is_same_account(old, login) || is_same_person(old, login));
    let chosen = at_login(login.granted.memberships.as_ref(), login.organization.as_ref(), same);
    let AtLogin { organization, organization_is_chosen, workspace, notes } = chosen;
    let record = Record {
        profile: Profile { network: login.profile.network.recorded(), ..login.profile.clone() },
        account: Some(login.granted.account.clone()),
        kind,
        store: place,
        secret_sha256: sha256.filter(|_| place.is_some()),
        logged_in_at: Some(now),
        last_renewed_at: (kind == Kind::Renewable).then_some(now),
        refresh_expires_at: refresh_lifetime.map(|life| now + life.as_secs()),
        sign_in_ends_at: authorization_lifetime.map(|life| now + life.as_secs()),
        organization,
        organization_is_chosen,
        workspace,
        method: Some(login.method.clone()),
        ..Record::default()
    };
    (record, notes)
}

async fn write(
    name: &ProfileName,
    record: &Record,
    generation: &Generation,
    shared: &Shared,
) -> Result<(), StateError> {
    let replace = || {
        let new = record.clone();
        generation.guarded(move |old| *old = Record { other: std::mem::take(&mut old.other), ..new })
    };
    let written = shared.state.update(name, replace()).await;
    let Err(StateError::Corrupt(_)) = written else { return written };
    // Only a login sets a damaged file aside.
    shared.state.set_aside(shared.now().wall).await?;
    shared.state.update(name, replace()).await
}

fn begin(granted: Granted, shared: &Shared) -> (Beginning, Option<RefreshToken>) {
    match granted.credential {
        Credential::Renewable(grant) => {
            let held = Held::renewable(grant.access, granted.sent, jitter());
            let beginning = Beginning {
                kind: Kind::Renewable,
                held: Some(held),
                can_renew: grant.refresh.is_some(),
                keep_alive_at: Some(shared.now().plus(keep_alive(grant.refresh_lifetime))),
                interrupted: None,
            };
            (beginning, grant.refresh)
        }
        Credential::Fixed { token, expires_at, .. } => {
            let now = shared.now();
            let lifetime = expires_at.map(|end| end.duration_since(now.wall).unwrap_or_default());
            let held = Some(Held::fixed(token, now, lifetime));
            let (kind, can_renew) = (Kind::Fixed, false);
            (Beginning { kind, held, can_renew, keep_alive_at: None, interrupted: None }, None)
        }
    }
}
