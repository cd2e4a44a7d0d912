//! `seqera ai`: passes a session to Co-Scientist's own program, or opens a small prompt if that is missing.

use std::ffi::OsString;
use std::fmt;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use seqera_client::proto::v1::{Description, ProfileSettings};
use seqera_client::{Token, Want, program};

use self::front_end::{FrontEnd, MARK, not_installed};
use crate::commands::backend::{self, Backend};
use crate::commands::described::perhaps_enterprise;
use crate::commands::handover::{
    self, Variables, apply, become_program, not_run, session_token, warn_of_failing,
};
use crate::commands::login;
use crate::commands::session::signed_in;
use crate::screen::ask;
use crate::screen::failure::Failure;
use crate::settings::Settings;
use crate::settings::context::{Context, wait};
use crate::settings::env::{EnvToken, TOKEN_FILE};
use crate::settings::setting::{CLOUD_AUTHORITY, host, odd_for_token, shown};
use crate::settings::subject::{Named, Subject};

#[cfg(unix)]
mod editor;
mod front_end;
mod prompt;

/// The front end keeps the token that it is started with, so a token that is valid for less than this is
/// renewed first.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// How long a Platform that does not answer may delay the front end.
const PLATFORM: Duration = Duration::from_secs(10);

/// Ask Co-Scientist, with your session
///
/// Starts the program that Co-Scientist comes as, with an access token and the addresses in its environment:
/// the one that 'aiCommand' in config.json or SEQERA_AI_COMMAND names, else the one in ~/.seqera/bin, else
/// another 'seqera' on the PATH, such as that of npm. Without one it opens a prompt for the session alone.
/// The token is --token, else SEQERA_ACCESS_TOKEN, else TOWER_ACCESS_TOKEN, else the session's.
#[derive(Args)]
#[command(after_help = "\
Examples:
  seqera ai
  seqera ai --headless \"list my pipelines\"
  seqera ai -c \"now run it with the test profile\"")]
pub(crate) struct Ai {
    /// What to ask; without it a session is opened. Put flags that this command does not know after --
    query: Vec<OsString>,
    /// Continue the last session
    #[arg(short = 'c')]
    again: bool,
    /// Continue this session
    #[arg(short = 's', value_name = "SESSION")]
    session: Option<String>,
    /// Write the answer to standard output, for scripts
    #[arg(long)]
    headless: bool,
    /// What may run without being asked: basic, default or full
    #[arg(long, value_name = "MODE")]
    approval_mode: Option<String>,
    /// Show the thinking in headless output
    #[arg(long)]
    show_thinking: bool,
    /// Show tool calls in headless output
    #[arg(long)]
    show_tools: bool,
    /// Answer another program, in lines of JSON
    #[arg(long)]
    sub_agent: bool,
    /// Use this access token; other users of this machine can see it, the variables hide it
    #[arg(long, value_name = "PAT")]
    token: Option<String>,
}

impl fmt::Debug for Ai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ai").finish_non_exhaustive()
    }
}

impl Ai {
    /// The arguments for the front end. The token is not among them.
    fn arguments(&self) -> Vec<OsString> {
        let switches = [
            (self.again, "-c"),
            (self.headless, "--headless"),
            (self.show_thinking, "--show-thinking"),
            (self.show_tools, "--show-tools"),
            (self.sub_agent, "--sub-agent"),
        ];
        let values = [("-s", &self.session), ("--approval-mode", &self.approval_mode)];
        let switches = switches.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag.to_owned());
        let values = values.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value.clone()?]));
        let flags = switches.chain(values.flatten()).map(OsString::from);
        std::iter::once("ai".into()).chain(flags).chain(self.query.iter().cloned()).collect()
    }

    /// True if only Co-Scientist itself can answer.
    fn wants_an_answer(&self) -> bool {
        !self.query.is_empty() || self.headless || self.sub_agent || self.again || self.session.is_some()
    }
}

