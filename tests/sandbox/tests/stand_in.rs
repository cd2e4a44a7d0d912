//! Stand-ins for the services around a sandbox: GitHub and a mail server.

use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Json, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

type Parameters = HashMap<String, String>;

/// GitHub's web flow. It signs in one account without asking.
pub(crate) struct Github {
    pub(crate) url: String,
    /// The parameters of the authorization request.
    pub(crate) asked: Arc<Mutex<Parameters>>,
}

#[derive(Clone)]
struct Account {
    /// The e-mail addresses as GitHub lists them.
    addresses: Value,
    asked: Arc<Mutex<Parameters>>,
}

const SECRET: &str = "github-secret";
const TOKEN: &str = "gho_of_a_test";

impl Github {
    pub(crate) async fn start(addresses: Value) -> Self {
        let asked = Arc::<Mutex<Parameters>>::default();
        let app = axum::Router::new()
            .route("/login/oauth/authorize", get(authorize))
            .route("/login/oauth/access_token", post(token))
            .route("/api/v3/user", get(user))
            .route("/api/v3/user/emails", get(emails))
            .with_state(Account { addresses, asked: asked.clone() });
        Self { url: serve(app).await, asked }
    }

    pub(crate) fn variables(&self) -> [(&str, &str); 3] {
        [("TOWER_GITHUB_CLIENT", "gh"), ("TOWER_GITHUB_SECRET", SECRET), ("SANDBOX_GITHUB_URL", &self.url)]
    }
}

/// Serves until the test ends.
pub(crate) async fn serve(app: axum::Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn authorize(State(account): State<Account>, Query(query): Query<Parameters>) -> Redirect {
    let back = Url::parse_with_params(
        &query["redirect_uri"],
        [("code", "a-github-code"), ("state", query["state"].as_str())],
    );
    *account.asked.lock().unwrap() = query;
    Redirect::to(back.unwrap().as_str())
}

/// GitHub reports errors with status 200.
async fn token(headers: HeaderMap, Form(form): Form<Parameters>) -> Json<Value> {
    assert_eq!(headers["accept"], "application/json");
    let is_good =
        form["client_id"] == "gh" && form["client_secret"] == SECRET && form["code"] == "a-github-code";
    Json(if is_good {
        json!({ "access_token": TOKEN, "token_type": "bearer", "scope": "user:email" })
    } else {
        json!({ "error": "bad_verification_code", "error_description": "The code is wrong." })
    })
}

fn knows(headers: &HeaderMap) -> bool {
    headers["authorization"] == format!("Bearer {TOKEN}") && headers.contains_key("user-agent")
}

async fn user(headers: HeaderMap) -> Response {
    if !knows(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(json!({ "login": "ada-l", "name": "Ada Sandbox-Lovelace" })).into_response()
}

async fn emails(State(account): State<Account>, headers: HeaderMap) -> Response {
    if !knows(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(account.addresses).into_response()
}

/// A mail server that keeps the mails it gets.
pub(crate) struct MailServer {
    pub(crate) port: String,
    mails: watch::Receiver<Vec<Mail>>,
}

/// One mail, and what was sent before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: String,
    /// `user:password`, if the client sent them.
    pub(crate) login: Option<String>,
    pub(crate) text: String,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let (sender, mails) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mail = converse(stream).await;
                sender.send_modify(|mails| mails.extend(mail));
            }
        });
        Self { port, mails }
    }

    pub(crate) fn variables(&self) -> [(&str, &str); 3] {
        let sender = ("TOWER_CONTACT_EMAIL", "platform@sandbox.test");
        [("TOWER_SMTP_HOST", "127.0.0.1"), ("TOWER_SMTP_PORT", &self.port), sender]
    }

    /// Waits until so many mails have come, and returns the last one.
    pub(crate) async fn mail(&self, count: usize) -> Mail {
        let mut mails = self.mails.clone();
        let mails = mails.wait_for(|mails| mails.len() >= count).await.unwrap();
        mails[count - 1].clone()
    }
}

/// The server's side of SMTP (RFC 5321), with one mail per connection.
async fn converse(mut stream: TcpStream) -> Option<Mail> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    let mut mail = Mail::default();
    write.write_all(b"220 mail.sandbox.test\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let answer = match word.as_str() {
            "EHLO" => "250-mail.sandbox.test\r\n250 AUTH PLAIN\r\n",
            "AUTH" => {
                let plain = STANDARD.decode(line.rsplit(' ').next()?).ok()?;
                let parts: Vec<&str> = std::str::from_utf8(&plain).ok()?.split('\0').collect();
                mail.login = Some(parts[1..].join(":"));
                "235 welcome\r\n"
            }
            "MAIL" => {
                mail.from = address(&line);
                "250 ok\r\n"
            }
            "RCPT" => {
                mail.to = address(&line);
                "250 ok\r\n"
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                while let Some(line) = lines.next_line().await.ok()?.filter(|line| line != ".") {
                    mail.text += &line;
                    mail.text += "\n";
                }
                write.write_all(b"250 kept\r\n").await.ok()?;
                return Some(mail);
            }
            _ => "250 ok\r\n",
        };
        write.write_all(answer.as_bytes()).await.ok()?;
    }
    None
}

fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}
