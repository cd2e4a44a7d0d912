//! The runner for Rust: makes the calls that come on standard input with `seqera_client`, as README.md says.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use seqera_client::proto::v1::SessionState;
use seqera_client::{Access, Change, Client, Error, Options, Token, Want, Watch};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// Before a watch that has ended is begun again, as `client/examples/watch.rs` does it.
const PAUSE: Duration = Duration::from_millis(200);

/// As long as a call waits that sets no limit.
const DEADLINE: f64 = 30.0;

/// What a call comes to.
type Answer = Result<Value, Error>;

/// A watch, and what it said last.
struct Following {
    client: Arc<Client>,
    watch: Option<Watch>,
    last: Value,
}

#[derive(Default)]
struct Runner {
    /// One client for each set of options.
    clients: HashMap<String, Arc<Access>>,
    watches: HashMap<String, Following>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut runner = Runner::default();
    for line in std::io::stdin().lock().lines() {
        let call: Value = serde_json::from_str(&line.expect("a line")).expect("a call");
        let answer = match runner.answer(&call).await {
            Ok(given) => json!({"id": call["id"], "gives": given}),
            Err(error) => json!({"id": call["id"], "fails": failure(&error)}),
        };
        println!("{answer}");
    }
}

fn failure(error: &Error) -> Value {
    let wait = match error {
        Error::Refused(refusal) => refusal.retry_after.map(|wait| wait.as_secs_f64()),
        _ => None,
    };
    json!({"reason": error.reason(), "message": error.to_string(), "hint": error.hint(), "retry_after": wait})
}

impl Runner {
    async fn answer(&mut self, call: &Value) -> Answer {
        match call["call"].as_str().expect("its name") {
            "token" => Ok(shown(&self.access(call)?.token(want(call)).await?)),
            "tokens" => self.tokens(call).await,
            "status" => self.status(call).await,
            "watch" => {
                let following = Following { client: self.client(call)?, watch: None, last: Value::Null };
                self.watches.insert(name(call), following);
                Ok(json!({}))
            }
            "next" => {
                let following = self.watches.get_mut(&name(call)).expect("a watch that was begun");
                let limit = Duration::from_secs_f64(call["timeout"].as_f64().expect("a limit"));
                timeout(limit, next(following)).await.unwrap_or(Err(Error::TimedOut))
            }
            "end_watch" => {
                self.watches.remove(&name(call));
                Ok(json!({}))
            }
            other => panic!("no call {other}"),
        }
    }

    /// A program that names an account makes its client by itself; any other leaves that to the environment.
    fn access(&mut self, call: &Value) -> Result<Arc<Access>, Error> {
        let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        let (profile, authority) = (text("profile"), text("authority"));
        let key =
            json!([profile, authority, call["deadline"], call["timeout"], call["start_agent"]]).to_string();
        if let Some(known) = self.clients.get(&key) {
            return Ok(Arc::clone(known));
        }
        let access = if profile.is_empty() && authority.is_empty() {
            Access::from_env(None)?
        } else {
            let limit = call["timeout"].as_f64().or(call["deadline"].as_f64()).unwrap_or(DEADLINE);
            let start_agent = call["start_agent"].as_bool().unwrap_or(true);
            let deadline = Duration::from_secs_f64(limit);
            let options = Options { profile, authority, deadline, start_agent, ..Options::from_env()? };
            Access::Session(Box::new(Client::new(options)))
        };
        let access = Arc::new(access);
        self.clients.insert(key, Arc::clone(&access));
        Ok(access)
    }

    fn client(&mut self, call: &Value) -> Result<Arc<Client>, Error> {
        let profile = call["profile"].as_str().unwrap_or_default().to_owned();
        Ok(Arc::new(Client::new(Options { profile, ..Options::from_env()? })))
    }

    async fn status(&mut self, call: &Value) -> Answer {
        let status = self.client(call)?.status().await?;
        Ok(json!({
            "profile": status.profile,
            "state": state(status.state()),
            "authority": status.settings.as_ref().map(|settings| &settings.authority),
            "account": status.account.as_ref().map(|account| &account.email),
        }))
    }

    async fn tokens(&mut self, call: &Value) -> Answer {
        let access = self.access(call)?;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..call["count"].as_u64().expect("a number") {
            let access = Arc::clone(&access);
            calls.spawn(async move { access.token(Want::default()).await });
        }
        let mut tokens = Vec::new();
        while let Some(done) = calls.join_next().await {
            tokens.push(done.expect("no panic")?.secret().to_owned());
        }
        tokens.sort_unstable();
        tokens.dedup();
        Ok(json!(tokens))
    }
}

/// The next change, across the ends of the agent.
async fn next(following: &mut Following) -> Answer {
    loop {
        match step(following).await {
            Ok(change) if change != following.last => {
                following.last = change.clone();
                return Ok(change);
            }
            Ok(_) => {}
            Err(Error::Lost(_) | Error::Unreachable { .. } | Error::NoAgent) => {
                following.watch = None;
                sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn step(following: &mut Following) -> Answer {
    let watch = match &mut following.watch {
        Some(watch) => watch,
        none => none.insert(following.client.watch().await?),
    };
    match watch.next().await? {
        Some(Change::Token(token)) => Ok(shown(&token)),
        Some(Change::SignedOut(why)) => Ok(json!({"signed_out": state(why)})),
        None => Err(Error::Lost("the agent ended the watch".to_owned())),
    }
}

fn name(call: &Value) -> String {
    call["watch"].as_str().expect("a name").to_owned()
}

fn want(call: &Value) -> Want {
    Want {
        min_valid: call["min_valid"].as_f64().map(Duration::from_secs_f64),
        rejected: call["rejected"].as_str().map(str::to_owned),
    }
}

fn state(state: SessionState) -> String {
    state.as_str_name().trim_start_matches("SESSION_STATE_").to_owned()
}

fn shown(token: &Token) -> Value {
    let told = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let since = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    json!({
        "access_token": token.secret(),
        "token_type": token.token_type,
        "profile": told(&token.profile),
        "authority": told(&token.authority),
        "api_url": told(&token.api_url),
        "expires_at": token.expires_at.map(|at| since(at).to_string()),
        "valid_for": token.valid_for.map(|left| left.as_secs_f64()),
        "renewal_failing": token.renewal_failing,
        "source": token.variable,
    })
}
