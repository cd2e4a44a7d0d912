//! Running logins: at most one a profile. A login owns the listener, the time limit and the order of things; it
//! does not know which issuer it serves.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};
use url::Url;

use crate::clock::{Clock, Moment, reached};
use crate::error::{AgentError, Kind};
use crate::issuer::{Answer, Callback, Flow, Granted, Issuer, Page};
use crate::loopback::Loopback;
use crate::profile::{Profile, ProfileName};
use crate::token::Account;

/// How a login is to be done.
#[derive(Debug, Clone)]
pub struct LoginOptions {
    /// Used alone where it is set; else the documented one, the nine after it, then any.
    pub port: Option<u16>,
    /// How long the person may take.
    pub limit: Duration,
    /// The organisation to choose, by id or name.
    pub organization: Option<String>,
}

impl Default for LoginOptions {
    /// 300 s, as documented (`SEQERA_AUTH_CALLBACK_TIMEOUT_MS`).
    fn default() -> Self {
        Self { port: None, limit: Duration::from_secs(300), organization: None }
    }
}

/// What is left of a login when its session is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Sentences for the person.
    pub notes: Vec<String>,
}

/// Keeps the session of a login. It is called once, before browser and callers are told of a success; what
/// becomes of the tokens when it fails is its own affair.
pub type Install =
    Box<dyn FnOnce(Granted) -> Pin<Box<dyn Future<Output = Result<Installed, AgentError>> + Send>> + Send>;

/// How far a login is.
#[derive(Debug, Clone)]
pub enum Stage {
    /// The listener opens, the provider is asked for its description.
    Preparing,
    /// The browser's turn.
    Waiting {
        /// What it opens.
        url: Url,
        /// Where it comes back to.
        redirect_uri: Url,
        /// When the login gives up.
        until: SystemTime,
    },
    /// The answer has come: from here the login runs to its end, whoever stays.
    Finishing,
    /// The end, the same for everybody who joined.
    Done(Result<Installed, AgentError>),
}

/// Says why the login is to end. A login lives as long as one caller holds this.
type End = watch::Sender<Option<AgentError>>;

/// One caller's part in a login. A login whose last handle is dropped ends, unless the answer has come.
pub struct LoginHandle {
    /// True where the login ran already.
    pub joined: bool,
    stages: watch::Receiver<Stage>,
    over: bool,
    _end: Arc<End>,
}

impl LoginHandle {
    fn new(joined: bool, mut stages: watch::Receiver<Stage>, end: Arc<End>) -> Self {
        stages.mark_changed();
        Self { joined, stages, over: false, _end: end }
    }

    /// The current stage, then each that differs; `None` after the last. A caller that is slow misses what
    /// has passed.
    pub async fn next(&mut self) -> Option<Stage> {
        if self.over {
            return None;
        }
        let stage = match self.stages.changed().await {
            Ok(()) => self.stages.borrow_and_update().clone(),
            Err(_) => Stage::Done(Err(AgentError::internal("the login broke off"))),
        };
        self.over = matches!(stage, Stage::Done(_));
        Some(stage)
    }
}

struct Running {
    profile: Profile,
    stages: watch::Receiver<Stage>,
    end: Weak<End>,
}

impl Running {
    /// The login, for as long as it has callers and no result.
    fn alive(&self) -> Option<Arc<End>> {
        self.end.upgrade().filter(|_| !matches!(*self.stages.borrow(), Stage::Done(_)))
    }
}

/// The running logins of an agent.
pub struct Logins {
    clock: Arc<dyn Clock>,
    running: Mutex<HashMap<ProfileName, Running>>,
}

impl Logins {
    /// None runs.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, running: Mutex::default() }
    }

    /// Begins a login, or joins the one that runs for the same authority and client. A login that runs for
    /// another is replaced. Needs a tokio runtime.
    pub fn begin(
        &self,
        name: &ProfileName,
        profile: &Profile,
        issuer: Arc<dyn Issuer>,
        options: LoginOptions,
        install: Install,
    ) -> LoginHandle {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, login| login.alive().is_some());
        let mut before = None;
        if let Some(login) = running.get(name)
            && let Some(end) = login.alive()
        {
            if login.profile.same_party(profile) {
                return LoginHandle::new(true, login.stages.clone(), end);
            }
            end.send_replace(Some(replaced(name)));
            before = Some(login.stages.clone());
        }
        let (end, ended) = watch::channel(None);
        let (stage, stages) = watch::channel(Stage::Preparing);
        let end = Arc::new(end);
        let login = Login { clock: self.clock.clone(), issuer, options, stage };
        tokio::spawn(login.run(before, ended, install));
        let entry = Running { profile: profile.clone(), stages: stages.clone(), end: Arc::downgrade(&end) };
        running.insert(name.clone(), entry);
        LoginHandle::new(false, stages, end)
    }

    /// Ends a login whose answer has not come. `false`: none runs.
    pub fn cancel(&self, name: &ProfileName) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(end) = running.get(name).and_then(Running::alive) else { return false };
        end.send_replace(Some(AgentError::new(Kind::Ended, "the login was cancelled", "")));
        true
    }

    /// The profiles that are being signed in.
    pub fn names(&self) -> Vec<ProfileName> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().filter(|(_, login)| login.alive().is_some()).map(|(name, _)| name.clone()).collect()
    }
}

