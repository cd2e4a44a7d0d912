//! The environment. No other file of the command reads it, so this is the list of all its variables, and long. An empty
//! variable counts as unset. The contract's `place` module reads the variables for folders.

use std::cell::{Cell, OnceCell};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use seqera_client::proto::place::{Places, token_sha256};
use seqera_client::proto::reason::Reason;
use seqera_client::proto::values::token_file::TokenFile;
use seqera_client::proto::values::{address, name, text, token};
use seqera_client::{Error, Options};

use crate::screen::Output;
use crate::screen::failure::Failure;
use crate::screen::time::now;
use crate::settings::provider::Provider;
use crate::settings::setting::{Setting, variable};

/// A token from the environment. `Debug` shows only the variable.
pub(crate) struct EnvToken {
    pub(crate) variable: &'static str,
    pub(crate) secret: String,
}

impl fmt::Debug for EnvToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EnvToken").field(&self.variable).finish()
    }
}

type Read = dyn Fn(&str) -> Option<OsString>;

/// The variable that names the file of `seqera token --write`.
pub(crate) const TOKEN_FILE: &str = "SEQERA_ACCESS_TOKEN_FILE";

pub(crate) struct Env {
    read: Box<Read>,
    provider: Provider,
    /// What `SEQERA_ACCESS_TOKEN_FILE` names, read once: the next look could find the token of another account.
    file: OnceCell<TokenFile>,
    /// The command is about the token in that file.
    is_about_file: Cell<bool>,
}

impl Env {
    #[expect(clippy::disallowed_methods, reason = "nothing else in the command reads the environment")]
    pub(crate) fn of_process() -> Self {
        // Windows does not tell upper case from lower case.
        #[cfg(windows)]
        let read = |name: &str| std::env::var_os(name);
        // Once: each of some forty questions would go through all of them in the C library, letter by letter.
        #[cfg(not(windows))]
        let read = {
            let all: Vec<_> = std::env::vars_os().collect();
            move |name: &str| all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        Self::with(Box::new(read), Provider::Platform)
    }

    fn with(read: Box<Read>, provider: Provider) -> Self {
        Self { read, provider, file: OnceCell::new(), is_about_file: Cell::new(false) }
    }

    /// The environment as seen by commands about `provider`: variables that are not meant for this kind are
    /// hidden, and the profile is the provider's own, if it has one, unless a flag names another.
    pub(crate) fn about(self, provider: Provider) -> Self {
        let read = self.read;
        let seen = move |name: &str| match provider.own_profile() {
            Some(profile) if name == "SEQERA_PROFILE" => Some(profile.into()),
            _ if provider.foreign_variables().contains(&name) => None,
            _ => read(name),
        };
        Self::with(Box::new(seen), provider)
    }

    /// The kind of provider that the command is about.
    pub(crate) fn provider(&self) -> Provider {
        self.provider
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &'static [(&'static str, &'static str)]) -> Self {
        let read = |name: &str| Some(variables.iter().find(|(key, _)| *key == name)?.1.into());
        Self::with(Box::new(read), Provider::Platform)
    }

    #[cfg(test)]
    pub(crate) fn reading(read: impl Fn(&str) -> Option<OsString> + 'static) -> Self {
        Self::with(Box::new(read), Provider::Platform)
    }

    /// Without blanks and line ends around it, which copying and `$(cat file)` in some shells leave there. Nothing
    /// that is left is as if the variable were not set; what is no text never is.
    fn text(&self, name: &str) -> Option<String> {
        if let Some(value) = self.beside().and_then(|file| self.of_file(file, name)) {
            return Some(value).filter(|value| !value.is_empty());
        }
        let value = (self.read)(name)?;
        Some(text::trimmed(&value.to_string_lossy()).to_owned()).filter(|value| !value.is_empty())
    }

    /// A path, which need not be text.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let value = (self.read)(name)?;
        match value.to_str().map(text::trimmed) {
            Some("") => None,
            Some(text) => Some(text.into()),
            None => Some(value.into()),
        }
    }

