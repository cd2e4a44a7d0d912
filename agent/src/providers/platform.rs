//! The Platform's REST API, as far as the agent asks it (OpenAPI 1.187.0). Fields that are not named here are
//! ignored, and a null counts as missing.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use seqera_agent_proto::values::address;
use serde::Deserialize;
use url::Url;

use crate::error::{AgentError, ErrorKind};
use crate::foreign::{Email, Exact, Label, Name};
use crate::outcome::Why;
use crate::providers::http::{Fault, Http, Reply};
use crate::providers::{Description, Otherwise, Probe, Untold};
use crate::token::{AccessToken, Account, Memberships, Organization, Workspace};

/// The alphabet of access tokens, with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why the Platform did not tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlatformError {
    /// 401.
    #[error("the Platform refuses the access token")]
    Unauthorized,
    /// 403: the token may be good and the question not allowed, or the token may have expired.
    #[error("the Platform does not allow this with the access token")]
    Forbidden,
    /// 404, a redirect, or something that is no Platform's answer.
    #[error("there is no Platform API at {0}")]
    NotAPlatform(String),
    /// No answer, or one that may be better later.
    #[error("the Platform could not be asked: {0}")]
    Unreachable(Why),
    /// The address cannot be used.
    #[error("{0}")]
    Misconfigured(Why),
}

/// `GET /user-info`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserInfo {
    /// Whose token it is.
    pub user: User,
}

/// A person's account at the Platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    /// Never changes.
    pub id: i64,
    /// Login name.
    #[serde(default)]
    pub user_name: Name,
    /// E-mail address.
    #[serde(default)]
    pub email: Email,
    /// Given name.
    #[serde(default)]
    pub first_name: Name,
    /// Family name.
    #[serde(default)]
    pub last_name: Name,
}

impl User {
    /// Completes what an ID token told; without one the Platform's id is the subject.
    pub(crate) fn complete(&self, told: Option<Account>) -> Account {
        let told = told.unwrap_or_else(|| Account { subject: self.id.to_string(), ..Account::default() });
        let name = Name::from(format!("{} {}", self.first_name, self.last_name));
        let first = |ours: &Name, theirs: Name| if ours.is_empty() { theirs } else { ours.clone() };
        Account {
            subject: told.subject,
            email: if self.email.is_empty() { told.email } else { self.email.clone() },
            user_name: first(&self.user_name, told.user_name),
            display_name: first(&name, told.display_name),
            user_id: self.id,
        }
    }
}

/// A personal access token as `GET /tokens` lists it; the secret is not told again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct TokenEntry {
    /// For `DELETE /tokens/{id}`.
    pub id: i64,
    /// As the person called it. Leases find their tokens by it.
    #[serde(default)]
    pub name: Option<Exact>,
}

impl TokenEntry {
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|known| known.verbatim() == name)
    }
}

/// `GET /service-info`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceInfo {
    /// Of the installation.
    #[serde(default)]
    pub version: Label,
    /// Of the REST API.
    #[serde(default)]
    pub api_version: Label,
    /// Where this installation's Co-Scientist backend is.
    pub seqera_ai_base_url: Option<Exact>,
}