pub(super) fn run(context: &Context, args: &Ai) -> Result<(), Failure> {
    front_end::refuse_loop(&context.env)?;
    let front_end = front_end::find(&context.env, context.config()?.text("aiCommand"))?;
    if front_end.is_none() && args.wants_an_answer() {
        return Err(not_installed());
    }
    let subject = match &args.token {
        Some(token) if token.trim().is_empty() => {
            return Err(Failure::usage("the access token is empty", None));
        }
        Some(token) => {
            context.screen.warn("other users of this machine can see the token; TOWER_ACCESS_TOKEN hides it");
            Subject::Token(EnvToken { variable: prompt::FLAG, secret: token.trim().to_owned() })
        }
        None => context.subject()?,
    };
    match (front_end, subject) {
        (Some(program), Subject::Token(token)) => {
            let variables = of_token(context, &token)?;
            Err(start(context, &program, args, variables))
        }
        (Some(program), Subject::Profile(named)) => {
            let variables = or_login(context, &named, || of_session(context, &named))?;
            Err(start(context, &program, args, variables))
        }
        (None, Subject::Token(token)) => prompt::run(context, Some(&token)),
        (None, Subject::Profile(named)) => {
            let known = || signed_in(context.status(named.clone())?).map(drop);
            or_login(context, &named, known)?;
            prompt::run(context, None)
        }
    }
}

/// The program that `seqera ai` would start, if there is one.
pub(crate) fn found(context: &Context) -> Option<std::path::PathBuf> {
    let found = front_end::find(&context.env, context.config().ok()?.text("aiCommand"));
    found.ok().flatten().map(|front_end| front_end.program)
}

/// Replaces this process with the front end. Returns only on failure.
fn start(context: &Context, front_end: &FrontEnd, args: &Ai, variables: Variables) -> Failure {
    let mut command = Command::new(&front_end.program);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::arg0(&mut command, &front_end.called);
    command.args(&front_end.arguments).args(args.arguments());
    apply(&mut command, variables);
    program::narrow(&mut command, context.env.path_list().as_deref());
    command.env(MARK, std::process::id().to_string());
    let error = become_program(command);
    not_run(&front_end.called.to_string_lossy(), &error)
}

/// Runs `session`. If nobody is signed in, asks the person whether to sign in, and then runs it again.
fn or_login<T>(
    context: &Context,
    named: &Named,
    session: impl Fn() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let failure = match session() {
        Err(failure) if failure.is_of_credential() => failure,
        done => return done,
    };
    if ask::possible(&context.screen) {
        context.screen.tell(&format!(
            "{}; a login would sign in {}.",
            failure.message,
            place(context, named)
        ));
    }
    match ask::yes(&context.screen, "Sign in now?", true)? {
        Some(true) => {
            login::in_separate_process(named)?;
            session()
        }
        Some(false) | None => Err(failure),
    }
}

/// Where a login would sign in.
fn place(context: &Context, named: &Named) -> String {
    let status = context.status(named.clone()).unwrap_or_default();
    let is_default = status.sources.is_none_or(|sources| sources.settings == "default");
    let known = status.settings.map(|has| has.authority).filter(|url| !url.is_empty() && !is_default);
    let set = || Settings::resolve(None, &named.profile, &context.env, &context.config().ok()?).authority;
    let authority = known.or_else(|| Some(set()?.text)).unwrap_or_else(|| CLOUD_AUTHORITY.to_owned());
    let place = host(&authority);
    let name = [&status.profile, &named.profile].into_iter().find(|name| !name.is_empty());
    let profile = name.map(|name| format!(" as profile '{name}'")).unwrap_or_default();
    format!("at {place}{profile}")
}

fn of_session(context: &Context, named: &Named) -> Result<Variables, Failure> {
    let client = context.client(named.clone())?;
    let want = Want { min_valid: Some(LIFE), ..Want::default() };
    let (token, status) = wait(async { Ok((session_token(&client, want).await?, client.status().await?)) })?;
    warn_of_failing(context, &token);
    let settings = Settings::resolve(None, &token.profile, &context.env, &context.config()?);
    settings.ignored_backend(&token.authority).iter().for_each(|note| context.screen.warn(note));
    let recorded = status.settings.unwrap_or_default();
    let mut reported = String::new();
    if backend::known(&settings, Some(&recorded), &token.authority).is_none() {
        let asked = Named { profile: token.profile.clone(), authority: String::new() };
        let client = context.client_within(asked, PLATFORM)?;
        // If the Platform does not answer, the default is better than no front end.
        let described: Result<Description, _> = wait(async { Ok(client.describe().await?) });
        reported = described.map(|described| described.backend_url).unwrap_or_default();
    }
    let backend = backend::choose(&settings, Some(&recorded), &reported, &token.authority);
    Ok(with_addresses(
        context,
        handover::of_profile(&token, &context.env),
        &recorded,
        &token,
        &reported,
        backend,
    ))
}

