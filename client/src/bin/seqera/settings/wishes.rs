//! Settings that an agent reads when it starts. Set for a command while an agent runs, they change nothing there,
//! which must not look as if they did.

use std::time::Duration;

use seqera_client::proto::v1::{InfoResponse, SessionStatus};
use seqera_client::{Client, Options};

use crate::settings::at_start::{FILE, HOST, IDLE, LEVEL, STORE};
use crate::settings::context::{Context, wait};
use crate::settings::env::Env;

/// For one answer from memory, which nobody asked for.
const LIMIT: Duration = Duration::from_secs(2);

/// Says what is set here and is not so in the agent that runs. Asks it only where something is set; starts none.
pub(crate) fn mention(context: &Context) {
    if context.screen.json
        || [STORE, LEVEL, IDLE, HOST, FILE].iter().all(|name| context.env.of_agent(name).is_none())
    {
        return;
    }
    let Ok(options) = context.options() else { return };
    let host = options.places.host_id.clone();
    let client = Client::new(Options { start_agent: false, deadline: LIMIT, ..options });
    if let Ok(info) = wait(async { Ok(client.info().await?) }) {
        differences(&context.env, &host, &info).iter().for_each(|difference| context.screen.warn(difference));
    }
}

/// A warning where a session is kept in a store that whoever started the agent chose by the variable, and this caller
/// did not.
pub(crate) fn store_of_another(env: &Env, status: &SessionStatus) -> Option<String> {
    let source = &status.sources.as_ref()?.store;
    (source == STORE && env.of_agent(STORE).is_none()).then(|| {
        let store = &status.store;
        let loss = if store == "memory" { ", so that it ends with the agent" } else { "" };
        format!(
            "this sign-in is kept in the {store}{loss}: the agent was started with {STORE}={store}; \
             'seqera agent restart --force', and a new sign-in, change that"
        )
    })
}

/// What the environment says and the agent was started without, one sentence each. `host` is this host's id as
/// the variable's value becomes it.
pub(crate) fn differences(env: &Env, host: &str, info: &InfoResponse) -> Vec<String> {
    let remedy = match info.of_service_manager {
        true => "set it in the unit of the service to change that",
        false => "'seqera agent restart' changes that",
    };
    let settings = info.settings.iter().filter_map(|setting| {
        let given = env.of_agent(&setting.name)?;
        let here = if setting.name == HOST { host } else { &given };
        let differs = !here.eq_ignore_ascii_case(&setting.value);
        differs.then(|| {
            let there = match setting.source.as_str() {
                "default" => format!("'{}', by default", setting.value),
                source if source == setting.name => format!("'{}'", setting.value),
                source => format!("'{}', from {source}", setting.value),
            };
            format!("{} is '{here}' here, and the agent was started with {there}: {remedy}", setting.name)
        })
    });
    settings.collect()
}

#[cfg(test)]
mod tests {
    use seqera_client::proto::v1::Setting;
    use seqera_client::proto::v1::session_status::Sources;

    use super::*;

    fn setting(name: &str, value: &str, source: &str) -> Setting {
        Setting { name: name.into(), value: value.into(), source: source.into() }
    }

    #[test]
    fn a_store_that_somebody_else_chose_is_told_to_whoever_signs_in_and_ones_own_is_not() {
        let kept = |source: &str| SessionStatus {
            store: "memory".into(),
            sources: Some(Sources { store: source.into(), ..Sources::default() }),
            ..SessionStatus::default()
        };
        let warning = store_of_another(&Env::of(&[]), &kept(STORE)).unwrap();
        assert!(warning.contains("ends with the agent") && warning.contains("agent restart"), "{warning}");
        assert_eq!(store_of_another(&Env::of(&[(STORE, "memory")]), &kept(STORE)), None);
        for own in ["default", "/home/ada/.config/seqera-ai/config.json"] {
            assert_eq!(store_of_another(&Env::of(&[]), &kept(own)), None);
        }
    }

    #[test]
    fn what_the_agent_was_started_without_is_named_with_the_command_that_changes_it() {
        let info = InfoResponse {
            settings: vec![
                setting(STORE, "auto", "default"),
                setting(LEVEL, "info", LEVEL),
                setting(IDLE, "600", "default"),
            ],
            ..InfoResponse::default()
        };
        let env = Env::of(&[(STORE, "memory"), (LEVEL, "INFO"), (IDLE, "")]);
        assert_eq!(
            differences(&env, "", &info),
            ["SEQERA_CREDENTIAL_STORE is 'memory' here, and the agent was started with 'auto', by default: \
              'seqera agent restart' changes that"]
        );
        let of_unit = InfoResponse { of_service_manager: true, ..info };
        assert!(
            differences(&env, "", &of_unit)[0].ends_with("set it in the unit of the service to change that")
        );
    }
}
