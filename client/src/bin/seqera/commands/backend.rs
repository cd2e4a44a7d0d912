//! Which Co-Scientist backend a session uses, and where that is set.

use seqera_client::proto::v1::ProfileSettings;
use seqera_client::proto::values::address;

use crate::settings::Settings;
use crate::settings::setting::{self, in_the_clear};

/// Seqera Cloud's backend (the agent's manual, providers, "Documented defaults").
const CLOUD: &str = "https://ai-api.seqera.io";

/// The address of a backend, with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) url: String,
    pub(super) source: String,
}

/// Chooses the backend of an account at `authority`: the one that is set, else the profile's, else the one
/// that its Platform has `reported`, else Cloud's for a Cloud account.
pub(super) fn choose(
    settings: &Settings,
    recorded: Option<&ProfileSettings>,
    reported: &str,
    authority: &str,
) -> Option<Backend> {
    let platforms = || named(reported, "service-info");
    let clouds = || named(CLOUD, "default").filter(|_| is_cloud(authority));
    known(settings, recorded, authority).or_else(platforms).or_else(clouds)
}

/// The backend, if it is known without asking the Platform. One that is set for another authority is not
/// used, since the token of this account would go to a stranger.
pub(super) fn known(
    settings: &Settings,
    recorded: Option<&ProfileSettings>,
    authority: &str,
) -> Option<Backend> {
    let set = settings.backend_of(authority);
    set.and_then(|set| named(&set.text, &set.source.to_string()))
        .or_else(|| named(&recorded?.backend_url, "login"))
}

fn named(url: &str, source: &str) -> Option<Backend> {
    (!url.is_empty() && !in_the_clear(url))
        .then(|| Backend { url: url.to_owned(), source: source.to_owned() })
}

/// True for Seqera Cloud, which is also meant if no authority is named.
pub(super) fn is_cloud(authority: &str) -> bool {
    authority.is_empty() || setting::is_cloud(authority)
}

/// True if this is Cloud's own backend.
pub(super) fn is_clouds(url: &str) -> bool {
    address::same(url, CLOUD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::config;
    use crate::settings::env::Env;
    use crate::settings::setting::{CLOUD_API, CLOUD_AUTHORITY};

    const HOST: &str = "https://platform.test/api";

    fn settings(file: &str, env: &'static [(&'static str, &'static str)], profile: &str) -> Settings {
        Settings::resolve(None, profile, &Env::of(env), &config::of(file))
    }

    fn chosen(settings: &Settings, recorded: &str, reported: &str, authority: &str) -> Option<String> {
        let recorded = ProfileSettings { backend_url: recorded.into(), ..ProfileSettings::default() };
        let backend = choose(settings, Some(&recorded), reported, authority)?;
        Some(format!("{} from {}", backend.url, backend.source))
    }

    #[test]
    fn variable_beats_file_beats_profile_beats_the_platforms_word_beats_the_default() {
        let file = r#"{"authDomain": "https://platform.test/api", "backendUrl": "https://file"}"#;
        let both = settings(file, &[("SEQERA_AI_BACKEND_URL", "https://env")], "");
        assert_eq!(
            chosen(&both, "https://own", "https://told", HOST).unwrap(),
            "https://env from SEQERA_AI_BACKEND_URL"
        );
        let only_file = settings(file, &[], "");
        assert!(chosen(&only_file, "https://own", "", HOST).unwrap().starts_with("https://file from "));
        let nothing = settings("{}", &[], "");
        assert_eq!(chosen(&nothing, "https://own", "https://told", HOST).unwrap(), "https://own from login");
        assert_eq!(chosen(&nothing, "", "https://told", HOST).unwrap(), "https://told from service-info");
        assert_eq!(chosen(&nothing, "http://own", "http://told", HOST), None, "others could read the token");
        assert_eq!(chosen(&nothing, "", "", CLOUD_API).unwrap(), format!("{CLOUD} from default"));
        assert_eq!(chosen(&nothing, "", "", HOST), None, "an Enterprise token never goes to Cloud");
    }

    #[test]
    fn what_is_set_for_another_authority_is_not_used() {
        let file = r#"{"authDomain": "https://platform.test/api", "backendUrl": "https://file"}"#;
        let set = settings(file, &[], "");
        assert!(chosen(&set, "", "", "https://platform.test/api/").unwrap().starts_with("https://file"));
        assert_eq!(chosen(&set, "", "", "https://other.test/api"), None);
        assert_eq!(chosen(&set, "", "", CLOUD_AUTHORITY).unwrap(), format!("{CLOUD} from default"));
    }
}
