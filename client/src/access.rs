//! Whose token a program gets, by the rules that `seqera --help` lists: a profile that the program names, a token in
//! the environment, `SEQERA_PROFILE`, the profile of the authority that environment or `config.json` names, and then
//! the one that the agent chooses.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use seqera_agent_proto::configuration::Configuration;
use seqera_agent_proto::place::{Lookup, token_sha256};
use seqera_agent_proto::reason::Reason;
use seqera_agent_proto::values::token_file::TokenFile;
use seqera_agent_proto::values::{address, name, text, token};

use crate::client::{Client, Want};
use crate::error::Error;
use crate::options::Options;
use crate::token::Token;

/// The variable that names a file with a token. It comes before the others.
const FILE: &str = "SEQERA_ACCESS_TOKEN_FILE";

/// The variables that hold a token, best first.
const TOKENS: [&str; 2] = ["SEQERA_ACCESS_TOKEN", "TOWER_ACCESS_TOKEN"];

/// The tokens of one account.
#[derive(Debug)]
pub enum Access {
    /// A token in the environment, which is used as it is: no agent is asked.
    Given(Given),
    /// The session of a profile.
    Session(Box<Client>),
}

/// A token in the environment. `Debug` shows only the variable.
pub struct Given {
    /// The variable that it comes from.
    pub variable: &'static str,
    /// The token, and what stands beside it in a file.
    file: TokenFile,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Given").field(&self.variable).finish()
    }
}

impl Access {
    /// The access that the environment of this process means. A `profile` beats whatever is in the environment.
    ///
    /// # Errors
    /// [`Error::Setting`] if a variable, or `config.json`, holds something that cannot be used: never passed over,
    /// since that would be another account. [`Error::Places`] as in [`Options::from_env`].
    #[expect(clippy::disallowed_methods, reason = "what the environment says is the question")]
    pub fn from_env(profile: Option<&str>) -> Result<Self, Error> {
        Self::find(profile, &|name| std::env::var_os(name))
    }

    /// Like [`Access::from_env`], with another source of variables.
    ///
    /// # Errors
    /// As [`Access::from_env`].
    pub fn find(profile: Option<&str>, env: Lookup<'_>) -> Result<Self, Error> {
        let session = |profile: String, authority: String| {
            let options = Options { profile, authority, ..Options::find(env)? };
            Ok(Self::Session(Box::new(Client::new(options))))
        };
        if let Some(profile) = profile.map(text::trimmed).filter(|profile| !profile.is_empty()) {
            return session(profile.to_owned(), String::new());
        }
        match given(env)? {
            Some(given) => match of_exec(env, &given) {
                // The endpoints that `seqera exec` has set are those of this authority, whose account the name may not
                // have by now.
                Some(profile) => session(profile, address_in(env, "SEQERA_AUTH_DOMAIN")?.unwrap_or_default()),
                None => Ok(Self::Given(given)),
            },
            None => {
                let (profile, authority) = named(env)?;
                session(profile, authority)
            }
        }
    }

    /// Gets an access token; see [`Client::token`].
    ///
    /// # Errors
    /// Those of [`Client::token`]. A token in the environment is always there.
    pub async fn token(&self, want: Want) -> Result<Token, Error> {
        match self {
            Self::Given(given) => Ok(Token::given(given.variable, &given.file)),
            Self::Session(client) => client.token(want).await,
        }
    }
}

/// A variable as text, without blanks around it; `None` if nothing is left.
fn read(env: Lookup<'_>, name: &str) -> Option<String> {
    let value: OsString = env(name)?;
    Some(text::trimmed(&value.to_string_lossy()).to_owned()).filter(|value| !value.is_empty())
}

fn odd(what: String, hint: &str) -> Error {
    Error::Setting { what, hint: hint.to_owned(), reason: Reason::BadRequest }
}

