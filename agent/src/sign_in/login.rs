//! One running login: its method, its listener, its time limit, and the order of its steps. It works with any
//! issuer.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::{Clock, Moment, reached};
use crate::error::{AgentError, ErrorKind};
use crate::providers::browser::{Callback, Flow, Page};
use crate::providers::page::Whose;
use crate::providers::{Answer, DeviceFlow, Issuer};
use crate::sign_in::entrance::Entrance;
use crate::sign_in::loopback::{Loopback, Visit};
use crate::sign_in::pasted::{self, Paste};
use crate::sign_in::polling;
use crate::sign_in::stage::{Install, LoginOptions, Method, Prompt, SignedIn, Stage};
use crate::token::Account;

/// The documented default of `SEQERA_AUTH_CALLBACK_TIMEOUT_MS`.
const LIMIT: Duration = Duration::from_secs(300);

/// The task of one login.
pub(crate) struct SignIn {
    pub clock: Arc<dyn Clock>,
    pub issuer: Arc<dyn Issuer>,
    pub options: LoginOptions,
    /// For the page that ends it.
    pub whose: Whose,
    /// The progress that callers watch.
    pub stage: watch::Sender<Stage>,
    /// The stages of the login that this one replaces.
    pub before: Option<watch::Receiver<Stage>>,
    /// Why the login has to end. The channel closes when the last caller has gone.
    pub ended: watch::Receiver<Option<AgentError>>,
    /// The addresses that the person pastes.
    pub pasted: mpsc::Receiver<Paste>,
}

/// The authorization code from a browser, and where to send the browser's page.
type BrowserCode = (SecretString, oneshot::Sender<Page>);

/// The result of the person's part. A browser, if there is one, still waits for its page.
struct Returned {
    answer: Answer,
    browser: Option<oneshot::Sender<Page>>,
}

impl SignIn {
    /// Runs the login until [`Stage::Done`].
    pub(crate) async fn run(mut self, install: Install) {
        let typed = self.options.typed.clone();
        let outcome = self.sign_in(install).await.map_err(|error| error.typed(&typed));
        if let Err(error) = &outcome {
            tracing::info!(%error, "a login ended without a session");
        }
        self.stage.send_replace(Stage::Done(outcome));
    }

    async fn sign_in(&mut self, install: Install) -> Result<SignedIn, AgentError> {
        let Returned { answer, browser } = match self.options.method {
            Method::Browser => self.by_browser().await?,
            Method::Device => self.by_device().await?,
        };
        // Anyone who pastes from now on, or has just pasted, gets the error that no login waits for it.
        self.pasted.close();
        while self.pasted.try_recv().is_ok() {}
        self.stage.send_replace(Stage::Finishing);
        let outcome = self.finish(answer, install).await;
        let outcome = outcome.map_err(|error| error.typed(&self.options.typed));
        if let Some(browser) = browser {
            // An error means that the browser has gone, which does not change the outcome.
            let _ = browser.send(self.issuer.page(outcome.as_ref().map(|(account, _)| account), &self.whose));
        }
        outcome.map(|(_, installed)| installed)
    }

    async fn finish(&self, answer: Answer, install: Install) -> Result<(Account, SignedIn), AgentError> {
        let granted = self.issuer.finish(answer).await?;
        let account = granted.account.clone();
        Ok((account, install(granted).await?))
    }

    async fn by_browser(&mut self) -> Result<Returned, AgentError> {
        let limit = self.options.limit.unwrap_or(LIMIT);
        let until = self.clock.now().plus(limit);
        let (clock, mut ended) = (Arc::clone(&self.clock), self.ended.clone());
        tokio::select! {
            returned = self.browser(until) => returned,
            why = end(&mut ended) => Err(why),
            () = reached(&*clock, until) => Err(AgentError::login_timed_out(limit)),
        }
    }

