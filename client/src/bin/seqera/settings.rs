//! How a profile reaches its provider, according to flags, environment and file. The first one that sets a
//! value wins. A value that nobody sets stays empty, and the agent uses the profile's own or its default.

pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod env;
mod network;
pub(crate) mod provider;
pub(crate) mod setting;
pub(crate) mod subject;

use seqera_client::proto::v1::ProfileSettings;

use self::config::Config;
use self::env::Env;
use self::network::Network;
use self::provider::Provider;
use self::setting::{Setting, Source, in_file, variable};

#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) authority: Option<Setting>,
    /// True if the authority was not set for this profile in particular.
    authority_is_default: bool,
    pub(crate) client_id: Option<Setting>,
    pub(crate) audience: Option<Setting>,
    pub(crate) api_url: Option<Setting>,
    pub(crate) backend_url: Option<Setting>,
    network: Network,
    provider: Provider,
}

impl Settings {
    /// The settings for `profile`; empty: no profile is named.
    pub(crate) fn resolve(flag_authority: Option<&str>, profile: &str, env: &Env, config: &Config) -> Self {
        let api_url = variable("SEQERA_PLATFORM_API_URL", env.platform_api_url());
        let own = |key| in_file(config, config.of_profile(profile, key));
        // The keys at the top of the file are for a Platform.
        let of_platform = env.provider().is_platform();
        let top = |key| in_file(config, config.text(key).filter(|_| of_platform));
        // An empty flag comes from a variable that is not set, and must not hide the other sources.
        let flag = flag_authority
            .filter(|url| !url.is_empty())
            .map(|url| Setting { text: url.to_owned(), source: Source::Flag("--authority") });
        Self {
            authority_is_default: flag.is_none() && own("authority").is_none(),
            authority: flag
                .or(variable("SEQERA_AUTH_DOMAIN", env.auth_domain()))
                .or(own("authority"))
                .or(top("authDomain"))
                .or(api_url.clone()),
            client_id: variable("SEQERA_AUTH_CLI_CLIENT_ID", env.client_id()).or(own("clientId")),
            audience: variable("SEQERA_AUTH_AUDIENCE", env.audience()).or(own("audience")),
            api_url: api_url.or(own("apiUrl")),
            backend_url: variable("SEQERA_AI_BACKEND_URL", env.backend_url())
                .or(own("backendUrl"))
                .or(top("backendUrl")),
            network: Network::resolve(profile, env, config),
            provider: env.provider(),
        }
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
        let env = Env::of(&[("SEQERA_AI_BACKEND_URL", "https://ai")]);
        let lines = Settings::resolve(None, "work", &env, &config()).lines();
        assert_eq!(
            lines,
            [
                "authority is https://platform.test/api (from /c/config.json)",
                "client id is work-client (from /c/config.json)",
                "backend URL is https://ai (from SEQERA_AI_BACKEND_URL)",
            ]
        );
    }
}