fn given(env: Lookup<'_>) -> Result<Option<Given>, Error> {
    if let Some(path) = read(env, FILE) {
        return of_file(Path::new(&path)).map(Some);
    }
    for variable in TOKENS {
        let value = env(variable).unwrap_or_default();
        let secret = token::read(value.as_encoded_bytes())
            .map_err(|what| odd(format!("{variable} {what}"), "set it to the token alone, or unset it"))?;
        if let Some(token) = secret {
            return Ok(Some(Given { variable, file: TokenFile { token, ..TokenFile::default() } }));
        }
    }
    Ok(None)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program has no clock of the agent's; what expires does so by its own"
)]
fn of_file(path: &Path) -> Result<Given, Error> {
    let keep = format!(
        "'seqera token --write {} --watch' keeps it fresh, where the agent can be reached",
        path.display()
    );
    let file = TokenFile::read(path)
        .map_err(|what| odd(what, &format!("{FILE} names it: {keep}; or unset the variable")))?;
    if file.has_expired(SystemTime::now()) {
        let what = format!("the token in {} has expired ({})", path.display(), file.expires_text());
        return Err(Error::Setting { what, hint: keep, reason: Reason::LoginExpired });
    }
    Ok(Given { variable: FILE, file })
}

/// The profile that `seqera exec` has taken this token from: asking the agent again gives a fresh one.
fn of_exec(env: Lookup<'_>, given: &Given) -> Option<String> {
    let mark = read(env, "SEQERA_EXEC_TOKEN").filter(|_| given.variable != FILE)?;
    let (profile, hash) = mark.rsplit_once(':')?;
    (hash == token_sha256(&given.file.token) && !profile.is_empty()).then(|| profile.to_owned())
}

/// Profile and authority that the environment names, or the file.
fn named(env: Lookup<'_>) -> Result<(String, String), Error> {
    let domain = address_in(env, "SEQERA_AUTH_DOMAIN")?;
    let api = address_in(env, "SEQERA_PLATFORM_API_URL")?;
    if let Some(profile) = read(env, "SEQERA_PROFILE") {
        if !name::is_profile(&profile) {
            return Err(odd("SEQERA_PROFILE holds no name of a profile".to_owned(), name::RULE));
        }
        return Ok((profile, domain.unwrap_or_default()));
    }
    let unusable = |what: String| {
        let hint = "correct the file or move it away".to_owned();
        Error::Setting { what, hint, reason: Reason::Misconfigured }
    };
    let config = Configuration::read(&Options::find(env)?.places.config_dir).map_err(unusable)?;
    if let Some(mistake) = config.mistakes.first() {
        return Err(unusable(mistake.clone()));
    }
    let top = config.text("authDomain").filter(|text| !text.is_empty()).map(str::to_owned);
    Ok((String::new(), domain.or(top).or(api).unwrap_or_default()))
}

fn address_in(env: Lookup<'_>, name: &str) -> Result<Option<String>, Error> {
    let Some(text) = read(env, name) else { return Ok(None) };
    let hint = "it has to be like https://platform.example.com/api";
    address::read(&text).map(Some).map_err(|what| odd(format!("the address in {name} {what}"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(profile: Option<&str>, set: &[(&str, &str)]) -> Result<Access, Error> {
        let folder = std::env::temp_dir().join("seqera-nowhere").display().to_string();
        let set: Vec<_> = [("HOME", folder.as_str())].into_iter().chain(set.iter().copied()).collect();
        Access::find(profile, &|name| Some(set.iter().find(|(key, _)| *key == name)?.1.into()))
    }

    #[test]
    fn a_token_in_the_environment_is_not_shown_and_a_profile_that_is_named_beats_it() {
        let set = [("SEQERA_ACCESS_TOKEN", "canary"), ("SEQERA_PROFILE", "home")];
        let given = find(None, &set).unwrap();
        assert!(matches!(&given, Access::Given(given) if given.variable == "SEQERA_ACCESS_TOKEN"));
        assert!(!format!("{given:?}").contains("canary"));
        assert!(matches!(find(Some(" work "), &set).unwrap(), Access::Session(_)));
        assert!(matches!(find(Some(" "), &set).unwrap(), Access::Given(_)));
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_passed_over() {
        for (name, value) in [
            ("SEQERA_ACCESS_TOKEN", "canary canary"),
            ("SEQERA_PROFILE", "canary/x"),
            ("SEQERA_AUTH_DOMAIN", "https://canary canary"),
            ("SEQERA_PLATFORM_API_URL", "ftp://canary"),
        ] {
            let error = find(None, &[(name, value), ("TOWER_ACCESS_TOKEN", "")]).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(name) && !said.contains("canary"), "{said}");
            assert_eq!((error.reason(), error.exit_code()), ("BAD_REQUEST", 2));
            assert!(error.hint().is_some());
        }
    }
}
