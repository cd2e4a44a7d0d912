//! A person's visit to a website, over HTTP: follows redirects, keeps cookies, fills in forms. Runs no
//! scripts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::http::{self, Reply, encode};

/// More redirects than any of the providers needs.
const MOST_REDIRECTS: usize = 12;

const FORM: &str = "application/x-www-form-urlencoded";

/// A visit and the page that it is at.
#[derive(Debug)]
pub struct Visit {
    /// The URL of the page.
    pub url: String,
    /// The page.
    pub page: Reply,
    cookies: Cookies,
}

impl Visit {
    /// Opens a URL and follows redirects to the first real page.
    #[track_caller]
    pub fn open(url: &str) -> Self {
        let mut cookies = Cookies::default();
        let page = cookies.request("GET", url, FORM, "");
        follow(cookies, url.to_owned(), page)
    }

    /// Opens another URL in the same browser.
    #[must_use]
    #[track_caller]
    pub fn go_to(mut self, url: &str) -> Self {
        let page = self.cookies.request("GET", url, FORM, "");
        follow(self.cookies, url.to_owned(), page)
    }

    /// Follows the page's first link whose URL starts like this.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    #[track_caller]
    pub fn click(self, beginning: &str) -> Self {
        let mut links = self.page.body.split("<a").skip(1).map(|link| attribute(link, "href"));
        let link = links.find(|link| link.starts_with(beginning));
        let link = link.unwrap_or_else(|| panic!("no link {beginning} at {}: {:?}", self.url, self.page));
        let url = absolute(&self.url, &link);
        self.go_to(&url)
    }

    /// Sends JSON as a script of the page would. The visit stays at its page.
    ///
    /// # Panics
    ///
    /// If the response is not a success.
    #[track_caller]
    pub fn send(&mut self, method: &str, url: &str, body: &Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.cookies.request(method, url, "application/json", &body);
        assert!(reply.status < 300, "{method} {url}: {reply:?}");
        reply
    }

    /// Sends the page's first form with these fields and its hidden ones.
    ///
    /// # Panics
    ///
    /// If the page has no form.
    #[must_use]
    #[track_caller]
    pub fn submit(mut self, fields: &[(&str, &str)]) -> Self {
        let form = Form::of(&self.page.body);
        let form = form.unwrap_or_else(|| panic!("no form at {}: {:?}", self.url, self.page));
        let url = absolute(&self.url, &form.action);
        let hidden = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = hidden.filter(|(name, _)| fields.iter().all(|(given, _)| given != name));
        let body = encoded(kept.chain(fields.iter().copied()));
        let page = self.cookies.request("POST", &url, FORM, &body);
        follow(self.cookies, url, page)
    }
}

/// Fields as the body of a form.
pub fn encoded<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pair = |(name, value)| format!("{}={}", encode(name), encode(value));
    fields.into_iter().map(pair).collect::<Vec<_>>().join("&")
}

#[track_caller]
fn follow(mut cookies: Cookies, mut url: String, mut page: Reply) -> Visit {
    for _ in 0..MOST_REDIRECTS {
        let Some(location) = page.header("location").filter(|_| (300..400).contains(&page.status)) else {
            return Visit { url, page, cookies };
        };
        url = absolute(&url, location);
        page = cookies.request("GET", &url, FORM, "");
    }
    panic!("more than {MOST_REDIRECTS} redirects, the last one to {url}");
}

/// The full URL for an address on a page at `base`.
fn absolute(base: &str, location: &str) -> String {
    let (host, path) = http::split(base);
    if location.starts_with('/') {
        return format!("http://{host}{location}");
    }
    if location.is_empty() || location.contains("://") {
        return if location.is_empty() { base } else { location }.to_owned();
    }
    let folder =
        path.split('?').next().and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder);
    format!("http://{host}{folder}/{location}")
}

/// The first form of a page.
struct Form {
    action: String,
    hidden: Vec<(String, String)>,
}

impl Form {
    fn of(html: &str) -> Option<Self> {
        let form = &html[html.find("<form")?..];
        let form = &form[..form.find("</form").unwrap_or(form.len())];
        let hidden = form.split("<input").skip(1).filter(|input| attribute(input, "type") == "hidden");
        let hidden = hidden.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect();
        Some(Self { action: attribute(form, "action"), hidden })
    }
}

/// An attribute of the tag that `text` starts with; empty if the tag does not have it.
fn attribute(text: &str, name: &str) -> String {
    let tag = text.split('>').next().unwrap_or_default();
    let value = tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next());
    value.unwrap_or_default().replace("&#x3D;", "=").replace("&quot;", "\"").replace("&amp;", "&")
}

/// Cookies by host. Paths and expiry are ignored, because a login is one short visit.
#[derive(Debug, Default)]
struct Cookies(BTreeMap<(String, String), String>);

impl Cookies {
    #[track_caller]
    fn request(&mut self, method: &str, url: &str, kind: &str, body: &str) -> Reply {
        let host = http::split(url).0.to_owned();
        let cookie = self.of(&host);
        let headers = [("cookie", cookie.as_str()), ("content-type", kind)];
        let sent = if method == "GET" { &headers[..1] } else { &headers };
        let reply = http::request(method, url, sent, body);
        let reply = reply.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
        self.keep(&host, &reply);
        reply
    }

    fn keep(&mut self, host: &str, reply: &Reply) {
        let set = reply.headers.iter().filter(|(name, _)| name == "set-cookie");
        for (_, cookie) in set {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.0.insert((host.to_owned(), name.to_owned()), value.to_owned());
        }
    }

    fn of(&self, host: &str) -> String {
        let own = self.0.iter().filter(|((known, _), value)| known == host && !value.is_empty());
        own.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, absolute, encoded};

    #[test]
    fn a_form_is_its_action_and_its_hidden_fields() {
        let html = r#"<p><form id="f" method="post" action="/go?a=1&amp;b=2">
            <input type="hidden" id="x" name="key" value="&quot;k&quot;"/><input name="user" type="text"></form>"#;
        let form = Form::of(html).expect("there is one");
        assert_eq!(form.action, "/go?a=1&b=2");
        assert_eq!(form.hidden, [("key".to_owned(), "\"k\"".to_owned())]);
        assert!(Form::of("<p>no form</p>").is_none());
    }

    #[test]
    fn an_address_is_read_as_a_browser_reads_it() {
        let base = "http://127.0.0.1:80/a/b?c=/d";
        for (location, expected) in [
            ("/x", "http://127.0.0.1:80/x"),
            ("x", "http://127.0.0.1:80/a/x"),
            ("http://127.0.0.1:81/x", "http://127.0.0.1:81/x"),
            ("", base),
        ] {
            assert_eq!(absolute(base, location), expected);
        }
    }

    #[test]
    fn fields_are_percent_encoded() {
        assert_eq!(encoded([("a", "b c"), ("d", "e&f")]), "a=b%20c&d=e%26f");
    }
}
