//! `seqera info`: the user, the backend and the connection to the Platform, each value with its source. If
//! something cannot be reached, the reason is shown instead.

use std::time::Duration;

use seqera_client::proto::v1::{Account, Description, SessionStatus};
use serde_json::{Value, json};

use crate::commands::backend::{self, Backend};
use crate::commands::described::perhaps_enterprise;
use crate::commands::session::{organization_source, signed_in};
use crate::commands::status::profile_source;
use crate::screen::failure::Failure;
use crate::screen::table;
use crate::settings::Settings;
use crate::settings::context::{Context, wait};
use crate::settings::env::EnvToken;
use crate::settings::setting::CLOUD_AUTHORITY;
use crate::settings::subject::{Named, Subject};

/// A Platform that takes longer counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(15);

/// Everything that is shown.
struct Info {
    account: Account,
    /// `login`, or the variable that holds the token.
    credential: String,
    profile: Option<String>,
    profile_source: String,
    organization: String,
    organization_source: &'static str,
    authority: String,
    authority_source: String,
    backend: Option<Backend>,
    /// The Platform's answer, or why there is none.
    platform: Result<Description, String>,
    api_url: String,
    api_source: String,
}

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let info = match context.subject()? {
        Subject::Token(token) => of_token(context, &token)?,
        Subject::Profile(named) => of_session(context, signed_in(context.status(named)?)?)?,
    };
    if context.screen.json {
        return context.screen.object(&object(&info));
    }
    context.screen.say(&table(&rows(&info)))?;
    for problem in info.platform.iter().flat_map(|described| &described.problems) {
        context.screen.note(problem);
    }
    Ok(())
}

fn of_session(context: &Context, status: SessionStatus) -> Result<Info, Failure> {
    let settings = Settings::resolve(None, &status.profile, &context.env, &context.config()?);
    let recorded = status.settings.clone().unwrap_or_default();
    settings.ignored_backend(&recorded.authority).iter().for_each(|note| context.screen.warn(note));
    let named = Named { profile: status.profile.clone(), authority: String::new() };
    let client = context.client_within(named, PATIENCE)?;
    let source = status.sources.clone().unwrap_or_default().settings;
    let platform = match wait(async { Ok(client.describe().await?) }) {
        Err(ended) if ended.is_of_credential() => return Err(ended),
        answer => answer.map_err(|failure| failure.message),
    };
    let reported = platform.as_ref().map(|described| described.backend_url.as_str()).unwrap_or_default();
    Ok(Info {
        account: status.account.clone().unwrap_or_default(),
        credential: "login".to_owned(),
        organization: status.organization.clone().unwrap_or_default().name,
        organization_source: organization_source(&status),
        profile_source: profile_source(context, &status.profile)?,
        backend: backend::choose(&settings, Some(&recorded), reported, &recorded.authority),
        authority_source: source.clone(),
        api_source: source,
        profile: Some(status.profile),
        api_url: recorded.api_url,
        authority: recorded.authority,
        platform,
    })
}

/// Only the Platform knows whose token it is. If it refuses the token, the command fails; if it cannot be
/// asked, that is shown.
fn of_token(context: &Context, token: &EnvToken) -> Result<Info, Failure> {
    let settings = context.settings_of(token)?;
    let client = context.client_within(Named::default(), PATIENCE)?;
    let asked = wait(async { Ok(client.describe_token(&token.secret, settings.message()).await?) });
    let platform = match asked {
        Err(refused) if refused.is_of_credential() => return Err(perhaps_enterprise(refused, &settings)),
        answer => answer.map_err(|failure| failure.message),
    };
    let described = platform.as_ref().ok();
    let reported = described.map(|described| described.backend_url.as_str()).unwrap_or_default();
    let set = settings.authority.as_ref();
    let authority = set.map_or(CLOUD_AUTHORITY, |set| set.text.as_str()).to_owned();
    let authority_source = set.map_or("default".to_owned(), |set| set.source.to_string());
    let set_api = settings.api_url.as_ref();
    let api_source = set_api.map_or(authority_source.clone(), |set| set.source.to_string());
    let api_url = set_api.map_or(authority.clone(), |set| set.text.clone());
    Ok(Info {
        account: described.and_then(|described| described.account.clone()).unwrap_or_default(),
        credential: token.variable.to_owned(),
        profile: None,
        profile_source: String::new(),
        organization: String::new(),
        organization_source: "",
        backend: backend::choose(&settings, None, reported, &authority),
        authority_source,
        api_url,
        api_source,
        authority,
        platform,
    })
}

