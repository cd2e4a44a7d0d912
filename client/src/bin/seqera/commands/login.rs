//! `seqera login`: the agent owns the login, [`Follow`] shows its progress, and this file starts it and
//! reports how it ended.

mod adopt;
mod browser;
mod device;
mod follow;
mod given;
mod hints;
mod import;
mod whose;

use std::fmt;

use clap::Args;
use seqera_client::error::EXIT_ENDED;
use seqera_client::proto::reason::Reason;
use seqera_client::proto::v1::login_event::SignedIn;
use seqera_client::proto::v1::{LoginMethod, LoginRequest, SessionStatus};
use seqera_client::proto::values::address;
use seqera_client::{Client, Options, program};
use serde_json::json;

use self::follow::Follow;
use self::given::Given;
use self::import::Imports;
use crate::commands::org;
use crate::commands::session::{account_name, object};
use crate::commands::toolkit_files::ToolkitFiles;
use crate::screen::ask;
use crate::screen::failure::{Failure, Hint};
use crate::settings::Settings;
use crate::settings::config::Config;
use crate::settings::context::{Context, interruptible, wait};
use crate::settings::env::no_address;
use crate::settings::provider::Provider;
use crate::settings::setting::host;
use crate::settings::subject::Named;
use crate::settings::wishes;

/// Failures that the settings may explain.
const OF_SETTINGS: [Reason; 4] =
    [Reason::Misconfigured, Reason::IssuerUnreachable, Reason::LoginTimedOut, Reason::AuthorityMismatch];

/// Sign in with a browser, on another device, or with an access token
///
/// While it waits for a browser it takes the address that a browser on another machine ended on: paste it and
/// press Enter. With `-o json` the address, or the code, comes as one JSON object a line on standard error.
///
/// Proxy and private certificate authorities are those of HTTPS_PROXY, NO_PROXY and NODE_EXTRA_CA_CERTS or
/// SSL_CERT_FILE, or `proxy`, `noProxy` and `caFile` of config.json, which beats the variables. They stay with the
/// profile.
#[derive(Default, Args)]
#[command(after_help = "\
Examples:
  seqera login
  seqera login --profile work --authority https://seqera.example.com/api
  seqera login --device
  seqera login --organization genomics
  seqera login --with-token < token.txt
  seqera login --provider scitoolkit
  seqera login --import
  seqera login --adopt")]
pub(crate) struct Login {
    /// OIDC issuer base URL [variable: SEQERA_AUTH_DOMAIN; default: https://cloud.seqera.io/api]
    #[arg(long, value_name = "URL")]
    pub(super) authority: Option<String>,
    /// Sign in to another kind of provider
    #[arg(long, value_name = "KIND")]
    pub(crate) provider: Option<Provider>,
    /// Print the URL only [variable: SEQERA_BROWSER_AUTO_OPEN=false]
    #[arg(long)]
    pub(super) no_browser: bool,
    /// Show a code to enter in a browser anywhere, such as on a phone
    #[arg(long)]
    pub(super) device: bool,
    /// Read an access token from standard input instead
    #[arg(long, conflicts_with_all = ["token", "no_browser", "device"])]
    pub(super) with_token: bool,
    /// Use this access token instead; other users of this machine can see it, --with-token hides it
    #[arg(long, value_name = "VALUE", conflicts_with_all = ["no_browser", "device"])]
    pub(super) token: Option<String>,
    /// Take over what the earlier CLI and Nextflow have left, without asking
    #[arg(long, conflicts_with_all = ["token", "with_token", "device", "organization"])]
    pub(super) import: bool,
    /// Choose this organization, and fail without it; else the earlier choice is kept, or the first one is taken
    #[arg(long, value_name = "NAME|ID")]
    pub(super) organization: Option<String>,
    /// Take over the session of another host, if that is this one under an earlier name or its disk was moved here
    #[arg(long, value_name = "HOST", num_args = 0..=1, require_equals = true, default_missing_value = "",
        conflicts_with_all = ["token", "with_token", "device", "import", "organization", "authority"])]
    pub(super) adopt: Option<String>,
    /// Sign in again although a session exists; with --adopt, do not ask
    #[arg(long)]
    pub(super) force: bool,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("authority", &self.authority).finish_non_exhaustive()
    }
}

