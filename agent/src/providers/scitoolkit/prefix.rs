//! What the head of a SciToolkit token tells. Per-user tokens have been `sct_user_…`, as the documentation
//! shows, and are `stk_user_…` since 2026-05; tokens for a single toolkit, which came before both, are
//! `stk_…` ([SciToolkit](crate::manual::providers#scitoolkit)).

use crate::error::{AgentError, ErrorKind};
use crate::foreign;

/// What a token is, by its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// `stk_user_…`: stands for a person.
    User,
    /// `sct_user_…`: the same, with the prefix that was used before.
    RetiredUser,
    /// `stk_…`: publishes one toolkit, and stands for nobody.
    Toolkit,
    /// Anything else.
    Unknown,
}

impl Prefix {
    /// Looks at the prefix, and that something follows which can stand in a header and in a line.
    pub(crate) fn of(token: &str) -> Self {
        // The longer one first: the shorter one begins it.
        let known = [("stk_user_", Self::User), ("sct_user_", Self::RetiredUser), ("stk_", Self::Toolkit)];
        let found = known.into_iter().find_map(|(prefix, kind)| Some((token.strip_prefix(prefix)?, kind)));
        match found {
            Some((rest, kind))
                if !rest.is_empty()
                    && rest.bytes().all(|b| b.is_ascii_graphic())
                    && foreign::access_token(token).is_ok() =>
            {
                kind
            }
            _ => Self::Unknown,
        }
    }

    /// Passes a token that stands for a person. Any other is refused before it is sent anywhere.
    ///
    /// # Errors
    /// `BAD_REQUEST`, with what the token is instead.
    pub(crate) fn per_user(token: &str) -> Result<Self, AgentError> {
        match Self::of(token) {
            user @ (Self::User | Self::RetiredUser) => Ok(user),
            Self::Toolkit => Err(AgentError::new(
                ErrorKind::BadRequest,
                "this is a token for one toolkit (stk_…), which stands for nobody",
                "such tokens are being phased out: sign in with a browser, or generate a token for yourself \
                 (stk_user_…) under 'CLI Tokens'; programs that use the old one go on working",
            )),
            Self::Unknown if looks_like_platform(token) => Err(AgentError::new(
                ErrorKind::BadRequest,
                "this looks like a token of a Seqera Platform, not of SciToolkit",
                "sign in with it at its Platform, in a profile of that one",
            )),
            Self::Unknown => Err(AgentError::new(
                ErrorKind::BadRequest,
                "this is not a SciToolkit token: those begin with stk_user_, or sct_user_ if they are older",
                "copy the whole token from 'CLI Tokens'; it is shown only once",
            )),
        }
    }
}

/// JSON in base64 begins like this, be it a JWT or a personal access token ([Platform: kinds of token](crate::manual::providers#platform-kinds-of-token)).
fn looks_like_platform(token: &str) -> bool {
    token.starts_with("eyJ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_prefix_is_looked_for_first() {
        for (token, kind) in [
            ("stk_user_abc", Prefix::User),
            ("sct_user_abc", Prefix::RetiredUser),
            ("stk_abc", Prefix::Toolkit),
            ("stk_users_abc", Prefix::Toolkit),
            ("stk_user_", Prefix::Unknown),
            ("stk_", Prefix::Unknown),
            ("sct_abc", Prefix::Unknown),
            ("STK_USER_abc", Prefix::Unknown),
            ("stk_user_a b", Prefix::Unknown),
            ("stk_user_a\nb", Prefix::Unknown),
            ("", Prefix::Unknown),
        ] {
            assert_eq!(Prefix::of(token), kind, "{token:?}");
        }
    }

    #[test]
    fn what_a_token_is_instead_is_explained_and_never_quoted() {
        for (token, word) in
            [("stk_canary", "one toolkit"), ("eyJcanary", "Platform"), ("canary", "begin with stk_user_")]
        {
            let error = Prefix::per_user(token).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        assert_eq!(Prefix::per_user("sct_user_x"), Ok(Prefix::RetiredUser));
    }
}
