//! What the Platform says about a token in the environment, which belongs to no session.

use seqera_client::proto::v1::Description;

use crate::screen::failure::{Failure, Hint};
use crate::settings::Settings;
use crate::settings::context::{Context, wait};
use crate::settings::env::EnvToken;
use crate::settings::setting::{Setting, Source};
use crate::settings::subject::Named;

/// Asks the Platform about a token in the environment. Returns the answer, and the authority that was asked.
///
/// # Errors
/// Names the variable: which of several a person has set is what they want to know first.
pub(super) fn describe_variable(
    context: &Context,
    token: &EnvToken,
) -> Result<(Description, Setting), Failure> {
    let settings = context.settings_of(token)?;
    let client = context.client(Named::default())?;
    let described = wait(async { Ok(client.describe_token(&token.secret, settings.message()).await?) });
    let described = described.map_err(|failure| {
        let message = format!("the token in {}: {}", token.variable, failure.message);
        perhaps_enterprise(Failure { message, ..failure }, &settings)
    })?;
    let by_default = Setting { text: described.api_url.clone(), source: Source::Default };
    Ok((described, settings.authority.unwrap_or(by_default)))
}

/// If no host is named, Cloud is asked, and it refuses the token of an Enterprise host. The hint says so.
pub(super) fn perhaps_enterprise(failure: Failure, settings: &Settings) -> Failure {
    if settings.authority.is_some() || !failure.is_of_credential() || !settings.provider().is_platform() {
        return failure;
    }
    let hint = "is it of an Enterprise host? Then set SEQERA_AUTH_DOMAIN to https://<host>/api";
    Failure { hint: Hint::Words(hint.to_owned()), ..failure }
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
        let hint = perhaps_enterprise(refused(), &unnamed).hint;
        assert!(hint.text().unwrap().contains("SEQERA_AUTH_DOMAIN"));
        let env = Env::of(&[("SEQERA_AUTH_DOMAIN", "https://h/api")]);
        let named = Settings::resolve(None, "", &env, &Config::default());
        assert_eq!(perhaps_enterprise(refused(), &named).hint, Hint::None);
        let unreachable = Failure::new(Reason::IssuerUnreachable, "x", None);
        assert_eq!(perhaps_enterprise(unreachable, &unnamed).hint, Hint::None);
    }
}
