//! `seqera agent leases`: the access tokens that `seqera exec --long` has given to programs.

use clap::Subcommand;
use seqera_client::proto::v1::Lease;
use seqera_client::{Client, Options};
use serde_json::{Value, json};

use crate::screen::failure::Failure;
use crate::screen::grid;
use crate::screen::time::{local, rfc3339};
use crate::settings::context::{Context, wait};

/// Show the access tokens that programs hold, or delete one
///
/// `seqera exec --long` has them made. The agent deletes each when its program ends, or when its time is over.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seqera agent leases
  seqera agent leases end 3f2a9c11")]
pub(crate) struct Leases {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show them, as without a subcommand
    #[command(after_help = "Example: seqera agent leases list")]
    List,
    /// Delete one token, even while its program runs
    #[command(after_help = "Example: seqera agent leases end 3f2a9c11")]
    End {
        /// As shown in the list
        id: String,
        /// Forget a token that cannot be deleted; it works until you delete it at the Platform
        #[arg(long)]
        give_up: bool,
    },
}

pub(super) fn run(context: &Context, args: &Leases) -> Result<(), Failure> {
    let profile = context.profile.clone().unwrap_or_default();
    let client = Client::new(Options { profile, ..context.options()? });
    match &args.what {
        None | Some(What::List) => list(context, &client),
        Some(What::End { id, give_up }) => end(context, &client, id, *give_up),
    }
}

fn list(context: &Context, client: &Client) -> Result<(), Failure> {
    let profile = context.profile.as_deref().unwrap_or_default();
    let leases = wait(async { Ok(client.leases(profile).await?) })?;
    if context.screen.json {
        return context.screen.object(&json!({"leases": leases.iter().map(object).collect::<Vec<_>>()}));
    }
    if leases.is_empty() {
        return context.screen.say("no program holds an access token of its own");
    }
    context.screen.say(&shown(&leases))?;
    troubles(&leases).iter().for_each(|trouble| context.screen.warn(trouble));
    if leases.iter().any(|lease| !lease.host.is_empty()) {
        context.screen.hint("that of a host that is gone ends by 'seqera agent leases end ID'");
    }
    Ok(())
}

fn end(context: &Context, client: &Client, id: &str, give_up: bool) -> Result<(), Failure> {
    let ended = wait(async { Ok(client.end_lease(id, give_up).await?) })?;
    let left = (!ended.left_behind.is_empty()).then_some(&ended.left_behind);
    if context.screen.json {
        return context.screen.object(&json!({"id": id, "deleted": ended.deleted, "left_behind": left}));
    }
    if ended.deleted {
        return context.screen.say(&format!("{id}: its token is deleted"));
    }
    if let Some(name) = left {
        context.screen.say(&format!("{id}: given up"))?;
        context.screen.warn(&format!("the token {name} works until you delete it at the Platform"));
        return Ok(());
    }
    context.screen.say(&format!("{id}: ended; the agent keeps trying to delete its token"))?;
    let leases = wait(async { Ok(client.leases("").await?) })?;
    let this = leases.into_iter().filter(|lease| lease.id == id).collect::<Vec<_>>();
    troubles(&this).iter().for_each(|trouble| context.screen.warn(trouble));
    context.screen.hint("where that can never succeed, '--give-up' ends it");
    Ok(())
}

/// Formats leases as a table.
pub(crate) fn shown(leases: &[Lease]) -> String {
    let row =
        |lease: &Lease| [lease.id.clone(), lease.profile.clone(), lease.program.clone(), how_it_ends(lease)];
    let rows: Vec<_> = leases.iter().map(row).collect();
    grid(["Id", "Profile", "Program", "Ends"], &rows)
}

fn how_it_ends(lease: &Lease) -> String {
    let end = match lease.until {
        _ if lease.ending => "being deleted".to_owned(),
        Some(until) => local(until),
        None => format!("with process {}", lease.pid),
    };
    match lease.host.as_str() {
        "" => end,
        host => format!("{end} (host {host})"),
    }
}

fn troubles(leases: &[Lease]) -> Vec<String> {
    let line = |lease: &Lease| {
        let retry = lease.retry_at.map(|at| format!("; next try {}", local(at))).unwrap_or_default();
        format!("the token of {} cannot be deleted yet: {}{retry}", lease.id, lease.trouble)
    };
    leases.iter().filter(|lease| !lease.trouble.is_empty()).map(line).collect()
}

fn object(lease: &Lease) -> Value {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    json!({
        "id": lease.id,
        "profile": lease.profile,
        "name": lease.name,
        "program": given(&lease.program),
        "pid": (lease.pid != 0).then_some(lease.pid),
        "until": rfc3339(lease.until),
        "created_at": rfc3339(lease.created_at),
        "host": given(&lease.host),
        "ending": lease.ending,
        "trouble": given(&lease.trouble),
        "retry_at": rfc3339(lease.retry_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        let (id, profile) = ("3f2a9c11".to_owned(), "work".to_owned());
        Lease { id, profile, program: "nextflow".into(), pid: 42, ..Lease::default() }
    }

    #[test]
    fn each_lease_tells_what_ends_it() {
        let elsewhere = Lease { host: "host-b".into(), ..lease() };
        let failing = Lease { ending: true, trouble: "status 502".into(), ..lease() };
        assert_eq!(
            shown(&[lease(), elsewhere, failing.clone()]),
            "Id        Profile  Program   Ends\n\
             3f2a9c11  work     nextflow  with process 42\n\
             3f2a9c11  work     nextflow  with process 42 (host host-b)\n\
             3f2a9c11  work     nextflow  being deleted"
        );
        assert_eq!(
            troubles(&[lease(), failing]),
            ["the token of 3f2a9c11 cannot be deleted yet: status 502"]
        );
    }

    #[test]
    fn a_time_of_its_own_is_shown_instead_of_a_process() {
        let until = Some(prost_types::Timestamp { seconds: 1_765_895_400, nanos: 0 });
        let lease = Lease { pid: 0, until, ..lease() };
        assert!(how_it_ends(&lease).starts_with("2025-12-1"));
        let object = object(&lease);
        assert_eq!((&object["pid"], &object["until"]), (&Value::Null, &json!("2025-12-16T14:30:00Z")));
    }
}
