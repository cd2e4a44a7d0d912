//! `seqera status`: shows the session from the agent's memory and changes nothing; `--check` asks the
//! Platform as well.

use prost_types::Timestamp;
use seqera_client::proto::v1::{Description, SessionStatus};
use serde_json::{Value, json};

use crate::commands::described::describe_variable;
use crate::commands::session::{
    self, Check, account_name, account_object, best_name, expiry, signed_in, sourced,
};
use crate::screen::ask::named;
use crate::screen::failure::Failure;
use crate::screen::table;
use crate::screen::time::local;
use crate::settings::Settings;
use crate::settings::context::{Context, wait};
use crate::settings::env::EnvToken;
use crate::settings::subject::{Named, Subject};

pub(super) fn run(context: &Context, args: Check) -> Result<(), Failure> {
    context.warn_of_unknown_keys()?;
    match context.subject()? {
        Subject::Token(token) if args.check => check_variable(context, &token),
        Subject::Token(token) => show_variable(context, &token),
        Subject::Profile(named) => {
            let status = signed_in(context.status(named)?)?;
            show(context, &status, args.check)
        }
    }
}

/// A token in the environment is used whatever sessions there are, and nothing is known about it.
fn show_variable(context: &Context, token: &EnvToken) -> Result<(), Failure> {
    let variable = token.variable;
    let file = context.env.beside();
    if context.screen.json {
        let mut object = json!({"state": "ENVIRONMENT", "source": variable});
        if let Some(file) = file {
            let end = Some(file.expires_text()).filter(|end| !end.is_empty());
            (object["authority"], object["expires_at"]) = (json!(file.authority), json!(end));
        }
        return context.screen.object(&object);
    }
    context.screen.say(&format!("Using the token in {variable}; sessions of the agent are not used."))?;
    if let Some(file) = file {
        let seconds = file.expires.and_then(|end| i64::try_from(end).ok());
        let end = seconds.map(|seconds| local(Timestamp { seconds, nanos: 0 }));
        let rows = [
            ("Profile", file.profile.clone()),
            ("Authority", file.authority.clone()),
            ("Token expires", end.unwrap_or_default()),
        ];
        context.screen.say(&table(&rows))?;
    }
    context.screen.hint(&format!("unset {variable}, or name a profile with --profile"));
    context.screen.hint("'seqera status --check' asks the Platform whose token it is");
    Ok(())
}

fn check_variable(context: &Context, token: &EnvToken) -> Result<(), Failure> {
    let (described, authority) = describe_variable(context, token)?;
    let account = described.account.clone().unwrap_or_default();
    let organizations: Vec<_> = described.organizations.iter().map(|one| one.name.clone()).collect();
    if context.screen.json {
        return context.screen.object(&json!({
            "state": "ENVIRONMENT",
            "source": token.variable,
            "account": account_object(Some(&account)),
            "organizations": organizations,
            "authority": authority.text,
            "checked": checked(&described),
        }));
    }
    context.screen.say_value("Logged in as", &best_name(account, &authority.text))?;
    context.screen.say_value("Session expires", "not known (an access token of the environment)")?;
    context.screen.say(&table(&[
        ("Token from", token.variable.to_owned()),
        ("Authority", sourced(&authority.text, &authority.source.to_string())),
        (if organizations.len() > 1 { "Organizations" } else { "Organization" }, named(&organizations)),
        ("Platform", answers(&described)),
    ]))
}

fn show(context: &Context, status: &SessionStatus, check_asked: bool) -> Result<(), Failure> {
    let source = profile_source(context, &status.profile)?;
    let check = || {
        let named = Named { profile: status.profile.clone(), authority: String::new() };
        let client = context.client(named)?;
        wait(async { Ok(client.describe().await?) })
    };
    let check = check_asked.then(check);
    if context.screen.json {
        let mut object = session::object(status);
        object["sources"]["profile"] = json!(source);
        if let Some(described) = check.transpose()? {
            object["checked"] = checked(&described);
        }
        return context.screen.object(&object);
    }
    context.screen.say_value("Logged in as", &account_name(status))?;
    context.screen.say_value("Session expires", &expiry(status))?;
    let mut rows = session::rows(status, &source);
    let failed = match check {
        Some(Ok(described)) => {
            rows.push(("Platform", answers(&described)));
            None
        }
        Some(Err(failure)) => Some(failure),
        None => None,
    };
    context.screen.say(&table(&rows))?;
    failed.map_or(Ok(()), Err)
}

/// What named the profile.
pub(super) fn profile_source(context: &Context, profile: &str) -> Result<String, Failure> {
    if context.profile.is_some() {
        return Ok("--profile".to_owned());
    }
    if context.env.token()?.is_some_and(|token| context.env.exec_profile(&token).is_some()) {
        return Ok("SEQERA_EXEC_TOKEN".to_owned());
    }
    if context.env.profile().is_some() {
        return Ok("SEQERA_PROFILE".to_owned());
    }
    Ok(match Settings::resolve(None, "", &context.env, &context.config()?).authority {
        Some(authority) => format!("authority in {}", authority.source),
        None if profile == "default" => "default".to_owned(),
        None => "seqera profile use".to_owned(),
    })
}

fn answers(described: &Description) -> String {
    match described.platform_version.as_str() {
        "" => "answers, and accepts the token".to_owned(),
        version => format!("answers, and accepts the token (version {version})"),
    }
}

/// The Platform's answer.
fn checked(described: &Description) -> Value {
    json!({"api_url": described.api_url, "platform_version": described.platform_version})
}
