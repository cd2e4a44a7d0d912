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

use crate::profile::ProviderId;
use crate::providers::{Description, Means, Otherwise, Probe, Provider, Untold};
use crate::token::{Kind, Organization, Workspace};

pub(crate) use self::prefix::Prefix;
use self::site::{Site, SiteError};
use super::{Answer, Check, Granted, Issuer, Revocable, Revocation};
use crate::clock::{Clock, Moment};
use crate::error::{AgentError, ErrorKind};
use crate::profile::Profile;
use crate::providers::browser::{Callback, CallbackRequest, Flow, Landing, Page};
use crate::providers::http::Http;
use crate::providers::page::Whose;
use crate::token::{AccessToken, Account, Credential};

/// As many random bytes as a session id should have at least, twice (RFC 6749, section 10.10, asks for 128
/// bits).
const STATE_BYTES: usize = 32;

/// One profile's SciToolkit.
pub(crate) struct SciToolkit {
    authority: String,
    api: String,
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
            api: profile.api().to_owned(),
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
        _ => format!("it was revoked, or it has expired: {generate}"),
    };
    AgentError::new(ErrorKind::LoginExpired, format!("{authority} refuses this token"), hint)
}

/// Registered under this name.
pub(crate) const ID: ProviderId = ProviderId::new("scitoolkit");

/// SciToolkit: one site, one account for each person.
pub(crate) struct SciToolkitProvider;

impl Provider for SciToolkitProvider {
    fn id(&self) -> ProviderId {
        ID
    }

    fn own_profile(&self) -> Option<&'static str> {
        Some("scitoolkit")
    }

    fn defaults(&self) -> Profile {
        Profile {
            authority: "https://scitoolkit.org".into(),
            client_id: String::new(),
            audience: String::new(),
            scopes: String::new(),
            provider: ID,
            ..Profile::default()
        }
    }

    fn api_url(&self, authority: &str) -> String {
        format!("{authority}/api")
    }

    fn issuer(&self, means: Means, profile: &Profile, _: Kind) -> Arc<dyn Issuer> {
        Arc::new(SciToolkit::new(means.http, means.clock, profile))
    }
}

/// Its answer to such a question would read as a refusal of the token.
fn no_organizations() -> Untold {
    let hint = "name a profile of a Platform with --profile; 'seqera profile list' shows all";
    let message = "SciToolkit has no organizations and workspaces";
    Untold::Failed(AgentError::new(ErrorKind::Misconfigured, message, hint))
}

#[async_trait]
impl Issuer for SciToolkit {
    fn refusal(&self, what: &str) -> AgentError {
        let hint = "generate a token in any browser, and give it to --with-token on standard input";
        AgentError::new(ErrorKind::Misconfigured, format!("SciToolkit offers no {what}"), hint)
    }

    /// Any free port ([SciToolkit](crate::manual::providers#scitoolkit)).
    fn landing(&self) -> Landing {
        Landing { path: "/cli-callback", ports: 0..0 }
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

    fn callback(&self, flow: &Flow, request: &CallbackRequest) -> Callback {
        callback::judge(&self.origin, flow, request)
    }

    fn page(&self, outcome: Result<&Account, &AgentError>, _whose: &Whose) -> Page {
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
            Answer::Tokens(..) => Err(self.refusal("login on another device")),
        }
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

    /// SciToolkit knows people, and no organisations.
    async fn describe(&self, token: &AccessToken) -> Result<Description, AgentError> {
        Ok(Description {
            account: self.owner(token).await?,
            api_url: self.api.clone(),
            ..Description::default()
        })
    }

    async fn organizations(&self, _token: &AccessToken) -> Result<Vec<Organization>, Untold> {
        Err(no_organizations())
    }

    async fn workspaces(&self, _token: &AccessToken, _user: i64) -> Result<Vec<Workspace>, Untold> {
        Err(no_organizations())
    }

    fn probes(&self) -> Vec<Probe> {
        let url = format!("{}/.well-known/openid-configuration", self.authority);
        vec![Probe { what: "authority", url, otherwise: Otherwise::Fine }]
    }
}

#[cfg(test)]
mod tests;
