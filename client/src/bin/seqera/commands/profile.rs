//! `seqera profile`: several accounts side by side.

use clap::{Args, Subcommand};
use seqera_client::proto::v1::{ListResponse, SessionState, SessionStatus};
use seqera_client::proto::values::{address, proxy};
use serde_json::{Value, json};

use crate::commands::logout;
use crate::commands::session::{account_name, object, of_host};
use crate::screen::ask::{self, Choice};
use crate::screen::failure::Failure;
use crate::screen::{grid, table};
use crate::settings::Settings;
use crate::settings::context::{Context, wait};
use crate::settings::setting::Setting;
use crate::settings::subject::Named;

/// The id of arguments that name a profile; completions look for it.
pub(super) const NAMED: &str = "named_profile";

/// Show, choose, rename or remove profiles: names for accounts, at Seqera Cloud or at your own Platform
///
/// Without a command it shows the profile that commands use now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seqera profile list
  seqera profile use work
  seqera profile rename work lab
  seqera login --profile work --authority https://seqera.example.com/api")]
pub(crate) struct Profile {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all profiles; a star marks the one that is used where none is named
    #[command(after_help = "Example: seqera profile list -o json")]
    List,
    /// Choose the profile that is used where none is named
    ///
    /// Without a name you are asked which one.
    #[command(after_help = "Example: seqera profile use work")]
    Use {
        /// A profile that has signed in before or stands in config.json
        #[arg(id = NAMED, value_name = "NAME", conflicts_with = "profile")]
        name: Option<String>,
    },
    /// Give a profile another name; its session, choices and running programs stay
    ///
    /// What you wrote in config.json under the old name stays there for you to change.
    #[command(after_help = "Example: seqera profile rename work lab")]
    Rename {
        /// The name that it has
        #[arg(id = NAMED, value_name = "OLD", conflicts_with = "profile")]
        old: String,
        /// The name that it gets
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Forget a profile that is signed out
    #[command(after_help = "Example: seqera profile remove work")]
    Remove {
        /// A profile that has signed in before
        #[arg(id = NAMED, value_name = "NAME", conflicts_with = "profile")]
        name: String,
        /// Sign out first: revoke at the provider, and remove what is stored
        #[arg(long)]
        force: bool,
    },
    /// Show how a profile reaches its provider, and where each value comes from
    #[command(after_help = "Example: seqera profile show work")]
    Show {
        /// Without it, the profile that commands use now
        #[arg(id = NAMED, value_name = "NAME", conflicts_with = "profile")]
        name: Option<String>,
    },
}

pub(super) fn run(context: &Context, args: Profile) -> Result<(), Failure> {
    match args.command {
        None => show(context, None),
        Some(Command::List) => list(context),
        Some(Command::Use { name }) => choose(context, name),
        Some(Command::Rename { old, new }) => rename(context, &old, &new),
        Some(Command::Remove { name, force }) => remove(context, &name, force),
        Some(Command::Show { name }) => show(context, name),
    }
}

fn known(context: &Context) -> Result<ListResponse, Failure> {
    let client = context.client(Named::default())?;
    wait(async { Ok(client.list().await?) })
}

fn list(context: &Context) -> Result<(), Failure> {
    let ListResponse { sessions, default_profile } = known(context)?;
    if context.screen.json {
        let profiles: Vec<Value> = sessions.iter().map(object).collect();
        return context.screen.object(&json!({"default_profile": default_profile, "profiles": profiles}));
    }
    if sessions.is_empty() {
        context.screen.say("There is no profile yet.")?;
        context.screen.hint("'seqera login' makes one");
        return Ok(());
    }
    let rows: Vec<_> = sessions.iter().map(|status| row(status, &default_profile)).collect();
    context.screen.say(&grid(["Profile", "Account", "Authority", "Organization", "State"], &rows))?;
    if sessions.iter().any(|status| status.state() == SessionState::OtherHost) {
        let hint = "'seqera login --adopt' takes over the session of another host, if that is this one";
        context.screen.hint(hint);
    }
    Ok(())
}

fn row(status: &SessionStatus, default_profile: &str) -> [String; 5] {
    let mark = if status.profile == default_profile { " *" } else { "" };
    let account = status.account.as_ref().map(|_| account_name(status)).unwrap_or_default();
    let authority = status.settings.clone().unwrap_or_default().authority;
    let organization = status.organization.clone().unwrap_or_default().name;
    [format!("{}{mark}", status.profile), account, authority, organization, state(status)]
}

fn state(status: &SessionStatus) -> String {
    let known = match status.state() {
        SessionState::SignedIn => "signed in",
        SessionState::SignedOut => "signed out",
        SessionState::LoginExpired => "sign-in ended",
        SessionState::OtherHost => return format!("of {}", of_host(status)),
        // A state of a later version.
        SessionState::Unspecified => "unknown",
    };
    known.to_owned()
}

fn choose(context: &Context, name: Option<String>) -> Result<(), Failure> {
    let name = match name.or_else(|| context.profile.clone()) {
        Some(name) => name,
        None => pick(context)?,
    };
    let client = context.client(Named::default())?;
    let chosen = wait(async { Ok(client.use_profile(&name).await?) })?;
    if context.screen.json {
        context.screen.object(&json!({"default_profile": chosen}))?;
    } else {
        context.screen.say(&format!("✓ Default profile set: {chosen}"))?;
    }
    stronger(context, &chosen)?.iter().for_each(|warning| context.screen.warn(warning));
    Ok(())
}

fn rename(context: &Context, old: &str, new: &str) -> Result<(), Failure> {
    let client = context.client(Named::default())?;
    let renamed = wait(async { Ok(client.rename_profile(old, new).await?) })?;
    let name = renamed.status.unwrap_or_default().profile;
    if context.screen.json {
        context.screen.object(&json!({"profile": name, "was": old, "notes": renamed.notes}))?;
    } else {
        context.screen.say(&format!("✓ Profile renamed: {old} is now {name}"))?;
        renamed.notes.iter().for_each(|note| context.screen.note(note));
    }
    still_in_variable(context, old);
    Ok(())
}

fn remove(context: &Context, name: &str, force: bool) -> Result<(), Failure> {
    let client = context.client(Named::default())?;
    let force = force || agreed(context, name)?;
    let removed = wait(async { Ok(client.remove_profile(name, force).await?) })?;
    let signed_out = removed.signed_out.as_ref();
    if context.screen.json {
        let result = signed_out.map(logout::name);
        context.screen.object(&json!({"removed": name, "signed_out": result, "notes": removed.notes}))?;
    } else {
        if let Some(outcome) = signed_out {
            context.screen.say(&format!("{name}: {}", logout::phrase(outcome)))?;
        }
        context.screen.say(&format!("✓ Profile removed: {name}"))?;
        removed.notes.iter().for_each(|note| context.screen.note(note));
    }
    still_in_variable(context, name);
    Ok(())
}

/// Asks whether to sign out of a profile that is signed in. If nobody can be asked, the agent refuses.
fn agreed(context: &Context, name: &str) -> Result<bool, Failure> {
    if !ask::possible(&context.screen) {
        return Ok(false);
    }
    let status = context.status(Named { profile: name.to_owned(), authority: String::new() })?;
    if status.state() == SessionState::SignedOut {
        return Ok(false);
    }
    let question = format!("{} is signed in ('{name}'). Sign out and remove it?", account_name(&status));
    Ok(ask::yes(&context.screen, &question, false)? == Some(true))
}

fn still_in_variable(context: &Context, name: &str) {
    if context.env.profile().as_deref() == Some(name) {
        context.screen.warn(&format!("SEQERA_PROFILE still names '{name}'"));
    }
}

fn pick(context: &Context) -> Result<String, Failure> {
    let ListResponse { sessions, default_profile } = known(context)?;
    let here = sessions.into_iter().filter(|status| status.state() != SessionState::OtherHost);
    let sessions: Vec<_> = here.collect();
    let preset = sessions.iter().position(|status| status.profile == default_profile);
    let choices: Vec<_> = sessions.iter().map(choice).collect();
    if choices.is_empty() {
        return Err(Failure::usage("there is no profile yet", Some("'seqera login' makes one")));
    }
    let picked = ask::choose(&context.screen, "Which profile", &choices, preset)?;
    match picked.and_then(|index| sessions.get(index)) {
        Some(status) => Ok(status.profile.clone()),
        None => {
            let hint = format!("run 'seqera profile use NAME'; there are {}", ask::listed(&choices));
            Err(Failure::usage("no profile is named, and there is no terminal to ask at", Some(&hint)))
        }
    }
}

fn choice(status: &SessionStatus) -> Choice {
    let name = status.profile.clone();
    let account = status.account.as_ref().map(|_| account_name(status));
    let shown = account.as_ref().map_or(name.clone(), |account| format!("{name}  ({account})"));
    Choice { shown, names: std::iter::once(name).chain(account).collect() }
}

/// Warns of everything that overrides the chosen profile, so that the choice has no effect now.
fn stronger(context: &Context, chosen: &str) -> Result<Vec<String>, Failure> {
    let mut warnings = Vec::new();
    if let Some(variable) = context.env.token_variables().first() {
        warnings.push(format!("{variable} comes before this choice: its token is used"));
    }
    if let Some(other) = context.env.profile().filter(|other| other != chosen) {
        warnings.push(format!("SEQERA_PROFILE comes before this choice: profile '{other}' is used"));
        return Ok(warnings);
    }
    let settings = Settings::resolve(None, "", &context.env, &context.config()?);
    let Some(authority) = settings.authority else { return Ok(warnings) };
    let named = Named { profile: String::new(), authority: authority.text.clone() };
    // If nobody is signed in to the authority, commands ask for a login there.
    let other = context.status(named).map(|status| status.profile).unwrap_or_default();
    if other != chosen {
        let Setting { text, source } = authority;
        warnings.push(format!("{source} comes before this choice: the profile of {text} is used"));
    }
    Ok(warnings)
}

fn show(context: &Context, name: Option<String>) -> Result<(), Failure> {
    let named = match name {
        Some(profile) => Named { profile, authority: String::new() },
        None => context.named()?,
    };
    let status = context.status(named)?;
    let wanted = Settings::resolve(None, &status.profile, &context.env, &context.config()?);
    let values = values(&status, &wanted);
    if context.screen.json {
        let entry = |value: &Shown| {
            let set = (!value.text.is_empty()).then_some(value);
            let (text, source) = (set.map(|set| &set.text), set.map(|set| &set.source));
            (value.key.to_owned(), json!({"value": text, "source": source}))
        };
        let settings: serde_json::Map<_, _> = values.iter().map(entry).collect();
        let notes: Vec<_> = values.iter().filter_map(|value| value.next.as_ref()).collect();
        let state = &object(&status)["state"];
        let shown = json!({"profile": status.profile, "state": state, "settings": settings, "notes": notes});
        return context.screen.object(&shown);
    }
    let mut rows = vec![("Profile", status.profile.clone()), ("State", state(&status).to_owned())];
    if status.account.is_some() {
        rows.push(("Account", account_name(&status)));
    }
    let shown = |value: &Shown| match value.text.as_str() {
        "" => String::new(),
        text => format!("{text} ({})", value.source),
    };
    rows.extend(values.iter().map(|value| (value.label, shown(value))));
    context.screen.say(&table(&rows))?;
    values.iter().filter_map(|value| value.next.as_ref()).for_each(|next| context.screen.note(next));
    Ok(())
}

/// A value of a profile, and where it comes from.
struct Shown {
    label: &'static str,
    key: &'static str,
    text: String,
    source: String,
    /// What the next login uses instead.
    next: Option<String>,
}

fn values(status: &SessionStatus, wanted: &Settings) -> Vec<Shown> {
    let has = status.settings.clone().unwrap_or_default();
    let network = has.network.clone().unwrap_or_default();
    let of_login = status.sources.as_ref().is_some_and(|sources| sources.settings == "login");
    // An authority that is set for no profile in particular does not change one that has its own.
    let stays = of_login
        && wanted.message().authority_is_default
        && wanted.authority.as_ref().is_some_and(|set| !same(&set.text, &has.authority));
    let shown_proxy = if network.proxy.is_empty() { String::new() } else { proxy::shown(&network.proxy) };
    let value = |label, key, text: String, set: Option<&Setting>| match (set, of_login) {
        (Some(set), false) => {
            Shown { label, key, text: set.text.clone(), source: set.source.to_string(), next: None }
        }
        (None, false) => Shown { label, key, text, source: "default".to_owned(), next: None },
        (set, true) => {
            let other = set.filter(|set| !stays && !same(&set.text, &text));
            let next = other
                .map(|set| format!("{label} will be {} from the next sign-in ({})", set.text, set.source));
            Shown { label, key, text, source: "login".to_owned(), next }
        }
    };
    vec![
        value("Authority", "authority", has.authority.clone(), wanted.authority.as_ref()),
        value("Client id", "client_id", has.client_id.clone(), wanted.client_id.as_ref()),
        value("Audience", "audience", has.audience.clone(), wanted.audience.as_ref()),
        value("API", "api_url", has.api_url.clone(), wanted.api_url.as_ref()),
        value("Backend", "backend_url", has.backend_url.clone(), wanted.backend_url.as_ref()),
        value("Scopes", "scopes", has.scopes.clone(), None),
        value("Proxy", "proxy", shown_proxy, None),
        value("Without proxy", "no_proxy", network.no_proxy, None),
        value("Authorities", "ca_file", network.ca_file, None),
    ]
}

/// Another spelling does not make it another address.
fn same(one: &str, other: &str) -> bool {
    one == other || (one.contains("://") && address::same(one, other))
}

#[cfg(test)]
mod tests {
    use seqera_client::proto::v1::ProfileSettings;
    use seqera_client::proto::v1::session_status::Sources;

