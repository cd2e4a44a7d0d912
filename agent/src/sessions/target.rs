//! Which profile a login means, and with which settings: what is given, else what the profile has, else the
//! default of its kind of provider ([Which profile](crate::manual::sign_in#which-profile)).

use seqera_agent_proto::configuration::names_a_user;
use seqera_agent_proto::v1::ProfileSettings;
use seqera_agent_proto::values::address;

use crate::error::{AgentError, ErrorKind};
use crate::network::keeps_secrets;
use crate::profile::{Profile, ProfileName, ProviderId, canonical};
use crate::providers::known::{self, UnknownProvider};
use crate::sessions::registry::Registry;
use crate::site::Site;

/// The profile that a login means, and its settings: what is given, else what it has, else the default.
///
/// # Errors
/// `BAD_REQUEST` for a name or a kind of provider that is none, `MISCONFIGURED` for an address that is none.
pub(crate) fn target(
    registry: &Registry,
    asked: &str,
    given: &ProfileSettings,
) -> Result<(ProfileName, Profile), AgentError> {
    let site = &registry.shared.site;
    site.check()?;
    let provider = provider(given)?;
    let name = match provider.as_ref().and_then(known::own_profile) {
        _ if !asked.is_empty() => asked.parse()?,
        Some(own) => own,
        None => unnamed(registry, &given.authority),
    };
    registry.check_not_reserved(&name)?;
    let known = registry.shared.state.record(&name).map(|record| record.profile.clone());
    let known = known.filter(|known| !known.authority.is_empty()).or_else(|| registry.configured(&name));
    // What belongs to another kind of provider, or to another authority, is no default for this one.
    let known = known.filter(|known| provider.as_ref().is_none_or(|provider| known.provider == *provider));
    let serves = |known: &Profile| known.serves(&given.authority);
    if !asked.is_empty() && given.authority_is_default && known.as_ref().is_some_and(|known| !serves(known)) {
        let way = ProfileSettings { network: given.network.clone(), ..ProfileSettings::default() };
        return Ok((name, merged(&way, known.as_ref(), site)?));
    }
    let known = known.filter(|known| given.authority.is_empty() || known.serves(&given.authority));
    Ok((name, merged(given, known.as_ref(), site)?))
}

/// The Platform that a token given inline belongs to.
///
/// # Errors
/// `MISCONFIGURED` for an authority that is no address, or not https.
pub(crate) fn inline(given: &ProfileSettings) -> Result<Profile, AgentError> {
    // Where nothing says whose an inline token is, it is Seqera Cloud's, as documented: the site's Platform must not
    // see it.
    merged(given, None, &Site::default())
}

fn merged(given: &ProfileSettings, had: Option<&Profile>, site: &Site) -> Result<Profile, AgentError> {
    let provider = provider(given)?.or(had.map(|had| had.provider.clone())).unwrap_or_default();
    let defaults = known::defaults(&provider);
    let pick = |given: &str, known: Option<&String>, default: &str| match (given, known) {
        ("", Some(known)) if !known.is_empty() => known.clone(),
        ("", _) => default.to_owned(),
        (given, _) => given.to_owned(),
    };
    let authority = pick(&given.authority, had.map(|p| &p.authority), site.authority_or(&defaults));
    let authority = checked(&authority)?;
    let network = match &given.network {
        Some(given) => site.network([&given.proxy, &given.no_proxy, &given.ca_file])?,
        None => had.map(|p| p.network.clone()).unwrap_or_default(),
    };
    let endpoints = endpoints(given, had, &authority, &provider);
    let is_own = given.settings_of.is_empty() || canonical(&given.settings_of) == canonical(&authority);
    Ok(Profile {
        client_id: pick(
            if is_own { &given.client_id } else { "" },
            had.map(|p| &p.client_id),
            &defaults.client_id,
        ),
        audience: pick(
            if is_own { &given.audience } else { "" },
            had.map(|p| &p.audience),
            &defaults.audience,
        ),
        scopes: pick(&given.scopes, had.map(|p| &p.scopes), &defaults.scopes),
        authority,
        provider,
        network,
        ..endpoints
    })
}

