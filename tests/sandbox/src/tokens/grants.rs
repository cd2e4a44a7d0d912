//! What has been granted to whom: codes, refresh tokens, access tokens. No I/O and no clock: callers pass the
//! time in.
//!
//! A sign-in starts a *family*. All refresh and access tokens that descend from it end with it. Tokens of an
//! earlier run are restored when they are presented, if they were signed with the same secret. What was used
//! or revoked in that run is forgotten.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::grant::{Consent, Grant, Presented, Refusal};
use crate::clock::seconds;
use crate::keys::random_text;
use crate::settings::Settings;

/// The name of a family of tokens. It is unique across runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct FamilyId(String);

impl FamilyId {
    pub(crate) fn new() -> Self {
        Self(random_text(16))
    }
}

/// The result of using a refresh token.
#[derive(Debug)]
pub(crate) struct Renewal {
    pub(crate) family: FamilyId,
    pub(crate) grant: Grant,
    /// The token that replaces the one presented. None if that one stays valid.
    pub(crate) next: Option<String>,
}

#[derive(Debug)]
struct Rules {
    access_lifetime: TimeDelta,
    refresh_lifetime: TimeDelta,
    code_lifetime: TimeDelta,
    rotation: bool,
    revoke_family_on_reuse: bool,
    reuse_grace: TimeDelta,
}

#[derive(Debug)]
struct Code {
    consent: Consent,
    expires: DateTime<Utc>,
    /// The family that came from it, once it has been used.
    spent: Option<FamilyId>,
}

#[derive(Debug)]
struct Family {
    grant: Grant,
    ended: bool,
}

#[derive(Debug)]
struct Refresh {
    family: FamilyId,
    expires: DateTime<Utc>,
    spent: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct Access {
    family: FamilyId,
    expires: DateTime<Utc>,
    revoked: bool,
}

/// All grants of one sandbox. The secrets are the keys of the maps.
#[derive(Debug)]
pub(crate) struct Grants {
    rules: Rules,
    codes: HashMap<String, Code>,
    families: HashMap<FamilyId, Family>,
    refresh: HashMap<String, Refresh>,
    access: HashMap<String, Access>,
}

impl Grants {
    pub(crate) fn new(settings: &Settings) -> Self {
        let rules = Rules {
            access_lifetime: seconds(settings.access_lifetime),
            refresh_lifetime: seconds(settings.refresh_lifetime),
            code_lifetime: seconds(settings.code_lifetime),
            rotation: settings.rotation,
            revoke_family_on_reuse: settings.revoke_family_on_reuse,
            reuse_grace: seconds(settings.reuse_grace),
        };
        Self {
            rules,
            codes: HashMap::new(),
            families: HashMap::new(),
            refresh: HashMap::new(),
            access: HashMap::new(),
        }
    }

    pub(crate) fn add_code(&mut self, code: String, consent: Consent, now: DateTime<Utc>) {
        let expires = now + self.rules.code_lifetime;
        self.codes.insert(code, Code { consent, expires, spent: None });
    }

    /// Exchanges a code for a new family. If a code is used twice, what the first use got ends (RFC 6749,
    /// 4.1.2).
    pub(crate) fn redeem(
        &mut self,
        presented: Presented<'_>,
        now: DateTime<Utc>,
    ) -> Result<(FamilyId, Grant), Refusal> {
        let code = self.codes.get_mut(presented.code).ok_or(Refusal::Unknown)?;
        let consent = &code.consent;
        if consent.grant.client != presented.client {
            return Err(Refusal::OtherClient);
        }
        if let Some(family) = code.spent.clone() {
            return Err(Refusal::Reused { family_ended: self.end(&family) });
        }
        if now >= code.expires {
            return Err(Refusal::Expired);
        }
        if consent.redirect_uri != presented.redirect_uri {
            return Err(Refusal::OtherRedirect);
        }
        if !consent.is_proven_by(presented.verifier) {
            return Err(Refusal::WrongVerifier);
        }
        let grant = consent.grant.clone();
        let family = FamilyId::new();
        code.spent = Some(family.clone());
        self.found(family.clone(), grant.clone());
        Ok((family, grant))
    }

    /// Starts a family. Does nothing if it exists.
    pub(crate) fn found(&mut self, family: FamilyId, grant: Grant) {
        self.families.entry(family).or_insert(Family { grant, ended: false });
    }

    /// Whether the token was issued in this run or has been restored.
    pub(crate) fn knows(&self, token: &str) -> bool {
        self.refresh.contains_key(token) || self.access.contains_key(token)
    }

    /// Restores a refresh token of an earlier run.
    pub(crate) fn recall_refresh(&mut self, token: String, family: FamilyId, expires: DateTime<Utc>) {
        self.refresh.insert(token, Refresh { family, expires, spent: None });
    }

    /// Restores an access token of an earlier run.
    pub(crate) fn recall_access(&mut self, token: String, family: FamilyId, expires: DateTime<Utc>) {
        self.access.insert(token, Access { family, expires, revoked: false });
    }

