//! Creates, lists and deletes personal access tokens at a Platform. The leases use only these traits, so that
//! a test can replace the Platform.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use crate::foreign;
use crate::profile::Profile;
use crate::providers::http::Fault;
use crate::providers::known::Providers;
use crate::providers::platform::{Platform, PlatformError, TokenEntry};
use crate::token::AccessToken;

/// A new token.
#[derive(Debug, Clone)]
pub(crate) struct Minted {
    /// The id by which it can be deleted.
    pub id: i64,
    /// The token, which the Platform shows only this once.
    pub token: AccessToken,
}

/// Why no token was created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MintError {
    /// Status 409.
    #[error("a token of this name exists already")]
    NameTaken,
    /// It is certain that no token was created.
    #[error("{0}")]
    Refused(PlatformError),
    /// A token may have been created.
    #[error("{0}")]
    Unknown(String),
}

/// The personal access tokens at one Platform. Every method sends one request, as the owner of the given
/// token.
#[async_trait]
pub(crate) trait Mint: Send + Sync {
    /// Creates a token with this name.
    async fn create(&self, by: &AccessToken, name: &str) -> Result<Minted, MintError>;
    /// Lists the owner's tokens.
    async fn list(&self, by: &AccessToken) -> Result<Vec<TokenEntry>, PlatformError>;
    /// Deletes one token. A 404 is [`PlatformError::NotAPlatform`], since any web server may have sent it.
    async fn delete(&self, by: &AccessToken, id: i64) -> Result<(), PlatformError>;
}

/// Finds the Platform of a profile.
pub(crate) trait Mints: Send + Sync {
    /// Sends no request yet.
    fn mint(&self, settings: &Profile) -> Arc<dyn Mint>;
}

impl Mints for Providers {
    fn mint(&self, settings: &Profile) -> Arc<dyn Mint> {
        Arc::new(self.platform(settings))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    access_key: String,
    token: TokenEntry,
}

#[async_trait]
impl Mint for Platform {
    async fn create(&self, by: &AccessToken, name: &str) -> Result<Minted, MintError> {
        let url = self.url("/tokens").map_err(MintError::Refused)?;
        let reply = match self.http().create(&url, by, &json!({ "name": name })).await {
            Ok(reply) => reply,
            Err(Fault::Unanswered(why)) => return Err(MintError::Unknown(why.to_string())),
            Err(fault @ (Fault::NotSent(_) | Fault::Misconfigured(_))) => {
                return Err(MintError::Refused(fault.into()));
            }
        };
        match reply.status {
            409 => Err(MintError::NameTaken),
            400 | 422 => {
                let why = format!("it answered the name {name:?} with status {}", reply.status);
                Err(MintError::Refused(PlatformError::Misconfigured(why.into())))
            }
            200..=299 => {
                let answer: Option<Created> = reply.json();
                let made = answer.ok_or_else(|| MintError::Unknown("its answer was not complete".into()))?;
                let token = foreign::access_token(&made.access_key).map(AccessToken::new);
                let odd = |why| MintError::Unknown(format!("its access token cannot be used: {why}"));
                Ok(Minted { id: made.token.id, token: token.map_err(odd)? })
            }
            // By the time a gateway gives up, it has passed the request on.
            500.. | 408 => Err(MintError::Unknown(format!("it answered with status {}", reply.status))),
            _ => match self.accept(&reply) {
                Err(error) => Err(MintError::Refused(error)),
                Ok(()) => Err(MintError::Unknown("its answer was not understood".into())),
            },
        }
    }

    async fn list(&self, by: &AccessToken) -> Result<Vec<TokenEntry>, PlatformError> {
        self.tokens(by).await
    }

    async fn delete(&self, by: &AccessToken, id: i64) -> Result<(), PlatformError> {
        self.delete_token(by, id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FakeClock;
    use crate::providers::http::{Http, Limits};
    use crate::testing::double::{Double, Script, answer, json_answer};

    async fn create(script: Script) -> (Result<Minted, MintError>, Double) {
        let double = Double::bare().await;
        double.script("POST /tokens", script);
        let platform = Platform::new(Http::new(FakeClock::new(), Limits::default()), &double.url);
        (platform.create(&AccessToken::new("access-0"), "seqera-1").await, double)
    }

    #[tokio::test]
    async fn a_token_is_made_under_its_name_by_the_session() {
        let answer = json!({"accessKey": "canary", "token": {"id": 7, "name": "seqera-1"}});
        let (made, double) = create(json_answer(200, &answer)).await;
        let made = made.unwrap();
        assert_eq!((made.id, made.token.expose()), (7, "canary"));
        assert!(!format!("{made:?}").contains("canary"));
        let seen = &double.seen("POST /tokens")[0];
        assert_eq!(seen.body, r#"{"name":"seqera-1"}"#);
        assert!(seen.head.contains("authorization: Bearer access-0"), "{}", seen.head);
    }

    #[tokio::test]
    async fn a_taken_name_and_a_refusal_are_told_from_an_answer_that_was_lost() {
        assert_eq!(create(answer(409, &[], "")).await.0.unwrap_err(), MintError::NameTaken);
        for status in [400, 401, 403, 404, 422, 429] {
            let error = create(answer(status, &[], "")).await.0.unwrap_err();
            assert!(matches!(error, MintError::Refused(_)), "{status}: {error}");
        }
        for lost in [
            answer(502, &[], "<html>"),
            answer(504, &[], ""),
            answer(408, &[], ""),
            json_answer(200, &json!({"token": {"id": 7}})),
            Script::Bytes(crate::testing::double::cut_answer(200, "{\"accessKey\":")),
            Script::Reset,
        ] {
            let error = create(lost).await.0.unwrap_err();
            assert!(matches!(error, MintError::Unknown(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn where_nobody_listens_nothing_was_made() {
        let double = Double::bare().await;
        let platform = Platform::new(Http::new(FakeClock::new(), Limits::default()), "http://127.0.0.1:1");
        let error = platform.create(&AccessToken::new("t"), "seqera-1").await.unwrap_err();
        assert!(matches!(error, MintError::Refused(PlatformError::Unreachable(_))), "{error}");
        drop(double);
    }
}