impl ServiceInfo {
    /// The backend's address in its one spelling; empty where it is none. Programs that get it read addresses more
    /// leniently: Node takes `http:evil.test` for one.
    pub(crate) fn backend(&self) -> String {
        let is_address = |told: &&Exact| told.address().is_ok() && told.verbatim().contains("://");
        let told = self.seqera_ai_base_url.as_ref().filter(is_address);
        told.and_then(|told| address::read(told.verbatim()).ok()).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Orgs {
    organizations: Vec<Org>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Org {
    org_id: i64,
    #[serde(default)]
    name: Name,
    #[serde(default)]
    full_name: Name,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Workspaces {
    orgs_and_workspaces: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    org_id: i64,
    #[serde(default)]
    org_name: Name,
    /// Missing: the row is the organisation itself.
    workspace_id: Option<i64>,
    #[serde(default)]
    workspace_name: Name,
    #[serde(default)]
    workspace_full_name: Name,
}

impl Row {
    fn workspace(self) -> Option<Workspace> {
        Some(Workspace {
            id: self.workspace_id?,
            name: self.workspace_name,
            full_name: self.workspace_full_name,
            organization: Organization { id: self.org_id, name: self.org_name, full_name: Name::default() },
        })
    }
}

#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<TokenEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    service_info: ServiceInfo,
}

/// One Platform. Every method asks it once, and fails with what [`PlatformError`] names.
#[derive(Clone)]
pub(crate) struct Platform {
    http: Http,
    api: String,
}

impl Platform {
    /// `api` is the base URL of the REST API.
    pub(crate) fn new(http: Http, api: &str) -> Self {
        Self { http, api: api.trim_end_matches('/').to_owned() }
    }

    /// Who the token belongs to.
    pub(crate) async fn user_info(&self, token: &AccessToken) -> Result<UserInfo, PlatformError> {
        self.ask("/user-info", Some(token)).await
    }

    /// The organisations of the token's owner.
    pub(crate) async fn orgs(&self, token: &AccessToken) -> Result<Vec<Organization>, PlatformError> {
        let orgs: Orgs = self.ask("/orgs", Some(token)).await?;
        let named = |org: Org| Organization { id: org.org_id, name: org.name, full_name: org.full_name };
        Ok(orgs.organizations.into_iter().map(named).collect())
    }

    /// The workspaces that the user may use, of all organisations.
    pub(crate) async fn workspaces(
        &self,
        token: &AccessToken,
        user_id: i64,
    ) -> Result<Vec<Workspace>, PlatformError> {
        let path = format!("/user/{user_id}/workspaces");
        let rows = self.ask::<Workspaces>(&path, Some(token)).await?.orgs_and_workspaces;
        Ok(rows.into_iter().filter_map(Row::workspace).collect())
    }

    /// What the user belongs to. Without the organisations there is nothing to choose from.
    pub(crate) async fn memberships(
        &self,
        token: &AccessToken,
        user_id: i64,
    ) -> Result<Memberships, PlatformError> {
        let (organizations, workspaces) = tokio::join!(self.orgs(token), self.workspaces(token, user_id));
        Ok(Memberships { organizations: organizations?, workspaces: workspaces.ok() })
    }

    /// The owner's personal access tokens.
    pub(crate) async fn tokens(&self, token: &AccessToken) -> Result<Vec<TokenEntry>, PlatformError> {
        Ok(self.ask::<Tokens>("/tokens", Some(token)).await?.tokens)
    }

    /// What the installation says of itself; needs no token.
    pub(crate) async fn service_info(&self) -> Result<ServiceInfo, PlatformError> {
        Ok(self.ask::<Service>("/service-info", None).await?.service_info)
    }

    /// Deletes one personal access token.
    pub(crate) async fn delete_token(&self, token: &AccessToken, id: i64) -> Result<(), PlatformError> {
        let url = self.url(&format!("/tokens/{id}"))?;
        let reply = self.http.delete(&url, token).await?;
        self.accept(&reply)
    }

    /// Whose token it is, and what the Platform says of itself.
    ///
    /// # Errors
    /// Where it does not say whose token it is: [`failure`].
    pub(crate) async fn describe(&self, token: &AccessToken) -> Result<Description, AgentError> {
        let (user, orgs, service) =
            tokio::join!(self.user_info(token), self.orgs(token), self.service_info());
        let user = user.map_err(|error| failure(&self.api, &error))?;
        let untold = |what: &str, error: &PlatformError| format!("{what} are not known: {error}");
        let problems = [
            orgs.as_ref().err().map(|error| untold("the organizations", error)),
            service.as_ref().err().map(|error| untold("version and backend", error)),
        ];
        let service = service.unwrap_or_default();
        Ok(Description {
            account: user.user.complete(None),
            organizations: orgs.unwrap_or_default(),
            problems: problems.into_iter().flatten().collect(),
            backend_url: service.backend(),
            api_version: service.api_version.into(),
            version: service.version.into(),
            api_url: self.api.clone(),
        })
    }

    /// The organisations of the token's owner, or why a person does not see them.
    pub(crate) async fn organizations(&self, token: &AccessToken) -> Result<Vec<Organization>, Untold> {
        self.orgs(token).await.map_err(|error| self.untold(&error))
    }

    /// The workspaces of the token's owner. The id is asked for where it is 0.
    pub(crate) async fn workspaces_of(
        &self,
        token: &AccessToken,
        user: i64,
    ) -> Result<Vec<Workspace>, Untold> {
        let found = match user {
            0 => match self.user_info(token).await {
                Ok(info) => self.workspaces(token, info.user.id).await,
                Err(error) => Err(error),
            },
            known => self.workspaces(token, known).await,
        };
        found.map_err(|error| self.untold(&error))
    }

    /// Why there is nothing to choose from.
    fn untold(&self, error: &PlatformError) -> Untold {
        let api = &self.api;
        match error {
            PlatformError::NotAPlatform(api) => {
                let message =
                    format!("there is no Platform API at {api}, so no organizations and workspaces");
                let hint = "where the API is elsewhere, set SEQERA_AUTH_DOMAIN and SEQERA_PLATFORM_API_URL and sign in again";
                Untold::Failed(AgentError::new(ErrorKind::Misconfigured, message, hint))
            }
            PlatformError::Unreachable(why) => {
                let message = format!("{api} could not be asked: {why}");
                let hint = "nothing was changed; try again later";
                Untold::Failed(AgentError::new(ErrorKind::Unreachable, message, hint))
            }
            PlatformError::Unauthorized => Untold::Refused(failure(api, error)),
            PlatformError::Forbidden | PlatformError::Misconfigured(_) => Untold::Failed(failure(api, error)),
        }
    }

    /// What shows whether an OpenID provider and its Platform can be reached.
    pub(crate) fn probes(&self, authority: &str) -> Vec<Probe> {
        let wrong = "is this an OIDC provider? See --authority and SEQERA_AUTH_DOMAIN";
        let missing = "no Platform, so there are no organizations";
        vec![
            Probe {
                what: "authority",
                url: format!("{authority}/.well-known/openid-configuration"),
                otherwise: Otherwise::Wrong(wrong),
            },
            Probe {
                what: "API",
                url: format!("{}/service-info", self.api),
                otherwise: Otherwise::Missing(missing),
            },
        ]
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&AccessToken>,
    ) -> Result<T, PlatformError> {
        let reply = self.http.fetch(&self.url(path)?, token).await?;
        self.accept(&reply)?;
        if let Some(why) = &reply.cut {
            return Err(PlatformError::Unreachable(why.as_str().into()));
        }
        reply.json().ok_or_else(|| PlatformError::NotAPlatform(self.api.clone()))
    }

    /// The way to this Platform.
    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn url(&self, path: &str) -> Result<Url, PlatformError> {
        let text = format!("{}{path}", self.api);
        Url::parse(&text).map_err(|error| PlatformError::Misconfigured(format!("{text}: {error}").into()))
    }

    /// Passes what the Platform has granted.
    pub(crate) fn accept(&self, reply: &Reply) -> Result<(), PlatformError> {
        match reply.status {
            200..=299 => Ok(()),
            401 => Err(PlatformError::Unauthorized),
            403 => Err(PlatformError::Forbidden),
            _ if reply.is_transient() => {
                Err(PlatformError::Unreachable(format!("it answered with status {}", reply.status).into()))
            }
            _ => Err(PlatformError::NotAPlatform(self.api.clone())),
        }
    }
}

impl From<Fault> for PlatformError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotSent(why) | Fault::Unanswered(why) => Self::Unreachable(why),
            Fault::Misconfigured(why) => Self::Misconfigured(why),
        }
    }
}