    /// From now on, what stands beside the token in its file counts instead of the variables.
    pub(crate) fn stand_by_file(&self) {
        self.is_about_file.set(true);
    }

    /// The file that the command's token is from, if it says where that token may go.
    pub(crate) fn beside(&self) -> Option<&TokenFile> {
        let file = self.file.get().filter(|_| self.is_about_file.get())?;
        (!file.authority.is_empty() || !file.api.is_empty()).then_some(file)
    }

    /// What a variable is with this file: empty where nothing is set. `None`: the file says nothing about it.
    fn of_file(&self, file: &TokenFile, name: &str) -> Option<String> {
        let api = if file.api.is_empty() { &file.authority } else { &file.api };
        match name {
            "SEQERA_AUTH_DOMAIN" => Some(file.authority.clone()),
            "SEQERA_PLATFORM_API_URL" | "TOWER_API_ENDPOINT" | "SEQERA_API_ENDPOINT" => Some(api.clone()),
            "SEQERA_AI_BACKEND_URL" | "SEQERA_AUTH_CLI_CLIENT_ID" | "SEQERA_AUTH_AUDIENCE" => {
                let set = (self.read)("SEQERA_AUTH_DOMAIN");
                let set = set.and_then(|set| address::read(&set.to_string_lossy()).ok());
                (set.as_ref() != Some(&file.authority)).then(String::new)
            }
            _ => None,
        }
    }

    /// Where the value of a variable comes from.
    pub(crate) fn source(&self, name: &'static str) -> &'static str {
        match self.beside().and_then(|file| self.of_file(file, name)) {
            Some(_) => TOKEN_FILE,
            None => name,
        }
    }

    fn address(&self, name: &str) -> Option<String> {
        address::read(&self.text(name)?).ok()
    }

    /// `SEQERA_CLI_CONFIG_DIR`, `XDG_CONFIG_HOME`, `HOME`, `XDG_RUNTIME_DIR`, `SEQERA_AGENT_SOCK`,
    /// `SEQERA_AGENT_HOST_ID`: folders and socket. `PATH`: where to look for the agent's program. `AI_AGENT` and its
    /// relatives: the assistant that this command works for.
    pub(crate) fn options(&self) -> Result<Options, Error> {
        Options::find(&*self.read)
    }

    /// `PATH`: the folders to search for programs.
    pub(crate) fn search_path(&self) -> Vec<PathBuf> {
        self.path_list().map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
    }

    /// `PATH` as it is.
    pub(crate) fn path_list(&self) -> Option<OsString> {
        (self.read)("PATH")
    }

    /// `SEQERA_AI_COMMAND`: the program that `ai` starts, as a path or with arguments.
    pub(crate) fn ai_command(&self) -> Option<String> {
        self.text("SEQERA_AI_COMMAND")
    }

    /// `SEQERA_AI_STARTED_BY`, set by `ai`: the process id of the command that started a front end.
    pub(crate) fn ai_started_by(&self) -> Option<String> {
        self.text("SEQERA_AI_STARTED_BY")
    }

    /// `HOME` (Windows: `USERPROFILE`), `NPM_CONFIG_PREFIX`, `NVM_BIN`: folders where Co-Scientist's program
    /// may be even if they are not on the `PATH`, best first.
    pub(crate) fn front_end_folders(&self) -> Vec<PathBuf> {
        let below = |folder: Option<PathBuf>, rest: &str| folder.map(|folder| folder.join(rest));
        let (prefix, nvm) = (self.path("NPM_CONFIG_PREFIX"), self.path("NVM_BIN"));
        let npm = below(self.home(), ".npm-global/bin");
        [below(self.home(), ".seqera/bin"), below(prefix, "bin"), nvm, npm].into_iter().flatten().collect()
    }

    fn home(&self) -> Option<PathBuf> {
        self.path(if cfg!(windows) { "USERPROFILE" } else { "HOME" })
    }

    /// `SEQERA_PROFILE`: the profile if no `--profile` is given.
    pub(crate) fn profile(&self) -> Option<String> {
        self.text("SEQERA_PROFILE")
    }

    /// The token in the file that `SEQERA_ACCESS_TOKEN_FILE` names, else `SEQERA_ACCESS_TOKEN`, else
    /// `TOWER_ACCESS_TOKEN`: used as it is, instead of a session. Other providers have their own variables
    /// ([`Provider::token_variables`]) and no file.
    ///
    /// # Errors
    /// Names the first variable that holds something else than a token, and what is odd about it. To look further
    /// would be to use another account.
    pub(crate) fn token(&self) -> Result<Option<EnvToken>, Failure> {
        if let Some(path) = self.path(TOKEN_FILE).filter(|_| self.provider.has_token_file()) {
            if self.file.get().is_none() {
                let _ = self.file.set(token_in(&path)?);
            }
            let secret = self.file.get().map(|file| file.token.clone()).unwrap_or_default();
            return Ok(Some(EnvToken { variable: TOKEN_FILE, secret }));
        }
        for variable in self.provider.token_variables() {
            let value = (self.read)(variable).unwrap_or_default();
            let odd = |odd: String| {
                let hint = "set it to the token alone, or unset it";
                Failure::usage(format!("{variable} {odd}"), Some(hint))
            };
            if let Some(secret) = token::read(value.as_encoded_bytes()).map_err(odd)? {
                return Ok(Some(EnvToken { variable, secret }));
            }
        }
        Ok(None)
    }

    /// All token variables that are set, not just the one that is used.
    pub(crate) fn token_variables(&self) -> Vec<&'static str> {
        let file = self.provider.has_token_file().then_some(TOKEN_FILE);
        let mut names: Vec<_> =
            file.into_iter().chain(self.provider.token_variables().iter().copied()).collect();
        names.retain(|name| self.text(name).is_some());
        names
    }

