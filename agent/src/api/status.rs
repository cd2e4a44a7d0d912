//! What `status` shows about a profile, with the source of each value.

use seqera_agent_proto::v1::SessionStatus;
use seqera_agent_proto::v1::session_status::Sources;

use crate::api::convert;
use crate::profile::ProfileName;
use crate::sessions::registry::Registry;
use crate::sessions::view::View;
use crate::storage::ladder::StoreChoice;

/// The source of values that came with a login.
const LOGIN: &str = "login";

/// The source of values that nobody has set.
const DEFAULT: &str = "default";

/// The status of one profile. All of it comes from memory.
pub(crate) fn status(registry: &Registry, name: &ProfileName, view: &View) -> SessionStatus {
    let shared = &registry.shared;
    let mut status = convert::status(name, view, shared.now());
    let mut sources = Sources::default();
    if shared.state.snapshot().profiles.contains_key(name) {
        sources.settings = LOGIN.to_owned();
    } else if let Some(profile) = registry.configured(name) {
        status.settings = Some(convert::settings(&profile));
        sources.settings = shared.places.config_json().display().to_string();
    } else {
        sources.settings = DEFAULT.to_owned();
    }
    if let Some(kind) = view.record.store {
        // A session stays in the store of its login, even if another store is chosen later.
        let as_chosen = shared.ladder.choice().only().is_none_or(|only| only == kind);
        sources.store = if as_chosen { shared.store_source.clone() } else { LOGIN.to_owned() };
    }
    // Whoever has chosen a store since then does not wait for another one.
    status.fallback = status.fallback.filter(|_| shared.ladder.choice() == StoreChoice::Auto);
    status.sources = Some(sources);
    status.notes.extend(shared.leases.book.note(name));
    let profile = &view.record.profile;
    status.notes.extend(profile.strangers().into_iter().map(|url| {
        let of = &profile.authority;
        format!("{url} is recorded and not used: it is not https, or was not set for {of}; to set it anew, sign in again")
    }));
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::testing::fakes::Agent;

    fn sources(agent: &Agent, name: &str) -> (String, Sources) {
        let name = name.parse().unwrap();
        let shown = status(&agent.registry, &name, &agent.registry.ensure(&name).view());
        (shown.settings.unwrap_or_default().authority, shown.sources.unwrap())
    }

    #[tokio::test]
    async fn every_value_tells_whether_it_is_of_the_login_or_of_the_file() {
        let agent = Agent::signed_in().await;
        let (_, of_login) = sources(&agent, "work");
        assert_eq!((of_login.settings.as_str(), of_login.store.as_str()), ("login", "default"));
        let configured = Profile { authority: "https://file.test/api".into(), ..Profile::default() };
        agent.registry.reload([("home".parse().unwrap(), configured)].into());
        let (authority, of_file) = sources(&agent, "home");
        assert_eq!(authority, "https://file.test/api");
        assert!(of_file.settings.ends_with("config.json"), "{}", of_file.settings);
        assert_eq!(of_file.store, "");
        assert_eq!(sources(&agent, "other").1.settings, "default");
    }
}
