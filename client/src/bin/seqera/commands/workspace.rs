//! `seqera workspace`: the workspace that programs get as `TOWER_WORKSPACE_ID`.

use clap::{Args, Subcommand};

use crate::commands::choices;
use crate::commands::listing::Kind;
use crate::screen::failure::Failure;
use crate::settings::context::Context;

/// Show or choose the workspace that programs get
///
/// `seqera exec` and `seqera token --format env` set TOWER_WORKSPACE_ID to it. The choice is kept with the
/// profile. Without a command it shows which one is chosen, and asks the Platform whether it is still there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seqera workspace
  seqera workspace switch
  seqera workspace switch genomics/research --profile work")]
pub(crate) struct Workspace {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the workspaces of all organizations; a star marks the one that is chosen
    #[command(after_help = "Example: seqera workspace list -o json")]
    List,
    /// Choose a workspace of the chosen organization, or of any where none is chosen
    ///
    /// Without a name you are asked which one.
    #[command(after_help = "\
Examples:
  seqera workspace switch
  seqera workspace switch research
  seqera workspace switch genomics/research")]
    Switch {
        /// Name, organization/name or id; case does not count
        #[arg(id = choices::WORKSPACE, value_name = "NAME|ID")]
        wanted: Option<String>,
    },
    /// Choose no workspace: programs use the account's own
    #[command(after_help = "Example: seqera workspace clear --profile work")]
    Clear,
}

pub(super) fn run(context: &Context, args: Workspace) -> Result<(), Failure> {
    match args.command {
        None => choices::show(context, Kind::Workspace),
        Some(Command::List) => choices::list(context, Kind::Workspace),
        Some(Command::Switch { wanted }) => choices::switch(context, Kind::Workspace, wanted),
        Some(Command::Clear) => choices::clear(context, Kind::Workspace),
    }
}