/// Why the Platform at `api` did not say whose token it is, for the person.
pub(crate) fn failure(api: &str, error: &PlatformError) -> AgentError {
    match error {
        PlatformError::Unauthorized | PlatformError::Forbidden => {
            refused_token(&format!("{api} refuses this access token"))
        }
        PlatformError::Unreachable(why) => unchecked(api, why),
        PlatformError::NotAPlatform(_) | PlatformError::Misconfigured(_) => {
            let hint = "set SEQERA_AUTH_DOMAIN to the API of your Platform, for example https://host/api";
            let hint = match error {
                PlatformError::Misconfigured(why) => why.hint_or(hint),
                _ => hint,
            };
            AgentError::new(ErrorKind::Misconfigured, error.to_string(), hint)
        }
    }
}

/// A token that was given to us is refused, in the words of `what`.
pub(crate) fn refused_token(what: &str) -> AgentError {
    let hint = "check that it belongs to this Platform, or create a new one: profile icon, 'User tokens'";
    AgentError::new(ErrorKind::LoginExpired, what, hint)
}

/// A token that was given to us cannot be checked now.
pub(crate) fn unchecked(api: &str, why: &Why) -> AgentError {
    let message = format!("{api} could not be asked about this access token: {why}");
    AgentError::new(ErrorKind::Unreachable, message, why.hint_or("nothing was changed; try again later"))
}

/// The id inside a personal access token, which is base64 of `{"tid": <id>}.<signature>`; `None` for a token
/// of another shape.
pub(crate) fn token_id(token: &AccessToken) -> Option<i64> {
    #[derive(Deserialize)]
    struct Id {
        tid: i64,
    }
    let text = String::from_utf8(BASE64.decode(token.expose()).ok()?).ok()?;
    let (json, _signature) = text.rsplit_once('.')?;
    Some(serde_json::from_str::<Id>(json).ok()?.tid)
}

#[cfg(test)]
mod tests;