    /// Waits for the right answer. The listener then closes, so a replayed answer is refused.
    async fn browser(&mut self, until: Moment) -> Result<Returned, AgentError> {
        self.wait_for_replaced().await;
        let mut loopback = Loopback::open(&self.issuer.landing(), self.options.port).await?;
        let flow = self.issuer.start(&loopback.redirect_uri()).await?;
        let prompt = Prompt::Browser {
            url: flow.authorization_url.clone(),
            open_url: Entrance::url(&flow.redirect_uri),
            redirect_uri: flow.redirect_uri.clone(),
            offers_device: flow.offers_device,
            can_be_pasted: flow.can_be_pasted,
        };
        self.stage.send_replace(Stage::Waiting { prompt, until: until.wall });
        let mut entrance = Entrance::to(&flow.authorization_url);
        loop {
            tokio::select! {
                visit = loopback.visit() => {
                    let visit = visit.ok_or_else(|| AgentError::internal("the callback listener stopped"))?;
                    if let Some((code, browser)) = self.visited(&flow, &mut entrance, visit)? {
                        let answer = Answer::Code(code, Box::new(flow));
                        return Ok(Returned { answer, browser: Some(browser) });
                    }
                }
                Some(paste) = self.pasted.recv() => {
                    if let Some(code) = self.pasted(&flow, paste)? {
                        return Ok(Returned { answer: Answer::Code(code, Box::new(flow)), browser: None });
                    }
                }
            }
        }
    }

    /// Handles a request to the listener. The browser with the right answer has to wait for its page.
    fn visited(
        &self,
        flow: &Flow,
        entrance: &mut Entrance,
        visit: Visit,
    ) -> Result<Option<BrowserCode>, AgentError> {
        // A send fails if the visitor has gone, which does not matter.
        if let Some(page) = entrance.page(&visit) {
            let _ = visit.reply.send(page);
            return Ok(None);
        }
        match self.issuer.callback(flow, &visit.request) {
            Callback::NotYet(page) => {
                let _ = visit.reply.send(page);
                Ok(None)
            }
            Callback::Code(code) => Ok(Some((code, visit.reply))),
            Callback::Failed(page, error) => {
                let error = error.typed(&self.options.typed);
                let page = page.unwrap_or_else(|| self.issuer.page(Err(&error), &self.whose));
                let _ = visit.reply.send(page);
                Err(error)
            }
        }
    }

    /// Handles a pasted address as if the browser had requested it here.
    fn pasted(&self, flow: &Flow, paste: Paste) -> Result<Option<SecretString>, AgentError> {
        let Paste { text, reply } = paste;
        let judged = pasted::request(&flow.redirect_uri, &text);
        let (verdict, outcome) = match judged.map(|request| self.issuer.callback(flow, &request)) {
            Err(error) => (Err(error), Ok(None)),
            Ok(Callback::NotYet(_)) => (Err(pasted::stray()), Ok(None)),
            Ok(Callback::Code(code)) => (Ok(()), Ok(Some(code))),
            // It was the right address; the callers of the login get the error.
            Ok(Callback::Failed(_, error)) => (Ok(()), Err(error)),
        };
        // The client that sent the paste may have gone.
        let _ = reply.send(verdict);
        outcome
    }

    /// Shows the user code, and polls until there is an answer.
    async fn by_device(&mut self) -> Result<Returned, AgentError> {
        let begun = self.clock.now();
        let mut ended = self.ended.clone();
        let flow = tokio::select! {
            flow = self.device() => flow?,
            why = end(&mut ended) => return Err(why),
        };
        let expires = begun.plus(flow.lifetime);
        let (until, late) = match self.options.limit.filter(|limit| *limit < flow.lifetime) {
            Some(limit) => (begun.plus(limit), AgentError::login_timed_out(limit)),
            None => (expires, AgentError::code_expired()),
        };
        let prompt = Prompt::Device(flow.code.clone());
        self.stage.send_replace(Stage::Waiting { prompt, until: until.wall });
        let stop = async {
            tokio::select! {
                why = end(&mut ended) => why,
                () = reached(&*self.clock, until) => late,
            }
        };
        let answer = polling::poll(&self.clock, &self.issuer, flow, stop).await?;
        Ok(Returned { answer, browser: None })
    }

    async fn device(&mut self) -> Result<DeviceFlow, AgentError> {
        self.wait_for_replaced().await;
        self.issuer.start_device().await
    }

    /// Waits until the replaced login has freed its port.
    async fn wait_for_replaced(&mut self) {
        if let Some(before) = &mut self.before {
            // An error means that the login has gone already.
            let _ = before.wait_for(|stage| matches!(stage, Stage::Finishing | Stage::Done(_))).await;
        }
    }
}

/// Waits until somebody ends the login, or its last caller has gone.
async fn end(ended: &mut watch::Receiver<Option<AgentError>>) -> AgentError {
    let nobody = || AgentError::new(ErrorKind::Ended, "nobody waits for this login any more", "");
    match ended.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_else(nobody),
        Err(_) => nobody(),
    }
}
