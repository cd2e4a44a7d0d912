//! `Sessions.Login` and `Sessions.ImportToken`: which profile is meant, with which settings, and what its
//! callers see of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use seqera_agent_proto::v1::login_event::{
    self, AuthorizationUrl, DeviceCode, Event, Progress, SignedIn, Waiting,
};
use seqera_agent_proto::v1::{
    CompleteLoginRequest, ImportTokenRequest, LoginEvent, LoginMethod, LoginRequest, ProfileSettings,
    SessionStatus,
};
use tonic::Status;

use crate::error::{AgentError, Kind as ErrorKind};
use crate::install::Login;
use crate::issuer::providers::Providers;
use crate::issuer::{Check, Granted};
use crate::login::{Installed, LoginHandle, LoginOptions, Method, Prompt, Stage};
use crate::profile::{Profile, ProfileName, Provider, canonical};
use crate::registry::Registry;
use crate::service::{convert, describe};
use crate::token::{AccessToken, Credential, Kind};
use crate::verdict::{Standing, Trouble};
use crate::view::View;

/// What the callers of a login see.
pub type Events = Pin<Box<dyn Stream<Item = Result<LoginEvent, Status>> + Send>>;

/// Begins or joins a login. It ends when its last caller has gone.
///
/// # Errors
/// Where the profile's name is none.
pub fn login(registry: &Arc<Registry>, asked: LoginRequest) -> Result<Events, AgentError> {
    let method = match asked.method() {
        LoginMethod::Unspecified | LoginMethod::Browser => Method::Browser,
        LoginMethod::Device => Method::Device,
    };
    let settings = asked.settings.unwrap_or_default();
    let (name, profile) = target(registry, &asked.profile, &settings)?;
    let view = registry.ensure(&name).view();
    if !asked.force && is_usable(&view) && view.record.profile.serves(&profile.authority) {
        let event = Event::SignedIn(SignedIn { already: true, ..signed_in(registry, &name, Vec::new()) });
        return Ok(Box::pin(tokio_stream::once(Ok(LoginEvent { event: Some(event) }))));
    }
    let port = match asked.redirect_port {
        0 => None,
        port => Some(u16::try_from(port).map_err(|_| bad_port(port))?),
    };
    let limit = (asked.timeout_ms > 0).then(|| Duration::from_millis(u64::from(asked.timeout_ms)));
    let organization = Some(asked.organization).filter(|wanted| !wanted.is_empty());
    let options = LoginOptions { method, port, limit, organization };
    let issuer = registry.shared.issuers.issuer(&profile, Kind::Renewable);
    let install = installer(registry, &name, &profile, method);
    let handle = registry.logins.begin(&name, &profile, issuer, options, install);
    Ok(Box::pin(events(Arc::clone(registry), name, handle)))
}

/// Somebody is signed in, the last look found the secret readable, and the provider did not refuse it: else
/// only a new login may help.
fn is_usable(view: &View) -> bool {
    let broken = match view.failure.as_ref().map(|failure| failure.trouble) {
        Some(Trouble::Store | Trouble::Locked | Trouble::Unclear | Trouble::Misconfigured) => true,
        Some(Trouble::Transient(_) | Trouble::Unknown) | None => false,
    };
    view.standing == Standing::SignedIn && !broken
}

/// Keeps the session before browser and callers hear of a success.
fn installer(
    registry: &Arc<Registry>,
    name: &ProfileName,
    profile: &Profile,
    method: Method,
) -> crate::login::Install {
    let (worker, profile) = (registry.ensure(name), profile.clone());
    let generation = worker.view().generation;
    Box::new(move |granted| {
        Box::pin(async move {
            let login = Login { profile, granted, method: method.as_str(), generation };
            let notes = worker.install(login).await?;
            Ok(Installed { notes })
        })
    })
}

fn events(
    registry: Arc<Registry>,
    name: ProfileName,
    handle: LoginHandle,
) -> impl Stream<Item = Result<LoginEvent, Status>> + Send {
    futures_util::stream::unfold(
        (registry, name, handle, Vec::new()),
        |(registry, name, mut handle, mut owed)| async {
            if owed.is_empty() {
                owed = told(&registry, &name, handle.joined, handle.next().await?);
            }
            let next = owed.remove(0);
            Some((next.map(|event| LoginEvent { event: Some(event) }), (registry, name, handle, owed)))
        },
    )
}

