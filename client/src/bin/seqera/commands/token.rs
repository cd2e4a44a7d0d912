//! `seqera token`: prints an access token.

use std::time::Duration;

use clap::ValueEnum;
use seqera_client::{Token, Want};
use serde_json::{Value, json};

use crate::commands::handover::{self, at_hand, warn_of_failing};
use crate::commands::waiting::awaited_token;
use crate::screen::data;
use crate::screen::failure::Failure;
use crate::screen::time::{length, parse_length, rfc3339_of};
use crate::settings::context::{Context, wait};
use crate::settings::env::{Env, EnvToken};
use crate::settings::subject::{Named, Subject};

/// How long `token` waits unless told otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Print an access token
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  curl -H \"$(seqera token --format header)\" https://api.cloud.seqera.io/orgs
  seqera token --min-valid 5m")]
pub(crate) struct Args {
    /// How long the token must still be valid, such as 90s, 5m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = parse_length)]
    pub(crate) min_valid: Option<Duration>,
    /// How long to wait for it
    #[arg(long, value_name = "TIME", value_parser = parse_length, default_value = "30s")]
    pub(crate) timeout: Duration,
    /// In which form: the token alone, an object, a header line, or lines for a shell to read
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Raw,
    Json,
    Header,
    Env,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    // A variable that asks for JSON must not put an object into somebody's `$(seqera token)`.
    let form = args.format.unwrap_or(if context.json_by_flag { Form::Json } else { Form::Raw });
    match context.subject()? {
        Subject::Token(token) => data(&given(form, &token, &context.env)),
        Subject::Profile(named) => {
            let token = fetch(context, args, named)?;
            data(&handed_out(form, &token, &context.env))
        }
    }
}

fn fetch(context: &Context, args: &Args, named: Named) -> Result<Token, Failure> {
    let asked = named.profile.clone();
    let client = context.client_within(named, args.timeout)?;
    let want = Want { min_valid: args.min_valid, ..Want::default() };
    let token = match at_hand(&client, &want) {
        Some(token) => token,
        None => wait(awaited_token(context, &client, want, args.timeout))?,
    };
    match (args.min_valid, token.valid_for) {
        (Some(wanted), Some(left)) if left < wanted && !token.renewal_failing => {
            let (left, wanted) = (length(left), length(wanted));
            context
                .screen
                .warn(&format!("the token is valid for {left}, not {wanted}: the provider grants no more"));
        }
        _ => {}
    }
    if !asked.is_empty() && asked != token.profile {
        context.screen.note(&format!("profile '{asked}' is now called '{}'", token.profile));
    }
    warn_of_failing(context, &token);
    Ok(token)
}

fn handed_out(form: Form, token: &Token, env: &Env) -> String {
    match form {
        Form::Raw => token.secret().to_owned(),
        Form::Header => format!("Authorization: {} {}", token.token_type, token.secret()),
        Form::Env => handover::shell(&handover::of_profile(token, env)),
        Form::Json => object(token).to_string(),
    }
}

fn object(token: &Token) -> Value {
    json!({
        "access_token": token.secret(),
        "token_type": token.token_type,
        "expires_at": rfc3339_of(token.expires_at),
        "profile": token.profile,
        "authority": token.authority,
    })
}

/// Formats a token from the environment: nothing else is known about it.
fn given(form: Form, token: &EnvToken, env: &Env) -> String {
    match form {
        Form::Raw => token.secret.clone(),
        Form::Header => format!("Authorization: Bearer {}", token.secret),
        Form::Env => handover::shell(&handover::of_environment(token, env)),
        Form::Json => json!({
            "access_token": token.secret,
            "token_type": "Bearer",
            "expires_at": null,
            "profile": null,
            "authority": null,
            "source": token.variable,
        })
        .to_string(),
    }
}

#[cfg(test)]
mod tests {
    use seqera_client::proto::v1::AccessToken;

    use super::*;

    fn token() -> Token {
        Token::from(AccessToken {
            access_token: "secret".into(),
            token_type: "Bearer".into(),
            expires_at: Some(prost_types::Timestamp { seconds: 1_765_895_400, nanos: 5 }),
            profile: "work".into(),
            authority: "https://a/api".into(),
            ..AccessToken::default()
        })
    }

    #[test]
    fn each_form_is_what_its_reader_expects() {
        assert_eq!(handed_out(Form::Raw, &token(), &Env::of(&[])), "secret");
        assert_eq!(handed_out(Form::Header, &token(), &Env::of(&[])), "Authorization: Bearer secret");
        assert!(
            handed_out(Form::Env, &token(), &Env::of(&[]))
                .starts_with("export SEQERA_ACCESS_TOKEN='secret'\n")
        );
        let object: Value = serde_json::from_str(&handed_out(Form::Json, &token(), &Env::of(&[]))).unwrap();
        assert_eq!(object["expires_at"], "2025-12-16T14:30:00Z");
        assert_eq!((&object["access_token"], &object["profile"]), (&json!("secret"), &json!("work")));
    }

    #[test]
    fn a_token_of_the_environment_names_its_variable() {
        let token = EnvToken { variable: "TOWER_ACCESS_TOKEN", secret: "t".into() };
        let object: Value = serde_json::from_str(&given(Form::Json, &token, &Env::of(&[]))).unwrap();
        assert_eq!((&object["access_token"], &object["source"]), (&json!("t"), &json!("TOWER_ACCESS_TOKEN")));
        assert_eq!(given(Form::Header, &token, &Env::of(&[])), "Authorization: Bearer t");
    }
}
