//! `seqera token`: prints an access token, what it says about itself, or writes it to a file for programs that
//! cannot ask.

mod claims;
mod keep;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use seqera_client::proto::values;
use seqera_client::proto::values::token_file::TokenFile;
use seqera_client::{Token, Want};
use serde_json::{Value, json};

use crate::commands::ends;
use crate::commands::handover::{self, at_hand, warn_of_failing};
use crate::commands::token::keep::Kept;
use crate::commands::waiting::awaited_token;
use crate::screen::data;
use crate::screen::failure::Failure;
use crate::screen::time::{length, now, rfc3339_of};
use crate::settings::context::{Context, wait};
use crate::settings::env::{Env, EnvToken};
use crate::settings::subject::{Named, Subject};

/// How long `token` waits unless told otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Print an access token
#[derive(Debug, clap::Args)]
///
/// A program in a sandbox that refuses Unix sockets cannot ask the agent. For it, --write FILE --watch keeps a
/// private file fresh from outside, and SEQERA_ACCESS_TOKEN_FILE names that file inside. The first line is the
/// token; authority and API stand below it. Share the folder and not the file, which is replaced by each new one.
/// This is the only way in which a token is ever written down: whoever can read the file can use the account until
/// the token expires, which a personal access token may never do. With --watch it goes at the sign-out and when the
/// command ends; without, it stays. A file that holds another profile's token is left alone.
#[command(after_help = "\
Examples:
  curl -H \"$(seqera token --format header)\" https://api.cloud.seqera.io/orgs
  seqera token --min-valid 5m
  seqera token --decode
  seqera token --write \"$XDG_RUNTIME_DIR/sandbox/token\" --watch")]
pub(crate) struct Args {
    /// How long the token must still be valid, such as 90s, 5m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = values::length::read)]
    pub(crate) min_valid: Option<Duration>,
    /// How long to wait for it
    #[arg(long, value_name = "TIME", value_parser = values::length::read, default_value = "30s")]
    pub(crate) timeout: Duration,
    /// In which form: the token alone, an object, a header line, or lines for a shell to read
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<Form>,
    /// Show what a JWT says about itself, without the token: nobody is asked, and nothing is checked
    #[arg(long, conflicts_with = "format")]
    pub(crate) decode: bool,
    /// Report the current token as refused, and print the next one; once a minute at most
    #[arg(long)]
    pub(crate) force_new: bool,
    /// Write it to this file, for programs that cannot ask the agent
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "decode"])]
    pub(crate) write: Option<PathBuf>,
    /// Keep the file fresh until this command ends, and remove it then
    #[arg(long, requires = "write")]
    pub(crate) watch: bool,
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
        Subject::Token(token) => of_environment(context, args, form, &token),
        Subject::Profile(named) => match &args.write {
            Some(path) => written(context, args, named, path),
            None => {
                let token = fetch(context, args, named)?;
                if args.decode {
                    return claims::show(context, token.secret());
                }
                data(&handed_out(form, &token, &context.env))
            }
        },
    }
}

fn written(context: &Context, args: &Args, named: Named, path: &Path) -> Result<(), Failure> {
    let file = Kept::at(path)?;
    let asked = context.client_within(named.clone(), args.timeout)?;
    wait(async { Ok(keep::permit(&asked).await?) })?;
    let token = fetch(context, args, named.clone())?;
    // Under the name that the profile has now, so that another one that is chosen later does not take its place.
    let named = Named { profile: token.profile.clone(), ..named };
    let client = args.watch.then(|| context.client_within(named, args.timeout)).transpose()?;
    keep::run(context, file, token, client)
}

fn of_environment(context: &Context, args: &Args, form: Form, token: &EnvToken) -> Result<(), Failure> {
    let variable = token.variable;
    if args.write.is_some() {
        let what = format!("the token in {variable} is used, which this command cannot keep fresh");
        return Err(Failure::usage(what, Some("name a profile with --profile, or unset the variable")));
    }
    if args.force_new {
        context.screen.note(&format!("--force-new does nothing: the token in {variable} is used"));
    }
    match args.decode {
        true => claims::show(context, &token.secret),
        false if form == Form::Env => {
            let settings = context.settings_of(token)?;
            data(&handover::shell(&handover::of_environment(token, &context.env, &settings)))
        }
        false => data(&given(form, token, &context.env)),
    }
}

fn fetch(context: &Context, args: &Args, named: Named) -> Result<Token, Failure> {
    let asked = named.profile.clone();
    let client = context.client_within(named, args.timeout)?;
    let since = now();
    let want = Want { min_valid: args.min_valid, ..Want::default() };
    let mut token = match at_hand(&client, &want) {
        Some(token) => token,
        None => wait(awaited_token(context, &client, want, args.timeout))?,
    };
    // One that this command has brought about is as new as it gets.
    if args.force_new && token.renewed_at.is_none_or(|at| at < since) {
        let rejected = Some(token.secret().to_owned());
        let want = Want { min_valid: args.min_valid, rejected };
        let next = wait(awaited_token(context, &client, want, args.timeout))?;
        if next.secret() == token.secret() {
            context.screen.note("the token does not change: the Platform still accepts it");
        }
        token = next;
    }
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
    ends::warn(context, &token, args.min_valid);
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
        Form::Raw | Form::Env => token.secret.clone(),
        Form::Header => format!("Authorization: Bearer {}", token.secret),
        Form::Json => {
            let file = env.beside();
            let told = |text: Option<String>| text.filter(|text| !text.is_empty());
            json!({
                "access_token": token.secret,
                "token_type": "Bearer",
                "expires_at": told(file.map(TokenFile::expires_text)),
                "profile": told(file.map(|file| file.profile.clone())),
                "authority": told(file.map(|file| file.authority.clone())),
                "source": token.variable,
            })
            .to_string()
        }
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