/// Where the tokens of this authority may go: addresses that were set for it, now or when it signed in, else its
/// own. What was set for another authority counts as not set.
fn endpoints(
    given: &ProfileSettings,
    had: Option<&Profile>,
    authority: &str,
    provider: &ProviderId,
) -> Profile {
    let now = Profile {
        authority: authority.to_owned(),
        api_url: address::recorded(&given.api_url),
        backend_url: address::recorded(&given.backend_url),
        endpoints_of: address::recorded(&given.settings_of),
        ..Profile::default()
    };
    let had =
        had.cloned().unwrap_or_else(|| Profile { authority: authority.to_owned(), ..Profile::default() });
    let of_now = |url: &str| !url.is_empty() && now.owns(url);
    let of_record = |url: &str| !url.is_empty() && had.owns(url);
    let own = known::api_url(provider, authority);
    let choose = |now: &str, recorded: &str, own: &str| match () {
        () if of_now(now) => now.to_owned(),
        () if of_record(recorded) => recorded.to_owned(),
        () => own.to_owned(),
    };
    let api_url = choose(&now.api_url, &had.api_url, &own);
    let backend_url = choose(&now.backend_url, &had.backend_url, "");
    let is_elsewhere = [&api_url, &backend_url].iter().any(|url| of_now(url) || of_record(url));
    let endpoints_of = if is_elsewhere { authority.to_owned() } else { String::new() };
    Profile { api_url, backend_url, endpoints_of, ..now }
}

/// The profile of the authority; if there is none, `default` when that is free, else one after the host.
pub(crate) fn unnamed(registry: &Registry, authority: &str) -> ProfileName {
    let sessions = registry.shared.state.snapshot();
    if authority.is_empty() {
        return sessions.default_profile.clone().unwrap_or_else(ProfileName::fallback);
    }
    let fallback = ProfileName::fallback();
    let free = sessions.profiles.get(&fallback).is_none_or(|record| record.signed_out);
    registry.of_authority(authority).unwrap_or_else(|| {
        if free {
            return fallback;
        }
        // Two authorities of one host are two profiles.
        let first = ProfileName::after_host(&canonical(authority));
        let next = |number| ProfileName::imported(&format!("{first}-{number}"));
        let mut names = std::iter::once(first.clone()).chain((2..).map(next));
        names.find(|name| !sessions.profiles.contains_key(name)).unwrap_or(first.clone())
    })
}

/// The authority in its one spelling. Plain http is for this machine only: tokens would be read on the way.
fn checked(authority: &str) -> Result<String, AgentError> {
    let bad = |what: String| {
        let hint = "give the API's address, for example --authority https://platform.example.com/api";
        AgentError::new(ErrorKind::Misconfigured, what, hint)
    };
    if authority.is_empty() {
        return Err(bad("no authority is given".to_owned()));
    }
    // It may be a password, and this text is shown.
    if names_a_user(authority) {
        return Err(bad("the authority contains a user name or a password".to_owned()));
    }
    let spelled =
        address::read(authority).map_err(|odd| bad(format!("the authority {authority:?} {odd}")))?;
    match url::Url::parse(&spelled) {
        Ok(url) if keeps_secrets(&url) => Ok(spelled),
        Ok(_) => Err(bad(format!("'{spelled}' is not an https address"))),
        Err(_) => Err(bad(format!("'{spelled}' is not an address"))),
    }
}

/// The kind of provider, where one is given. Newer clients may know more of them.
fn provider(given: &ProfileSettings) -> Result<Option<ProviderId>, AgentError> {
    if given.provider.is_empty() {
        return Ok(None);
    }
    let unknown = |unknown: UnknownProvider| {
        let hint = format!("leave it out, or use {}", known::names());
        AgentError::new(ErrorKind::BadRequest, unknown.to_string(), hint)
    };
    known::named(&given.provider).map(Some).map_err(unknown)
}
