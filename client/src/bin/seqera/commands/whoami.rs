//! `seqera whoami`: the account and how it signed in. The answer comes from memory unless `--check` asks the
//! Platform. Nothing is remembered about a token in the environment, so the Platform is always asked about
//! that.

use seqera_client::proto::v1::{Account, CredentialKind, SessionStatus};
use serde_json::json;

use crate::commands::described::describe_variable;
use crate::commands::session::{Check, of_provider, signed_in};
use crate::screen::failure::Failure;
use crate::screen::table;
use crate::settings::context::{Context, wait};
use crate::settings::env::EnvToken;
use crate::settings::subject::{Named, Subject};

/// Who is signed in, how, and where.
struct Identity {
    account: Account,
    /// For programs: `browser`, `device`, `import`, `token` or `environment`.
    method: &'static str,
    /// The same for people.
    signed_in_by: String,
    profile: Option<String>,
    authority: String,
}

pub(super) fn run(context: &Context, args: Check) -> Result<(), Failure> {
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

/// Asks the Platform whose account the profile is now.
fn check(context: &Context, profile: &str) -> Result<Account, Failure> {
    let client = context.client(Named { profile: profile.to_owned(), authority: String::new() })?;
    Ok(wait(async { Ok(client.describe().await?) })?.account.unwrap_or_default())
}

fn of_session(status: SessionStatus) -> Identity {
    let (method, signed_in_by) = match (status.kind(), status.method.as_str()) {
        // A login in the browser may give a token that cannot be renewed.
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
    let id = match user_name.is_empty() && display_name.is_empty() {
        true => of_provider(&subject, &identity.authority),
        false => subject,
    };
    context.screen.say(&table(&[
        ("Account", if email.is_empty() { id } else { email }),
        ("User name", user_name),
        ("Name", display_name),
        ("Signed in by", identity.signed_in_by.clone()),
        ("Profile", identity.profile.clone().unwrap_or_default()),
        ("Authority", identity.authority.clone()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

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
