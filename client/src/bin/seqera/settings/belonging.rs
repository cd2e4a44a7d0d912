//! Whose a token of the environment is. Every command that sends such a token, or hands it on, asks here: a token that
//! goes to another Platform than its own is given away.
//!
//! A file of `seqera token --write` says it itself. Else `SEQERA_AUTH_DOMAIN` does, as documented, and before the
//! file's `authDomain` and `SEQERA_PLATFORM_API_URL` comes the endpoint that stands beside the token by the custom of
//! Nextflow and `tw`: `TOWER_API_ENDPOINT` belongs to `TOWER_ACCESS_TOKEN`. Where two of them name different Platforms
//! and none is known to be the other's, the token goes nowhere. Where nothing is named at all it is Seqera Cloud's, for
//! this command (documented) as for Nextflow and `tw`.

use seqera_client::proto::reason::Reason;

use crate::screen::failure::Failure;
use crate::settings::Settings;
use crate::settings::config::Config;
use crate::settings::env::{Env, EnvToken, TOKEN_FILE};
use crate::settings::setting::{Setting, Source, same_origin};

/// The variables of Nextflow and `tw`, and those of the Python SDK: a token, and the API that it is for.
const PAIRS: [[&str; 2]; 2] =
    [["TOWER_ACCESS_TOKEN", "TOWER_API_ENDPOINT"], ["SEQERA_ACCESS_TOKEN", "SEQERA_API_ENDPOINT"]];

/// The variables that name the API of a token beside them.
pub(crate) const ENDPOINTS: [&str; 2] = [PAIRS[0][1], PAIRS[1][1]];

impl Settings {
    /// The settings for a token in the environment. Without an authority, the token is Seqera Cloud's.
    ///
    /// # Errors
    /// It is not known whose the token is, or a variable that says so cannot be used.
    pub(crate) fn of_token(token: &EnvToken, env: &Env, config: &Config) -> Result<Self, Failure> {
        // Another kind of provider has a profile of its own, which knows the address.
        if let Some(profile) = env.provider().own_profile() {
            return Ok(Self::resolve(None, profile, env, config));
        }
        let general = Self::resolve(None, "", env, config);
        let authority = owner(token, env, general.authority, general.api_url)?;
        Ok(Self::at(authority, "", env, config))
    }

    /// The API that the token may be sent to. `None`: Cloud's, which every program knows.
    pub(crate) fn api_of_token(&self) -> Option<&str> {
        self.api_url.as_ref().or(self.authority.as_ref()).map(|set| set.text.as_str())
    }
}

/// The authority of a token. `named` and `api` are what counts for everything else.
fn owner(
    token: &EnvToken,
    env: &Env,
    named: Option<Setting>,
    api: Option<Setting>,
) -> Result<Option<Setting>, Failure> {
    if let Some(file) = env.beside() {
        let text = if file.authority.is_empty() { &file.api } else { &file.authority };
        return Ok(Some(Setting { text: text.clone(), source: Source::Variable(TOKEN_FILE) }));
    }
    let [tower, seqera] = PAIRS;
    let is_tower = token.variable == tower[0];
    let [own, other] = if is_tower { [tower, seqera] } else { [seqera, tower] };
    let endpoint = env.endpoint(own[1])?;
    let stray = env.endpoint(other[1])?;
    let decides = named.as_ref().is_some_and(|set| set.source == Source::Variable("SEQERA_AUTH_DOMAIN"));
    // What stands in such a file is all that counts, beside the one variable that a person sets to say whose it is.
    if env.is_by_kept_file() && !decides {
        return Err(nowhere(token, "the file names no address", NAME_IT));
    }
    let Some(named) = named else {
        if !PAIRS.iter().any(|pair| pair[0] == token.variable) && token.variable != TOKEN_FILE {
            return given(token, env, [endpoint, stray]);
        }
        return match endpoint.or(stray) {
            // Two pairs that are not one: nothing says whether the second address is for both.
            Some(set) if set.source == Source::Variable(other[1]) && env.holds_another(other[0], token) => {
                let what = format!("{} is {}, beside another token in {}", set.source, set.text, other[0]);
                Err(nowhere(token, &what, NAME_IT))
            }
            found => Ok(found),
        };
    };
    let is_own = |set: &Setting| {
        let known = [Some(&named), api.as_ref()];
        known.into_iter().flatten().any(|known| same_origin(&known.text, &set.text))
    };
    let has_own = endpoint.is_some();
    let differs = |set: &Setting| {
        let what = format!("{} is {}, and {} is {}", named.source, named.text, set.source, set.text);
        nowhere(token, &what, if decides { DROP_ONE } else { NAME_IT })
    };
    match (endpoint.filter(|set| !is_own(set)), stray.filter(|set| !is_own(set))) {
        // The usual pair for an Enterprise host, whatever is there for other accounts.
        (Some(own), _) if is_tower && !decides => Ok(Some(own)),
        // Each for itself names a Platform for this token.
        (Some(own), _) => Err(differs(&own)),
        // That of the other kind of token may be for that one alone.
        (None, Some(other)) if !decides && !has_own => Err(differs(&other)),
        _ => Ok(Some(named)),
    }
}

