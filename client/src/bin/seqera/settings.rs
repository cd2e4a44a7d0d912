//! How a profile reaches its provider, according to flags, environment and file. The first one that sets a
//! value wins. A value that nobody sets stays empty, and the agent uses the profile's own or its default.

mod at_start;
pub(crate) mod belonging;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod env;
pub(crate) mod namespaces;
mod network;
pub(crate) mod provider;
pub(crate) mod setting;
pub(crate) mod subject;
pub(crate) mod wishes;

use seqera_client::proto::v1::ProfileSettings;

use self::config::Config;
use self::env::Env;
use self::network::Network;
use self::provider::Provider;
use self::setting::{CLOUD_AUTHORITY, Owned, Setting, Source, in_file, variable};
use crate::screen::failure::Failure;

#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) authority: Option<Setting>,
    /// True if the authority was not set for this profile in particular.
    authority_is_default: bool,
    pub(crate) client_id: Option<Setting>,
    pub(crate) audience: Option<Setting>,
    pub(crate) api_url: Option<Setting>,
    pub(crate) backend_url: Option<Setting>,
    backends: Vec<Owned>,
    /// What is set, and does not belong to the authority: one sentence each.
    pub(crate) ignored: Vec<String>,
    network: Network,
    provider: Provider,
}

/// The four values that say where a token may go, or for whom it is.
#[derive(Debug, Default)]
struct Candidates {
    client_id: Vec<Owned>,
    audience: Vec<Owned>,
    api_url: Vec<Owned>,
    backend_url: Vec<Owned>,
}

impl Settings {
    /// The settings for `profile`; empty: no profile is named. What was set for another authority is left out:
    /// a variable that is there for an Enterprise account must not send the token of a Cloud account to it.
    pub(crate) fn resolve(flag_authority: Option<&str>, profile: &str, env: &Env, config: &Config) -> Self {
        let variable = |name, value| variable(env.source(name), value);
        let api_url = variable("SEQERA_PLATFORM_API_URL", env.platform_api_url());
        let own = in_file(config, config.of_profile(profile, "authority"));
        // The keys at the top of the file are for a Platform.
        let of_platform = env.provider().is_platform();
        let top = in_file(config, config.text("authDomain").filter(|_| of_platform));
        // An empty flag comes from a variable that is not set, and must not hide the other sources.
        let flag = flag_authority
            .filter(|url| !url.is_empty())
            .map(|url| Setting { text: url.to_owned(), source: Source::Flag("--authority") });
        let authority_is_default = flag.is_none() && own.is_none();
        let authority =
            flag.or(variable("SEQERA_AUTH_DOMAIN", env.auth_domain())).or(own).or(top).or(api_url);
        Self { authority_is_default, ..Self::at(authority, profile, env, config) }
    }

    /// What is set for this authority.
    pub(crate) fn at(authority: Option<Setting>, profile: &str, env: &Env, config: &Config) -> Self {
        let candidates = Candidates::new(profile, env, config, authority.as_ref());
        let mut ignored = Vec::new();
        let mut choose = |of: &[Owned]| choose(of, authority.as_ref(), &mut ignored);
        Self {
            client_id: choose(&candidates.client_id),
            audience: choose(&candidates.audience),
            api_url: choose(&candidates.api_url),
            backend_url: choose(&candidates.backend_url),
            authority_is_default: false,
            authority,
            backends: candidates.backend_url,
            ignored,
            network: Network::resolve(profile, env, config),
            provider: env.provider(),
        }
    }

    /// The authority that the settings are for. Without one, variables are for Cloud, and not for whichever
    /// authority the profile turns out to have; the section of a profile is for that profile.
    fn owner(&self) -> String {
        let of_variable = |set: &&Setting| matches!(set.source, Source::Variable(_));
        let set = [&self.client_id, &self.audience, &self.api_url, &self.backend_url];
        let mut set = set.into_iter().flatten();
        match &self.authority {
            Some(authority) if set.next().is_some() => authority.text.clone(),
            None if self.provider.is_platform() && set.any(|set| of_variable(&set)) => {
                CLOUD_AUTHORITY.to_owned()
            }
            _ => String::new(),
        }
    }

    /// The backend that is set for this authority.
    pub(crate) fn backend_of(&self, authority: &str) -> Option<&Setting> {
        self.backends.iter().find(|owned| owned.belongs_to(authority)).map(|owned| &owned.setting)
    }

    /// Why the backend that is set is not the one of this authority.
    pub(crate) fn ignored_backend(&self, authority: &str) -> Option<String> {
        let set = self.backends.first().filter(|_| self.backend_of(authority).is_none())?;
        Some(set.ignored_for(authority))
    }

    /// A backend that is set, for whichever authority.
    pub(crate) fn any_backend(&self) -> Option<&Setting> {
        self.backends.first().map(|owned| &owned.setting)
    }

