//! Hints for a login whose browser does not run on this host.

use seqera_client::proto::v1::login_event::AuthorizationUrl;

use crate::screen::terminal;
use crate::settings::env::Env;

/// Where the person sits, as far as the environment shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// This host's address, if the session is over ssh.
    pub(super) ssh_server: Option<String>,
    /// True for Linux inside Windows.
    pub(super) in_wsl: bool,
    /// True if a line can be read from the terminal.
    pub(super) terminal: bool,
    /// True if a browser was started here.
    pub(super) opened: bool,
}

impl Surroundings {
    pub(super) fn of(env: &Env) -> Self {
        Self {
            ssh_server: env.ssh_server(),
            in_wsl: env.in_wsl(),
            terminal: terminal::readable(),
            opened: false,
        }
    }

    /// Hints for a person whose browser may not be able to come back here; none at a desktop.
    pub(super) fn hints(&self, page: &AuthorizationUrl) -> Vec<String> {
        let elsewhere = self.ssh_server.is_some() || self.in_wsl || !self.opened;
        if !elsewhere {
            return Vec::new();
        }
        let mut ways = Vec::new();
        let forwarded = self.ssh_server.as_ref().and_then(|server| forward(&page.redirect_uri, server));
        ways.extend(forwarded.map(|line| format!("run this there first: {line}")));
        if self.terminal && !page.nothing_to_paste {
            ways.push("paste the address that it ends on here, and press Enter".to_owned());
        }
        if page.offers_device {
            ways.push("stop this with Ctrl-C and use a code instead: seqera login --device".to_owned());
        }
        if ways.is_empty() {
            ways.push("use an access token instead, by the option --with-token".to_owned());
        }
        let heading = match self.in_wsl {
            true => "If the browser is that of Windows and cannot come back to WSL:",
            false => "If the browser runs on another machine:",
        };
        std::iter::once(heading.to_owned()).chain(ways.into_iter().map(|way| format!("  - {way}"))).collect()
    }
}

/// The command that lets a browser elsewhere reach the callback on this host.
fn forward(redirect_uri: &str, server: &str) -> Option<String> {
    let port: u16 = redirect_uri.rsplit_once(':')?.1.split('/').next()?.parse().ok()?;
    Some(format!("ssh -L {port}:127.0.0.1:{port} {server}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(offers_device: bool) -> AuthorizationUrl {
        AuthorizationUrl {
            redirect_uri: "http://127.0.0.1:53684/callback".into(),
            offers_device,
            ..AuthorizationUrl::default()
        }
    }

    fn shown(surroundings: &Surroundings, offers_device: bool) -> String {
        surroundings.hints(&page(offers_device)).join("\n")
    }

    #[test]
    fn a_person_at_a_desktop_gets_no_hints() {
        let desktop = Surroundings { opened: true, terminal: true, ..Surroundings::default() };
        assert_eq!(shown(&desktop, true), "");
    }

    #[test]
    fn over_ssh_the_port_of_the_callback_is_forwarded_even_where_a_browser_was_started() {
        let server = Some("198.51.100.7".to_owned());
        let session = Surroundings { ssh_server: server, opened: true, ..Surroundings::default() };
        assert!(shown(&session, false).contains("ssh -L 53684:127.0.0.1:53684 198.51.100.7"));
        assert_eq!(forward("http://127.0.0.1/callback", "h"), None);
    }

    #[test]
    fn only_ways_that_work_here_are_offered() {
        let headless = Surroundings { terminal: true, ..Surroundings::default() };
        assert!(shown(&headless, true).contains("--device") && shown(&headless, true).contains("paste"));
        assert!(!shown(&headless, false).contains("--device"));
        let piped = Surroundings::default();
        assert!(!shown(&piped, true).contains("paste") && shown(&piped, true).contains("--device"));
        assert!(shown(&piped, false).contains("--with-token"));
    }

    #[test]
    fn where_the_page_itself_answers_there_is_nothing_to_paste() {
        let headless = Surroundings { terminal: true, ..Surroundings::default() };
        let shown = headless.hints(&AuthorizationUrl { nothing_to_paste: true, ..page(false) }).join("\n");
        assert!(!shown.contains("paste") && shown.contains("--with-token"), "{shown}");
    }

    #[test]
    fn in_wsl_the_browser_of_windows_is_meant() {
        let wsl = Surroundings { in_wsl: true, opened: true, terminal: true, ..Surroundings::default() };
        assert!(shown(&wsl, false).starts_with("If the browser is that of Windows"));
    }
}