    pub(crate) fn add_refresh(&mut self, token: String, family: FamilyId, now: DateTime<Utc>) {
        self.recall_refresh(token, family, now + self.rules.refresh_lifetime);
    }

    pub(crate) fn add_access(&mut self, token: String, family: FamilyId, now: DateTime<Utc>) {
        self.recall_access(token, family, now + self.rules.access_lifetime);
    }

    /// Uses a refresh token. With rotation, the one that `next` makes replaces it; without, its idle time
    /// starts again.
    pub(crate) fn renew(
        &mut self,
        token: &str,
        client: &str,
        next: impl FnOnce(&FamilyId, &Grant) -> String,
        now: DateTime<Utc>,
    ) -> Result<Renewal, Refusal> {
        let record = self.refresh.get_mut(token).ok_or(Refusal::Unknown)?;
        let family = record.family.clone();
        let Family { grant, ended } = self.families.get(&family).ok_or(Refusal::Unknown)?;
        let grant = grant.clone();
        if grant.client != client {
            return Err(Refusal::OtherClient);
        }
        if record.spent.is_some_and(|at| now >= at + self.rules.reuse_grace) {
            let family_ended = self.rules.revoke_family_on_reuse && self.end(&family);
            return Err(Refusal::Reused { family_ended });
        }
        if *ended {
            return Err(Refusal::Revoked);
        }
        if now >= record.expires {
            return Err(Refusal::Expired);
        }
        if !self.rules.rotation {
            record.expires = now + self.rules.refresh_lifetime;
            return Ok(Renewal { family, grant, next: None });
        }
        record.spent.get_or_insert(now);
        let next = next(&family, &grant);
        self.add_refresh(next.clone(), family.clone(), now);
        Ok(Renewal { family, grant, next: Some(next) })
    }

    /// The user that an access token belongs to, if it is still valid.
    pub(crate) fn bearer(&self, token: &str, now: DateTime<Utc>) -> Option<u64> {
        let access = self.access.get(token).filter(|access| self.is_access_alive(access, now))?;
        self.families.get(&access.family).map(|family| family.grant.user)
    }

    /// RFC 7009: revoking a refresh token ends its family, revoking an access token ends only that token.
    /// Returns whether anything ended.
    pub(crate) fn revoke(&mut self, token: &str, client: &str) -> Result<bool, Refusal> {
        let refresh = self.refresh.get(token).map(|refresh| refresh.family.clone());
        let access = self.access.get(token).map(|access| access.family.clone());
        let Some(family) = refresh.clone().or(access) else { return Ok(false) };
        if self.families.get(&family).is_some_and(|family| family.grant.client != client) {
            return Err(Refusal::OtherClient);
        }
        if refresh.is_some() {
            return Ok(self.end(&family));
        }
        let access = self.access.get_mut(token);
        Ok(access.is_some_and(|access| !std::mem::replace(&mut access.revoked, true)))
    }

    /// Lets all refresh tokens of `user`, or of everybody, expire now. Returns how many were alive.
    pub(crate) fn expire_refresh(&mut self, user: Option<u64>, now: DateTime<Utc>) -> usize {
        let alive = self.refresh_alive(now);
        for refresh in self.refresh.values_mut() {
            if is_of(&self.families, &refresh.family, user) {
                refresh.expires = refresh.expires.min(now);
            }
        }
        alive - self.refresh_alive(now)
    }

    /// The same for access tokens.
    pub(crate) fn expire_access(&mut self, user: Option<u64>, now: DateTime<Utc>) -> usize {
        let alive = self.access_alive(now);
        for access in self.access.values_mut() {
            if is_of(&self.families, &access.family, user) {
                access.expires = access.expires.min(now);
            }
        }
        alive - self.access_alive(now)
    }

    /// How many refresh tokens can still be used.
    pub(crate) fn refresh_alive(&self, now: DateTime<Utc>) -> usize {
        let alive = |refresh: &&Refresh| {
            refresh.spent.is_none() && now < refresh.expires && !self.has_ended(&refresh.family)
        };
        self.refresh.values().filter(alive).count()
    }

    /// How many access tokens the Platform would still accept.
    pub(crate) fn access_alive(&self, now: DateTime<Utc>) -> usize {
        self.access.values().filter(|access| self.is_access_alive(access, now)).count()
    }

    fn is_access_alive(&self, access: &Access, now: DateTime<Utc>) -> bool {
        now < access.expires && !access.revoked && !self.has_ended(&access.family)
    }

    fn has_ended(&self, family: &FamilyId) -> bool {
        self.families.get(family).is_none_or(|family| family.ended)
    }

    /// Ends a family. Returns false if it had already ended.
    fn end(&mut self, family: &FamilyId) -> bool {
        self.families.get_mut(family).is_some_and(|family| !std::mem::replace(&mut family.ended, true))
    }
}

fn is_of(families: &HashMap<FamilyId, Family>, family: &FamilyId, user: Option<u64>) -> bool {
    user.is_none_or(|user| families.get(family).is_some_and(|family| family.grant.user == user))
}

#[cfg(test)]
mod tests;
