//! Passes a token to another program: what the program finds in its environment, and how this process becomes
//! it. `exec` and `ai` do so, and `token --format env` prints what they set.

use std::io::ErrorKind;
use std::process::Command;

use seqera_client::proto::place::token_sha256;
use seqera_client::{Client, Token, Want};

use crate::commands::backend;
use crate::screen::failure::{Failure, Hint};
use crate::settings::Settings;
use crate::settings::context::Context;
use crate::settings::env::{Env, EnvToken, TOKEN_FILE};
use crate::settings::provider::Provider;
use crate::settings::setting::{Setting, Source, same_authority};

/// Where programs look for the address of the Platform's API: `tw`, Nextflow and Co-Scientist's own.
const ENDPOINTS: [&str; 3] = ["TOWER_API_ENDPOINT", "SEQERA_API_ENDPOINT", "SEQERA_PLATFORM_API_URL"];

/// What else belongs to an authority: a backend that gets its token, and what is asked for where it signs in.
const OF_AUTHORITY: [&str; 3] =
    ["SEQERA_AI_BACKEND_URL", "SEQERA_AUTH_CLI_CLIENT_ID", "SEQERA_AUTH_AUDIENCE"];

/// Variables to set, or to remove if the value is `None`.
pub(super) type Variables = Vec<(&'static str, Option<String>)>;

/// The variables for a token from the agent, over those in `env`. Every variable that names an endpoint names the
/// profile's own: a token that is sent to the endpoint of another account would be given away, and without any
/// endpoint Nextflow and `tw` send it to Seqera Cloud.
pub(super) fn of_profile(token: &Token, env: &Env) -> Variables {
    let provider = Provider::named(&token.provider);
    if !provider.is_platform() {
        return of_another(provider, token.secret(), Some(mark(token)));
    }
    let mut variables = secrets(token.secret(), Some(mark(token)));
    // It comes before the token that is given here, and would be another account's.
    variables.push((TOKEN_FILE, None));
    variables.extend(addresses(&token.authority, &token.api_url, token.workspace_id));
    // What goes with another authority must not stay beside this one.
    if !env.auth_domain().is_some_and(|set| same_authority(&set, &token.authority)) {
        variables.extend(OF_AUTHORITY.map(|name| (name, None)));
    }
    variables
}

/// The variables for a token from the environment, with all of its addresses: a program that finds the token without
/// them sends it to Seqera Cloud, or to what is there for another account. The workspace came with the token. `settings`
/// are those of the token.
pub(super) fn of_environment(token: &EnvToken, env: &Env, settings: &Settings) -> Variables {
    let provider = Provider::of_variable(token.variable);
    if !provider.is_platform() {
        return of_another(provider, &token.secret, None);
    }
    let mut variables = secrets(&token.secret, None);
    let Some(authority) = &settings.authority else {
        // Cloud's, where nothing is named; an address without an authority may be anybody's.
        let is_others = |set: &&Setting| !backend::is_clouds(&set.text);
        let others = settings.any_backend().filter(is_others).map(|_| ("SEQERA_AI_BACKEND_URL", None));
        variables.extend(others);
        return variables;
    };
    let api = settings.api_of_token().unwrap_or(&authority.text);
    match env.beside() {
        Some(file) => variables.extend(addresses(&authority.text, api, file.workspace)),
        None => variables.extend(endpoints(&authority.text, api)),
    }
    // What goes with another authority must not stay beside this one.
    let kept =
        |set: &Option<Setting>| set.as_ref().is_some_and(|set| matches!(set.source, Source::Variable(_)));
    let set = [&settings.backend_url, &settings.client_id, &settings.audience];
    let of_others = OF_AUTHORITY.into_iter().zip(set).filter(|(_, set)| !kept(set));
    variables.extend(of_others.map(|(name, _)| (name, None)));
    variables
}

/// Every variable that says where a token may go, and what for.
fn addresses(authority: &str, api_url: &str, workspace: i64) -> Variables {
    let workspace = (workspace != 0).then(|| workspace.to_string());
    let rest = [("TOWER_WORKSPACE_ID", workspace), ("SEQERA_WORKSPACE", None)];
    endpoints(authority, api_url).into_iter().chain(rest).collect()
}

/// Every variable that says where a token may go.
fn endpoints(authority: &str, api_url: &str) -> Variables {
    let told = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let api_url = told(api_url).or(told(authority));
    let endpoints = ENDPOINTS.map(|name| (name, api_url.clone()));
    endpoints.into_iter().chain([("SEQERA_AUTH_DOMAIN", told(authority))]).collect()
}

fn mark(token: &Token) -> String {
    format!("{}:{}", token.profile, token_sha256(token.secret()))
}

/// The variables for a token of another kind of provider. What is set for a Platform is for other programs,
/// and stays.
fn of_another(provider: Provider, secret: &str, mark: Option<String>) -> Variables {
    let tokens = provider.token_variables().iter().map(|name| (*name, Some(secret.to_owned())));
    tokens.chain([("SEQERA_EXEC_TOKEN", mark)]).collect()
}

fn secrets(secret: &str, mark: Option<String>) -> Variables {
    vec![
        ("SEQERA_ACCESS_TOKEN", Some(secret.to_owned())),
        ("TOWER_ACCESS_TOKEN", Some(secret.to_owned())),
        ("SEQERA_EXEC_TOKEN", mark),
        // It belongs to some other token, which Nextflow would get and use instead of ours.
        ("TOWER_REFRESH_TOKEN", None),
    ]
}

/// Formats variables as lines for a POSIX shell.
pub(super) fn shell(variables: &Variables) -> String {
    let line = |(name, value): &(&str, Option<String>)| match value {
        Some(value) => format!("export {name}='{}'", value.replace('\'', r"'\''")),
        None => format!("unset {name}"),
    };
    variables.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Gives a program these variables.
pub(super) fn apply(command: &mut Command, variables: Variables) {
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Replaces this process: signals, terminal and exit code are then the program's. Returns only on failure.
#[cfg(unix)]
pub(super) fn become_program(mut command: Command) -> std::io::Error {
    std::os::unix::process::CommandExt::exec(&mut command)
}

/// Windows has nothing like exec: waits for the program, and exits with its exit code.
#[cfg(windows)]
pub(super) fn become_program(mut command: Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

/// Exit codes as in `env` (POSIX): 127 if there is no such program, 126 if it cannot be run.
pub(super) fn not_run(program: &str, error: &std::io::Error) -> Failure {
    let exit = if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
    Failure {
        reason: "NOT_RUN".into(),
        message: format!("cannot run {program}: {error}"),
        hint: Hint::None,
        exit,
    }
}

/// The token that a running agent has at hand, in a fraction of the time that [`session_token`] takes.
#[cfg(target_os = "linux")]
pub(super) fn at_hand(client: &Client, want: &Want) -> Option<Token> {
    client.token_at_hand(want)
}

/// Only Linux has the short way to a running agent.
#[cfg(not(target_os = "linux"))]
pub(super) fn at_hand(_: &Client, _: &Want) -> Option<Token> {
    None
}

/// Fetches the token of a session.
pub(super) async fn session_token(client: &Client, want: Want) -> Result<Token, Failure> {
    Ok(client.token(want).await?)
}

/// An older token is better than none, but the person should know before it expires.
pub(super) fn warn_of_failing(context: &Context, token: &Token) {
    if token.renewal_failing {
        let status = format!("'seqera status{}' says why", context.option_for(&token.profile));
        context.screen.warn(&format!("renewing fails at present; this is the earlier token; {status}"));
    }
}

#[cfg(test)]
mod tests {
    use seqera_client::proto::v1::AccessToken;

    use super::*;
    use crate::settings::config::{self, Config};

    fn token(api_url: &str, workspace_id: i64) -> Token {
        Token::from(AccessToken {
            access_token: "secret".into(),
            profile: "work".into(),
            authority: "https://a.test/api".into(),
            api_url: api_url.into(),
            workspace_id,
            ..AccessToken::default()
        })
    }

    fn value(variables: &Variables, name: &str) -> Option<String> {
        variables.iter().find(|(key, _)| *key == name).unwrap().1.clone()
    }

    #[test]
    fn every_endpoint_is_the_profiles_own_and_what_it_does_not_say_is_removed() {
        let elsewhere = Env::of(&[
            ("SEQERA_AUTH_DOMAIN", "https://b.test/api"),
            ("SEQERA_AI_BACKEND_URL", "https://ai.b.test"),
            ("SEQERA_AUTH_CLI_CLIENT_ID", "b"),
            ("SEQERA_AUTH_AUDIENCE", "b"),
            ("SEQERA_PLATFORM_API_URL", "https://b.test/api"),
        ]);
        let bare = of_profile(&token("", 0), &elsewhere);
        for name in ENDPOINTS.into_iter().chain(["SEQERA_AUTH_DOMAIN"]) {
            assert_eq!(value(&bare, name).as_deref(), Some("https://a.test/api"), "{name}");
        }
        let removed = ["TOWER_REFRESH_TOKEN", "TOWER_WORKSPACE_ID"];
        for name in removed.into_iter().chain(OF_AUTHORITY) {
            assert_eq!(value(&bare, name), None, "{name}");
        }
        let full = of_profile(&token("https://api.a.test", 7), &elsewhere);
        for name in ENDPOINTS {
            assert_eq!(value(&full, name).as_deref(), Some("https://api.a.test"), "{name}");
        }
        assert_eq!(value(&full, "TOWER_WORKSPACE_ID").as_deref(), Some("7"));
    }

    #[test]
    fn what_was_set_for_the_same_authority_stays() {
        let own = Env::of(&[("SEQERA_AUTH_DOMAIN", "https://a.test/api/")]);
        let names: Vec<_> = of_profile(&token("", 0), &own).into_iter().map(|(name, _)| name).collect();
        assert!(OF_AUTHORITY.iter().all(|name| !names.contains(name)));
    }

    #[test]
    fn a_token_of_scitoolkit_is_kept_from_programs_of_the_platform() {
        let answer = AccessToken {
            access_token: "stk_user_a".into(),
            profile: "scitoolkit".into(),
            provider: "scitoolkit".into(),
            api_url: "https://scitoolkit.test/api".into(),
            ..AccessToken::default()
        };
        let names: Vec<_> =
            of_profile(&Token::from(answer), &Env::of(&[])).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["SCITOOLKIT_TOKEN", "SEQERA_EXEC_TOKEN"]);
        let given = EnvToken { variable: "SCITOOLKIT_TOKEN", secret: "stk_user_a".into() };
        let pair = ("SCITOOLKIT_TOKEN", Some("stk_user_a".to_owned()));
        assert_eq!(of_environment(&given, &Env::of(&[]), &Settings::default())[0], pair);
    }

    #[test]
    fn the_mark_names_the_profile_and_the_tokens_hash() {
        let mark = value(&of_profile(&token("", 0), &Env::of(&[])), "SEQERA_EXEC_TOKEN").unwrap();
        assert_eq!(mark, format!("work:{}", token_sha256("secret")));
    }

    /// The variables for this token, with a file that names `https://file.test/api`.
    fn given(variable: &'static str, env: &Env) -> Variables {
        let token = EnvToken { variable, secret: "t".into() };
        let config = config::of(r#"{"authDomain": "https://file.test/api"}"#);
        let settings = Settings::of_token(&token, env, &config).unwrap();
        of_environment(&token, env, &settings)
    }

    #[test]
    fn a_token_of_the_environment_takes_all_of_its_addresses_along_and_none_of_others() {
        for (variable, env, api) in [
            ("SEQERA_ACCESS_TOKEN", Env::of(&[]), "https://file.test/api"),
            ("TOWER_ACCESS_TOKEN", Env::of(&[]), "https://file.test/api"),
            ("TOWER_ACCESS_TOKEN", Env::of(&[("TOWER_API_ENDPOINT", "https://b/api")]), "https://b/api"),
            ("SEQERA_ACCESS_TOKEN", Env::of(&[("SEQERA_AUTH_DOMAIN", "https://a/api")]), "https://a/api"),
            (
                "SEQERA_ACCESS_TOKEN",
                Env::of(&[("SEQERA_AUTH_DOMAIN", "https://a/api"), ("TOWER_API_ENDPOINT", "https://b/api")]),
                "https://a/api",
            ),
        ] {
            let variables = given(variable, &env);
            for name in ENDPOINTS.into_iter().chain(["SEQERA_AUTH_DOMAIN"]) {
                assert_eq!(value(&variables, name).as_deref(), Some(api), "{name}");
            }
            assert!(!variables.iter().any(|(name, _)| name.contains("WORKSPACE")));
            assert_eq!(value(&variables, "TOWER_REFRESH_TOKEN"), None);
            assert_eq!(value(&variables, "SEQERA_ACCESS_TOKEN").as_deref(), Some("t"));
        }
        let elsewhere = Env::of(&[
            ("TOWER_API_ENDPOINT", "https://b/api"),
            ("SEQERA_AI_BACKEND_URL", "https://ai.test"),
            ("SEQERA_AUTH_AUDIENCE", "other"),
        ]);
        for name in OF_AUTHORITY {
            assert_eq!(value(&given("TOWER_ACCESS_TOKEN", &elsewhere), name), None, "{name}");
        }
    }

    #[test]
    fn a_token_of_cloud_is_handed_on_without_the_backend_of_somebody_else() {
        let token = EnvToken { variable: "TOWER_ACCESS_TOKEN", secret: "t".into() };
        let env = Env::of(&[("SEQERA_AI_BACKEND_URL", "https://ai.corp.test")]);
        let settings = Settings::of_token(&token, &env, &Config::default()).unwrap();
        let variables = of_environment(&token, &env, &settings);
        assert_eq!(value(&variables, "SEQERA_AI_BACKEND_URL"), None);
        assert!(!variables.iter().any(|(name, _)| name.contains("ENDPOINT")), "programs know Cloud");
    }

    #[test]
    fn a_quote_cannot_leave_its_quotes() {
        let lines = shell(&vec![("A", Some("x'; rm y; '".into())), ("B", None)]);
        assert_eq!(lines, "export A='x'\\''; rm y; '\\'''\nunset B");
    }

    #[test]
    fn a_program_that_is_not_there_and_one_that_cannot_run_are_told_apart() {
        assert_eq!(not_run("x", &ErrorKind::NotFound.into()).exit, 127);
        assert_eq!(not_run("x", &ErrorKind::PermissionDenied.into()).exit, 126);
    }

    #[test]
    fn variables_are_set_and_removed() {
        let mut command = Command::new("x");
        apply(&mut command, vec![("A", Some("1".into())), ("B", None)]);
        let seen: Vec<_> = command.get_envs().collect();
        assert_eq!(seen, [("A".as_ref(), Some("1".as_ref())), ("B".as_ref(), None)]);
    }
}
