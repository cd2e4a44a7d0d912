//! A person with a browser that keeps cookies and goes from page to page.

use std::collections::BTreeMap;

use reqwest::{Client, Response, StatusCode};
use seqera_sandbox::{Configuration, Settings};
use url::{Position, Url};

use crate::browser::{Browser, REDIRECT};

/// Long enough that there is no warning.
pub(crate) const JWT_SECRET: &str = "the JWT secret of a test, of 43 characters!";

/// The settings of a Platform with this `tower.yml` and these variables.
pub(crate) fn platform(tower_yml: &str, variables: &[(&str, &str)]) -> Settings {
    let secret = [("TOWER_JWT_SECRET", JWT_SECRET)];
    let variables =
        secret.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let configuration = Configuration::read(tower_yml, variables).unwrap();
    Settings { configuration: Some(configuration), ..Settings::default() }
}

/// Where a walk ends: at a page, or at the client's redirect address, where nothing is served.
#[derive(Debug)]
pub(crate) struct Landed {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) page: String,
}

pub(crate) struct Person {
    http: Client,
    cookies: BTreeMap<(String, String), String>,
    /// Who they are at another sandbox, so that it need not ask.
    pub(crate) elsewhere: Option<(String, &'static str)>,
}

impl Person {
    pub(crate) fn at(browser: &Browser) -> Self {
        Self { http: browser.http.clone(), cookies: BTreeMap::new(), elsewhere: None }
    }

    pub(crate) fn cookie(&self, url: &str, name: &str) -> Option<&str> {
        self.cookies.get(&(host(&Url::parse(url).unwrap()), name.to_owned())).map(String::as_str)
    }

    /// Opens one page and follows no redirect.
    pub(crate) async fn open(&mut self, url: &str) -> Response {
        self.send(self.http.get(url), &Url::parse(url).unwrap()).await
    }

    pub(crate) async fn submit(&mut self, url: &str, form: &[(&str, &str)]) -> Landed {
        let url = Url::parse(url).unwrap();
        let answer = self.send(self.http.post(url.clone()).form(form), &url).await;
        self.go_on(url, answer).await
    }

    pub(crate) async fn walk(&mut self, url: &str) -> Landed {
        let url = Url::parse(url).unwrap();
        let answer = self.send(self.http.get(url.clone()), &url).await;
        self.go_on(url, answer).await
    }

    async fn go_on(&mut self, mut url: Url, mut answer: Response) -> Landed {
        for _ in 0..12 {
            let Some(location) =
                answer.headers().get("location").filter(|_| answer.status().is_redirection())
            else {
                let status = answer.status();
                return Landed { url, status, page: answer.text().await.unwrap() };
            };
            url = url.join(location.to_str().unwrap()).unwrap();
            if url.as_str().starts_with(REDIRECT) {
                return Landed { url, status: StatusCode::OK, page: String::new() };
            }
            if let Some((authority, user)) = &self.elsewhere
                && url.as_str().starts_with(&format!("{authority}/oauth2/authorize"))
            {
                url.query_pairs_mut().append_pair("sandbox_user", user);
            }
            answer = self.send(self.http.get(url.clone()), &url).await;
        }
        panic!("in circles at {url}");
    }

    async fn send(&mut self, request: reqwest::RequestBuilder, url: &Url) -> Response {
        let host = host(url);
        let own = self.cookies.iter().filter(|((known, _), value)| *known == host && !value.is_empty());
        let cookies: Vec<String> = own.map(|((_, name), value)| format!("{name}={value}")).collect();
        let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert((host.clone(), name.to_owned()), value.to_owned());
        }
        answer
    }
}

fn host(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}

/// The first address on a page, of a link or form, that contains `part`.
pub(crate) fn link(page: &str, part: &str) -> String {
    let found = page.split('"').find(|text| text.contains(part) && text.starts_with('/'));
    found.unwrap_or_else(|| panic!("no link with {part} in {page}")).replace("&amp;", "&")
}