pub(super) fn run(context: &Context, args: Login) -> Result<(), Failure> {
    let options = context.options()?;
    let profile = context.profile.clone().or(context.env.profile()).unwrap_or_default();
    match &args.adopt {
        Some(host) => adopt::run(context, &Client::new(Options { profile, ..options }), host, args.force),
        None => sign_in(context, &args, options, profile),
    }
}

fn sign_in(context: &Context, args: &Login, mut options: Options, profile: String) -> Result<(), Failure> {
    let config = context.config()?;
    if options.credential_store.is_empty() {
        config.text("credentialStore").unwrap_or_default().clone_into(&mut options.credential_store);
    }
    let settings = args.settings(context, &profile, &config)?;
    let typed = args.typed(context, &profile);
    let token = given::token(context, &typed, args.token.as_deref(), args.with_token)?;
    context.warn_of_unknown_keys()?;
    let client = Client::new(Options { profile: profile.clone(), ..options });
    let settings = match &token {
        Some(given) if !args.names_authority() => {
            whose::settings(context, &client, (&profile, &config), settings, &given.token)?
        }
        _ => settings,
    };
    let request = args.request(context, &profile, &settings)?;
    let label = context.env.provider().label();
    context.screen.say(&format!("[Login] Starting {label} CLI authentication..."))?;
    let toolkit_files = ToolkitFiles::find(context, &client)?;
    let imports = Imports { context, client: &client, settings: &settings, typed: &typed };
    if args.import {
        return report_all(context, &imports.take_all()?);
    } else if token.is_none() && !args.force && args.organization.is_none() {
        let taken = match &toolkit_files {
            Some(files) => files.offer(&settings)?,
            None => imports.offer()?,
        };
        if !taken.is_empty() {
            report_all(context, &taken)?;
            return toolkit_files.map_or(Ok(()), |files| files.consolidate());
        }
    }
    let opens = !args.no_browser && context.env.browser_auto_open()? && context.env.has_display();
    let sign_in = |force: bool| {
        let request = LoginRequest { force, ..request.clone() };
        match &token {
            Some(given) => {
                let import = async |token: &str| import(&client, &settings, token, &request).await;
                with_token(context, &typed, given, import).map(|signed_in| (signed_in, false))
            }
            None => {
                wait(interruptible("the login", Follow::new(context, &client, opens, &typed).run(request)))
            }
        }
    };
    let signed_in = match sign_in(args.force) {
        Err(failure) if failure.is(Reason::AuthorityMismatch) && replaces(context, &failure)? => {
            sign_in(true)
        }
        signed_in => signed_in,
    };
    let signed_in = signed_in.map_err(|failure| hinted(context, failure, &typed));
    let (signed_in, joined) = signed_in.inspect_err(|failure| explain(context, failure, &settings))?;
    let signed_in = org::after_login(context, args.organization.as_deref(), joined, signed_in)?;
    report(context, &signed_in, profile.is_empty())?;
    let Some(files) = toolkit_files else { return Ok(()) };
    if !signed_in.already {
        files.replaced();
    }
    files.consolidate()
}

impl Login {
    /// How the profile is to reach its provider, with notes of what is left out.
    fn settings(&self, context: &Context, profile: &str, config: &Config) -> Result<Settings, Failure> {
        let authority = self.authority.as_deref().filter(|_| self.names_authority());
        let authority = authority.map(address::read).transpose();
        let authority = authority.map_err(|odd| no_address("--authority", odd))?;
        let settings = Settings::resolve(authority.as_deref(), profile, &context.env, config);
        settings.check()?;
        settings.ignored.iter().for_each(|note| context.screen.warn(note));
        Ok(settings)
    }

    fn names_authority(&self) -> bool {
        self.authority.as_deref().is_some_and(|given| !given.trim().is_empty())
    }

