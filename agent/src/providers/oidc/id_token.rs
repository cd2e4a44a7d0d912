//! Checks ID tokens (OIDC Core, sections 3.1.3.7 and 12.2).

use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use openidconnect::core::{
    CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    ClaimsVerificationError, ClientId, IssuerUrl, Nonce, NonceVerifier as _, SignatureVerificationError,
};
use serde_json::Value;

use super::answer::{claims, clean};
use super::discovery::{Metadata, same_issuer};
use super::jwks;
use crate::error::chain;
use crate::lock::lock;
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

/// The provider's signing keys, as fetched last.
#[derive(Default)]
pub(super) struct Keys(Mutex<CoreJsonWebKeySet>);

enum Flaw {
    /// Signed with a key that we do not know, or not any more.
    Key(String),
    Other(String),
}

impl Keys {
    /// Checks an ID token in full. The keys are fetched once where the known ones do not fit.
    ///
    /// # Errors
    /// With the check that failed, or because the keys cannot be read.
    pub(super) async fn check(&self, http: &Http, raw: &str, expected: &Expected<'_>) -> Outcome<Account> {
        match verified(raw, expected, self.known()) {
            Err(Flaw::Key(_)) => {}
            Err(Flaw::Other(why)) => return Outcome::Misconfigured(why.into()),
            Ok(account) => return Outcome::Granted(account),
        }
        let fetched = match fetch(http, expected.metadata).await.granted() {
            Ok(fetched) => fetched,
            Err(failure) => return failure,
        };
        *lock(&self.0) = fetched.clone();
        match verified(raw, expected, fetched) {
            Ok(account) => Outcome::Granted(account),
            Err(Flaw::Key(why) | Flaw::Other(why)) => Outcome::Misconfigured(why.into()),
        }
    }

    fn known(&self) -> CoreJsonWebKeySet {
        lock(&self.0).clone()
    }
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
        None => Outcome::Misconfigured(failed(&format!("{url} is no JSON Web Key Set")).into()),
    }
}

fn verified(raw: &str, expected: &Expected<'_>, keys: CoreJsonWebKeySet) -> Result<Account, Flaw> {
    let flaw = |why: &dyn std::fmt::Display| Flaw::Other(format!("the ID token is not valid: {why}"));
    let token = CoreIdToken::from_str(raw).map_err(|_| flaw(&"it is no signed JWT with OIDC claims"))?;
    let issuer = IssuerUrl::new(expected.metadata.issuer.clone()).map_err(|error| flaw(&error))?;
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
    let claims = token.claims(&verifier, nonce).map_err(|error| match &error {
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey
            | SignatureVerificationError::AmbiguousKeyId(_)
            | SignatureVerificationError::CryptoError(_)
            | SignatureVerificationError::InvalidKey(_),
        ) => Flaw::Key(format!("the ID token is not valid: {}", chain(&error))),
        _ => flaw(&chain(&error)),
    })?;
    if !same_issuer(claims.issuer().as_str(), &expected.metadata.issuer) {
        return Err(flaw(&format!("it comes from {:?}", claims.issuer().as_str())));
    }
    // The library leaves `azp` to its callers: it is the party that the token was made for.
    match claims.authorized_party() {
        Some(party) if party.as_str() != expected.profile.client_id => {
            Err(flaw(&format!("it was made for {:?}", party.as_str())))
        }
        _ => Ok(account(claims)),
    }
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
    let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let name = claims.name().and_then(|names| names.get(None)).map(|name| name.as_str());
    Account {
        subject: claims.subject().as_str().to_owned(),
        email: owned(claims.email().map(|email| email.as_str())),
        user_name: owned(claims.preferred_username().map(|name| name.as_str())),
        display_name: owned(name),
        user_id: 0,
    }
}

/// What a renewal's ID token must repeat (OIDC Core, section 12.2). Its signature is not checked: it comes
/// from the token endpoint itself (section 3.1.3.7, point 6), and a renewal does not wait for signing keys.
/// Returns who it names; an empty `subject` accepts anybody.
///
/// # Errors
/// Where nothing of the answer may be served.
pub(super) fn check_renewed(raw: &str, issuer: &str, subject: &str) -> Result<String, Unservable> {
    let odd = || Unservable::Odd("the ID token of the renewal cannot be read".into());
    let claims = claims(raw).ok_or_else(odd)?;
    let text = |name| claims.get(name).and_then(Value::as_str).ok_or_else(odd);
    let (told_issuer, told_subject) = (text("iss")?, text("sub")?);
    let differs = |what: &str, told: &str| {
        let told = clean(told, "");
        Unservable::OtherAccount(format!("the renewal's ID token names another {what}: {told:?}"))
    };
    if !same_issuer(told_issuer, issuer) {
        return Err(differs("issuer", told_issuer));
    }
    if !subject.is_empty() && told_subject != subject {
        return Err(differs("account", told_subject));
    }
    Ok(told_subject.to_owned())
}