/// For a token that is in no variable, of which each of the pairs may be, and neither need be.
fn given(
    token: &EnvToken,
    env: &Env,
    [seqera, tower]: [Option<Setting>; 2],
) -> Result<Option<Setting>, Failure> {
    let of_another = PAIRS.into_iter().zip([&tower, &seqera]).find_map(|([variable, _], set)| {
        let set = set.as_ref().filter(|_| env.holds_another(variable, token))?;
        Some((variable, set))
    });
    if let Some((variable, set)) = of_another {
        let what = format!("{} is {}, beside another token in {variable}", set.source, set.text);
        return Err(nowhere(token, &what, NAME_IT));
    }
    match (seqera, tower) {
        (Some(one), Some(other)) if !same_origin(&one.text, &other.text) => {
            let what = format!("{} is {}, and {} is {}", one.source, one.text, other.source, other.text);
            Err(nowhere(token, &what, NAME_IT))
        }
        (one, other) => Ok(one.or(other)),
    }
}

const NAME_IT: &str = "set SEQERA_AUTH_DOMAIN to https://<host>/api of the Platform that it is from";
const DROP_ONE: &str =
    "unset the one of another account; if both are one Platform's, set SEQERA_PLATFORM_API_URL too";

fn nowhere(token: &EnvToken, what: &str, hint: &str) -> Failure {
    let what = format!("whose token {} holds is not known, and it is sent nowhere: {what}", token.variable);
    Failure::new(Reason::Misconfigured, what, Some(hint))
}

