//! The browser's part of a sign-in: the address it opens, and what it brings back.

use openidconnect::{CsrfToken, Nonce, PkceCodeChallenge};
use subtle::ConstantTimeEq;
use url::Url;

use super::admission::denied;
use super::answer::clean;
use super::discovery::{Metadata, misconfigured, same_issuer};
use crate::error::{AgentError, ErrorKind};
use crate::profile::Profile;
use crate::providers::browser::{Callback, CallbackRequest, Flow};
use crate::providers::page;

/// A flow with secrets of its own (RFC 6749, section 4.1.1; OIDC Core, section 3.1.2.1).
pub(super) fn begin(profile: &Profile, metadata: &Metadata, redirect_uri: &Url) -> Flow {
    // RFC 7636: always, and never `plain`, whether discovery announces it or not.
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let state = CsrfToken::new_random_len(32).into_secret();
    let nonce = Nonce::new_random_len(32).secret().clone();
    let mut url = metadata.authorization_endpoint.clone();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &profile.client_id)
        .append_pair("redirect_uri", redirect_uri.as_str())
        .append_pair("scope", &scopes(profile))
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge", challenge.as_str())
        .append_pair("code_challenge_method", "S256");
    if !profile.audience.is_empty() {
        url.query_pairs_mut().append_pair("audience", &profile.audience);
    }
    Flow {
        authorization_url: url,
        redirect_uri: redirect_uri.clone(),
        state,
        nonce,
        code_verifier: verifier.into_secret(),
        offers_device: metadata.device_endpoint.is_some(),
        can_be_pasted: true,
    }
}

/// `openid` makes it OIDC, whatever the profile asks for besides.
pub(super) fn scopes(profile: &Profile) -> String {
    let rest = profile.scopes.split_whitespace().filter(|scope| *scope != "openid");
    std::iter::once("openid").chain(rest).collect::<Vec<_>>().join(" ")
}

/// What a request to the loopback listener means for this flow.
pub(super) fn judge(
    authority: &str,
    metadata: Option<&Metadata>,
    flow: &Flow,
    request: &CallbackRequest,
) -> Callback {
    let Some(url) =
        flow.redirect_uri.join(&request.target).ok().filter(|url| url.path() == flow.redirect_uri.path())
    else {
        return Callback::NotYet(page::not_found());
    };
    if request.method != "GET" {
        return Callback::NotYet(page::not_allowed("GET"));
    }
    let field = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
    let state = field("state").unwrap_or_default();
    // A stranger's request must not end the login, and must not learn how much of the state it guessed.
    if !bool::from(state.as_bytes().ct_eq(flow.state.as_bytes())) {
        return Callback::NotYet(page::stray());
    }
    let failed = |error: AgentError| Callback::Failed(page::failed(&error), error);
    let issuer = metadata.map_or(authority, |metadata| &metadata.issuer);
    // RFC 9207, section 2.4: the answer of another provider is not ours.
    if let Some(iss) = field("iss").filter(|iss| !same_issuer(iss, issuer)) {
        let why = format!("the answer comes from another provider: {:?}", clean(&iss, ""));
        return failed(misconfigured(why));
    }
    if let Some(error) = field("error") {
        let description = field("error_description").unwrap_or_default();
        return failed(refusal(authority, &error, &description));
    }
    if field("iss").is_none() && metadata.is_some_and(|metadata| metadata.announces_iss) {
        return failed(misconfigured("the answer does not name the provider (iss) as that one announces"));
    }
    match field("code").filter(|code| !code.is_empty()) {
        Some(code) => Callback::Code(code.into_owned().into()),
        None => Callback::NotYet(page::stray()),
    }
}

/// An error of the authorization endpoint (RFC 6749, section 4.1.2.1; OIDC Core, section 3.1.2.6).
fn refusal(authority: &str, code: &str, description: &str) -> AgentError {
    let (code, description) = (clean(code, ""), clean(description, ""));
    let why = if description.is_empty() { code.clone() } else { format!("{code}, {description}") };
    match code.as_str() {
        "temporarily_unavailable" | "server_error" => {
            let why = format!("{authority} could not finish the sign-in: {why}");
            AgentError::new(
                ErrorKind::Unreachable,
                why,
                "run 'seqera login' again in a while; nothing was changed",
            )
        }
        "invalid_request" | "invalid_scope" | "unauthorized_client" | "unsupported_response_type" => {
            misconfigured(format!("{authority} refuses this client: {why}"))
        }
        _ => denied(&format!("{authority} refused the sign-in: {why}")),
    }
}
