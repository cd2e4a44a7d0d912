//! Settings that an agent reads when it starts. Set for a command while an agent runs, they change nothing there,
//! which must not look as if they did.

use std::time::Duration;

use seqera_client::proto::v1::InfoResponse;
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

    use super::*;

    fn setting(name: &str, value: &str, source: &str) -> Setting {
        Setting { name: name.into(), value: value.into(), source: source.into() }
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
