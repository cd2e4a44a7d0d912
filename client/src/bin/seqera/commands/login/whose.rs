//! Where a token that somebody signs in with is from, as far as the variables of this shell say it. A login goes to
//! Seqera Cloud where nothing else is named, and `TOWER_API_ENDPOINT` names nothing for it; but a token that was
//! copied out of this environment must not be shown to Cloud, or to the authority of another account, on its way in.

use seqera_client::Client;
use seqera_client::proto::reason::Reason;

use crate::screen::failure::Failure;
use crate::settings::Settings;
use crate::settings::belonging::ENDPOINTS;
use crate::settings::config::Config;
use crate::settings::context::{Context, wait};
use crate::settings::setting::{CLOUD_AUTHORITY, Setting, same_origin};

/// The settings to sign in with, for a login that names no authority on its command line.
///
/// # Errors
/// What is beside the token, and what the login would do, are not one Platform.
pub(super) fn settings(
    context: &Context,
    client: &Client,
    (profile, config): (&str, &Config),
    settings: Settings,
    secret: &str,
) -> Result<Settings, Failure> {
    if !context.env.provider().is_platform() {
        return Ok(settings);
    }
    let Some(token) = context.env.holding(secret) else {
        return alone(context, client, settings);
    };
    let found = context.settings_of(&token).map_err(|failure| named(failure.message))?.authority;
    let Some(found) = found else { return Ok(settings) };
    match &settings.authority {
        Some(set) if same_origin(&set.text, &found.text) => Ok(settings),
        Some(set) => Err(differs(
            &format!("{} is {}", set.source, set.text),
            &found,
            &format!("in {}", token.variable),
        )),
        None => {
            let (place, source) = (&found.text, &found.source);
            context.screen.note(&format!(
                "the token is the one in {}: signing in at {place} ({source})",
                token.variable
            ));
            Ok(Settings::at(Some(found), profile, &context.env, config))
        }
    }
}

/// For a token from elsewhere: whether Cloud would see it although this shell is set up for another Platform.
fn alone(context: &Context, client: &Client, settings: Settings) -> Result<Settings, Failure> {
    if settings.authority.is_some() {
        return Ok(settings);
    }
    for name in ENDPOINTS {
        let Some(set) = context.env.endpoint(name)? else { continue };
        if same_origin(&set.text, CLOUD_AUTHORITY) {
            continue;
        }
        let status = wait(async { Ok(client.status().await?) })?;
        // A profile that was signed in before keeps its authority.
        if status.sources.is_none_or(|sources| sources.settings == "default") {
            return Err(differs("this would sign in at Seqera Cloud", &set, "that was given"));
        }
    }
    Ok(settings)
}

fn differs(login: &str, found: &Setting, which: &str) -> Failure {
    let Setting { text, source } = found;
    named(format!(
        "whose token is the one {which} is not known, and it is sent nowhere: {source} is {text}, and {login}"
    ))
}

fn named(what: String) -> Failure {
    Failure::new(Reason::Misconfigured, what, Some("say where it is from: --authority https://<host>/api"))
}