    fn request(
        &self,
        context: &Context,
        profile: &str,
        settings: &Settings,
    ) -> Result<LoginRequest, Failure> {
        let method = if self.device { LoginMethod::Device } else { LoginMethod::Browser };
        Ok(LoginRequest {
            profile: profile.to_owned(),
            settings: Some(settings.message()),
            redirect_port: context.env.redirect_port()?.unwrap_or_default().into(),
            timeout_ms: context.env.callback_timeout_ms()?.unwrap_or_default(),
            force: self.force,
            method: method.into(),
            organization: self.organization.clone().unwrap_or_default(),
        })
    }

    /// What has to be typed to come here again, without options that choose the way of signing in.
    fn typed(&self, context: &Context, profile: &str) -> String {
        let authority = self.authority.as_deref().unwrap_or_default();
        context.env.provider().login_typed(context.called, profile, authority)
    }
}

/// Asks whether the session that is in the way is to be replaced. It says no where nobody can be asked.
fn replaces(context: &Context, failure: &Failure) -> Result<bool, Failure> {
    if !ask::possible(&context.screen) {
        return Ok(false);
    }
    context.screen.tell(&failure.message);
    Ok(ask::yes(&context.screen, "Replace that session?", false)?.unwrap_or(false))
}

/// Signs in with a token. One that was typed, and is refused, is asked for again.
fn with_token(
    context: &Context,
    login: &str,
    given: &Given,
    import: impl AsyncFn(&str) -> Result<SignedIn, Failure>,
) -> Result<SignedIn, Failure> {
    let mut token = given.token.clone();
    loop {
        match wait(interruptible("the login", import(&token))) {
            Err(refused) if given.was_typed && given::is_refused(&refused) => {
                context.screen.warn(&refused.message);
                token = given::typed(context, login)?;
            }
            done => return done,
        }
    }
}

async fn import(
    client: &Client,
    settings: &Settings,
    token: &str,
    request: &LoginRequest,
) -> Result<SignedIn, Failure> {
    let LoginRequest { organization, force, .. } = request;
    let status = client.import_token(settings.message(), token, organization, *force).await?;
    Ok(SignedIn { notes: status.notes.clone(), status: Some(status), already: false })
}

/// The agent words its hints for a Platform; for another kind of provider, this names the right command.
fn hinted(context: &Context, failure: Failure, typed: &str) -> Failure {
    if context.env.provider().is_platform() || !failure.is(Reason::LoginTimedOut) {
        return failure;
    }
    let again = "again, and check that the browser can reach the address it prints";
    Failure { hint: Hint::Words(format!("run '{typed}' {again}")), ..failure }
}

/// Timeouts and refusals are often caused by a wrong setting, so each setting is shown with its source.
fn explain(context: &Context, failure: &Failure, settings: &Settings) {
    if OF_SETTINGS.iter().any(|reason| failure.is(*reason)) && !context.screen.json {
        settings.lines().iter().for_each(|line| context.screen.note(line));
    }
}

/// Reports sessions that were taken over; with `-o json`, in one object.
fn report_all(context: &Context, all: &[SignedIn]) -> Result<(), Failure> {
    if context.screen.json {
        let sessions = all.iter().filter_map(|signed_in| signed_in.status.as_ref().map(object));
        return context.screen.object(&json!({"imported": sessions.collect::<Vec<_>>()}));
    }
    all.iter().try_for_each(|signed_in| report(context, signed_in, false))
}

/// Signs in with a separate `seqera login`: whatever it does to the terminal ends with it.
///
/// # Errors
/// The login failed, and has said why.
pub(super) fn in_separate_process(named: &Named) -> Result<(), Failure> {
    let failed = |error| Failure::system("cannot run 'seqera login'", &error);
    let mut command = program::itself().map_err(failed)?;
    command.arg("login");
    if !named.profile.is_empty() {
        command.args(["--profile", &named.profile]);
    }
    let ended = command.status().map_err(failed)?;
    // Windows has exit codes that do not fit, and a signal leaves none.
    let code = ended.code().map_or(EXIT_ENDED, |code| u8::try_from(code).unwrap_or(1));
    if code == 0 { Ok(()) } else { Err(Failure::told(code)) }
}