/// What one stage tells, in order; never nothing.
fn told(registry: &Registry, name: &ProfileName, joined: bool, stage: Stage) -> Vec<Result<Event, Status>> {
    let progress = |text: &str| vec![Ok(Event::Progress(Progress { text: text.to_owned() }))];
    match stage {
        Stage::Preparing => progress("asking the provider how to sign in"),
        Stage::Waiting { prompt, until } => {
            let until = Some(convert::timestamp(until));
            vec![Ok(prompted(prompt, name, joined)), Ok(Event::Waiting(Waiting { until }))]
        }
        Stage::Finishing => progress(
            "the answer has come; fetching and storing the tokens (a keychain may ask you to unlock it)",
        ),
        Stage::Done(Ok(installed)) => vec![Ok(Event::SignedIn(signed_in(registry, name, installed.notes)))],
        Stage::Done(Err(error)) => vec![Err(error.into())],
    }
}

fn prompted(prompt: Prompt, name: &ProfileName, joined: bool) -> Event {
    let profile = name.to_string();
    match prompt {
        Prompt::Browser { url, redirect_uri, offers_device } => Event::AuthorizationUrl(AuthorizationUrl {
            url: url.to_string(),
            redirect_uri: redirect_uri.to_string(),
            joined,
            profile,
            offers_device,
        }),
        Prompt::Device(code) => Event::DeviceCode(DeviceCode {
            user_code: code.text,
            verification_uri: code.page.to_string(),
            verification_uri_complete: code.page_with_code.map(String::from).unwrap_or_default(),
            joined,
            profile,
        }),
    }
}

/// Hands a login what its browser ended on.
///
/// # Errors
/// `BAD_REQUEST` where none waits, or for another answer than the right one.
pub async fn complete(registry: &Registry, asked: CompleteLoginRequest) -> Result<(), AgentError> {
    let name = registry.resolve(&asked.profile, "")?;
    registry.logins.complete(&name, asked.answer).await
}

fn signed_in(registry: &Registry, name: &ProfileName, notes: Vec<String>) -> login_event::SignedIn {
    let status = convert::status(name, &registry.ensure(name).view(), registry.shared.now());
    SignedIn { status: Some(status), already: false, notes }
}

/// Signs in with a token that the caller brings; it is checked before it is kept.
///
/// # Errors
/// `LOGIN_EXPIRED` where the Platform refuses it, `ISSUER_UNREACHABLE` where it cannot be asked.
pub async fn import(
    registry: &Registry,
    providers: &Providers,
    asked: ImportTokenRequest,
) -> Result<SessionStatus, AgentError> {
    let (name, profile) = target(registry, &asked.profile, &asked.settings.unwrap_or_default())?;
    let token = AccessToken::new(asked.token.trim());
    if token.expose().is_empty() {
        let hint = "create one in the Platform: profile icon, 'User tokens', 'Add token'";
        return Err(AgentError::new(ErrorKind::BadRequest, "no access token was given", hint));
    }
    let sent = registry.shared.now();
    let account = match registry.shared.issuers.issuer(&profile, Kind::Fixed).check(&token).await {
        Check::Valid(account) => account,
        Check::Refused => {
            return Err(AgentError::refused_token(&format!("{} refuses this access token", profile.api())));
        }
        Check::Unsure(why) => return Err(AgentError::unchecked(profile.api(), &why)),
    };
    let organization = describe::organization(providers, &profile, &token).await;
    let credential = Credential::Fixed { token, expires_at: None };
    let granted = Granted { credential, account, sent, organization, notes: Vec::new() };
    registry.logins.cancel(&name);
    let worker = registry.ensure(&name);
    let generation = worker.view().generation;
    let notes = worker.install(Login { profile, granted, method: "token", generation }).await?;
    let mut status = convert::status(&name, &registry.ensure(&name).view(), registry.shared.now());
    status.notes.extend(notes);
    Ok(status)
}

