//! The running logins, at most one for each profile. Callers begin, join, complete and end them here; the
//! login itself is in [`crate::sign_in::login`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::error::{AgentError, ErrorKind, Typed};
use crate::profile::{Profile, ProfileName};
use crate::providers::Issuer;
use crate::providers::page::Whose;
use crate::sign_in::login::SignIn;
use crate::sign_in::pasted::Paste;
use crate::sign_in::stage::{Install, LoginOptions, Method, Stage};

/// How many pastes can wait for the login; a person makes one at a time.
const PASTES: usize = 4;

/// Ends a login and says why. A login lives as long as at least one caller holds this.
type End = watch::Sender<Option<AgentError>>;

/// One caller's share in a login. The login ends when its last handle is dropped, unless the answer has come.
pub(crate) struct LoginHandle {
    /// True if the login was already running.
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

    /// The current stage first, then each new one; `None` after the last. A slow caller misses stages that
    /// have passed.
    pub(crate) async fn next(&mut self) -> Option<Stage> {
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
    method: Method,
    stages: watch::Receiver<Stage>,
    pastes: mpsc::Sender<Paste>,
    end: Weak<End>,
}

impl Running {
    /// The sender that ends the login, while the login has callers and no result.
    fn alive(&self) -> Option<Arc<End>> {
        self.end.upgrade().filter(|_| !matches!(*self.stages.borrow(), Stage::Done(_)))
    }
}

/// The running logins of an agent.
pub(crate) struct Logins {
    clock: Arc<dyn Clock>,
    /// How many may run, since each holds two listeners.
    most: usize,
    running: Arc<Mutex<HashMap<ProfileName, Running>>>,
    /// Told whenever a login has ended.
    ended: Arc<Notify>,
}

impl Logins {
    pub(crate) fn new(clock: Arc<dyn Clock>, most: usize) -> Self {
        Self { clock, most, running: Arc::default(), ended: Arc::default() }
    }

    /// Begins a login, or joins the running one if its authority, client and method are the same. Otherwise
    /// the new login replaces the running one. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `TOO_MANY` if as many logins of other profiles run as may.
    pub(crate) fn begin(
        &self,
        name: &ProfileName,
        profile: &Profile,
        issuer: Arc<dyn Issuer>,
        options: LoginOptions,
        install: Install,
    ) -> Result<LoginHandle, AgentError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, login| login.alive().is_some());
        let mut before = None;
        if let Some(login) = running.get(name)
            && let Some(end) = login.alive()
        {
            if login.profile.same_party(profile) && login.method == options.method {
                return Ok(LoginHandle::new(true, login.stages.clone(), end));
            }
            end.send_replace(Some(replaced(name)));
            before = Some(login.stages.clone());
        } else if running.len() >= self.most {
            return Err(too_many(self.most));
        }
        let (end, ended) = watch::channel(None);
        let (stage, stages) = watch::channel(Stage::Preparing);
        let (pastes, pasted) = mpsc::channel(PASTES);
        let end = Arc::new(end);
        let entry = Running {
            profile: Profile { network: profile.network.recorded(), ..profile.clone() },
            method: options.method,
            stages: stages.clone(),
            pastes,
            end: Arc::downgrade(&end),
        };
        running.insert(name.clone(), entry);
        let whose = Whose::new(name, &profile.authority);
        let login =
            SignIn { clock: self.clock.clone(), issuer, options, whose, stage, before, ended, pasted };
        let (all, told, own) = (Arc::clone(&self.running), Arc::clone(&self.ended), stages.clone());
        let name = name.clone();
        tokio::spawn(async move {
            login.run(install).await;
            let mut running = all.lock().unwrap_or_else(PoisonError::into_inner);
            // Unless another login of this profile has taken its place.
            if running.get(&name).is_some_and(|login| login.stages.same_channel(&own)) {
                running.remove(&name);
            }
            drop(running);
            told.notify_one();
        });
        Ok(LoginHandle::new(false, stages, end))
    }

    /// Completes when a login has ended since the last call. For one listener.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Passes a browser login the address that its browser ended on, as a person pasted it.
    ///
    /// # Errors
    /// `BAD_REQUEST` if no browser login waits, or if this is not the address of that login; the login then
    /// goes on.
    pub(crate) async fn complete(&self, name: &ProfileName, text: String) -> Result<(), AgentError> {
        let pastes = self.pastes(name)?;
        let (reply, verdict) = oneshot::channel();
        // An error means that the login has its answer and accepts no more pastes.
        let _ = pastes.send(Paste { text, reply }).await;
        verdict.await.unwrap_or_else(|_| Err(nothing_to_complete(name)))
    }

    fn pastes(&self, name: &ProfileName) -> Result<mpsc::Sender<Paste>, AgentError> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let login = running.get(name).filter(|login| login.alive().is_some());
        match login.ok_or_else(|| nothing_to_complete(name))? {
            Running { method: Method::Browser, pastes, .. } => Ok(pastes.clone()),
            Running { method: Method::Device, .. } => {
                let hint = "enter the code that the login shows on the page that it names";
                Err(AgentError::new(ErrorKind::BadRequest, "this login waits for no address", hint))
            }
        }
    }

    /// Ends a login whose answer has not come. Returns false if none is running.
    pub(crate) fn cancel(&self, name: &ProfileName) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(end) = running.get(name).and_then(Running::alive) else { return false };
        end.send_replace(Some(AgentError::new(ErrorKind::Ended, "the login was cancelled", "")));
        true
    }

    /// Waits until the logins whose answer has come have ended.
    pub(crate) async fn finished(&self) {
        let finishing: Vec<_> = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let stages = running.values().map(|login| login.stages.clone());
            stages.filter(|stages| matches!(*stages.borrow(), Stage::Finishing)).collect()
        };
        for mut stages in finishing {
            let _ = stages.wait_for(|stage| matches!(stage, Stage::Done(_))).await;
        }
    }

    /// The profiles that are being signed in.
    pub(crate) fn names(&self) -> Vec<ProfileName> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().filter(|(_, login)| login.alive().is_some()).map(|(name, _)| name.clone()).collect()
    }
}

fn too_many(most: usize) -> AgentError {
    let message = format!("{most} logins are under way, which is the most that the agent can serve");
    AgentError::new(ErrorKind::TooMany, message, "finish or cancel one of them first")
}

fn replaced(name: &ProfileName) -> AgentError {
    let message = format!("another login of profile '{name}' replaced this one");
    AgentError::new(ErrorKind::Ended, message, "finish the newer login, or run '{again}' again")
}

fn nothing_to_complete(name: &ProfileName) -> AgentError {
    let message = format!("no login of profile '{name}' waits for an answer");
    AgentError::new(ErrorKind::BadRequest, message, "begin one with '{login}'").typed(&Typed::of(name))
}

#[cfg(test)]
mod tests;
