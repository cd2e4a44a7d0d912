//! Whose token a command is about: a token in the environment, or that of a profile.

use crate::screen::failure::Failure;
use crate::settings::Settings;
use crate::settings::config::Config;
use crate::settings::env::{Env, EnvToken};

#[derive(Debug)]
pub(crate) enum Subject {
    /// A token from the environment, used as it is.
    Token(EnvToken),
    Profile(Named),
}

/// A profile, as far as the caller names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// Empty: the agent chooses.
    pub(crate) profile: String,
    /// The authority that the profile must have; empty: any. Sources that rank below the one that names the
    /// profile do not count: a flag names a profile whatever the environment says.
    pub(crate) authority: String,
}

impl Subject {
    /// Calls `config` only if the file can matter.
    pub(crate) fn choose(
        flag: Option<&str>,
        env: &Env,
        config: impl FnOnce() -> Result<Config, Failure>,
    ) -> Result<Self, Failure> {
        let token = if flag.is_none() { env.token()? } else { None };
        let Some(token) = token else { return Named::choose(flag, env, config).map(Self::Profile) };
        match env.exec_profile(&token) {
            // `seqera exec` put the token there, and its authority beside it. Asking the agent again gives a long-running
            // child a fresh one; if the name has another account by now, its token must not meet the endpoints of the
            // first one, which the child still has.
            Some(profile) => {
                let authority = env.auth_domain().unwrap_or_default();
                Ok(Self::Profile(Named { profile, authority }))
            }
            None => Ok(Self::Token(token)),
        }
    }
}

impl Named {
    /// The profile, whatever token is in the environment.
    pub(crate) fn choose(
        flag: Option<&str>,
        env: &Env,
        config: impl FnOnce() -> Result<Config, Failure>,
    ) -> Result<Self, Failure> {
        if let Some(profile) = flag {
            return Ok(Self { profile: profile.to_owned(), authority: String::new() });
        }
        if let Some(profile) = env.profile() {
            // The URL of the API does not count here: it may differ from the authority.
            return Ok(Self { profile, authority: env.auth_domain().unwrap_or_default() });
        }
        let authority = Settings::resolve(None, "", env, &config()?).authority;
        Ok(Self { profile: String::new(), authority: authority.map(|set| set.text).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `frozen`.
    const FROZEN: &str = "work:ffb304816a1090313e833215c08dae3d209cfad1ffd1f674f0909a2ae99e1394";

    fn choose(flag: Option<&str>, env: &Env) -> Subject {
        let config = || Ok(crate::settings::config::of(r#"{"authDomain": "https://file/api"}"#));
        Subject::choose(flag, env, config).unwrap()
    }

    fn profile(subject: Subject) -> (String, String) {
        let Subject::Profile(named) = subject else { panic!("{subject:?}") };
        (named.profile, named.authority)
    }

    #[test]
    fn a_token_in_the_environment_is_used_and_a_flag_beats_it_but_a_variable_does_not() {
        let env = Env::of(&[("TOWER_ACCESS_TOKEN", "t"), ("SEQERA_PROFILE", "home")]);
        assert!(matches!(choose(None, &env), Subject::Token(token) if token.secret == "t"));
        assert_eq!(profile(choose(Some("work"), &env)).0, "work");
    }

    #[test]
    fn a_token_that_exec_put_there_means_its_profile() {
        let hash = seqera_client::proto::place::token_sha256("frozen");
        assert_eq!(format!("work:{hash}"), FROZEN);
        let nested = Env::of(&[
            ("SEQERA_ACCESS_TOKEN", "frozen"),
            ("SEQERA_EXEC_TOKEN", FROZEN),
            ("SEQERA_PROFILE", "x"),
        ]);
        assert_eq!(profile(choose(None, &nested)), ("work".into(), String::new()));
        let told = Env::of(&[
            ("SEQERA_ACCESS_TOKEN", "frozen"),
            ("SEQERA_EXEC_TOKEN", FROZEN),
            ("SEQERA_AUTH_DOMAIN", "https://a.test/api"),
        ]);
        assert_eq!(profile(choose(None, &told)), ("work".into(), "https://a.test/api".into()));
        let replaced = Env::of(&[("SEQERA_ACCESS_TOKEN", "other"), ("SEQERA_EXEC_TOKEN", FROZEN)]);
        assert!(matches!(choose(None, &replaced), Subject::Token(token) if token.secret == "other"));
        let broken = Env::of(&[("SEQERA_ACCESS_TOKEN", "frozen"), ("SEQERA_EXEC_TOKEN", "work")]);
        assert!(matches!(choose(None, &broken), Subject::Token(_)));
    }

    #[test]
    fn an_authority_counts_where_it_ranks_as_high_as_the_name() {
        let env = Env::of(&[("SEQERA_AUTH_DOMAIN", "https://env/api"), ("SEQERA_PROFILE", "home")]);
        assert_eq!(profile(choose(Some("work"), &env)), ("work".into(), String::new()));
        assert_eq!(profile(choose(None, &env)), ("home".into(), "https://env/api".into()));
        let only_name = Env::of(&[("SEQERA_PROFILE", "home")]);
        assert_eq!(profile(choose(None, &only_name)), ("home".into(), String::new()));
        assert_eq!(profile(choose(None, &Env::of(&[]))), (String::new(), "https://file/api".into()));
    }
}
