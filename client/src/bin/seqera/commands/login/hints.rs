//! Hints for a login whose browser does not run on this host, or does not show the page. That is known only
//! sometimes: a program that starts may still show nothing.

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

    /// What a person can do whose browser shows nothing, or cannot come back here. `typed`: the login that was
    /// typed.
    pub(super) fn hints(&self, page: &AuthorizationUrl, typed: &str) -> Vec<String> {
        let mut ways = Vec::new();
        let forwarded = self.ssh_server.as_ref().and_then(|server| forward(&page.redirect_uri, server));
        ways.extend(forwarded.map(|line| format!("run this there first: {line}")));
        if self.terminal && !page.nothing_to_paste {
            ways.push(
                "paste the address that it ends on here, and press Enter; that page does not load there, which is fine"
                    .to_owned(),
            );
        }
        if page.offers_device {
            ways.push(format!("stop this with Ctrl-C and use a code instead: {typed} --device"));
        }
        if ways.is_empty() {
            ways.push(format!("stop this with Ctrl-C and use an access token instead: {typed} --with-token"));
        }
        let heading = match (self.in_wsl, self.opened) {
            (true, _) => "If the browser is that of Windows and cannot come back to WSL:",
            (false, true) => "If no browser shows it, open it in one on any machine:",
            (false, false) => "If the browser runs on another machine:",
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

    const TYPED: &str = "seqera login --profile work";

    fn shown(surroundings: &Surroundings, offers_device: bool) -> String {
        surroundings.hints(&page(offers_device), TYPED).join("\n")
    }

    #[test]
    fn where_a_browser_was_started_it_may_still_show_nothing() {
        let desktop = Surroundings { opened: true, terminal: true, ..Surroundings::default() };
        let shown = shown(&desktop, true);
        assert!(shown.starts_with("If no browser shows it"), "{shown}");
        assert!(shown.contains("paste") && shown.contains("does not load there, which is fine"), "{shown}");
        assert!(shown.ends_with("seqera login --profile work --device"), "{shown}");
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
        let shown =
            headless.hints(&AuthorizationUrl { nothing_to_paste: true, ..page(false) }, TYPED).join("\n");
        assert!(!shown.contains("paste") && shown.contains("--with-token"), "{shown}");
    }

    #[test]
    fn in_wsl_the_browser_of_windows_is_meant() {
        let wsl = Surroundings { in_wsl: true, opened: true, terminal: true, ..Surroundings::default() };
        assert!(shown(&wsl, false).starts_with("If the browser is that of Windows"));
    }
}