#[cfg(test)]
mod table;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::config;

    const TOWER: &str = "TOWER_ACCESS_TOKEN";
    const SEQERA: &str = "SEQERA_ACCESS_TOKEN";
    const A: &str = "https://a.test/api";
    const B: &str = "https://b.test/api";
    const ENDPOINT: (&str, &str) = ("TOWER_API_ENDPOINT", B);
    const DOMAIN: (&str, &str) = ("SEQERA_AUTH_DOMAIN", A);
    const PLATFORM: (&str, &str) = ("SEQERA_PLATFORM_API_URL", B);
    const SDK: (&str, &str) = ("SEQERA_API_ENDPOINT", B);

    type Variables = &'static [(&'static str, &'static str)];

    /// Where the token goes, with the API; `top` is the authority of the file.
    fn settings(variable: &'static str, env: Variables, top: &str) -> Result<Settings, Failure> {
        let token = EnvToken { variable, secret: "t".into() };
        let file = config::of(&format!(r#"{{"authDomain": "{top}"}}"#));
        Settings::of_token(&token, &Env::of(env), &file)
    }

    fn goes(variable: &'static str, env: Variables, top: &str) -> String {
        settings(variable, env, top).unwrap().api_of_token().unwrap_or("cloud").to_owned()
    }

    #[test]
    fn a_token_goes_to_the_endpoint_beside_it_to_the_named_authority_and_else_to_cloud() {
        for variable in [TOWER, SEQERA, TOKEN_FILE, "--token"] {
            assert_eq!(goes(variable, &[], ""), "cloud");
            assert_eq!(goes(variable, &[ENDPOINT], ""), B, "{variable}");
            assert_eq!(goes(variable, &[SDK], ""), B, "{variable}");
            assert_eq!(goes(variable, &[DOMAIN], B), A, "{variable}");
            assert_eq!(goes(variable, &[], A), A, "{variable}");
            assert_eq!(goes(variable, &[PLATFORM], ""), B, "{variable}");
            assert_eq!(goes(variable, &[PLATFORM], A), B, "the API of that authority, as documented");
        }
        let both = settings(SEQERA, &[PLATFORM, DOMAIN], "").unwrap();
        assert_eq!(both.authority.unwrap().text, A);
    }

    #[test]
    fn the_pair_of_nextflow_beats_what_is_there_for_other_accounts() {
        assert_eq!(goes(TOWER, &[ENDPOINT], A), B);
        assert_eq!(goes(TOWER, &[ENDPOINT, ("SEQERA_PLATFORM_API_URL", A)], ""), B);
        assert_eq!(goes(TOWER, &[ENDPOINT, ("SEQERA_API_ENDPOINT", A)], ""), B);
        let set = settings(TOWER, &[ENDPOINT, ("SEQERA_PLATFORM_API_URL", A)], "").unwrap();
        assert_eq!((set.api_url, set.ignored.len()), (None, 1));
    }

    #[test]
    fn where_two_platforms_are_named_for_one_token_it_goes_nowhere() {
        for (variable, env, top) in [
            (TOWER, &[ENDPOINT, DOMAIN][..], ""),
            (SEQERA, &[SDK, DOMAIN], ""),
            (SEQERA, &[ENDPOINT], A),
            (SEQERA, &[ENDPOINT, ("SEQERA_PLATFORM_API_URL", A)], ""),
            (SEQERA, &[SDK], A),
            (TOWER, &[SDK], A),
            (SEQERA, &[ENDPOINT, (TOWER, "another")], ""),
            (TOWER, &[SDK, (SEQERA, "another")], ""),
        ] {
            let failure = settings(variable, env, top).unwrap_err();
            assert_eq!((failure.exit, failure.reason.as_str()), (2, "MISCONFIGURED"), "{env:?}");
            let said = failure.message.contains(variable) && failure.message.contains("b.test");
            assert!(said && !failure.message.contains("another)"), "{failure:?}");
            assert!(failure.hint.text().unwrap().contains("SEQERA_"), "{failure:?}");
        }
    }

    #[test]
    fn a_token_of_no_variable_goes_to_neither_of_two_platforms_nor_to_that_of_another_token() {
        const OTHER: (&str, &str) = ("TOWER_API_ENDPOINT", A);
        for env in [
            &[SDK, OTHER][..],
            &[SDK, (SEQERA, "another")],
            &[ENDPOINT, (TOWER, "another")],
            &[SDK, ENDPOINT, (TOWER, "another")],
        ] {
            let failure = settings("--token", env, "").unwrap_err();
            assert!(
                failure.message.contains("sent nowhere") && failure.message.contains("b.test"),
                "{failure:?}"
            );
        }
        assert_eq!(goes("--token", &[SDK, ENDPOINT], ""), B);
        assert_eq!(
            goes("--token", &[SDK, (SEQERA, "t"), (TOWER, "another")], ""),
            B,
            "one of them is this one"
        );
    }

    #[test]
    fn what_is_of_the_same_platform_is_no_contradiction() {
        const API: (&str, &str) = ("TOWER_API_ENDPOINT", "https://api.cloud.seqera.io");
        const SAME: (&str, &str) = (TOWER, "t");
        let cloud = "https://cloud.seqera.io/api";
        assert_eq!(goes(SEQERA, &[API], cloud), cloud);
        assert_eq!(goes(TOWER, &[API, ("SEQERA_AUTH_DOMAIN", "https://cloud.seqera.io/api")], ""), cloud);
        assert_eq!(goes(TOWER, &[ENDPOINT, PLATFORM, DOMAIN], ""), B, "an API beside its authority");
        assert_eq!(goes(SEQERA, &[DOMAIN, ENDPOINT], ""), A, "that one is of the other kind of token");
        assert_eq!(goes(SEQERA, &[ENDPOINT, SAME], ""), B, "as 'seqera exec' sets them");
    }

    #[test]
    fn an_endpoint_that_is_no_address_is_an_error_and_not_cloud() {
        for name in ["TOWER_API_ENDPOINT", "SEQERA_API_ENDPOINT"] {
            let token = EnvToken { variable: TOWER, secret: "t".into() };
            let env = Env::reading(move |asked| (asked == name).then(|| "https://ada:hunter2@b.test".into()));
            let failure = Settings::of_token(&token, &env, &Config::default()).unwrap_err();
            assert!(failure.message.contains(name) && !failure.message.contains("hunter2"), "{failure:?}");
        }
    }

    /// The settings for the token in a file with these lines below it.
    fn of_file(lines: &str, top: &str, variables: Variables) -> Result<Settings, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, format!("t\n# seqera token file\n{lines}")).unwrap();
        let env = Env::reading(move |name| match name {
            TOKEN_FILE => Some(path.clone().into()),
            _ => Some(variables.iter().find(|(key, _)| *key == name)?.1.into()),
        });
        let token = env.token()?.unwrap();
        env.stand_by_file();
        Settings::of_token(&token, &env, &config::of(&format!(r#"{{"authDomain": "{top}"}}"#)))
    }

    #[test]
    fn what_stands_in_a_file_decides_and_a_file_that_says_nothing_is_not_clouds() {
        let api_alone = of_file("api=https://b.test/api", A, &[DOMAIN]).unwrap();
        assert_eq!(
            (api_alone.authority.unwrap().text, api_alone.api_url.unwrap().text),
            (B.into(), B.into())
        );
        let both = of_file("authority=https://b.test/api\napi=https://api.b.test", A, &[DOMAIN]).unwrap();
        assert_eq!(both.authority.as_ref().unwrap().text, B);
        assert_eq!(both.api_of_token(), Some("https://api.b.test"));
        let silent = of_file("", "", &[]).unwrap_err();
        assert!(silent.message.contains(TOKEN_FILE), "{silent:?}");
        for elsewhere in [&[ENDPOINT][..], &[SDK], &[PLATFORM]] {
            assert!(
                of_file("", "", elsewhere).is_err() && of_file("", A, elsewhere).is_err(),
                "{elsewhere:?}"
            );
        }
        assert!(of_file("", A, &[]).is_err());
        assert_eq!(of_file("", "", &[DOMAIN]).unwrap().api_of_token(), Some(A));
    }
}