    /// Checks what a login takes along without using it itself.
    ///
    /// # Errors
    /// A proxy that cannot be used, with the place that names it.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.network.check()
    }

    /// The kind of provider that they are for.
    pub(crate) fn provider(&self) -> Provider {
        self.provider
    }

    /// The settings as the agent takes them.
    pub(crate) fn message(&self) -> ProfileSettings {
        let text =
            |setting: &Option<Setting>| setting.as_ref().map(|set| set.text.clone()).unwrap_or_default();
        ProfileSettings {
            authority: text(&self.authority),
            authority_is_default: self.authority.is_some() && self.authority_is_default,
            client_id: text(&self.client_id),
            audience: text(&self.audience),
            api_url: text(&self.api_url),
            backend_url: text(&self.backend_url),
            settings_of: self.owner(),
            network: Some(self.network.message()),
            provider: self.provider.name().to_owned(),
            ..ProfileSettings::default()
        }
    }

    /// Each value that was set, with its source. Shown when a login has failed.
    pub(crate) fn lines(&self) -> Vec<String> {
        let all = [
            ("authority", &self.authority),
            ("client id", &self.client_id),
            ("audience", &self.audience),
            ("API URL", &self.api_url),
            ("backend URL", &self.backend_url),
        ];
        let set = all.into_iter().filter_map(|(name, setting)| Some((name, setting.as_ref()?)));
        let lines =
            set.map(|(name, setting)| format!("{name} is {} (from {})", setting.text, setting.source));
        lines.chain(self.network.lines()).collect()
    }
}

impl Candidates {
    /// What variables, the profile's section and the top of the file say, best first.
    fn new(profile: &str, env: &Env, config: &Config, authority: Option<&Setting>) -> Self {
        let variable = |name, value| variable(env.source(name), value);
        let of_platform = env.provider().is_platform();
        let of_top = config.text("authDomain").filter(|_| of_platform).map(str::to_owned);
        // A variable belongs to the authority of the variables, else to the one at the top of the file.
        let of_variables = env.auth_domain().or(of_top.clone()).or(env.platform_api_url());
        // The person wrote a section for one profile, wherever that signs in if the section does not say.
        let given = |set: &&Setting| matches!(set.source, Source::Flag(_) | Source::Variable(_));
        let own = config.of_profile(profile, "authority").filter(|text| !text.is_empty());
        let of_section =
            own.or(authority.filter(|set| !given(set)).map(|set| set.text.as_str())).map(str::to_owned);
        let section = |key| in_file(config, config.of_profile(profile, key));
        // Neither client id nor audience leads a token anywhere, so where no authority is named beside them, a
        // variable is for Cloud and a section for any. An address has to say whose it is.
        let cloud = of_platform.then(|| CLOUD_AUTHORITY.to_owned());
        let any = authority.map(|set| set.text.clone());
        let named = |set: Option<Setting>, key| {
            let set = set.map(|set| Owned::new(set, of_variables.clone().or(cloud.clone())));
            let section = section(key).map(|set| Owned::new(set, of_section.clone().or(any.clone())));
            set.into_iter().chain(section).collect()
        };
        let addresses = |set: Option<Setting>, key| {
            let set = set.map(|set| Owned::address(set, of_variables.clone()));
            let section = section(key).map(|set| Owned::address(set, of_section.clone()));
            set.into_iter().chain(section)
        };
        let top = in_file(config, config.text("backendUrl").filter(|_| of_platform));
        let backend = variable("SEQERA_AI_BACKEND_URL", env.backend_url());
        Self {
            client_id: named(variable("SEQERA_AUTH_CLI_CLIENT_ID", env.client_id()), "clientId"),
            audience: named(variable("SEQERA_AUTH_AUDIENCE", env.audience()), "audience"),
            api_url: addresses(variable("SEQERA_PLATFORM_API_URL", env.platform_api_url()), "apiUrl")
                .collect(),
            backend_url: addresses(backend, "backendUrl")
                .chain(top.map(|set| Owned::address(set, of_top.clone())))
                .collect(),
        }
    }
}