/// The profile that a login means, and its settings: what is given, else what it has, else the default.
pub(crate) fn target(
    registry: &Registry,
    asked: &str,
    given: &ProfileSettings,
) -> Result<(ProfileName, Profile), AgentError> {
    let name = if asked.is_empty() { unnamed(registry, &given.authority) } else { asked.parse()? };
    let known = registry.shared.state.record(&name).map(|record| record.profile);
    let known = known.filter(|known| !known.authority.is_empty()).or_else(|| registry.configured(&name));
    let serves = |known: &Profile| known.serves(&given.authority);
    if !asked.is_empty() && given.authority_is_default && known.as_ref().is_some_and(|known| !serves(known)) {
        return Ok((name, merged(&ProfileSettings::default(), known.as_ref())?));
    }
    // What belongs to another authority is no default for this one.
    let known = known.filter(|known| given.authority.is_empty() || known.serves(&given.authority));
    Ok((name, merged(given, known.as_ref())?))
}

/// The Platform that a token given inline belongs to.
///
/// # Errors
/// `MISCONFIGURED` for an authority that is no address, or not https.
pub fn inline(given: &ProfileSettings) -> Result<Profile, AgentError> {
    merged(given, None)
}

fn merged(given: &ProfileSettings, known: Option<&Profile>) -> Result<Profile, AgentError> {
    let pick = |given: &str, known: Option<&String>, default: &str| match (given, known) {
        ("", Some(known)) if !known.is_empty() => known.clone(),
        ("", _) => default.to_owned(),
        (given, _) => given.to_owned(),
    };
    let authority = pick(&given.authority, known.map(|p| &p.authority), Profile::CLOUD_AUTHORITY);
    let profile = Profile {
        authority: authority.trim_end_matches('/').to_owned(),
        client_id: pick(&given.client_id, known.map(|p| &p.client_id), Profile::CLIENT_ID),
        audience: pick(&given.audience, known.map(|p| &p.audience), Profile::AUDIENCE),
        api_url: pick(&given.api_url, known.map(|p| &p.api_url), "").trim_end_matches('/').to_owned(),
        backend_url: pick(&given.backend_url, known.map(|p| &p.backend_url), ""),
        scopes: pick(&given.scopes, known.map(|p| &p.scopes), Profile::SCOPES),
        provider: Provider::Platform,
    };
    check_authority(&profile.authority)?;
    check_provider(&given.provider)?;
    Ok(profile)
}

/// The profile of the authority; if there is none, `default` when that is free, else one after the host.
fn unnamed(registry: &Registry, authority: &str) -> ProfileName {
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
        let first = ProfileName::after_host(canonical(authority));
        let next = |number| ProfileName::imported(&format!("{first}-{number}"));
        let mut names = std::iter::once(first.clone()).chain((2..).map(next));
        names.find(|name| !sessions.profiles.contains_key(name)).unwrap_or(first.clone())
    })
}

/// Plain http is for this machine only: tokens would be read on the way.
fn check_authority(authority: &str) -> Result<(), AgentError> {
    let bad = |what: String| {
        let hint = "give the API's address, for example --authority https://platform.example.com/api";
        Err(AgentError::new(ErrorKind::Misconfigured, what, hint))
    };
    let Ok(url) = url::Url::parse(authority) else {
        return bad(format!("'{authority}' is not an address"));
    };
    if url.scheme() == "https" || (url.scheme() == "http" && crate::http::is_loopback(&url)) {
        return Ok(());
    }
    bad(format!("'{authority}' is not an https address"))
}

/// The contract has names for kinds of provider that this agent does not know yet.
fn check_provider(provider: &str) -> Result<(), AgentError> {
    match provider {
        "" | "platform" => Ok(()),
        other => {
            let what = format!("this agent knows no provider {other:?}");
            Err(AgentError::new(ErrorKind::BadRequest, what, "leave it out, or use 'platform'"))
        }
    }
}

fn bad_port(port: u32) -> AgentError {
    let hint = "SEQERA_AUTH_REDIRECT_PORT takes 1 to 65535";
    AgentError::new(ErrorKind::BadRequest, format!("{port} is not a port"), hint)
}
