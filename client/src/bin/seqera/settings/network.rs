//! How to reach the provider, according to file and environment: the proxy, and private certificate
//! authorities. A login passes them to the agent, which keeps them in the profile.
//!
//! `config.json` concerns only this program, so it beats the variables, which concern all programs.
//! `"noProxy": "*"` in a profile therefore turns off the environment's proxy for that profile.

use std::fmt;

use seqera_client::proto::reason::Reason;
use seqera_client::proto::v1;
use seqera_client::proto::values::proxy;

use crate::screen::failure::Failure;
use crate::settings::config::Config;
use crate::settings::env::Env;
use crate::settings::setting::{Setting, in_file, variable};

#[derive(Default)]
pub(super) struct Network {
    /// May contain a password, so it is shown only through [`proxy::shown`].
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

    /// # Errors
    /// The proxy cannot be used. Names its source and not its address, which may hold a password.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let Some(Setting { text, source }) = &self.proxy else { return Ok(()) };
        let Err(odd) = proxy::read(text) else { return Ok(()) };
        let hint = "write it as http://[user:password@]host:port; https works as well, SOCKS does not";
        Err(Failure::new(Reason::Misconfigured, format!("the proxy in {source} {odd}"), Some(hint)))
    }

    /// Each value that was set, with its source.
    pub(super) fn lines(&self) -> Vec<String> {
        let shown = |set: &Setting| Setting { text: proxy::shown(&set.text), source: set.source.clone() };
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
    fn upper_case_beats_lower_case_and_https_beats_all() {
        let both =
            Env::of(&[("https_proxy", "l"), ("HTTPS_PROXY", "u"), ("NO_PROXY", "u"), ("no_proxy", "l")]);
        let network = of("", &both, &Config::default());
        assert_eq!((network.proxy.as_str(), network.no_proxy.as_str()), ("u", "u"));
        let lower =
            Env::of(&[("https_proxy", " l\n"), ("ALL_PROXY", "all"), ("NO_PROXY", " "), ("no_proxy", "l")]);
        let network = of("", &lower, &Config::default());
        assert_eq!((network.proxy.as_str(), network.no_proxy.as_str()), ("l", "l"));
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_told_by_its_place_and_never_shown() {
        for (name, text, said) in [
            ("HTTPS_PROXY", "socks5://ada:canary@p:1080", "SOCKS"),
            ("https_proxy", "SOCKS5H://p:1080", "SOCKS"),
            ("ALL_PROXY", "socks://p", "SOCKS"),
            ("all_proxy", "ftp://p", "not an http"),
            ("HTTPS_PROXY", "http:/ada:canary@p:9", "not clear"),
            ("HTTPS_PROXY", "http://p:9/#canary", "fragment"),
            ("HTTPS_PROXY", "http://ada:canary@", "no host"),
            ("HTTPS_PROXY", "http://ada:canary@p:x", "port"),
            ("HTTPS_PROXY", "p:3128 # the proxy", "blank"),
        ] {
            let read = move |asked: &str| (asked == name).then(|| text.into());
            let network = Network::resolve("", &Env::reading(read), &Config::default());
            let failure = network.check().unwrap_err();
            assert!(failure.message.contains(name) && failure.message.contains(said), "{failure:?}");
            assert!(!failure.message.contains("canary") && failure.exit == 2, "{failure:?}");
        }
        for good in ["p:3128", "http://p", "HTTPS://ada:p%40x@p.test:8443/", "ada:x@p:3128", "[::1]:3128"] {
            assert!(proxy::read(good).is_ok(), "{good}");
        }
        let of_file =
            Network::resolve("", &Env::of(&[]), &crate::settings::config::of(r#"{"proxy": "socks4://p"}"#));
        assert!(of_file.check().unwrap_err().message.contains("/c/config.json"));
    }

    #[test]
    fn a_relative_file_of_the_environment_is_one_below_the_working_folder() {
        let env = Env::of(&[("SSL_CERT_FILE", "corp.pem")]);
        let file = of("", &env, &Config::default()).ca_file;
        assert!(std::path::Path::new(&file).is_absolute() && file.ends_with("corp.pem"), "{file}");
    }

    #[test]
    fn what_is_shown_of_a_proxy_has_no_user_and_no_password() {
        for given in ["http://ada:canary@proxy:3128", "http://canary@proxy:3128"] {
            let read = move |asked: &str| (asked == "HTTPS_PROXY").then(|| given.into());
            let network = Network::resolve("", &Env::reading(read), &Config::default());
            assert_eq!(network.lines(), ["proxy is http://proxy:3128 (from HTTPS_PROXY)"]);
            assert!(!format!("{network:?}").contains("canary"));
        }
    }
}
