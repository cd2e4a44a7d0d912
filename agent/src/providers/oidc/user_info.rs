//! The UserInfo endpoint (OIDC Core, section 5.3): many providers put name and e-mail address there alone, as
//! section 5.4 has it for the code flow. A login does not depend on it.

use std::time::Duration;

use serde::Deserialize;

use super::discovery::Metadata;
use crate::foreign::{Email, Exact, Name};
use crate::providers::http::Http;
use crate::token::{AccessToken, Account};

/// Somebody waits for the login, and a name is not worth more.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Claims {
    sub: Exact,
    #[serde(default)]
    name: Name,
    #[serde(default)]
    preferred_username: Name,
    #[serde(default)]
    email: Email,
}

/// Adds what the ID token did not tell. An answer about another person is ignored (section 5.3.2), and so is one
/// that is signed or encrypted: such an answer comes only where the client has registered for it.
pub(super) async fn complete(
    http: &Http,
    metadata: &Metadata,
    token: &AccessToken,
    told: Account,
) -> Account {
    let lacks = told.email.is_empty() || (told.display_name.is_empty() && told.user_name.is_empty());
    let Some(endpoint) = metadata.user_info_endpoint.as_ref().filter(|_| lacks) else { return told };
    let reply = match tokio::time::timeout(LIMIT, http.fetch(endpoint, Some(token))).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(fault)) => {
            tracing::info!(%fault, "UserInfo could not be asked");
            return told;
        }
        Err(_) => {
            tracing::info!("UserInfo did not answer in time");
            return told;
        }
    };
    let claims: Option<Claims> = if reply.is_success() { reply.json() } else { None };
    let Some(claims) = claims.filter(|claims| claims.sub.verbatim() == told.subject) else {
        tracing::info!(status = reply.status, "UserInfo says nothing about this account");
        return told;
    };
    let first = |known: Name, more: Name| if known.is_empty() { more } else { known };
    Account {
        email: if told.email.is_empty() { claims.email } else { told.email },
        user_name: first(told.user_name, claims.preferred_username),
        display_name: first(told.display_name, claims.name),
        ..told
    }
}