/// `unnamed`: nobody named the profile.
fn report(context: &Context, signed_in: &SignedIn, unnamed: bool) -> Result<(), Failure> {
    let screen = &context.screen;
    let status = signed_in.status.clone().unwrap_or_default();
    if screen.json {
        screen.object(&object(&status))?;
    } else {
        // Asked first: what is typed after the words of success is for the next program.
        let client = context.client(Named::default())?;
        let list = wait(async { Ok(client.list().await?) });
        for line in words(&status, signed_in.already) {
            screen.say(&line)?;
        }
        // The login has succeeded, whether or not this is known.
        if let Ok(list) = list {
            let is_own = context.env.provider().own_profile() == Some(&status.profile);
            let default_profile = if is_own { &status.profile } else { &list.default_profile };
            screen.say(&place(&status, default_profile, unnamed && !signed_in.already))?;
        }
    }
    signed_in.notes.iter().for_each(|note| screen.note(note));
    if let Some(warning) = wishes::store_of_another(&context.env, &status) {
        screen.warn(&warning);
    }
    for variable in context.env.token_variables() {
        screen.warn(&format!("{variable} is set: its token is used instead of this session"));
    }
    Ok(())
}

/// The lines that the documentation promises.
fn words(status: &SessionStatus, already: bool) -> Vec<String> {
    let who = account_name(status);
    if already {
        let profile = &status.profile;
        return vec![format!("Already signed in as {who} (profile '{profile}'); --force signs in again.")];
    }
    let mut lines = vec!["[Login] ✓ Authentication successful!".to_owned()];
    let organization =
        status.organization.as_ref().map(|org| org.name.as_str()).filter(|name| !name.is_empty());
    lines.extend(organization.map(|name| format!("[Login] ✓ Organization set: {name}")));
    lines.push(format!("Successfully authenticated as {who}"));
    lines
}

/// Where the person is signed in, by which name, and how commands use it. `made`: the name is our choice.
fn place(status: &SessionStatus, default_profile: &str, made: bool) -> String {
    let profile = &status.profile;
    let authority = status.settings.clone().unwrap_or_default().authority;
    let place = format!("Profile '{profile}' at {}", host(&authority));
    if profile == default_profile {
        return format!("{place}, the default: commands use it unless told otherwise.");
    }
    let named = if made { ", a new one named after its host" } else { "" };
    format!(
        "{place}{named}, not the default: name it with --profile {profile}, or choose it with \
         'seqera profile use {profile}'."
    )
}

#[cfg(test)]
mod tests {
    use seqera_client::proto::v1::{Account, Organization, ProfileSettings};

    use super::*;

    #[test]
    fn success_is_told_in_the_documented_words() {
        let mut status = SessionStatus {
            profile: "work".into(),
            account: Some(Account { email: "user@example.com".into(), ..Account::default() }),
            ..SessionStatus::default()
        };
        let bare = ["[Login] ✓ Authentication successful!", "Successfully authenticated as user@example.com"];
        assert_eq!(words(&status, false), bare);
        status.organization = Some(Organization { id: 1, name: "acme".into(), ..Organization::default() });
        assert_eq!(words(&status, false)[1], "[Login] ✓ Organization set: acme");
        assert!(
            words(&status, true)[0].starts_with("Already signed in as user@example.com (profile 'work')")
        );
    }

    #[test]
    fn a_login_names_host_and_profile_and_how_to_use_it() {
        let authority = "https://platform.example.com:8443/api".to_owned();
        let settings = Some(ProfileSettings { authority, ..ProfileSettings::default() });
        let status = SessionStatus { profile: "work".into(), settings, ..SessionStatus::default() };
        let is_default = place(&status, "work", false);
        assert!(
            is_default.starts_with("Profile 'work' at platform.example.com:8443, the default"),
            "{is_default}"
        );
        let other = place(&status, "default", false);
        assert!(other.contains("not the default") && other.contains("--profile work"), "{other}");
        assert!(other.contains("'seqera profile use work'") && !other.contains("named after"), "{other}");
        assert!(place(&status, "default", true).contains("named after its host"));
    }
}
