//! `seqera exec`: runs a program with an access token in its environment.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use seqera_client::proto::v1::Lease;
use seqera_client::proto::values::length;
use seqera_client::{Client, Token, Want};
use zeroize::Zeroizing;

use crate::commands::handover::{
    self, Variables, apply, at_hand, become_program, not_run, session_token, warn_of_failing,
};
use crate::commands::{ends, nextflow};
use crate::screen::failure::Failure;
use crate::settings::context::{Context, wait};
use crate::settings::provider::Provider;
use crate::settings::setting::CLOUD_AUTHORITY;
use crate::settings::subject::Subject;

/// Run a program with an access token in its environment
///
/// Sets SEQERA_ACCESS_TOKEN and TOWER_ACCESS_TOKEN, and endpoint and workspace where the profile has them.
/// A session's token is valid for about an hour, and the program cannot renew it. With --long the agent makes a
/// personal access token for the program, and deletes it when the program ends. That is for you to choose: such
/// a token has no scope, and works until it is deleted ('seqera agent leases'). It ends with the sign-in: if the
/// provider tells that this comes before the time of --for, or within an hour, nothing is begun.
/// Nextflow gets no token where its own files name another Platform as tower.endpoint, to which it would go.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seqera exec nextflow run hello -with-tower
  seqera exec --profile work -- tw runs list
  seqera exec --long -- nextflow run hello -with-tower
  seqera exec --long --for 12h -- sbatch job.sh")]
pub(crate) struct Exec {
    /// Give the program a token of its own, for what runs longer than the session's token lives
    #[arg(long)]
    pub(crate) long: bool,
    /// Keep that token for this long, however soon the program ends: for sbatch, nextflow -bg and the like
    #[arg(long = "for", value_name = "TIME", value_parser = length::read, requires = "long")]
    pub(crate) keep: Option<Duration>,
    /// Begin even if the sign-in, and with it that token, ends sooner
    #[arg(long, requires = "long")]
    pub(crate) force: bool,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

pub(super) fn run(context: &Context, args: &Exec) -> Result<(), Failure> {
    let (program, arguments) = args.command.split_first().expect("the argument parser requires one");
    let given = give(context, args, program)?;
    let checked = nextflow::check(context, program, (&given.secret, &given.own), given.of_environment);
    if let Err(failure) = checked {
        end(given.lease);
        return Err(failure);
    }
    let mut command = Command::new(program);
    command.args(arguments);
    apply(&mut command, given.variables);
    let error = become_program(command);
    end(given.lease);
    Err(not_run(&program.to_string_lossy(), &error))
}

/// Ends the lease of a program that was not run.
fn end(lease: Option<(Client, String)>) {
    if let Some((client, id)) = lease {
        // Without `--for`, the token would be deleted with this process anyway. If this fails, the reason why
        // the program was not run still matters more.
        let _ = wait(async { Ok(client.end_lease(&id, false).await?) });
    }
}

/// What a program is given.
struct Given {
    secret: Zeroizing<String>,
    /// Its API, and its authority; none if it is not a Platform's.
    own: Vec<String>,
    of_environment: bool,
    variables: Variables,
    /// For ending the lease if the program cannot be run.
    lease: Option<(Client, String)>,
}

fn give(context: &Context, args: &Exec, program: &OsStr) -> Result<Given, Failure> {
    let named = match context.subject()? {
        Subject::Profile(named) => named,
        Subject::Token(token) => {
            if args.long {
                context.screen.note(&format!("--long does nothing: the token in {} is used", token.variable));
            }
            let settings = context.settings_of(&token)?;
            let variables = handover::of_environment(&token, &context.env, &settings);
            let secret = Zeroizing::new(token.secret);
            let authority = settings.authority.as_ref().map_or(CLOUD_AUTHORITY, |set| &set.text);
            let api = settings.api_of_token().unwrap_or_default();
            let own = owned(Provider::of_variable(token.variable), [api, authority]);
            return Ok(Given { secret, own, of_environment: true, variables, lease: None });
        }
    };
    let client = context.client(named)?;
    let (token, lease) = match args.long {
        true => own_token(context, &client, args, program)?,
        false => match at_hand(&client, &Want::default()) {
            Some(token) => (token, None),
            None => (wait(session_token(&client, Want::default()))?, None),
        },
    };
    warn_of_failing(context, &token);
    ends::warn(context, &token, None);
    let lease = lease.map(|lease| (client, lease.id));
    Ok(Given {
        secret: Zeroizing::new(token.secret().to_owned()),
        own: owned(Provider::named(&token.provider), [&token.api_url, &token.authority]),
        of_environment: false,
        variables: handover::of_profile(&token, &context.env),
        lease,
    })
}

/// Of a Platform's token alone: another kind is in no variable that leads to one.
fn owned(provider: Provider, addresses: [&str; 2]) -> Vec<String> {
    let addresses = addresses.into_iter().filter(|url| provider.is_platform() && !url.is_empty());
    addresses.map(str::to_owned).collect()
}

/// Makes a token for this process, which will become the program.
fn own_token(
    context: &Context,
    client: &Client,
    args: &Exec,
    program: &OsStr,
) -> Result<(Token, Option<Lease>), Failure> {
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    let (token, lease) = wait(async { Ok(client.create_lease(args.keep, &name, args.force).await?) })?;
    if lease.is_none() {
        let profile = &token.profile;
        let note = format!(
            "profile '{profile}' is signed in with a token that does not expire: it is used as it is"
        );
        context.screen.note(&note);
    }
    Ok((token, lease))
}
