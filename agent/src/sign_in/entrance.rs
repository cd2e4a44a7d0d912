//! Where the browser enters. The arguments of a browser can be read by every user of the machine, and whoever
//! knows the `state` of a sign-in can make it end in an account of their own. So the browser is started with
//! the address of the listener alone, which redirects it, once, to the provider.

use url::Url;

use crate::providers::browser::Page;
use crate::providers::page;
use crate::sign_in::loopback::Visit;
use crate::sign_in::neighbours::{self, Neighbour};

/// The path of the entrance. No provider is redirected to it.
const PATH: &str = "/";

/// The entrance of one sign-in.
pub(super) struct Entrance {
    authorization_url: Url,
    used: bool,
}

impl Entrance {
    pub(super) fn to(authorization_url: &Url) -> Self {
        Self { authorization_url: authorization_url.clone(), used: false }
    }

    /// The address that a browser on this machine opens. `None` if the system does not say who connects: then
    /// the first one to come, whoever it is, would learn the `state`.
    pub(super) fn url(redirect_uri: &Url) -> Option<Url> {
        let mut url = redirect_uri.clone();
        url.set_path(PATH);
        neighbours::KNOWN_HERE.then_some(url)
    }

    /// The page for a visit of the entrance. `None` if the visit is of another address.
    pub(super) fn page(&mut self, visit: &Visit) -> Option<Page> {
        let request = &visit.request;
        if request.target != PATH {
            return None;
        }
        if request.method != "GET" {
            return Some(page::not_allowed("GET"));
        }
        if visit.neighbour != Neighbour::Ours || is_by_a_page(&request.headers) {
            return Some(page::from_terminal());
        }
        if std::mem::replace(&mut self.used, true) {
            return Some(page::opened_before());
        }
        Some(page::redirect(&self.authorization_url))
    }
}

/// True if a web page made the browser come here. It must not use up the redirect. A browser that was started
/// with the address says `none`, and an old one says nothing (Fetch Metadata Request Headers, section 2.3).
fn is_by_a_page(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, value)| name == "sec-fetch-site" && value != "none")
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::providers::browser::CallbackRequest;

    fn visit(neighbour: Neighbour, target: &str, site: Option<&str>) -> Visit {
        let headers = site.map(|site| ("sec-fetch-site".to_owned(), site.to_owned())).into_iter().collect();
        let (method, target) = ("GET".to_owned(), target.to_owned());
        let request = CallbackRequest { method, target, headers, ..CallbackRequest::default() };
        Visit { request, neighbour, reply: oneshot::channel().0 }
    }

    fn entrance() -> Entrance {
        Entrance::to(&Url::parse("https://provider.test/authorize?state=secret").unwrap())
    }

    fn header<'a>(page: &'a Page, name: &str) -> Option<&'a str> {
        page.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_browser_is_redirected_once() {
        let mut entrance = entrance();
        let first = entrance.page(&visit(Neighbour::Ours, "/", Some("none"))).unwrap();
        assert_eq!(first.status, 302);
        assert_eq!(header(&first, "location"), Some("https://provider.test/authorize?state=secret"));
        assert_eq!(header(&first, "cache-control"), Some("no-store"));
        assert_eq!(header(&first, "referrer-policy"), Some("no-referrer"));
        let second = entrance.page(&visit(Neighbour::Ours, "/", Some("none"))).unwrap();
        assert!(second.status == 410 && second.body.contains("terminal"), "{second:?}");
        assert!(header(&second, "location").is_none() && !second.body.contains("secret"), "{second:?}");
    }

    #[test]
    fn whoever_is_not_known_and_web_pages_learn_nothing_and_use_nothing_up() {
        let mut entrance = entrance();
        for (neighbour, site) in [
            (Neighbour::Unknown, None),
            (Neighbour::Unknown, Some("none")),
            (Neighbour::Ours, Some("cross-site")),
            (Neighbour::Ours, Some("same-site")),
        ] {
            let page = entrance.page(&visit(neighbour, "/", site)).unwrap();
            assert!(page.status == 403 && page.body.contains("terminal"), "{page:?}");
            assert!(header(&page, "location").is_none() && !page.body.contains("secret"), "{page:?}");
        }
        assert_eq!(entrance.page(&visit(Neighbour::Ours, "/", None)).unwrap().status, 302);
    }

    #[test]
    fn other_addresses_are_not_the_entrance() {
        let mut entrance = entrance();
        for target in ["/callback?code=c&state=s", "/favicon.ico", "/?code=c"] {
            assert!(entrance.page(&visit(Neighbour::Ours, target, None)).is_none(), "{target}");
        }
        let mut posted = visit(Neighbour::Ours, "/", None);
        posted.request.method = "POST".into();
        assert_eq!(entrance.page(&posted).unwrap().status, 405);
    }
}
