//! Checks ID tokens (OIDC Core, sections 3.1.3.7 and 12.2).

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use openidconnect::core::{
    CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
};
use openidconnect::{ClientId, IssuerUrl, Nonce, NonceVerifier as _};
use serde_json::Value;

use super::answer::claims;
use super::discovery::{Metadata, same_issuer};
use super::jwks;
use crate::error::chain;
use crate::foreign::{self, Words};
use crate::outcome::{Outcome, Why};
use crate::profile::Profile;
use crate::providers::Unservable;
use crate::providers::http::{Fault, Http, Reply};
use crate::token::Account;

/// Machines whose clock is off by ten minutes can sign in ([What is checked](crate::manual::sign_in#what-is-checked)).
const LEEWAY: Duration = Duration::from_secs(600);

/// What an ID token must say.
pub(super) struct Expected<'a> {
    pub(super) profile: &'a Profile,
    pub(super) metadata: &'a Metadata,
    /// `None`: the request had none, as in the device flow.
    pub(super) nonce: Option<&'a str>,
    /// By the wall clock.
    pub(super) now: SystemTime,
}

/// Checks an ID token in full. The keys are fetched for each login, so that one which the provider has removed
/// is not trusted any more (OIDC Core, section 10.1.1).
///
/// # Errors
/// With the check that failed, or because the keys cannot be read.
pub(super) async fn check(http: &Http, raw: &str, expected: &Expected<'_>) -> Outcome<Account> {
    let keys = match fetch(http, expected.metadata).await.granted() {
        Ok(keys) => keys,
        Err(failure) => return failure,
    };
    let checked = begun(raw, expected.now).and_then(|()| verified(raw, expected, keys));
    let flaw = |why: String| Outcome::Misconfigured(format!("the ID token is not valid: {why}").into());
    checked.map_or_else(flaw, Outcome::Granted)
}

async fn fetch(http: &Http, metadata: &Metadata) -> Outcome<CoreJsonWebKeySet> {
    let Some(url) = &metadata.jwks_uri else {
        return Outcome::Misconfigured("the provider names no signing keys (jwks_uri)".into());
    };
    let failed = |why: &str| format!("the provider's signing keys cannot be read: {why}");
    let unread = |why: Why| Outcome::Transient(why.said(failed), None);
    let reply = match http.fetch(url, None).await {
        Ok(reply) if reply.is_transient() => return unread(format!("status {}", reply.status).into()),
        Ok(Reply { cut: Some(why), .. }) => return unread(why.into()),
        Ok(reply) => reply,
        Err(Fault::NotSent(why) | Fault::Unanswered(why) | Fault::Misconfigured(why)) => return unread(why),
    };
    let keys = if reply.is_success() { reply.json().and_then(jwks::read) } else { None };
    match keys {
        Some(keys) => Outcome::Granted(keys),
        None => Outcome::Misconfigured(failed(&format!("{url} is not a JSON Web Key Set")).into()),
    }
}

fn verified(raw: &str, expected: &Expected<'_>, keys: CoreJsonWebKeySet) -> Result<Account, String> {
    let token = CoreIdToken::from_str(raw).map_err(|_| "it is not a signed JWT with OIDC claims")?;
    let issuer = IssuerUrl::new(expected.metadata.issuer.clone()).map_err(|error| error.to_string())?;
    let audience = expected.profile.audience.clone();
    let now = expected.now - LEEWAY;
    let verifier = CoreIdTokenVerifier::new_public_client(
        ClientId::new(expected.profile.client_id.clone()),
        issuer,
        keys,
    )
    .set_allowed_algs(allowed(&expected.metadata.signing_algs))
    // Checked below, with the two names of Seqera Cloud as one.
    .require_issuer_match(false)
    .set_other_audience_verifier_fn(move |other| !audience.is_empty() && **other == audience)
    .set_time_fn(move || now.into());
    let nonce = |told: Option<&Nonce>| match expected.nonce {
        Some(sent) => (&Nonce::new(sent.to_owned())).verify(told),
        None => Ok(()),
    };
    let claims = token.claims(&verifier, nonce).map_err(|error| chain(&error))?;
    if !same_issuer(claims.issuer().as_str(), &expected.metadata.issuer) {
        return Err(format!("it comes from {:?}", Words::from(claims.issuer().as_str())));
    }
    // The library leaves `azp` and the form of `sub` to its callers. `azp` is the party that the token was made
    // for.
    foreign::subject(claims.subject().as_str())?;
    match claims.authorized_party() {
        Some(party) if party.as_str() != expected.profile.client_id => {
            Err(format!("it was made for {:?}", Words::from(party.as_str())))
        }
        _ => Ok(account(claims)),
    }
}

