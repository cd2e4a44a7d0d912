//! How to reach the provider, according to file and environment: the proxy, and private certificate
//! authorities. A login passes them to the agent, which keeps them in the profile.
//!
//! `config.json` concerns only this program, so it beats the variables, which concern all programs.
//! `"noProxy": "*"` in a profile therefore turns off the environment's proxy for that profile.

use std::fmt;

use seqera_client::proto::v1;

use crate::settings::config::Config;
use crate::settings::env::Env;
use crate::settings::setting::{Setting, in_file, variable};

#[derive(Default)]
pub(super) struct Network {
    /// May contain a password, so it is shown only through [`without_password`].
    proxy: Option<Setting>,
    no_proxy: Option<Setting>,
    ca_file: Option<Setting>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines()).finish()
    }
}

impl Network {
    /// The values for `profile`; empty: no profile is named.
    pub(super) fn resolve(profile: &str, env: &Env, config: &Config) -> Self {
        let pick = |key, given: Option<(&'static str, String)>| {
            let given = given.and_then(|(name, text)| variable(name, Some(text)));
            let own = in_file(config, config.of_profile(profile, key));
            own.or(in_file(config, config.text(key))).or(given)
        };
        Self {
            proxy: pick("proxy", env.proxy()),
            no_proxy: pick("noProxy", env.no_proxy()),
            ca_file: pick("caFile", env.ca_file()),
        }
    }

    /// The values as the agent takes them. The message is always sent: what is not set here is not used,
    /// whatever the profile had before.
    pub(super) fn message(&self) -> v1::Network {
        let text = |set: &Option<Setting>| set.as_ref().map(|set| set.text.clone()).unwrap_or_default();
        v1::Network { proxy: text(&self.proxy), no_proxy: text(&self.no_proxy), ca_file: text(&self.ca_file) }
    }

    /// Each value that was set, with its source.
    pub(super) fn lines(&self) -> Vec<String> {
        let shown = |set: &Setting| Setting { text: without_password(&set.text), source: set.source.clone() };
        let proxy = self.proxy.as_ref().map(shown);
        let all = [
            ("proxy is", &proxy),
            ("hosts reached without it are", &self.no_proxy),
            ("file of certificate authorities is", &self.ca_file),
        ];
        let set = all.into_iter().filter_map(|(name, setting)| Some((name, setting.as_ref()?)));
        set.map(|(name, setting)| format!("{name} {} (from {})", setting.text, setting.source)).collect()
    }
}

/// Turns `http://user:password@host` into `http://user@host`. A user name contains no colon (RFC 3986,
/// section 3.2.1).
fn without_password(proxy: &str) -> String {
    let (scheme, rest) = proxy.split_once("://").map_or(("", proxy), |(scheme, rest)| (scheme, rest));
    let separator = if scheme.is_empty() { "" } else { "://" };
    match rest.rsplit_once('@') {
        None => proxy.to_owned(),
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{scheme}{separator}{user}@{host}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let text = r#"{"proxy": "http://all:3128", "caFile": "/all.pem",
            "profiles": {"work": {"proxy": "http://work:3128", "noProxy": "*", "caFile": "/work.pem"}}}"#;
        crate::settings::config::of(text)
    }

    fn of(profile: &str, env: &Env, config: &Config) -> v1::Network {
        Network::resolve(profile, env, config).message()
    }

    #[test]
    fn profile_beats_file_beats_variable() {
        let env =
            Env::of(&[("HTTPS_PROXY", "http://env:1"), ("NO_PROXY", ".env"), ("SSL_CERT_FILE", "/env.pem")]);
        let work = of("work", &env, &config());
        assert_eq!([work.proxy, work.no_proxy, work.ca_file], ["http://work:3128", "*", "/work.pem"]);
        let other = of("home", &env, &config());
        assert_eq!([other.proxy, other.no_proxy, other.ca_file], ["http://all:3128", ".env", "/all.pem"]);
        let bare = of("", &env, &Config::default());
        assert_eq!([bare.proxy, bare.no_proxy, bare.ca_file], ["http://env:1", ".env", "/env.pem"]);
        assert_eq!(of("", &Env::of(&[]), &Config::default()), v1::Network::default());
    }

    #[test]
    fn the_variables_are_those_of_curl_and_node() {
        let proxy = |env: &Env| of("", env, &Config::default()).proxy;
        assert_eq!(proxy(&Env::of(&[("https_proxy", "a"), ("ALL_PROXY", "b")])), "a");
        assert_eq!(proxy(&Env::of(&[("HTTPS_PROXY", ""), ("all_proxy", "b")])), "b");
        assert_eq!(
            proxy(&Env::of(&[("HTTP_PROXY", "a"), ("http_proxy", "a")])),
            "",
            "nothing goes by plain http"
        );
        let node = Env::of(&[("NODE_EXTRA_CA_CERTS", "/corp.pem"), ("SSL_CERT_FILE", "/all.pem")]);
        assert_eq!(of("", &node, &Config::default()).ca_file, "/corp.pem");
    }

    #[test]
    fn a_relative_file_of_the_environment_is_one_below_the_working_folder() {
        let env = Env::of(&[("SSL_CERT_FILE", "corp.pem")]);
        let file = of("", &env, &Config::default()).ca_file;
        assert!(std::path::Path::new(&file).is_absolute() && file.ends_with("corp.pem"), "{file}");
    }

    #[test]
    fn what_is_shown_of_a_proxy_has_no_password() {
        for (given, shown) in [
            ("http://ada:c@n:ary@proxy:3128", "http://ada@proxy:3128"),
            ("ada:canary@proxy:3128", "ada@proxy:3128"),
            ("http://proxy:3128", "http://proxy:3128"),
        ] {
            assert_eq!(without_password(given), shown);
        }
        let env = Env::of(&[("HTTPS_PROXY", "http://ada:canary@proxy:3128")]);
        let network = Network::resolve("", &env, &Config::default());
        assert_eq!(network.lines(), ["proxy is http://ada@proxy:3128 (from HTTPS_PROXY)"]);
        assert!(!format!("{network:?}").contains("canary"));
    }
}
