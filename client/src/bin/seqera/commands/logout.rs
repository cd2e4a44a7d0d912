//! `seqera logout`: revokes at the provider, and removes what is stored.

use clap::Args;
use seqera_client::proto::reason::Reason;
use seqera_client::proto::v1::logout_outcome::Result as Outcome;
use seqera_client::proto::v1::logout_request::Target;
use seqera_client::proto::v1::{LogoutOutcome, LogoutRequest};
use seqera_client::{Client, Events};
use serde_json::json;

use crate::commands::agent::leases;
use crate::commands::toolkit_files;
use crate::screen::ask;
use crate::screen::failure::Failure;
use crate::settings::context::{Context, interruptible, wait};
use crate::settings::subject::Named;

/// Sign out: revoke at the provider, then remove what is stored
#[derive(Debug, Default, Args)]
#[command(after_help = "Example: seqera logout --all")]
pub(crate) struct Logout {
    /// Sign out of every profile
    #[arg(long, conflicts_with = "profile")]
    pub(crate) all: bool,
    /// Delete a personal access token at the Platform, too
    #[arg(long)]
    pub(super) revoke: bool,
    /// Sign out even while programs hold tokens of 'seqera exec --long', and delete those
    #[arg(long)]
    pub(super) force: bool,
    /// Remove files with SciToolkit tokens for single toolkits, too; without a profile, SciToolkit's is meant
    #[arg(long)]
    pub(crate) clean_legacy: bool,
}

pub(super) fn run(context: &Context, args: &Logout) -> Result<(), Failure> {
    let named = if args.all { Named::default() } else { one_profile(context)? };
    let client = context.client(named)?;
    let outcomes = match sign_out(context, &client, args, args.force) {
        Err(failure) if failure.is(Reason::InUse) => {
            in_use(context, &client, args, failure)?;
            sign_out(context, &client, args, true)?
        }
        signed_out => signed_out?,
    };
    let cleaned = args.clean_legacy.then(|| toolkit_files::clean(&client)).transpose()?;
    if context.screen.json {
        let object = |outcome: &LogoutOutcome| json!({"profile": outcome.profile, "result": name(outcome), "message": phrase(outcome)});
        let mut printed = json!({"profiles": outcomes.iter().map(object).collect::<Vec<_>>()});
        if let Some(cleaned) = &cleaned {
            printed["legacy_removed"] = json!(cleaned.removed);
        }
        context.screen.object(&printed)?;
    } else if outcomes.is_empty() {
        context.screen.say("nothing was stored")?;
    }
    for variable in context.env.token_variables() {
        context.screen.warn(&format!("{variable} is still set: programs go on using its token"));
    }
    cleaned.map_or(Ok(()), |cleaned| toolkit_files::report(context, &cleaned))
}

fn sign_out(
    context: &Context,
    client: &Client,
    args: &Logout,
    force: bool,
) -> Result<Vec<LogoutOutcome>, Failure> {
    let target = args.all.then_some(Target::All(true));
    let message = LogoutRequest { target, revoke: args.revoke, force };
    wait(interruptible("the sign-out", async { show(context, client.logout(message).await?).await }))
}

/// Shows the programs that would lose their tokens, and asks whether to go on. If nobody can be asked, or the
/// answer is no, the agent's refusal stands.
fn in_use(context: &Context, client: &Client, args: &Logout, refused: Failure) -> Result<(), Failure> {
    if !ask::possible(&context.screen) {
        return Err(refused);
    }
    let profile = if args.all { String::new() } else { one_profile(context)?.profile };
    let leases = wait(async { Ok(client.leases(&profile).await?) })?;
    context.screen.tell(&leases::shown(&leases));
    match ask::yes(&context.screen, "Sign out, and delete the tokens of these programs?", false)? {
        Some(true) => Ok(()),
        Some(false) | None => Err(refused),
    }
}

/// A sign-out needs a name. If only an authority is known, the agent says which profile it belongs to.
fn one_profile(context: &Context) -> Result<Named, Failure> {
    let named = context.named()?;
    if !named.profile.is_empty() || named.authority.is_empty() {
        return Ok(named);
    }
    let profile = context.status(named)?.profile;
    Ok(Named { profile, authority: String::new() })
}

async fn show(context: &Context, mut events: Events<LogoutOutcome>) -> Result<Vec<LogoutOutcome>, Failure> {
    let mut outcomes = Vec::new();
    while let Some(outcome) = events.next().await? {
        context.screen.say(&format!("{}: {}", whose(&outcome), phrase(&outcome)))?;
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// The profile, and its host if that is another one.
fn whose(outcome: &LogoutOutcome) -> String {
    match outcome.host.as_str() {
        "" if outcome.profile.is_empty() => "note".to_owned(),
        "" => outcome.profile.clone(),
        host => format!("{} (of host {host})", outcome.profile),
    }
}

/// The name of an outcome for programs.
pub(super) fn name(outcome: &LogoutOutcome) -> &'static str {
    outcome.result().as_str_name().trim_start_matches("RESULT_")
}

/// What has happened to the secret of a profile.
pub(super) fn phrase(outcome: &LogoutOutcome) -> String {
    let detail = &outcome.detail;
    match outcome.result() {
        Outcome::Revoked => "revoked".to_owned(),
        Outcome::Pending => "removed here, revocation pending".to_owned(),
        Outcome::NotOffered => "removed here; the provider offers no revocation".to_owned(),
        Outcome::Refused => format!("removed here; the provider refused to revoke ({detail})"),
        Outcome::TokenKept => {
            "removed here; the access token you gave stays valid at the Platform".to_owned()
        }
        Outcome::KeychainLocked => {
            "signed out; the keychain is locked, its item is removed once it is unlocked".to_owned()
        }
        Outcome::NothingStored => "nothing was stored".to_owned(),
        Outcome::OtherHost => "left as it is; sign out on that host".to_owned(),
        Outcome::NotRemoved => format!("signed out; what is stored could not be removed ({detail})"),
        Outcome::NotSearched => format!("forgotten sessions could not be searched for: {detail}"),
        // A result of a later version.
        Outcome::Unspecified => format!("signed out {detail}").trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_own_phrase() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0.. {
            let Ok(result) = Outcome::try_from(number) else { break };
            let outcome = LogoutOutcome { result: result.into(), detail: "x".into(), ..Default::default() };
            assert!(seen.insert(phrase(&outcome)), "{result:?}");
        }
        assert!(seen.contains("removed here; the provider refused to revoke (x)"));
        assert!(seen.contains("revoked") && seen.contains("nothing was stored"));
        assert_eq!(seen.len(), 11);
    }
}