fn rows(info: &Info) -> Vec<(&'static str, String)> {
    let of = |value: &str, source: &str| match (value, source) {
        ("", _) => String::new(),
        (value, "") => value.to_owned(),
        (value, source) => format!("{value} ({source})"),
    };
    let account = &info.account;
    let known = [&account.email, &account.user_name, &account.display_name, &account.subject];
    let user = known.into_iter().find(|name| !name.is_empty()).map_or("not known", String::as_str);
    let backend = info.backend.as_ref().map(|backend| of(&backend.url, &backend.source));
    let connection = match &info.platform {
        Ok(described) if described.platform_version.is_empty() => "good".to_owned(),
        Ok(described) => format!("good, version {} (service-info)", described.platform_version),
        Err(why) => format!("none: {why}"),
    };
    vec![
        ("User", of(user, &info.credential)),
        ("Profile", of(info.profile.as_deref().unwrap_or_default(), &info.profile_source)),
        ("Organization", of(&info.organization, info.organization_source)),
        ("Authority", of(&info.authority, &info.authority_source)),
        (
            "Backend",
            backend.unwrap_or_else(|| {
                "not known; SEQERA_AI_BACKEND_URL, together with SEQERA_AUTH_DOMAIN, can name it".to_owned()
            }),
        ),
        ("Platform", of(&info.api_url, &info.api_source)),
        ("Connection", connection),
    ]
}

fn object(info: &Info) -> Value {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let account = &info.account;
    let described = info.platform.as_ref();
    json!({
        "user": {
            "email": text(&account.email),
            "user_name": text(&account.user_name),
            "name": text(&account.display_name),
            "user_id": (account.user_id != 0).then_some(account.user_id),
            "source": info.credential,
        },
        "profile": info.profile,
        "organization": text(&info.organization),
        "authority": {"url": info.authority, "source": info.authority_source},
        "backend": {
            "url": info.backend.as_ref().map(|backend| backend.url.clone()),
            "source": info.backend.as_ref().map(|backend| backend.source.clone()),
        },
        "platform": {
            "api_url": info.api_url,
            "reachable": described.is_ok(),
            "version": described.ok().and_then(|described| text(&described.platform_version)),
            "api_version": described.ok().and_then(|described| text(&described.api_version)),
            "problems": match described {
                Ok(described) => described.problems.clone(),
                Err(why) => vec![why.clone()],
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(platform: Result<Description, String>) -> Info {
        Info {
            account: Account { email: "ada@x.test".into(), ..Account::default() },
            credential: "login".into(),
            profile: Some("work".into()),
            profile_source: "--profile".into(),
            organization: String::new(),
            organization_source: "login",
            authority: "https://h/api".into(),
            authority_source: "login".into(),
            api_source: "login".into(),
            backend: None,
            platform,
            api_url: "https://h/api".into(),
        }
    }

    #[test]
    fn a_platform_that_cannot_be_reached_is_told_beside_what_is_known() {
        let info = info(Err("no route to host".into()));
        let shown = table(&rows(&info));
        assert!(shown.contains("ada@x.test") && shown.contains("none: no route to host"), "{shown}");
        let object = object(&info);
        assert_eq!(
            (&object["platform"]["reachable"], &object["user"]["email"]),
            (&json!(false), &json!("ada@x.test"))
        );
        assert_eq!(object["platform"]["problems"], json!(["no route to host"]));
    }

    #[test]
    fn what_is_not_there_has_no_row_and_a_null() {
        let info = info(Ok(Description { platform_version: "26.1".into(), ..Description::default() }));
        let shown = table(&rows(&info));
        assert!(
            !shown.contains("Organization") && shown.contains("good, version 26.1 (service-info)"),
            "{shown}"
        );
        assert_eq!(object(&info)["organization"], Value::Null);
    }
}
