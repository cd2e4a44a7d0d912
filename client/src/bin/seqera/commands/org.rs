//! `seqera org`: the organisation that is billed, and what a login says about it.

use clap::{Args, Subcommand};
use seqera_client::Client;
use seqera_client::proto::v1::login_event::SignedIn;

use crate::commands::choices;
use crate::commands::listing::Kind;
use crate::screen::ask;
use crate::screen::failure::Failure;
use crate::settings::context::{Context, wait};
use crate::settings::subject::{Named, Subject};

/// Show or choose the organization that is billed
///
/// The choice is kept with the profile and outlives renewals, restarts and logins of the same account. Without
/// a command it shows which one is chosen, and asks the Platform whether it is still there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seqera org
  seqera org switch
  seqera org switch genomics --profile work")]
pub(crate) struct Org {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the organizations of the account; a star marks the one that is chosen
    #[command(after_help = "Example: seqera org list -o json")]
    List,
    /// Choose an organization
    ///
    /// Without a name you are asked which one. A workspace of another organization is then no longer chosen.
    #[command(after_help = "\
Examples:
  seqera org switch
  seqera org switch genomics
  seqera org switch 123456")]
    Switch {
        /// Name or id; case does not count
        #[arg(id = choices::ORGANIZATION, value_name = "NAME|ID")]
        wanted: Option<String>,
    },
    /// Choose no organization, until one is chosen or another account signs in
    #[command(after_help = "Example: seqera org clear --profile work")]
    Clear,
}

pub(super) fn run(context: &Context, args: Org) -> Result<(), Failure> {
    match args.command {
        None => choices::show(context, Kind::Organization),
        Some(Command::List) => choices::list(context, Kind::Organization),
        Some(Command::Switch { wanted }) => choices::switch(context, Kind::Organization, wanted),
        Some(Command::Clear) => choices::clear(context, Kind::Organization),
    }
}

/// Chooses the organisation that the command named, if a session already existed, or the login is one that
/// somebody else had begun and this command `joined`. If the login took the first organisation, a note says at a
/// terminal that there are others.
pub(super) fn after_login(
    context: &Context,
    wanted: Option<&str>,
    joined: bool,
    mut signed_in: SignedIn,
) -> Result<SignedIn, Failure> {
    let Some(status) = &signed_in.status else { return Ok(signed_in) };
    let of = context.option_for(&status.profile);
    let named = Named { profile: status.profile.clone(), authority: String::new() };
    if let Some(wanted) = wanted.filter(|_| signed_in.already || joined) {
        let client: Client = context.client(named)?;
        let answer = wait(async { Ok(client.choose_organization(Some(wanted)).await?) })?;
        let chosen = answer.status.clone().unwrap_or_default().organization.unwrap_or_default();
        signed_in.notes.push(format!("organization set: {}", chosen.name));
        signed_in.notes.extend(answer.notes);
        signed_in.status = answer.status;
        return Ok(signed_in);
    }
    let was_taken = status.organization.is_some() && !status.organization_is_chosen && !signed_in.already;
    if was_taken && ask::possible(&context.screen) {
        // The login has succeeded, whether or not this works.
        let others =
            Kind::Organization.list(context, Subject::Profile(named)).map(|listing| listing.all.len());
        if let Ok(count @ 2..) = others {
            signed_in
                .notes
                .push(format!("you are in {count} organizations; 'seqera org switch{of}' chooses another"));
        }
    }
    Ok(signed_in)
}
