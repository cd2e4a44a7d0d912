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
use crate::settings::subject::Subject;

/// Run a program with an access token in its environment
///
/// Sets SEQERA_ACCESS_TOKEN and TOWER_ACCESS_TOKEN, and endpoint and workspace where the profile has them.
/// A session's token is valid for about an hour, and the program cannot renew it. With --long the agent makes a
/// personal access token for the program, and deletes it when the program ends. That is for you to choose: such
/// a token has no scope, and works until it is deleted ('seqera agent leases'). It ends with the sign-in: if the
/// provider tells that this comes before the time of --for, or within an hour, nothing is begun.
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
    nextflow::warn(context, program, &given.secret, given.of_environment);
    let mut command = Command::new(program);
    command.args(arguments);
    apply(&mut command, given.variables);
    let error = become_program(command);
    if let Some((client, id)) = given.lease {
        // Without `--for`, the token would be deleted with this process anyway. If this fails, the reason why
        // the program was not run still matters more.
        let _ = wait(async { Ok(client.end_lease(&id, false).await?) });
    }
    Err(not_run(&program.to_string_lossy(), &error))
}

/// What a program is given.
struct Given {
    secret: Zeroizing<String>,
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
            return Ok(Given { secret, of_environment: true, variables, lease: None });
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
        of_environment: false,
        variables: handover::of_profile(&token, &context.env),
        lease,
    })
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