fn with_addresses(
    context: &Context,
    mut variables: Variables,
    recorded: &ProfileSettings,
    token: &Token,
    reported: &str,
    backend: Option<Backend>,
) -> Variables {
    if let Some(why) = odd_for_token(reported).filter(|_| !reported.is_empty()) {
        let place = shown(reported);
        let note = format!("{place}, which the Platform names as its backend, is not used: {why}");
        context.screen.warn(&note);
    }
    if backend.is_none() {
        let hint = "name it in SEQERA_AI_BACKEND_URL, together with SEQERA_AUTH_DOMAIN, or as 'backendUrl' in config.json";
        context.screen.warn(&format!("it is not known where {} has its backend: {hint}", token.authority));
    }
    let client_id = Some(recorded.client_id.clone()).filter(|id| !id.is_empty());
    variables.push(("SEQERA_AUTH_CLI_CLIENT_ID", client_id));
    variables.push(("SEQERA_AI_BACKEND_URL", backend.map(|backend| backend.url)));
    variables
}

/// A given token belongs to the authority that is named for it, or else to Cloud.
fn of_token(context: &Context, token: &EnvToken) -> Result<Variables, Failure> {
    let settings = context.settings_of(token)?;
    let authority = settings.authority.as_ref().map(|set| set.text.clone());
    let set = settings.any_backend();
    if let (None, Some(set)) = (&authority, set.filter(|set| !backend::is_clouds(&set.text))) {
        let message =
            format!("{} is an Enterprise backend ({}), and no authority is named", set.text, set.source);
        let hint = "with an access token, set SEQERA_AUTH_DOMAIN to https://<host>/api as well";
        return Err(Failure::usage(message, Some(hint)));
    }
    let authority = authority.unwrap_or_default();
    settings.ignored_backend(&authority).iter().for_each(|note| context.screen.warn(note));
    let mut reported = String::new();
    if authority.is_empty() || settings.backend_of(&authority).is_none() {
        let client = context.client_within(Named::default(), PLATFORM)?;
        match wait(async { Ok(client.describe_token(&token.secret, settings.message()).await?) }) {
            Ok(described) => reported = described.backend_url,
            Err(refused) if refused.is_of_credential() => return Err(perhaps_enterprise(refused, &settings)),
            // The front end will have the same trouble, and knows better what to do without a Platform.
            Err(failure) => context.screen.note(&failure.message),
        }
    }
    let backend = backend::choose(&settings, None, &reported, &authority);
    let mut variables = handover::of_environment(token, &context.env, &settings);
    if token.variable == prompt::FLAG {
        // It would come before the token of the option.
        variables.push((TOKEN_FILE, None));
    }
    // One that is set for another account must not stay beside this token.
    variables.push(("SEQERA_AI_BACKEND_URL", backend.map(|backend| backend.url)));
    Ok(variables)
}

/// A command of Co-Scientist's own program.
#[derive(Debug, Args)]
pub(crate) struct Elsewhere {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Says where to find a command that Co-Scientist's documentation also calls `seqera <name>`.
pub(super) fn elsewhere(context: &Context, name: &str, args: &Elsewhere) -> Result<(), Failure> {
    front_end::refuse_loop(&context.env)?;
    let front_end = front_end::find(&context.env, context.config()?.text("aiCommand"))?;
    let words = args.words.iter().map(|word| format!(" {}", word.to_string_lossy())).collect::<String>();
    let hint = match front_end {
        Some(found) => format!("run '{} {name}{words}'", found.called.display()),
        None => "install it with 'npm install -g seqera'; it is not part of this command".to_owned(),
    };
    Err(Failure::usage(format!("'seqera {name}' is a command of Co-Scientist's own program"), Some(&hint)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// A command line that also has an option which is not one of [`Ai`].
    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        ai: Ai,
        #[arg(long)]
        profile: Option<String>,
    }

    fn arguments(line: &[&str]) -> Vec<String> {
        let line = Line::try_parse_from(line).unwrap();
        line.ai.arguments().iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_documented_flags_are_passed_on_and_the_token_is_not() {
        let line = ["ai", "--headless", "why?", "-s", "7", "--approval-mode", "full", "--token", "canary"];
        assert_eq!(arguments(&line), ["ai", "--headless", "-s", "7", "--approval-mode", "full", "why?"]);
        let rest = ["ai", "-c", "--show-thinking", "--show-tools", "--sub-agent", "--profile", "p"];
        assert_eq!(arguments(&rest), ["ai", "-c", "--show-thinking", "--show-tools", "--sub-agent"]);
        assert_eq!(arguments(&["ai", "--", "--goal", "x"]), ["ai", "--goal", "x"]);
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let line = Line::try_parse_from(["ai", "--token", "canary"]).unwrap();
        assert!(!format!("{line:?}").contains("canary"));
    }
}