    use super::*;
    use crate::settings::config::{self, Config};
    use crate::settings::env::Env;

    fn of(source: &str) -> SessionStatus {
        let settings = ProfileSettings {
            authority: "https://work.test/api".into(),
            client_id: "seqera_ai_cli".into(),
            ..ProfileSettings::default()
        };
        let sources = Some(Sources { settings: source.into(), ..Sources::default() });
        SessionStatus {
            profile: "work".into(),
            settings: Some(settings),
            sources,
            ..SessionStatus::default()
        }
    }

    fn shown(status: &SessionStatus, env: &Env, config: &Config) -> Vec<(String, String, Option<String>)> {
        let wanted = Settings::resolve(None, "work", env, config);
        let values = values(status, &wanted).into_iter().filter(|value| !value.text.is_empty());
        values.map(|value| (value.text, value.source, value.next)).collect()
    }

    #[test]
    fn a_value_is_of_the_login_else_of_what_says_it_else_the_default() {
        let config = config::of(r#"{"profiles": {"work": {"authority": "https://work.test/api/"}}}"#);
        let none = Env::of(&[]);
        let row = |text: &str, source: &str| (text.to_owned(), source.to_owned(), None);
        assert_eq!(
            shown(&of("/c/config.json"), &none, &config),
            [row("https://work.test/api", "/c/config.json"), row("seqera_ai_cli", "default")]
        );
        assert_eq!(
            shown(&of("login"), &none, &config),
            [row("https://work.test/api", "login"), row("seqera_ai_cli", "login")]
        );
    }

    #[test]
    fn what_the_next_login_changes_is_told_and_what_does_not_concern_the_profile_is_not() {
        let next = |env: &Env, config: &Config| -> Vec<String> {
            shown(&of("login"), env, config).into_iter().filter_map(|(_, _, next)| next).collect()
        };
        let moved = config::of(r#"{"profiles": {"work": {"authority": "https://new.test/api"}}}"#);
        let none = Env::of(&[]);
        assert_eq!(
            next(&none, &moved),
            ["Authority will be https://new.test/api from the next sign-in (/c/config.json)"]
        );
        let client = Env::of(&[
            ("SEQERA_AUTH_DOMAIN", "https://work.test/api"),
            ("SEQERA_AUTH_CLI_CLIENT_ID", "other"),
        ]);
        assert_eq!(next(&client, &Config::default()).len(), 1);
        let elsewhere =
            Env::of(&[("SEQERA_AUTH_DOMAIN", "https://x/api"), ("SEQERA_AUTH_CLI_CLIENT_ID", "other")]);
        assert!(next(&elsewhere, &Config::default()).is_empty(), "a named profile keeps its authority");
    }
}