/// `iat` and `nbf` (RFC 7519, sections 4.1.5 and 4.1.6), which the library does not look at.
fn begun(raw: &str, now: SystemTime) -> Result<(), String> {
    let claims = claims(raw).unwrap_or_default();
    let latest = (now + LEEWAY).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    for (claim, what) in [("iat", "it was issued in the future"), ("nbf", "it is not valid yet")] {
        let told = claims.get(claim).filter(|told| !told.is_null());
        if told.is_some_and(|told| told.as_f64().is_none_or(|time| time > latest)) {
            return Err(format!("{what} ({claim})"));
        }
    }
    Ok(())
}

/// The algorithms with a public key that the provider announces; RS256 where it announces none. Never `none`
/// and never one with a shared secret, which a public client does not have.
fn allowed(announced: &[String]) -> Vec<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm as Alg;
    let named = |name: &String| serde_json::from_value::<Alg>(Value::String(name.clone())).ok();
    let public = |alg: &Alg| !matches!(alg, Alg::None | Alg::HmacSha256 | Alg::HmacSha384 | Alg::HmacSha512);
    let mut algs: Vec<Alg> = announced.iter().filter_map(named).filter(public).collect();
    if announced.is_empty() {
        algs.push(Alg::RsaSsaPkcs1V15Sha256);
    }
    algs
}

fn account(claims: &CoreIdTokenClaims) -> Account {
    let name = claims.name().and_then(|names| names.get(None)).map(|name| name.as_str());
    Account {
        subject: claims.subject().as_str().to_owned(),
        email: claims.email().map(|email| email.as_str().into()).unwrap_or_default(),
        user_name: claims.preferred_username().map(|name| name.as_str().into()).unwrap_or_default(),
        display_name: name.map(Into::into).unwrap_or_default(),
        user_id: 0,
    }
}

/// What a renewal's ID token must repeat.
pub(super) struct Same<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    /// Empty: anybody.
    pub(super) subject: &'a str,
}

/// Checks a renewal's ID token (OIDC Core, section 12.2). Its signature is not checked: it comes
/// from the token endpoint itself (section 3.1.3.7, point 6), and a renewal does not wait for signing keys.
/// Returns who it names.
///
/// # Errors
/// Where nothing of the answer may be served.
pub(super) fn check_renewed(raw: &str, same: &Same<'_>) -> Result<String, Unservable> {
    let odd = |why: &str| Unservable::Odd(format!("the ID token of the renewal cannot be used: {why}"));
    let unread = || odd("it is not a JWT with iss and sub");
    let claims = claims(raw).ok_or_else(unread)?;
    let text = |name| claims.get(name).and_then(Value::as_str).ok_or_else(unread);
    let (issuer, subject) = (text("iss")?, text("sub")?);
    let differs = |what: &str, told: &str| {
        Unservable::OtherAccount(format!(
            "the renewal's ID token names another {what}: {:?}",
            Words::from(told)
        ))
    };
    if !same_issuer(issuer, same.issuer) {
        return Err(differs("issuer", issuer));
    }
    if !same.subject.is_empty() && subject != same.subject {
        return Err(differs("account", subject));
    }
    let is_ours = |told: &Value| told.as_str() == Some(same.client_id);
    let made_for_us = match claims.get("aud") {
        None => true,
        Some(Value::Array(all)) => all.iter().any(is_ours),
        Some(one) => is_ours(one),
    };
    if !made_for_us || claims.get("azp").is_some_and(|party| !is_ours(party)) {
        return Err(odd("it was made for another client"));
    }
    match same.subject {
        "" => foreign::subject(subject).map(str::to_owned).map_err(odd),
        known => Ok(known.to_owned()),
    }
}
