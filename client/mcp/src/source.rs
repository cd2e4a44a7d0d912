//! Where tokens come from: the agent, or the variable that `seqera mcp` has found before any profile.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use seqera_client::proto::configuration::Configuration;
use seqera_client::proto::values::{token, token_file::TokenFile};
use seqera_client::{Client, Options, Want};
use zeroize::Zeroizing;

use crate::problem::Problem;

/// A request that begins just before the end of a token would come too late with it.
const LEAST: Duration = Duration::from_secs(10);

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    /// Empty: the agent chooses.
    pub(crate) profile: String,
    /// Empty: any. With a variable, whose its token is.
    pub(crate) authority: String,
    /// The variable whose token is used instead of a session; empty: none.
    pub(crate) variable: String,
    /// The address; empty: the known one.
    pub(crate) url: String,
}

/// A token, and whose it is.
pub(crate) struct Fresh {
    pub(crate) secret: Zeroizing<String>,
    pub(crate) profile: String,
    pub(crate) authority: String,
    /// The provider's name for the account; empty: not known.
    pub(crate) account: String,
    pub(crate) expires_at: Option<SystemTime>,
}

/// The way to fresh tokens.
pub(crate) struct Source {
    client: Client,
    variable: String,
    profile: String,
    authority: String,
}

/// The variable that names a file.
const FILE: &str = "SEQERA_ACCESS_TOKEN_FILE";

/// The variables that hold a token, or name the file of one.
pub(crate) const VARIABLES: [&str; 3] = [FILE, "SEQERA_ACCESS_TOKEN", "TOWER_ACCESS_TOKEN"];

impl Source {
    pub(crate) fn new(wish: &Wish) -> Result<(Self, Configuration), Problem> {
        let options = Options::from_env()?;
        let file = Configuration::read(&options.places.config_dir).map_err(|odd| {
            Problem::new("MISCONFIGURED", 2, odd, "correct the file or move it away; nothing writes to it")
        })?;
        let options = Options { profile: wish.profile.clone(), authority: wish.authority.clone(), ..options };
        let source = Self {
            client: Client::new(options),
            variable: wish.variable.clone(),
            profile: wish.profile.clone(),
            authority: wish.authority.clone(),
        };
        Ok((source, file))
    }

    /// A token that is valid now. `rejected` is one that the server has refused.
    pub(crate) async fn token(&self, rejected: Option<String>) -> Result<Fresh, Problem> {
        if !self.variable.is_empty() {
            return self.given();
        }
        let token = self.client.token(Want { min_valid: Some(LEAST), rejected }).await?;
        Ok(Fresh {
            secret: Zeroizing::new(token.secret().to_owned()),
            profile: token.profile.clone(),
            authority: token.authority.clone(),
            account: token.account.as_ref().map(|account| account.subject.clone()).unwrap_or_default(),
            expires_at: token.expires_at,
        })
    }

    /// The token of the variable, read each time: a file is replaced when its token is renewed.
    #[expect(clippy::disallowed_methods, reason = "nothing else in this program reads the environment")]
    fn given(&self) -> Result<Fresh, Problem> {
        let variable = &self.variable;
        let value = std::env::var_os(variable).unwrap_or_default();
        let odd = |odd: String| Problem::new("BAD_REQUEST", 2, odd, format!("{variable} names it"));
        if variable == FILE {
            let file = TokenFile::read(&PathBuf::from(value)).map_err(odd)?;
            let TokenFile { token, profile, authority, api, .. } = file;
            // It says itself whose its token is, and `seqera mcp` where it does not.
            let told = [authority, api, self.authority.clone()];
            let authority = told.into_iter().find(|told| !told.is_empty()).unwrap_or_default();
            return Ok(of_variable(token, profile, authority));
        }
        let secret =
            token::read(value.as_encoded_bytes()).map_err(|what| odd(format!("{variable} {what}")))?;
        let secret = secret.ok_or_else(|| odd(format!("{variable} holds no token")))?;
        Ok(of_variable(secret, self.profile.clone(), self.authority.clone()))
    }

    /// How to sign in again, for hints.
    pub(crate) fn is_of_agent(&self) -> bool {
        self.variable.is_empty()
    }
}

fn of_variable(secret: String, profile: String, authority: String) -> Fresh {
    Fresh { secret: Zeroizing::new(secret), profile, authority, account: String::new(), expires_at: None }
}