    /// `SEQERA_EXEC_TOKEN`, set by `seqera exec` to `<profile>:<SHA-256 of its token>`: the profile that
    /// `token` came from. `None` if the environment has since been given another token.
    pub(crate) fn exec_profile(&self, token: &EnvToken) -> Option<String> {
        // The agent may be out of reach: the file is there for that.
        if token.variable == TOKEN_FILE {
            return None;
        }
        let mark = self.text("SEQERA_EXEC_TOKEN")?;
        let (profile, hash) = mark.rsplit_once(':')?;
        (hash == token_sha256(&token.secret) && !profile.is_empty()).then(|| profile.to_owned())
    }

    /// The variable whose token is used instead of a session, whatever it holds. One that `seqera exec` has set for a
    /// session counts as that session.
    pub(crate) fn foreign_token(&self) -> Option<&'static str> {
        match self.token() {
            Ok(token) => token.filter(|token| self.exec_profile(token).is_none()).map(|token| token.variable),
            Err(_) => self.token_variables().first().copied(),
        }
    }

    /// `SEQERA_AUTH_DOMAIN`: the OIDC issuer base URL.
    pub(crate) fn auth_domain(&self) -> Option<String> {
        self.address("SEQERA_AUTH_DOMAIN")
    }

    /// `SEQERA_PLATFORM_API_URL`: the Platform's REST API, and the authority if nothing else names one.
    pub(crate) fn platform_api_url(&self) -> Option<String> {
        self.address("SEQERA_PLATFORM_API_URL")
    }

    /// Checks what says whose account is meant and where it is. A value that cannot be used must never be as if the
    /// variable were not set, which would mean another account.
    ///
    /// # Errors
    /// Names the variable, and not its value: an address may hold a password.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for name in ["SEQERA_AUTH_DOMAIN", "SEQERA_PLATFORM_API_URL", "SEQERA_AI_BACKEND_URL"] {
            let text = self.text(name);
            text.map_or(Ok(String::new()), |text| address::read(&text))
                .map_err(|odd| no_address(name, odd))?;
        }
        if let Some(given) = self.profile().filter(|given| !name::is_profile(given)) {
            let shown: String = given.chars().take(80).collect();
            let what = format!("SEQERA_PROFILE is '{}', which is not a profile name", shown.escape_debug());
            return Err(Failure::usage(what, Some(name::RULE)));
        }
        for name in ["SEQERA_AUTH_CLI_CLIENT_ID", "SEQERA_AUTH_AUDIENCE"] {
            let text = self.text(name).unwrap_or_default();
            if text.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
                let what = format!("{name} contains a character that no name may have");
                return Err(Failure::usage(what, Some("correct it, or unset it")));
            }
        }
        Ok(())
    }

    /// `TOWER_API_ENDPOINT` or `SEQERA_API_ENDPOINT`: the API that a token in the environment is for, as Nextflow, `tw` and
    /// the Python SDK read it. It says nothing about a session.
    ///
    /// # Errors
    /// Names the variable. A value that cannot be used must not be as if there were none: that would mean Cloud.
    pub(crate) fn endpoint(&self, name: &'static str) -> Result<Option<Setting>, Failure> {
        let read = |text: String| address::read(&text).map_err(|odd| no_address(name, odd));
        Ok(variable(self.source(name), self.text(name).map(read).transpose()?))
    }

    /// True if the command's token is from a file that `seqera token --write` keeps.
    pub(crate) fn is_by_kept_file(&self) -> bool {
        self.is_about_file.get() && self.file.get().is_some_and(|file| file.is_marked)
    }

    /// The first variable that holds just this token.
    pub(crate) fn holding(&self, secret: &str) -> Option<EnvToken> {
        let holds = |name: &&&str| {
            let value = (self.read)(name).unwrap_or_default();
            token::read(value.as_encoded_bytes()).is_ok_and(|set| set.is_some_and(|set| set == secret))
        };
        let variable = self.provider.token_variables().iter().find(holds)?;
        Some(EnvToken { variable, secret: secret.to_owned() })
    }

    /// True if a variable of this name holds another token than this one.
    pub(crate) fn holds_another(&self, name: &str, token: &EnvToken) -> bool {
        let value = (self.read)(name).unwrap_or_default();
        token::read(value.as_encoded_bytes()).is_ok_and(|set| set.is_some_and(|set| set != token.secret))
    }

    /// `SEQERA_AI_BACKEND_URL`: the Co-Scientist backend.
    pub(crate) fn backend_url(&self) -> Option<String> {
        self.address("SEQERA_AI_BACKEND_URL")
    }

    /// `SEQERA_AUTH_CLI_CLIENT_ID`: the OAuth client id.
    pub(crate) fn client_id(&self) -> Option<String> {
        self.text("SEQERA_AUTH_CLI_CLIENT_ID")
    }

    /// `SEQERA_AUTH_AUDIENCE`: the audience of the access tokens.
    pub(crate) fn audience(&self) -> Option<String> {
        self.text("SEQERA_AUTH_AUDIENCE")
    }

    /// `HTTPS_PROXY`, else `ALL_PROXY`: the proxy if `config.json` names none, with the name of the variable. Each in
    /// upper case, else in lower case. `HTTP_PROXY` does not count: only this machine is ever reached by plain
    /// http.
    pub(crate) fn proxy(&self) -> Option<(&'static str, String)> {
        self.first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
    }

    /// `NO_PROXY`, else `no_proxy`: hosts that are reached without the proxy.
    pub(crate) fn no_proxy(&self) -> Option<(&'static str, String)> {
        self.first(&["NO_PROXY", "no_proxy"])
    }

    /// `NODE_EXTRA_CA_CERTS`, else `SSL_CERT_FILE`: a PEM file of certificate authorities that are trusted in
    /// addition to the system's, as an absolute path.
    pub(crate) fn ca_file(&self) -> Option<(&'static str, String)> {
        let (name, file) = self.first(&["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"])?;
        let absolute = std::path::absolute(&file).ok().and_then(|path| path.to_str().map(str::to_owned));
        Some((name, absolute.unwrap_or(file)))
    }

    /// `SEQERA_CREDENTIAL_STORE`, `SEQERA_LOG_LEVEL`, `SEQERA_LOG_FILE`, `SEQERA_AGENT_IDLE_EXIT`,
    /// `SEQERA_AGENT_HOST_ID`: settings that an agent reads when it starts.
    pub(crate) fn of_agent(&self, name: &str) -> Option<String> {
        self.text(name)
    }

    /// `SEQERA_LOG_FILE`, `XDG_STATE_HOME`, `HOME`: where an agent that is started from here writes its log.
    pub(crate) fn log_file(&self, places: &Places) -> Result<PathBuf, Failure> {
        Ok(places.log_file(&*self.read).map_err(Error::from)?.0)
    }

    fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| Some((*name, self.text(name)?)))
    }

    /// `SEQERA_AUTH_REDIRECT_PORT`: the one port a login's callback may use.
    pub(crate) fn redirect_port(&self) -> Result<Option<u16>, Failure> {
        self.number("SEQERA_AUTH_REDIRECT_PORT", "a port from 1 to 65535")
    }

    /// `SEQERA_AUTH_CALLBACK_TIMEOUT_MS`: how long a login waits for the browser.
    pub(crate) fn callback_timeout_ms(&self) -> Result<Option<u32>, Failure> {
        self.number("SEQERA_AUTH_CALLBACK_TIMEOUT_MS", "a number of milliseconds")
    }

    fn number<N: std::str::FromStr + Default + PartialEq>(
        &self,
        name: &str,
        wanted: &str,
    ) -> Result<Option<N>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<N>() {
            // The contract reads 0 as "not set".
            Ok(number) if number != N::default() => Ok(Some(number)),
            _ => Err(Failure::usage(
                format!("{name} is '{}'", text.escape_debug()),
                Some(&format!("it must be {wanted}")),
            )),
        }
    }

    /// `SEQERA_BROWSER_AUTO_OPEN`: with `false`, `login` only prints the URL.
    pub(crate) fn browser_auto_open(&self) -> Result<bool, Failure> {
        const NAME: &str = "SEQERA_BROWSER_AUTO_OPEN";
        match self.text(NAME).unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            odd => {
                let what = format!("{NAME} is '{}'", odd.escape_debug());
                Err(Failure::usage(what, Some("it must be true or false")))
            }
        }
    }

    /// `BROWSER`: programs that open a page, separated by colons, best first.
    pub(crate) fn browsers(&self) -> Vec<String> {
        let list = self.text("BROWSER").unwrap_or_default();
        list.split(':').filter(|program| !program.is_empty()).map(str::to_owned).collect()
    }

    /// `NXF_HOME`, else `HOME`: the folder of Nextflow's own configuration.
    pub(crate) fn nextflow_home(&self) -> Option<PathBuf> {
        let chosen = self.path("NXF_HOME");
        chosen.or_else(|| Some(self.home()?.join(".nextflow")))
    }

    /// The file that `nextflow auth login` writes there; empty if no home folder is known.
    pub(crate) fn nextflow_file(&self) -> String {
        let file = self.nextflow_home().map(|folder| folder.join("seqera-auth.config"));
        file.map(|file| file.display().to_string()).unwrap_or_default()
    }

    /// `TOWER_WORKFLOW_ID`, which the Platform sets in the runs that it launches.
    pub(crate) fn in_platform_run(&self) -> bool {
        self.text("TOWER_WORKFLOW_ID").is_some()
    }

    /// `DISPLAY`, `WAYLAND_DISPLAY`: whether there is a screen to open a browser on. `BROWSER` counts too:
    /// editors set it to open pages on the machine that the user sits at. WSL has the screen of Windows.
    pub(crate) fn has_display(&self) -> bool {
        let always = cfg!(any(windows, target_os = "macos")) || self.in_wsl();
        always || ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].iter().any(|name| self.text(name).is_some())
    }

    /// `SSH_CONNECTION`, set by sshd to `<client> <port> <server> <port>`: this host's address.
    pub(crate) fn ssh_server(&self) -> Option<String> {
        self.text("SSH_CONNECTION")?.split_whitespace().nth(2).map(str::to_owned)
    }

    /// `WSL_DISTRO_NAME`, which Windows sets. If `sudo` or `su` has removed it, the kernel's name still shows
    /// it.
    pub(crate) fn in_wsl(&self) -> bool {
        let named = |kernel: String| kernel.to_ascii_lowercase().contains("microsoft");
        self.text("WSL_DISTRO_NAME").is_some()
            || std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(named)
    }

    /// `SEQERA_CLI_OUTPUT_FORMAT`: `json` chooses JSON if no `-o` is given.
    pub(crate) fn wants_json(&self) -> bool {
        self.text("SEQERA_CLI_OUTPUT_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json"))
    }

    /// `SEQERA_CLI_OUTPUT_FORMAT`, if its value is not the name of a format.
    pub(crate) fn odd_format(&self) -> Option<String> {
        self.text("SEQERA_CLI_OUTPUT_FORMAT").filter(|format| Output::from_str(format, true).is_err())
    }

    /// `TERM`: whether the terminal moves its cursor when it is told to.
    #[cfg(unix)]
    pub(crate) fn edits_lines(&self) -> bool {
        self.text("TERM").is_some_and(|terminal| terminal != "dumb")
    }

    /// `TERM_PROGRAM`, `VTE_VERSION`, `KONSOLE_VERSION`, `WT_SESSION`, `TERM`: whether the terminal is known to make
    /// addresses clickable (OSC 8). Inside tmux and screen (`TMUX`, `STY`) it is not: older ones print the escape
    /// sequences, and the variables are those of the terminal in which they were started.
    pub(crate) fn has_links(&self) -> bool {
        let least = |name: &str, version: u32| {
            self.text(name).is_some_and(|text| text.parse::<u32>().is_ok_and(|has| has >= version))
        };
        let term = self.text("TERM").unwrap_or_default();
        let program = self.text("TERM_PROGRAM").unwrap_or_default();
        if self.text("TMUX").is_some() || self.text("STY").is_some() || term == "dumb" {
            return false;
        }
        PROGRAMS_WITH_LINKS.contains(&program.as_str())
            || TERMS_WITH_LINKS.contains(&term.as_str())
            || least("VTE_VERSION", VTE_WITH_LINKS)
            || least("KONSOLE_VERSION", KONSOLE_WITH_LINKS)
            || self.text("WT_SESSION").is_some()
    }

    /// `NO_COLOR` (no-color.org), and `TERM=dumb`.
    pub(crate) fn no_colour(&self) -> bool {
        self.text("NO_COLOR").is_some() || self.text("TERM").as_deref() == Some("dumb")
    }
}

