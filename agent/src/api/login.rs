//! `Sessions.Login` and `Sessions.ImportToken`, and the events that their callers see.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, TryStreamExt};
use seqera_agent_proto::v1::login_event::{
    self, AuthorizationUrl, DeviceCode, Event, Progress, SignedIn, Waiting,
};
use seqera_agent_proto::v1::{
    CompleteLoginRequest, ImportTokenRequest, LoginEvent, LoginMethod, LoginRequest, ProfileSettings,
    SessionStatus,
};
use tonic::Status;

use crate::api::convert;
use crate::api::status::status;
use crate::error::{AgentError, ErrorKind, Typed};
use crate::profile::{Profile, ProfileName, canonical};
use crate::sessions::given;
use crate::sessions::install::{Login, look_up};
use crate::sessions::registry::Registry;
use crate::sessions::target::target;
use crate::sessions::view::View;
use crate::sign_in::logins::LoginHandle;
use crate::sign_in::stage::{self, LoginOptions, Method, Prompt, Stage};
use crate::token::{Account, Kind};

/// The events that the callers of a login see.
pub(crate) type Events = Pin<Box<dyn Stream<Item = Result<LoginEvent, Status>> + Send>>;

/// Begins or joins a login. It ends when its last caller has gone.
///
/// # Errors
/// If the name is not a valid profile name, or the settings or the port are not valid.
pub(crate) fn login(registry: &Arc<Registry>, asked: LoginRequest) -> Result<Events, AgentError> {
    let method = match asked.method() {
        LoginMethod::Unspecified | LoginMethod::Browser => Method::Browser,
        LoginMethod::Device => Method::Device,
    };
    let device = if method == Method::Device { &["device"][..] } else { &[] };
    let typed = typed(&asked.profile, asked.settings.as_ref(), device);
    if !is_new(registry, asked.settings.as_ref()) {
        return begin(registry, asked, method, typed.clone()).map_err(|error| error.typed(&typed));
    }
    let registry = Arc::clone(registry);
    let begun = async move {
        let mut asked = asked;
        let found = find_authority(&registry, &asked.profile, asked.settings.as_mut()).await;
        let events = begin(&registry, asked, method, typed.clone()).map_err(|error| error.typed(&typed))?;
        let found = found.map(|text| Ok(LoginEvent { event: Some(Event::Progress(Progress { text })) }));
        Ok::<_, Status>(tokio_stream::iter(found).chain(events))
    };
    Ok(Box::pin(futures_util::stream::once(begun).try_flatten()))
}

/// True if a login is for an authority that no profile has.
fn is_new(registry: &Registry, settings: Option<&ProfileSettings>) -> bool {
    settings
        .is_some_and(|given| !given.authority.is_empty() && registry.of_authority(&given.authority).is_none())
}

/// Puts the authority that the person means into the settings, and says so, if it is not the one that they gave.
async fn find_authority(
    registry: &Registry,
    profile: &str,
    settings: Option<&mut ProfileSettings>,
) -> Option<String> {
    let settings = settings.filter(|settings| is_new(registry, Some(settings)))?;
    // What is wrong with the settings is told by whoever uses them next.
    let (_, wanted) = target(registry, profile, settings).ok()?;
    if !wanted.serves(&settings.authority) {
        return None;
    }
    let meant = registry.shared.issuers.issuer(&wanted, Kind::Renewable).meant().await?;
    let text = format!("{} has no sign-in of its own (404); {meant} is used", wanted.authority);
    if canonical(&settings.settings_of) == canonical(&settings.authority) {
        settings.settings_of.clone_from(&meant);
    }
    settings.authority = meant;
    Some(text)
}

/// What the caller of a login has named. An authority that was set for no profile in particular is not repeated
/// beside a profile, which keeps its own.
pub(crate) fn typed(profile: &str, settings: Option<&ProfileSettings>, options: &[&str]) -> Typed {
    let settings = settings.cloned().unwrap_or_default();
    let is_of_profile = settings.authority_is_default && !profile.is_empty();
    let authority = if is_of_profile { "" } else { &settings.authority };
    Typed::at_login(profile, authority, &settings.provider, options)
}

fn begin(
    registry: &Arc<Registry>,
    asked: LoginRequest,
    method: Method,
    typed: Typed,
) -> Result<Events, AgentError> {
    let settings = asked.settings.unwrap_or_default();
    let (name, profile) = target(registry, &asked.profile, &settings)?;
    let view = registry.ensure(&name).view();
    if !asked.force {
        lives_elsewhere(&name, &view, &profile)?;
    }
    if !asked.force && view.is_usable() {
        let notes = network_note(&view, &profile).into_iter().collect();
        let event = Event::SignedIn(SignedIn { already: true, ..signed_in(registry, &name, notes) });
        return Ok(Box::pin(tokio_stream::once(Ok(LoginEvent { event: Some(event) }))));
    }
    let port = match asked.redirect_port {
        0 => None,
        port => Some(u16::try_from(port).map_err(|_| bad_port(port))?),
    };
    let limit = (asked.timeout_ms > 0).then(|| Duration::from_millis(u64::from(asked.timeout_ms)));
    let options = LoginOptions { method, port, limit, typed };
    let issuer = registry.shared.issuers.issuer(&profile, Kind::Renewable);
    let install = installer(registry, &name, &profile, method, named(asked.organization));
    let handle = registry.logins.begin(&name, &profile, issuer, options, install)?;
    Ok(Box::pin(events(Arc::clone(registry), name, handle)))
}