/// The first value that belongs to the authority. Without an authority the agent knows which one is meant, and
/// takes what was set for that.
fn choose(of: &[Owned], authority: Option<&Setting>, ignored: &mut Vec<String>) -> Option<Setting> {
    for owned in of {
        let Some(authority) = authority.map(|set| set.text.as_str()) else {
            return Some(owned.setting.clone());
        };
        if owned.belongs_to(authority) {
            return Some(owned.setting.clone());
        }
        ignored.push(owned.ignored_for(authority));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let text = r#"{"authDomain": "https://file/api", "backendUrl": "https://file-ai",
            "profiles": {"work": {"authority": "https://platform.test/api", "clientId": "work-client"}}}"#;
        crate::settings::config::of(text)
    }

    fn file() -> Source {
        Source::File("/c/config.json".into())
    }

    fn authority(flag: Option<&str>, profile: &str, env: &Env, config: &Config) -> (String, Source) {
        let set = Settings::resolve(flag, profile, env, config).authority.unwrap();
        (set.text, set.source)
    }

    #[test]
    fn flag_beats_environment_beats_profile_beats_file_beats_api_url() {
        let api = "SEQERA_PLATFORM_API_URL";
        let full =
            Env::of(&[("SEQERA_AUTH_DOMAIN", "https://env/api"), ("SEQERA_PLATFORM_API_URL", "https://api")]);
        let only_api = Env::of(&[("SEQERA_PLATFORM_API_URL", "https://api")]);
        let set = config();
        assert_eq!(
            authority(Some("https://f"), "work", &full, &set),
            ("https://f".into(), Source::Flag("--authority"))
        );
        for unset in [None, Some("")] {
            assert_eq!(
                authority(unset, "work", &full, &set),
                ("https://env/api".into(), Source::Variable("SEQERA_AUTH_DOMAIN"))
            );
        }
        assert_eq!(authority(None, "work", &only_api, &set), ("https://platform.test/api".into(), file()));
        assert_eq!(authority(None, "home", &only_api, &set), ("https://file/api".into(), file()));
        assert_eq!(
            authority(None, "", &only_api, &Config::default()),
            ("https://api".into(), Source::Variable(api))
        );
    }

    #[test]
    fn what_nobody_sets_stays_empty_for_the_agent_to_fill() {
        let nothing = Settings::resolve(None, "", &Env::of(&[]), &Config::default());
        let direct = Some(Default::default());
        assert_eq!(nothing.message(), ProfileSettings { network: direct, ..ProfileSettings::default() });
        assert!(nothing.lines().is_empty());
    }

    #[test]
    fn an_authority_of_no_profile_in_particular_is_a_default_for_named_ones() {
        let env = Env::of(&[("SEQERA_AUTH_DOMAIN", "https://env/api")]);
        let is_default = |flag, profile, env: &Env, config: &Config| {
            Settings::resolve(flag, profile, env, config).message().authority_is_default
        };
        assert!(is_default(None, "home", &env, &Config::default()));
        assert!(is_default(None, "home", &Env::of(&[]), &config()));
        assert!(!is_default(None, "work", &Env::of(&[]), &config()));
        assert!(!is_default(Some("https://flag/api"), "home", &env, &config()));
    }

    #[test]
    fn every_line_names_its_source() {
        let env = Env::of(&[
            ("SEQERA_AUTH_DOMAIN", "https://platform.test/api"),
            ("SEQERA_AI_BACKEND_URL", "https://ai"),
        ]);
        let lines = Settings::resolve(None, "work", &env, &config()).lines();
        assert_eq!(
            lines,
            [
                "authority is https://platform.test/api (from SEQERA_AUTH_DOMAIN)",
                "client id is work-client (from /c/config.json)",
                "backend URL is https://ai (from SEQERA_AI_BACKEND_URL)",
            ]
        );
    }

    #[test]
    fn what_was_set_for_another_account_is_left_out_and_named() {
        let b = Env::of(&[
            ("SEQERA_PLATFORM_API_URL", "https://b.test/api"),
            ("SEQERA_AI_BACKEND_URL", "https://ai.b.test"),
            ("SEQERA_AUTH_CLI_CLIENT_ID", "b"),
            ("SEQERA_AUTH_AUDIENCE", "b"),
        ]);
        for cloud in ["https://a.test/api", CLOUD_AUTHORITY] {
            let of_flag = Settings::resolve(Some(cloud), "", &b, &Config::default());
            let message = of_flag.message();
            let set = [message.api_url, message.backend_url, message.client_id, message.audience];
            assert_eq!(set, ["", "", "", ""], "{cloud}");
            assert_eq!(of_flag.ignored.len(), 4);
            assert!(of_flag.ignored.iter().all(|note| note.contains("b.test") && note.contains(cloud)));
        }
        let of_section = Settings::resolve(None, "work", &b, &config());
        assert_eq!(
            (of_section.api_url, of_section.client_id.unwrap().text),
            (None, "work-client".to_owned())
        );
    }

    #[test]
    fn a_variable_alone_is_for_the_top_of_the_file_else_for_what_it_names_else_for_cloud() {
        let api = Env::of(&[("SEQERA_PLATFORM_API_URL", "https://b.test/api")]);
        let at_top = Settings::resolve(None, "", &api, &config()).message();
        assert_eq!(
            (at_top.authority.as_str(), at_top.api_url.as_str()),
            ("https://file/api", "https://b.test/api")
        );
        let alone = Settings::resolve(None, "", &api, &Config::default()).message();
        assert_eq!(
            (alone.authority.as_str(), alone.settings_of.as_str()),
            ("https://b.test/api", "https://b.test/api")
        );
        let client = Env::of(&[("SEQERA_AUTH_CLI_CLIENT_ID", "c")]);
        let of_cloud = Settings::resolve(None, "", &client, &Config::default()).message();
        assert_eq!((of_cloud.authority.as_str(), of_cloud.client_id.as_str()), ("", "c"));
        assert_eq!(of_cloud.settings_of, CLOUD_AUTHORITY, "the agent drops it for an account elsewhere");
    }
}
