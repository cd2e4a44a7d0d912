//! SciToolkit: a browser login that ends with a token for the person, which lives until it is revoked. It
//! does not renew, so that it is a fixed credential, and a sign-out revokes it as documented.
//!
//! The browser opens `{authority}/cli-auth?state=…&callback=…`; where the person agrees, the page makes a
//! token and sends it to the callback itself.

mod callback;
mod prefix;
mod site;

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use url::Url;

pub(crate) use self::prefix::Prefix;
use self::site::{Site, SiteError};
use super::{Answer, Check, DeviceFlow, Granted, Issuer, Poll, Renewal, Revocable, Revocation};
use crate::clock::{Clock, Moment};
use crate::error::{AgentError, ErrorKind};
use crate::profile::Profile;
use crate::providers::browser::{Callback, CallbackRequest, Flow, Landing, Page};
use crate::providers::http::Http;
use crate::token::{AccessToken, Account, Credential, RefreshToken};

/// As many random bytes as a session id should have at least, twice (RFC 6749, section 10.10, asks for 128
/// bits).
const STATE_BYTES: usize = 32;

/// One profile's SciToolkit.
pub(crate) struct SciToolkit {
    authority: String,
    /// The web page's, as browsers write it.
    origin: String,
    site: Site,
    clock: Arc<dyn Clock>,
}

impl SciToolkit {
    /// Asks nobody yet.
    pub(crate) fn new(http: Http, clock: Arc<dyn Clock>, profile: &Profile) -> Self {
        let web = Url::parse(&profile.authority).ok();
        Self {
            authority: profile.authority.clone(),
            origin: web.map(|url| url.origin().ascii_serialization()).unwrap_or_default(),
            site: Site::new(http, profile.api()),
            clock,
        }
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// `BAD_REQUEST` for what is no token of a person, `LOGIN_EXPIRED` where SciToolkit refuses it,
    /// `ISSUER_UNREACHABLE` where it cannot be asked.
    pub(crate) async fn owner(&self, token: &AccessToken) -> Result<Account, AgentError> {
        let prefix = Prefix::per_user(token.expose())?;
        match self.site.whoami(token).await {
            Ok(account) => Ok(account),
            Err(SiteError::Refused) => Err(refused(prefix, &self.authority)),
            Err(error) => Err(self.site.told(&error)),
        }
    }

    async fn admit(&self, token: AccessToken, sent: Moment, minted: bool) -> Result<Granted, AgentError> {
        let account = self.owner(&token).await?;
        // Of use and not needed: a token that is good is kept, whether its end is known or not.
        let expires_at = self.site.expiry(&token).await.unwrap_or_else(|error| {
            tracing::info!(%error, "the end of a token is not known");
            None
        });
        let credential = Credential::Fixed { token, expires_at, minted };
        Ok(Granted { credential, account, sent, memberships: None, notes: Vec::new() })
    }
}

fn refused(prefix: Prefix, authority: &str) -> AgentError {
    let generate = format!("generate a new one under 'CLI Tokens' at {authority}, or sign in with a browser");
    let hint = match prefix {
        Prefix::RetiredUser => {
            format!("sct_user_ is the prefix of older tokens; new ones are stk_user_: {generate}")
        }
        _ => format!("it was revoked, or has expired: {generate}"),
    };
    AgentError::new(ErrorKind::LoginExpired, format!("{authority} refuses this token"), hint)
}

fn no_device_login() -> AgentError {
    let hint = "generate a token in any browser, and give it to --with-token on standard input";
    AgentError::new(ErrorKind::Misconfigured, "SciToolkit offers no login on another device", hint)
}

#[async_trait]
impl Issuer for SciToolkit {
    /// Any free port (facts 5).
    fn landing(&self) -> Landing {
        Landing { path: "/cli-callback", ports: 0..0 }
    }

    /// "Revokes the token at the backend", whoever made it.
    fn outlives_sign_out(&self) -> bool {
        false
    }

    async fn start(&self, redirect_uri: &Url) -> Result<Flow, AgentError> {
        let bad =
            |what: &dyn std::fmt::Display| AgentError::new(ErrorKind::Misconfigured, what.to_string(), "");
        let mut random = [0; STATE_BYTES];
        getrandom::fill(&mut random).map_err(AgentError::internal)?;
        let state = URL_SAFE_NO_PAD.encode(random);
        let mut url = Url::parse(&format!("{}/cli-auth", self.authority)).map_err(|error| bad(&error))?;
        url.query_pairs_mut().append_pair("state", &state).append_pair("callback", redirect_uri.as_str());
        Ok(Flow {
            authorization_url: url,
            redirect_uri: redirect_uri.clone(),
            state,
            nonce: String::new(),
            code_verifier: String::new(),
            offers_device: false,
            can_be_pasted: false,
        })
    }

    async fn start_device(&self) -> Result<DeviceFlow, AgentError> {
        Err(no_device_login())
    }

    async fn poll(&self, _flow: &DeviceFlow) -> Poll {
        Poll::Ended(no_device_login())
    }

    fn callback(&self, flow: &Flow, request: &CallbackRequest) -> Callback {
        callback::judge(&self.origin, flow, request)
    }

    fn page(&self, outcome: Result<&Account, &AgentError>) -> Page {
        callback::page(&self.origin, outcome)
    }

    async fn finish(&self, answer: Answer) -> Result<Granted, AgentError> {
        match answer {
            Answer::Code(token, _) => {
                let token = AccessToken::new(token.expose_secret());
                let admitted = self.admit(token.clone(), self.clock.now(), true).await;
                if admitted.is_err() {
                    // Nobody has it but us, so nobody else could ever revoke it.
                    let _ = self.site.delete(&token).await;
                }
                admitted
            }
            Answer::Given(token, sent) => self.admit(token, sent, false).await,
            Answer::Tokens(..) => Err(no_device_login()),
        }
    }

    async fn renew(&self, _refresh: &RefreshToken, _subject: &str) -> Renewal {
        Renewal::Misconfigured("a SciToolkit token does not renew".into())
    }

    async fn check(&self, token: &AccessToken) -> Check {
        match self.site.whoami(token).await {
            Ok(account) => Check::Valid(account),
            Err(SiteError::Refused) => Check::Refused,
            Err(error) => Check::Unsure(error.to_string().into()),
        }
    }

    async fn revoke(&self, what: &Revocable) -> Revocation {
        let Some(token) = &what.access else { return Revocation::Revoked };
        match self.site.delete(token).await {
            // A token that is not accepted cannot be used any more.
            Ok(()) | Err(SiteError::Refused) => Revocation::Revoked,
            Err(SiteError::Unreachable(why)) => Revocation::Failed(why.to_string()),
            Err(SiteError::Odd(why)) => Revocation::Refused(why.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