/// A live session is replaced only by a login at the same authority, or on demand: the other account may be in
/// use by programs.
fn lives_elsewhere(name: &ProfileName, view: &View, wanted: &Profile) -> Result<(), AgentError> {
    let authority = &view.record.profile.authority;
    if !view.is_usable() || view.record.profile.serves(&wanted.authority) {
        return Ok(());
    }
    let who = view.record.account.as_ref().map(Account::label).unwrap_or_default();
    let who = if who.is_empty() { String::new() } else { format!(" as {who}") };
    let message = format!("profile '{name}' is signed in at {authority}{who}, not at {}", wanted.authority);
    let hint = "choose another name with --profile; --force replaces that session";
    Err(AgentError::new(ErrorKind::AuthorityMismatch, message, hint))
}

/// Only a login takes over proxy and certificate authorities, and this call does not start one.
fn network_note(view: &View, profile: &Profile) -> Option<String> {
    let differs = view.record.profile.network.recorded() != profile.network.recorded();
    let note =
        "proxy and certificate authorities stay those of the last sign-in; --force takes the current ones";
    differs.then(|| note.to_owned())
}

/// Stores the session before the browser and the callers learn of the success.
fn installer(
    registry: &Arc<Registry>,
    name: &ProfileName,
    profile: &Profile,
    method: Method,
    organization: Option<String>,
) -> crate::sign_in::stage::Install {
    let (worker, shared) = (registry.ensure(name), Arc::clone(&registry.shared));
    let (name, profile) = (name.clone(), profile.clone());
    let generation = worker.view().generation;
    Box::new(move |mut granted| {
        Box::pin(async move {
            let of = (&name, &profile);
            let organization = look_up(organization.as_deref(), &mut granted, of, &shared).await?;
            let login = Login { profile, granted, method: method.into(), generation, organization };
            let notes = worker.install(login).await?;
            Ok(stage::SignedIn { notes })
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
        |(registry, name, mut handle, mut queue)| async {
            if queue.is_empty() {
                queue = stage_events(&registry, &name, handle.joined, handle.next().await?);
            }
            let next = queue.remove(0);
            Some((next.map(|event| LoginEvent { event: Some(event) }), (registry, name, handle, queue)))
        },
    )
}

/// The events of one stage, in order. There is always at least one.
fn stage_events(
    registry: &Registry,
    name: &ProfileName,
    joined: bool,
    stage: Stage,
) -> Vec<Result<Event, Status>> {
    let progress = |text: &str| vec![Ok(Event::Progress(Progress { text: text.to_owned() }))];
    match stage {
        Stage::Preparing => progress("asking the provider how to sign in"),
        Stage::Waiting { prompt, until } => {
            let until = Some(convert::timestamp(until));
            vec![Ok(prompted(prompt, name, joined)), Ok(Event::Waiting(Waiting { until }))]
        }
        Stage::Finishing => {
            progress("answer received; fetching and storing the tokens (a keychain may ask you to unlock it)")
        }
        Stage::Done(Ok(installed)) => vec![Ok(Event::SignedIn(signed_in(registry, name, installed.notes)))],
        Stage::Done(Err(error)) => vec![Err(error.into())],
    }
}

fn prompted(prompt: Prompt, name: &ProfileName, joined: bool) -> Event {
    let profile = name.to_string();
    match prompt {
        Prompt::Browser { url, open_url, redirect_uri, offers_device, can_be_pasted } => {
            Event::AuthorizationUrl(AuthorizationUrl {
                url: url.to_string(),
                open_url: open_url.map(String::from).unwrap_or_default(),
                redirect_uri: redirect_uri.to_string(),
                joined,
                profile,
                offers_device,
                nothing_to_paste: !can_be_pasted,
            })
        }
        Prompt::Device(code) => Event::DeviceCode(DeviceCode {
            user_code: code.text.into(),
            verification_uri: code.page.to_string(),
            verification_uri_complete: code.page_with_code.map(String::from).unwrap_or_default(),
            joined,
            profile,
        }),
    }
}

fn named(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Passes a login the address that its browser ended on.
///
/// # Errors
/// `BAD_REQUEST` if no login waits for an address, or if this is not the address of that login.
pub(crate) async fn complete(registry: &Registry, asked: CompleteLoginRequest) -> Result<(), AgentError> {
    let name = registry.resolve(&asked.profile, "")?;
    registry.logins.complete(&name, asked.answer).await
}

fn signed_in(registry: &Registry, name: &ProfileName, notes: Vec<String>) -> login_event::SignedIn {
    let status = status(registry, name, &registry.ensure(name).view());
    SignedIn { status: Some(status), already: false, notes }
}

/// Signs in with a token that the caller supplies.
///
/// # Errors
/// As for [`given::sign_in`], and if the name or the settings are not valid.
pub(crate) async fn import(
    registry: &Registry,
    asked: ImportTokenRequest,
) -> Result<SessionStatus, AgentError> {
    let typed = typed(&asked.profile, asked.settings.as_ref(), &["with-token"]);
    take_token(registry, asked).await.map_err(|error| error.typed(&typed))
}

async fn take_token(registry: &Registry, asked: ImportTokenRequest) -> Result<SessionStatus, AgentError> {
    let mut asked = asked;
    let found = find_authority(registry, &asked.profile, asked.settings.as_mut()).await;
    let (name, profile) = target(registry, &asked.profile, &asked.settings.unwrap_or_default())?;
    if !asked.force {
        lives_elsewhere(&name, &registry.ensure(&name).view(), &profile)?;
    }
    let notes = given::sign_in(registry, &name, profile, &asked.token, named(asked.organization)).await?;
    let mut status = status(registry, &name, &registry.ensure(&name).view());
    status.notes.extend(found.into_iter().chain(notes));
    Ok(status)
}

fn bad_port(port: u32) -> AgentError {
    let hint = "SEQERA_AUTH_REDIRECT_PORT takes 1 to 65535";
    AgentError::new(ErrorKind::BadRequest, format!("{port} is not a port"), hint)
}
