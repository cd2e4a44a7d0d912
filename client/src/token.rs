//! The access token that a program gets.

use std::fmt;
use std::time::{Duration, SystemTime};

use seqera_agent_proto::v1;
use seqera_agent_proto::values::token_file::TokenFile;
use zeroize::Zeroizing;

/// An access token and what is known about it. It is wiped when dropped, and `Debug` does not show the
/// secret.
pub struct Token {
    secret: Zeroizing<String>,
    /// The scheme for the `Authorization` header: `Bearer`.
    pub token_type: String,
    /// When the token expires, by the wall clock of this host; `None` if it does not expire by itself.
    pub expires_at: Option<SystemTime>,
    /// When the agent got this token; `None` if it does not say.
    pub renewed_at: Option<SystemTime>,
    /// When the sign-in ends however often it is renewed, if the provider tells.
    pub sign_in_ends_at: Option<SystemTime>,
    /// When the person signed in.
    pub signed_in_at: Option<SystemTime>,
    /// How long the token was valid when the agent answered, by the stricter of its clocks; `None` if it does
    /// not expire.
    pub valid_for: Option<Duration>,
    /// The profile it belongs to.
    pub profile: String,
    /// The OIDC issuer base URL that it comes from.
    pub authority: String,
    /// Whose token it is, if the agent knows.
    pub account: Option<v1::Account>,
    /// True if the last renewal failed and this is the older, still valid token.
    pub renewal_failing: bool,
    /// The Platform's REST API; empty if the profile does not say.
    pub api_url: String,
    /// The id of the chosen workspace; 0: none.
    pub workspace_id: i64,
    /// Whether the credential is renewable or fixed.
    pub kind: v1::CredentialKind,
    /// The kind of provider that it comes from: `platform`, `scitoolkit` or `oauth2`.
    pub provider: String,
    /// The variable that the token comes from; `None`: from the agent.
    pub variable: Option<&'static str>,
}

impl Token {
    /// A token of the environment, of which no more is known than what stands beside it.
    pub(crate) fn given(variable: &'static str, file: &TokenFile) -> Self {
        let answer = v1::AccessToken {
            access_token: file.token.clone(),
            token_type: "Bearer".to_owned(),
            profile: file.profile.clone(),
            authority: file.authority.clone(),
            api_url: file.api.clone(),
            workspace_id: file.workspace,
            ..v1::AccessToken::default()
        };
        let expires_at = file.expires.map(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at));
        Self { variable: Some(variable), expires_at, ..Self::from(answer) }
    }

    /// The secret itself. Keep it out of logs and arguments.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl From<v1::AccessToken> for Token {
    fn from(answer: v1::AccessToken) -> Self {
        Self {
            kind: answer.kind(),
            secret: Zeroizing::new(answer.access_token),
            token_type: answer.token_type,
            expires_at: answer.expires_at.and_then(|time| SystemTime::try_from(time).ok()),
            renewed_at: answer.renewed_at.and_then(|time| SystemTime::try_from(time).ok()),
            sign_in_ends_at: answer.sign_in_ends_at.and_then(|time| SystemTime::try_from(time).ok()),
            signed_in_at: answer.signed_in_at.and_then(|time| SystemTime::try_from(time).ok()),
            // A negative duration cannot be converted: that token has expired.
            valid_for: answer.valid_for.map(|left| Duration::try_from(left).unwrap_or_default()),
            profile: answer.profile,
            authority: answer.authority,
            account: answer.account,
            renewal_failing: answer.renewal_failing,
            api_url: answer.api_url,
            workspace_id: answer.workspace_id,
            provider: answer.provider,
            variable: None,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("profile", &self.profile)
            .field("authority", &self.authority)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_secret() {
        let token = Token::from(v1::AccessToken {
            access_token: "canary-7f3a".into(),
            profile: "work".into(),
            ..Default::default()
        });
        let shown = format!("{token:?} {token:#?}");
        assert!(shown.contains("work") && !shown.contains("canary"), "{shown}");
        assert_eq!(token.secret(), "canary-7f3a");
    }

    #[test]
    fn a_negative_remaining_life_is_none_left_and_a_missing_one_is_endless() {
        let left = |seconds| v1::AccessToken {
            valid_for: Some(prost_types::Duration { seconds, nanos: 0 }),
            ..Default::default()
        };
        assert_eq!(Token::from(left(-5)).valid_for, Some(Duration::ZERO));
        assert_eq!(Token::from(left(7)).valid_for, Some(Duration::from_secs(7)));
        assert_eq!(Token::from(v1::AccessToken::default()).valid_for, None);
    }
}
