//! `Sessions.Describe`: asks the Platform who a token is. Nothing of it is stored, cached or logged.

use crate::providers::platform::refused_token;
use crate::providers::platform::unchecked;
use seqera_agent_proto::v1::Description;

use crate::api::convert;
use crate::error::{AgentError, ErrorKind};
use crate::profile::{Profile, Provider};
use crate::providers::known::Providers;
use crate::providers::platform::PlatformError;
use crate::token::AccessToken;

/// Who the token is, and what its Platform is.
///
/// # Errors
/// `LOGIN_EXPIRED` where the Platform refuses the token, `MISCONFIGURED` where there is no Platform,
/// `ISSUER_UNREACHABLE` where it cannot be asked.
pub(crate) async fn describe(
    providers: &Providers,
    profile: &Profile,
    token: &AccessToken,
) -> Result<Description, AgentError> {
    match profile.provider {
        Provider::Platform => at_platform(providers, profile, token).await,
        Provider::SciToolkit => at_scitoolkit(providers, profile, token).await,
    }
}

/// SciToolkit knows people, and no organisations.
async fn at_scitoolkit(
    providers: &Providers,
    profile: &Profile,
    token: &AccessToken,
) -> Result<Description, AgentError> {
    let account = providers.scitoolkit(profile).owner(token).await?;
    let api_url = profile.api().to_owned();
    Ok(Description { account: Some(convert::account(&account)), api_url, ..Description::default() })
}

async fn at_platform(
    providers: &Providers,
    profile: &Profile,
    token: &AccessToken,
) -> Result<Description, AgentError> {
    let platform = providers.platform(profile);
    let (user, orgs, service) =
        tokio::join!(platform.user_info(token), platform.orgs(token), platform.service_info());
    let user = user.map_err(|error| failure(profile, &error))?;
    let untold =
        |what: &str, error: Option<&PlatformError>| Some(format!("{what} are not known: {}", error?));
    let problems = [
        untold("the organizations", orgs.as_ref().err()),
        untold("version and backend", service.as_ref().err()),
    ];
    let service = service.ok();
    Ok(Description {
        account: Some(convert::account(&user.user.complete(None))),
        organizations: orgs.unwrap_or_default().iter().map(convert::organization).collect(),
        problems: problems.into_iter().flatten().collect(),
        backend_url: service.as_ref().and_then(|info| info.seqera_ai_base_url.clone()).unwrap_or_default(),
        api_version: service.as_ref().map(|info| info.api_version.clone()).unwrap_or_default(),
        platform_version: service.map(|info| info.version).unwrap_or_default(),
        api_url: profile.api().to_owned(),
    })
}

/// Why the Platform did not tell, for the person.
pub(crate) fn failure(profile: &Profile, error: &PlatformError) -> AgentError {
    let api = profile.api();
    match error {
        PlatformError::Unauthorized | PlatformError::Forbidden => {
            refused_token(&format!("{api} refuses this access token"))
        }
        PlatformError::Unreachable(why) => unchecked(api, why),
        PlatformError::NotAPlatform(_) | PlatformError::Misconfigured(_) => {
            let hint = "set SEQERA_AUTH_DOMAIN to the API of your Platform, for example https://host/api";
            let hint = match error {
                PlatformError::Misconfigured(why) => why.hint_or(hint),
                _ => hint,
            };
            AgentError::new(ErrorKind::Misconfigured, error.to_string(), hint)
        }
    }
}