const PROGRAMS_WITH_LINKS: [&str; 5] = ["iTerm.app", "WezTerm", "vscode", "ghostty", "rio"];
const TERMS_WITH_LINKS: [&str; 5] = ["xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm"];
/// 0.50.1: the release before crashed on such links.
const VTE_WITH_LINKS: u32 = 5001;
/// 20.12.
const KONSOLE_WITH_LINKS: u32 = 201_200;

/// Reads the file of `SEQERA_ACCESS_TOKEN_FILE`.
fn token_in(path: &Path) -> Result<TokenFile, Failure> {
    let keep = || {
        format!(
            "'seqera token --write {} --watch' keeps it fresh, where the agent can be reached",
            path.display()
        )
    };
    let file = TokenFile::read(path).map_err(|odd| {
        let hint = format!("{TOKEN_FILE} names it: {}; or unset the variable", keep());
        Failure::usage(odd, Some(&hint))
    })?;
    if file.has_expired(now().into()) {
        let what = format!("the token in {} has expired ({})", path.display(), file.expires_text());
        return Err(Failure::new(Reason::LoginExpired, what, Some(&keep())));
    }
    Ok(file)
}

/// The failure for a text that is no address. The text itself may hold a password, and is not shown.
pub(crate) fn no_address(place: &str, odd: &str) -> Failure {
    let hint = match odd {
        address::NAMES_USER => "leave it out: signing in happens in the browser",
        _ => "it must look like https://platform.example.com/api",
    };
    Failure::usage(format!("the address in {place} {odd}"), Some(hint))
}

#[cfg(test)]
mod tests;
