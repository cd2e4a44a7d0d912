use std::sync::mpsc;
use std::time::SystemTime;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::super::*;
use crate::clock::FakeClock;
use crate::profile::ProviderId;
use crate::providers::http::{Http, Limits};
use crate::providers::known::Providers;
use crate::providers::{Granted, Issuers as _};
use crate::sign_in::stage::{Install, LoginOptions, Prompt, SignedIn, Stage};
use crate::testing::double::{Double, json_answer, jwt};
use crate::token::Kind as CredentialKind;

/// A provider, an agent's logins, and what they installed.
pub(super) struct Bench {
    pub(super) double: Double,
    pub(super) clock: Arc<FakeClock>,
    providers: Providers,
    pub(super) logins: Logins,
    pub(super) installed: (mpsc::Sender<Granted>, mpsc::Receiver<Granted>),
}

impl Bench {
    pub(super) async fn new() -> Self {
        let clock = FakeClock::new();
        let http = Http::new(clock.clone(), Limits::default());
        Self {
            double: Double::provider().await,
            providers: Providers::new(http, clock.clone()),
            logins: Logins::new(clock.clone(), 3),
            clock,
            installed: mpsc::channel(),
        }
    }

    fn profile(&self, client_id: &str) -> Profile {
        Profile {
            authority: self.double.url.clone(),
            client_id: client_id.into(),
            audience: String::new(),
            api_url: String::new(),
            backend_url: String::new(),
            endpoints_of: String::new(),
            scopes: Profile::SCOPES.into(),
            provider: ProviderId::default(),
            network: Default::default(),
        }
    }

    pub(super) fn begin(&self, client_id: &str, port: Option<u16>) -> LoginHandle {
        let sender = self.installed.0.clone();
        let install: Install = Box::new(move |granted| {
            Box::pin(async move {
                let notes = granted.notes.clone();
                sender.send(granted).unwrap();
                Ok(SignedIn { notes })
            })
        });
        self.begin_with(client_id, port, install)
    }

    pub(super) fn begin_with(&self, client_id: &str, port: Option<u16>, install: Install) -> LoginHandle {
        let options = LoginOptions { port, ..LoginOptions::default() };
        self.begin_as(client_id, options, install)
    }

    pub(super) fn begin_as(&self, client_id: &str, options: LoginOptions, install: Install) -> LoginHandle {
        self.begin_named(&ProfileName::fallback(), client_id, options, install).unwrap()
    }

    pub(super) fn begin_named(
        &self,
        name: &ProfileName,
        client_id: &str,
        options: LoginOptions,
        install: Install,
    ) -> Result<LoginHandle, AgentError> {
        let profile = self.profile(client_id);
        let issuer = self.providers.issuer(&profile, CredentialKind::Renewable);
        self.logins.begin(name, &profile, issuer, options, install)
    }

    /// Makes the provider accept the code of the login with this authorization URL.
    pub(super) fn grant(&self, url: &Url) {
        let field = |name| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        let now = self.clock.now().wall.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let id_token = jwt(&json!({
            "iss": self.double.url, "sub": "ada", "aud": field("client_id"), "nonce": field("nonce"),
            "exp": now + 300, "iat": now, "email": "ada@x.test",
        }));
        let body = json!({ "access_token": "access-1", "refresh_token": "refresh-1", "id_token": id_token });
        self.double.script("POST /token", json_answer(200, &body));
    }
}

/// Waits until the login is ready for the browser, and returns its authorization URL and its port.
pub(super) async fn waiting(handle: &mut LoginHandle) -> (Url, u16) {
    loop {
        match handle.next().await {
            Some(Stage::Waiting { prompt: Prompt::Browser { url, redirect_uri, .. }, .. }) => {
                return (url, redirect_uri.port().unwrap());
            }
            Some(Stage::Preparing) => {}
            other => panic!("{other:?}"),
        }
    }
}

pub(super) async fn done(handle: &mut LoginHandle) -> Result<SignedIn, AgentError> {
    loop {
        if let Stage::Done(outcome) = handle.next().await.expect("a login ends with its result") {
            assert!(handle.next().await.is_none());
            return outcome;
        }
    }
}

/// Sends a browser's request, and returns the status and the page.
pub(super) async fn visit(address: (&str, u16), host: &str, target: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

pub(super) async fn come_back(port: u16, query: &str) -> (u16, String) {
    visit(("127.0.0.1", port), &format!("127.0.0.1:{port}"), &format!("/callback?{query}")).await
}

pub(super) fn answer_to(url: &Url) -> String {
    let state = url.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    format!("code=code-1&state={state}")
}

/// A free port, outside the range that the logins of other tests try first.
pub(super) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

pub(super) async fn wait_until_free(port: u16) {
    while TcpListener::bind(("127.0.0.1", port)).await.is_err() {
        tokio::task::yield_now().await;
    }
}