fn replaced(name: &ProfileName) -> AgentError {
    let message = format!("another login of profile '{name}' replaced this one");
    AgentError::new(Kind::Ended, message, "finish the newer login, or run 'seqera login' again")
}

/// What the browser brought, and the page that it waits for.
struct Returned {
    flow: Flow,
    answer: Answer,
    browser: oneshot::Sender<Page>,
}

/// The task of one login.
struct Login {
    clock: Arc<dyn Clock>,
    issuer: Arc<dyn Issuer>,
    options: LoginOptions,
    stage: watch::Sender<Stage>,
}

impl Login {
    async fn run(
        self,
        before: Option<watch::Receiver<Stage>>,
        ended: watch::Receiver<Option<AgentError>>,
        install: Install,
    ) {
        let outcome = self.sign_in(before, ended, install).await;
        if let Err(error) = &outcome {
            tracing::info!(%error, "a login ended without a session");
        }
        self.stage.send_replace(Stage::Done(outcome));
    }

    async fn sign_in(
        &self,
        before: Option<watch::Receiver<Stage>>,
        ended: watch::Receiver<Option<AgentError>>,
        install: Install,
    ) -> Result<Installed, AgentError> {
        let until = self.clock.now().plus(self.options.limit);
        let Returned { flow, answer, browser } = tokio::select! {
            returned = self.browser(before, until) => returned?,
            why = end(ended) => return Err(why),
            () = reached(&*self.clock, until) => return Err(AgentError::login_timed_out(self.options.limit)),
        };
        self.stage.send_replace(Stage::Finishing);
        let outcome = self.finish(flow, answer, install).await;
        // A browser that has gone does not change what was done.
        let _ = browser.send(self.issuer.page(outcome.as_ref().map(|(account, _)| account)));
        outcome.map(|(_, installed)| installed)
    }

    /// Waits for the right answer. The listener closes with it: a second one finds nobody.
    async fn browser(
        &self,
        before: Option<watch::Receiver<Stage>>,
        until: Moment,
    ) -> Result<Returned, AgentError> {
        if let Some(mut before) = before {
            // The replaced login frees its port first. An error means that it is gone already.
            let _ = before.wait_for(|stage| matches!(stage, Stage::Finishing | Stage::Done(_))).await;
        }
        let mut loopback = Loopback::open(self.options.port).await?;
        let redirect_uri = loopback.redirect_uri();
        let mut flow = self.issuer.start(&redirect_uri).await?;
        flow.organization.clone_from(&self.options.organization);
        let url = flow.authorization_url.clone();
        self.stage.send_replace(Stage::Waiting { url, redirect_uri, until: until.wall });
        while let Some(visit) = loopback.visit().await {
            // The send fails where the visitor has gone, which is its own affair.
            match self.issuer.callback(&flow, &visit.request) {
                Callback::NotYet(page) => {
                    let _ = visit.reply.send(page);
                }
                Callback::Answer(answer) => return Ok(Returned { flow, answer, browser: visit.reply }),
                Callback::Failed(page, error) => {
                    let _ = visit.reply.send(page);
                    return Err(error);
                }
            }
        }
        Err(AgentError::internal("the callback listener stopped"))
    }

    async fn finish(
        &self,
        flow: Flow,
        answer: Answer,
        install: Install,
    ) -> Result<(Account, Installed), AgentError> {
        let granted = self.issuer.finish(flow, answer).await?;
        let account = granted.account.clone();
        Ok((account, install(granted).await?))
    }
}

/// Waits until somebody ends the login, or nobody is left who wants it.
async fn end(mut ended: watch::Receiver<Option<AgentError>>) -> AgentError {
    let nobody = || AgentError::new(Kind::Ended, "nobody waits for this login any more", "");
    match ended.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_else(nobody),
        Err(_) => nobody(),
    }
}

#[cfg(test)]
mod tests;
