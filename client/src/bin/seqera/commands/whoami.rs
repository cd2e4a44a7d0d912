//! `seqera whoami`: the account and how it signed in. From memory, unless `--check` asks the Platform; nobody
//! remembers a token of the environment, so for that it is always asked.

use seqera_client::proto::v1::{Account, CredentialKind, Description, SessionStatus};
use serde_json::json;

use crate::cli::Check;
use crate::commands::status::signed_in;
use crate::screen::failure::Failure;
use crate::screen::table;
use crate::settings::context::{Context, wait};
use crate::settings::env::EnvToken;
use crate::settings::provider::Provider;
use crate::settings::subject::{Named, Subject};
use crate::settings::{Setting, Settings, Source};

/// Who, how, and where.
struct Identity {
    account: Account,
    /// For programs: `browser`, `token` or `environment`.
    method: &'static str,
    /// For people.
    signed_in_by: String,
    profile: Option<String>,
    authority: String,
}

pub(crate) fn run(context: &Context, args: Check) -> Result<(), Failure> {
    let identity = match context.subject()? {
        Subject::Token(token) => of_token(context, &token)?,
        Subject::Profile(named) => {
            let status = signed_in(context.status(named)?)?;
            let now = args.check.then(|| check(context, &status.profile)).transpose()?;
            let identity = of_session(status);
            Identity { account: now.unwrap_or(identity.account), ..identity }
        }
    };
    show(context, &identity)
}

/// Who the Platform says the profile is, now.
fn check(context: &Context, profile: &str) -> Result<Account, Failure> {
    let client = context.client(Named { profile: profile.to_owned(), authority: String::new() })?;
    Ok(wait(async { Ok(client.describe().await?) })?.account.unwrap_or_default())
}

fn of_session(status: SessionStatus) -> Identity {
    let (method, signed_in_by) = match (status.kind(), status.method.as_str()) {
        // SciToolkit's page gives a token that does not renew.
        (CredentialKind::Fixed, "browser") => ("browser", "browser login"),
        (CredentialKind::Fixed, _) => ("token", "access token"),
        (_, "import") => ("import", "sign-in of the earlier CLI"),
        (_, "device") => ("device", "login on another device"),
        _ => ("browser", "browser login"),
    };
    Identity {
        method,
        signed_in_by: signed_in_by.to_owned(),
        profile: Some(status.profile),
        account: status.account.unwrap_or_default(),
        authority: status.settings.unwrap_or_default().authority,
    }
}

fn of_token(context: &Context, token: &EnvToken) -> Result<Identity, Failure> {
    let (described, authority) = describe_variable(context, token)?;
    Ok(Identity {
        account: described.account.unwrap_or_default(),
        method: "environment",
        signed_in_by: format!("token in {}", token.variable),
        profile: None,
        authority: authority.text,
    })
}

/// Asks the Platform about a token of the environment. With the answer comes the authority that was asked.
pub(crate) fn describe_variable(
    context: &Context,
    token: &EnvToken,
) -> Result<(Description, Setting), Failure> {
    // A Platform's token may be of any profile; at SciToolkit there is one, which has the address.
    let profile = match context.env.provider() {
        Provider::Platform => String::new(),
        Provider::Scitoolkit => context.env.profile().unwrap_or_default(),
    };
    let settings = Settings::resolve(None, &profile, &context.env, &context.config()?);
    let client = context.client(Named::default())?;
    let described = wait(async { Ok(client.describe_token(&token.secret, settings.message()).await?) });
    let described = described.map_err(|failure| perhaps_enterprise(failure, &settings))?;
    let by_default = Setting { text: described.api_url.clone(), source: Source::Default };
    Ok((described, settings.authority.unwrap_or(by_default)))
}

/// A token of an Enterprise host is refused by Cloud, which is asked where nobody names the host.
pub(crate) fn perhaps_enterprise(failure: Failure, settings: &Settings) -> Failure {
    if settings.authority.is_some() || failure.exit != 3 || settings.provider() != Provider::Platform {
        return failure;
    }
    let hint = "is it of an Enterprise host? Then set SEQERA_AUTH_DOMAIN to https://<host>/api";
    Failure { hint: Some(hint.to_owned()), ..failure }
}

fn show(context: &Context, identity: &Identity) -> Result<(), Failure> {
    let Account { subject, email, user_name, display_name, user_id } = identity.account.clone();
    if context.screen.json {
        return context.screen.object(&json!({
            "uid": (user_id != 0).then_some(user_id),
            "subject": subject,
            "email": email,
            "user_name": user_name,
            "name": display_name,
            "auth_method": identity.method,
            "profile": identity.profile,
            "authority": identity.authority,
        }));
    }
    context.screen.say(&table(&[
        ("Account", if email.is_empty() { subject } else { email }),
        ("User name", user_name),
        ("Name", display_name),
        ("Signed in by", identity.signed_in_by.clone()),
        ("Profile", identity.profile.clone().unwrap_or_default()),
        ("Authority", identity.authority.clone()),
    ]))
}

#[cfg(test)]
mod tests {
    use seqera_client::proto::reason::Reason;

    use super::*;
    use crate::settings::config::Config;
    use crate::settings::env::Env;

    #[test]
    fn a_refused_token_without_a_named_host_may_be_of_an_enterprise_host() {
        let refused = || Failure::new(Reason::LoginExpired, "refused", None);
        let unnamed = Settings::default();
        let hint = perhaps_enterprise(refused(), &unnamed).hint.unwrap();
        assert!(hint.contains("SEQERA_AUTH_DOMAIN"));
        let env = Env::of(&[("SEQERA_AUTH_DOMAIN", "https://h/api")]);
        let named = Settings::resolve(None, "", &env, &Config::default());
        assert_eq!(perhaps_enterprise(refused(), &named).hint, None);
        let unreachable = Failure::new(Reason::IssuerUnreachable, "x", None);
        assert_eq!(perhaps_enterprise(unreachable, &unnamed).hint, None);
    }

    #[test]
    fn the_method_tells_a_browser_login_from_an_access_token() {
        let status = |kind: CredentialKind| SessionStatus { kind: kind.into(), ..SessionStatus::default() };
        assert_eq!(of_session(status(CredentialKind::Fixed)).method, "token");
        assert_eq!(of_session(status(CredentialKind::Renewable)).method, "browser");
        let by_page = SessionStatus { method: "browser".into(), ..status(CredentialKind::Fixed) };
        assert_eq!(of_session(by_page).method, "browser");
        let by_code = SessionStatus { method: "device".into(), ..status(CredentialKind::Renewable) };
        assert_eq!(of_session(by_code).method, "device");
    }
}
