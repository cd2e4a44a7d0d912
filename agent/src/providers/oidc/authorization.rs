//! A sign-in in a browser (RFC 6749, section 4.1): the address it opens, what it brings back, and what that is
//! exchanged for.

use openidconnect::{CsrfToken, Nonce, PkceCodeChallenge};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq;
use url::Url;

use super::answer::judge;
use super::client::Client;
use super::discovery::{Metadata, denied, misconfigured, same_issuer, unreachable};
use crate::clock::Moment;
use crate::error::{AgentError, ErrorKind};
use crate::foreign::Words;
use crate::outcome::Outcome;
use crate::providers::browser::{Callback, CallbackRequest, Flow, Landing};
use crate::providers::http::Fault;
use crate::providers::{Tokens, page};

/// The documented port, and the nine after it ([Documented
/// defaults](crate::manual::providers#documented-defaults)).
pub(in crate::providers) const LANDING: Landing = Landing { path: "/callback", ports: 53682..53692 };

impl Client {
    /// A flow with secrets of its own (RFC 6749, section 4.1.1).
    pub(in crate::providers) fn begin(&self, metadata: &Metadata, redirect_uri: &Url) -> Flow {
        // RFC 7636: always, and never `plain`, whether discovery announces it or not.
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = CsrfToken::new_random_len(32).into_secret();
        let mut url = metadata.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.profile.client_id)
            .append_pair("redirect_uri", redirect_uri.as_str())
            .append_pair("state", &state)
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(self.asked().iter());
        Flow {
            authorization_url: url,
            redirect_uri: redirect_uri.clone(),
            state,
            nonce: String::new(),
            code_verifier: verifier.into_secret(),
            offers_device: metadata.device_endpoint.is_some(),
            can_be_pasted: true,
        }
    }

    /// What a request to the loopback listener means for this flow.
    pub(in crate::providers) fn callback(&self, flow: &Flow, request: &CallbackRequest) -> Callback {
        judged(&self.profile.authority, self.last_good().as_deref(), flow, request)
    }

    /// Spends the authorization code (RFC 6749, section 4.1.3; RFC 7636, section 4.5). With the tokens comes
    /// when they were asked for.
    pub(in crate::providers) async fn exchange(
        &self,
        metadata: &Metadata,
        flow: &Flow,
        code: &SecretString,
    ) -> Result<(Tokens, Moment), AgentError> {
        let code = code.expose_secret();
        let sent = self.clock.now();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", flow.redirect_uri.as_str()),
            ("client_id", &self.profile.client_id),
            ("code_verifier", &flow.code_verifier),
        ];
        let authority = &self.profile.authority;
        let answer = match self.http.submit(&metadata.token_endpoint, &form).await {
            Ok(reply) => judge(&reply, &[code, &flow.code_verifier]),
            Err(Fault::Misconfigured(why)) => return Err(misconfigured(why)),
            Err(fault) => fault.into(),
        };
        match answer {
            Outcome::Granted(tokens) => Ok((tokens, sent)),
            Outcome::Unknown(why) | Outcome::Transient(why, _) => Err(unreachable(authority, why)),
            Outcome::Misconfigured(why) => {
                Err(misconfigured(why.said(|why| format!("{authority} refuses this client: {why}"))))
            }
            Outcome::Rejected(why) | Outcome::Unclear(why) => {
                Err(denied(&format!("{authority} refused the sign-in: {why}")))
            }
        }
    }
}

/// The same flow with a nonce, which makes an ID token its own (OIDC Core, section 3.1.2.1).
pub(super) fn with_nonce(flow: Flow) -> Flow {
    let nonce = Nonce::new_random_len(32).secret().clone();
    let mut authorization_url = flow.authorization_url;
    authorization_url.query_pairs_mut().append_pair("nonce", &nonce);
    Flow { authorization_url, nonce, ..flow }
}

fn judged(authority: &str, metadata: Option<&Metadata>, flow: &Flow, request: &CallbackRequest) -> Callback {
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
    let failed = |error: AgentError| Callback::Failed(None, error);
    let issuer = metadata.map_or(authority, |metadata| &metadata.issuer);
    // RFC 9207, section 2.4: the answer of another provider is not ours.
    if let Some(iss) = field("iss").filter(|iss| !same_issuer(iss, issuer)) {
        let why = format!("the answer comes from another provider: {:?}", Words::from(&*iss));
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
    let (code, description) = (Words::from(code), Words::from(description));
    let why = if description.is_empty() { code.to_string() } else { format!("{code}, {description}") };
    match code.as_str() {
        "temporarily_unavailable" | "server_error" => {
            let why = format!("{authority} could not finish the sign-in: {why}");
            AgentError::new(
                ErrorKind::Unreachable,
                why,
                "run '{again}' again in a while; nothing was changed",
            )
        }
        "invalid_request" | "invalid_scope" | "unauthorized_client" | "unsupported_response_type" => {
            misconfigured(format!("{authority} refuses this client: {why}"))
        }
        _ => denied(&format!("{authority} refused the sign-in: {why}")),
    }
}
