//! `seqera login --adopt`: sessions of this host under another name, or of the host whose disk this was. Only the
//! person can tell them from those of a host that lives.

use seqera_client::Client;
use seqera_client::proto::reason::Reason;
use seqera_client::proto::v1::SessionStatus;
use serde_json::{Value, json};

use crate::commands::session::{account_name, object, of_host};
use crate::screen::ask;
use crate::screen::failure::Failure;
use crate::settings::context::{Context, wait};

pub(super) fn run(context: &Context, client: &Client, host: &str, confirmed: bool) -> Result<(), Failure> {
    let screen = &context.screen;
    let found = wait(async { Ok(client.adopt(host, true).await?) })?;
    if !screen.json {
        found.iter().for_each(|session| screen.tell(&line(session)));
    }
    if !confirmed {
        let question = "Is that this host, under another name or with its disk moved here?";
        match ask::yes(screen, question, false)? {
            Some(true) => {}
            Some(false) => return Err(Failure::new(Reason::OtherHost, "nothing was taken over", None)),
            None => {
                let (hosts, command) = (hosts(&found), context.login());
                let what = format!("there is no terminal to ask whether this host is {hosts}");
                let hint =
                    format!("if it is, run '{command} --adopt --force'; two hosts must not share a session");
                return Err(Failure::usage(what, Some(&hint)));
            }
        }
    }
    let adopted = wait(async { Ok(client.adopt(host, false).await?) })?;
    if screen.json {
        return screen.object(&json!({"adopted": adopted.iter().map(object).collect::<Vec<Value>>()}));
    }
    for session in &adopted {
        screen.say(&format!("✓ Signed in as {} (profile '{}')", account_name(session), session.profile))?;
    }
    Ok(())
}

fn line(session: &SessionStatus) -> String {
    format!("{} (profile '{}'), {}", account_name(session), session.profile, of_host(session))
}

/// The hosts of the sessions, which are all of one, as the agent makes sure.
fn hosts(found: &[SessionStatus]) -> String {
    found.first().map(of_host).unwrap_or_default()
}
