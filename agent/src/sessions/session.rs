//! The state machine of one profile. Pure: the worker brings the time and the outcomes, and does what the
//! decisions say. No I/O, no clock, no secret but the access token that is served.

use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Jitter;
use crate::clock::Moment;
use crate::outcome::{Outcome, Why};
use crate::providers::{Check, Unservable};
use crate::sessions::attempts::Attempts;
use crate::sessions::schedule::Held;
use crate::sessions::verdict::{
    Ask, Beginning, Decision, Failure, Fresh, Job, JobOutcome, Refusal, Standing, Trouble, Waiting,
};
use crate::token::{Access, Kind};

/// A token that the API refused starts a renewal at most this often.
const REJECTION_PAUSE: Duration = Duration::from_secs(60);

/// The session of one profile.
#[derive(Debug, Default)]
pub(crate) struct Session {
    kind: Kind,
    generation: u64,
    standing: Standing,
    can_renew: bool,
    held: Option<Arc<Held>>,
    /// The API refused what is held.
    rejected: bool,
    last_rejection: Option<Moment>,
    running: Option<Job>,
    attempts: Attempts,
    keep_alive_at: Option<Moment>,
    interrupted: bool,
    /// When the interrupted renewal is repeated, until that is begun.
    repeat_at: Option<Moment>,
}

impl Session {
    /// A session in which nobody is signed in.
    pub(crate) fn signed_out(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// Somebody signed in, now or before the agent was started.
    pub(crate) fn begin(generation: u64, beginning: Beginning) -> Self {
        Self {
            kind: beginning.kind,
            standing: Standing::SignedIn,
            can_renew: beginning.can_renew,
            held: beginning.held.map(Arc::new),
            keep_alive_at: beginning.keep_alive_at,
            interrupted: beginning.interrupted.is_some(),
            repeat_at: beginning.interrupted,
            ..Self::signed_out(generation)
        }
    }

    /// A session whose end was recorded earlier.
    pub(crate) fn expired(generation: u64, kind: Kind, why: String) -> Self {
        Self { kind, standing: Standing::Expired(why), ..Self::signed_out(generation) }
    }

    /// Counts logins and logouts.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether somebody is signed in.
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The token that may be served now.
    pub(crate) fn servable(&self, now: Moment) -> Option<&Arc<Held>> {
        self.offered().filter(|held| held.is_valid(now))
    }

    /// What is in memory, servable or not.
    pub(crate) fn held(&self) -> Option<&Arc<Held>> {
        self.held.as_ref()
    }

    /// What is in memory and was not refused by the API; it may have expired.
    pub(crate) fn offered(&self) -> Option<&Arc<Held>> {
        self.held.as_ref().filter(|_| !self.rejected)
    }

    /// The last failed attempt, until one succeeds.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.attempts.failure()
    }

    /// Decides about one caller. A waiting caller is asked about again after each outcome.
    pub(crate) fn on_request(&mut self, now: Moment, ask: &Ask) -> Decision {
        if self.standing == Standing::SignedOut {
            return Decision::Refuse(Refusal::SignedOut);
        }
        self.note_rejection(now, ask);
        match self.servable(now) {
            Some(held) => {
                let satisfied = held.satisfies(ask.min_valid, now);
                let in_window = held.due().is_some_and(|due| now.reached(due));
                self.serve(now, satisfied, in_window)
            }
            None => self.without_token(now, ask),
        }
    }

    fn serve(&self, now: Moment, satisfied: bool, in_window: bool) -> Decision {
        let start = (self.may_renew() && self.attempts.pause(now, false).is_zero()).then_some(Job::Renew);
        if satisfied {
            return Decision::Answer(start.filter(|_| in_window));
        }
        match (self.running, start) {
            (Some(Job::Renew), _) => Decision::Wait(None),
            (None, Some(_)) => Decision::Wait(start),
            // Renewal failed for now, or nothing can be renewed: a valid token is better than none.
            _ => Decision::Answer(None),
        }
    }

    fn without_token(&self, now: Moment, ask: &Ask) -> Decision {
        if let Standing::Expired(why) = &self.standing {
            return Decision::Refuse(Refusal::Expired(why.clone()));
        }
        if self.running.is_some() {
            return Decision::Wait(None);
        }
        let Some(job) = self.remedy() else {
            return Decision::Refuse(Refusal::Expired(self.its_end()));
        };
        self.attempts.postpone(now, ask).unwrap_or(Decision::Wait(Some(job)))
    }

    /// Why a session ends that nothing can renew.
    fn its_end(&self) -> String {
        match self.kind {
            Kind::Fixed => "the access token has reached its end".into(),
            Kind::Renewable => "the provider gave no refresh token, and the access token has expired".into(),
        }
    }

    /// True where the provider gave something to renew with.
    pub(crate) fn can_renew(&self) -> bool {
        self.can_renew
    }

    /// The job that can bring a token.
    fn remedy(&self) -> Option<Job> {
        match (self.kind, &self.held) {
            (Kind::Renewable, _) => self.can_renew.then_some(Job::Renew),
            (Kind::Fixed, None) => Some(Job::Load),
            (Kind::Fixed, Some(_)) => self.rejected.then_some(Job::Check),
        }
    }

    /// A report counts only for the current token, and starts something at most once a minute.
    fn note_rejection(&mut self, now: Moment, ask: &Ask) {
        let current = self.held.as_ref().map(|held| held.sha256.as_str());
        if self.rejected || ask.rejected.is_none() || ask.rejected.as_deref() != current {
            return;
        }
        let pause = self
            .last_rejection
            .map_or(Duration::ZERO, |last| REJECTION_PAUSE.saturating_sub(now.since(last)));
        // A fixed credential that was checked a moment ago does not get better by asking.
        if self.kind == Kind::Fixed && !pause.is_zero() {
            return;
        }
        self.rejected = true;
        if pause.is_zero() {
            self.last_rejection = Some(now);
        } else {
            let why = "two tokens were reported as refused within a minute".into();
            self.attempts.hold(now, Trouble::Reported, why, pause);
        }
    }

    fn may_renew(&self) -> bool {
        self.kind == Kind::Renewable
            && self.can_renew
            && self.standing == Standing::SignedIn
            && self.running.is_none()
    }

    /// When the ticker has to wake this session; `None`: not before something else happens. A fixed
    /// credential is read again only while somebody waits for it.
    pub(crate) fn next_due(&self, waiting: Waiting) -> Option<Moment> {
        if self.standing == Standing::SignedOut || self.running.is_some() {
            return None;
        }
        let held = self.held.as_ref().filter(|_| self.standing == Standing::SignedIn);
        if self.remedy().is_none() {
            return held.and_then(|held| held.end());
        }
        if self.kind == Kind::Fixed && waiting == Waiting::Nobody {
            return None;
        }
        let due = held.and_then(|held| held.due());
        // All are of this process, so that the part which never runs backwards orders them.
        let scheduled = [due, self.keep_alive_at].into_iter().flatten().min_by_key(|moment| moment.mono);
        self.repeat_at.or(self.attempts.next(waiting == Waiting::New)).or(scheduled)
    }

    /// What to start because its time has come, with or without a caller. A session that nothing can renew
    /// ends with its token.
    pub(crate) fn on_tick(&mut self, now: Moment, waiting: Waiting) -> Option<Job> {
        self.next_due(waiting).filter(|due| now.reached(*due))?;
        let job = self.remedy();
        if job.is_none() {
            self.end(self.its_end());
        }
        job
    }

    /// The worker has started the job.
    pub(crate) fn started(&mut self, job: Job) {
        self.running = Some(job);
        self.repeat_at = None;
    }

    /// A job has ended. Its generation is this session's: the worker has seen to that.
    pub(crate) fn on_outcome(&mut self, now: Moment, outcome: JobOutcome, jitter: Jitter) {
        self.running = None;
        match outcome {
            JobOutcome::Renewed(answer) => self.on_answer(now, answer, jitter),
            JobOutcome::Loaded(held) => {
                self.held = Some(Arc::new(held));
                self.succeed();
            }
            JobOutcome::Checked(Check::Refused) => self.end("the Platform refuses the access token".into()),
            JobOutcome::Checked(Check::Valid(_) | Check::Unsure(_)) => self.succeed(),
            JobOutcome::NoSecret(trouble, why) => self.on_trouble(now, trouble.into(), why, jitter),
            JobOutcome::Broken(why) => self.on_trouble(now, Trouble::Transient(None), why.into(), jitter),
            JobOutcome::Settled => self.interrupted = false,
        }
    }

    /// The one place that decides what an answer of the provider means for the session.
    fn on_answer(&mut self, now: Moment, answer: Outcome<Fresh>, jitter: Jitter) {
        let (trouble, why) = match answer {
            Outcome::Granted(fresh) => {
                self.interrupted = false;
                self.keep_alive_at = Some(now.plus(fresh.keep_alive));
                return self.on_granted(now, fresh.sent, fresh.access, jitter);
            }
            Outcome::Rejected(why) if self.interrupted => {
                let lost = "the agent was interrupted while renewing, and the answer was lost";
                return self.end(format!("{lost} ({why})"));
            }
            Outcome::Rejected(why) => return self.end(why.to_string()),
            Outcome::Transient(why, retry_after) => (Trouble::Transient(retry_after), why),
            Outcome::Unknown(why) => (Trouble::Unknown, why),
            Outcome::Misconfigured(why) => (Trouble::Misconfigured, why),
            Outcome::Unclear(why) => (Trouble::Unclear, why),
        };
        self.on_trouble(now, trouble, why, jitter);
    }

    fn on_granted(&mut self, now: Moment, sent: Moment, access: Result<Access, Unservable>, jitter: Jitter) {
        match access {
            Ok(access) if !access.lifetime.is_zero() => {
                self.held = Some(Arc::new(Held::renewable(access, sent, jitter)));
                self.standing = Standing::SignedIn;
                self.succeed();
            }
            Ok(_) => {
                let why = Why::from("the provider gave a token that has expired already");
                self.on_trouble(now, Trouble::Transient(None), why.answered(), jitter);
            }
            Err(Unservable::Odd(why)) => {
                self.on_trouble(now, Trouble::Transient(None), Why::from(why).answered(), jitter);
            }
            Err(Unservable::OtherAccount(why)) => {
                self.held = None;
                self.on_trouble(now, Trouble::Misconfigured, Why::from(why).answered(), jitter);
            }
        }
    }

    fn on_trouble(&mut self, now: Moment, trouble: Trouble, why: Why, jitter: Jitter) {
        if self.attempts.fail(now, trouble, why.clone(), jitter) {
            self.standing = Standing::Expired(why.to_string());
        }
    }

    fn succeed(&mut self) {
        self.rejected = false;
        self.attempts = Attempts::default();
    }

    /// The last access token may be served on, unless the API has refused it.
    fn end(&mut self, why: String) {
        self.attempts = Attempts::default();
        self.standing = Standing::Expired(why);
        self.can_renew = false;
        self.keep_alive_at = None;
        if self.kind == Kind::Fixed {
            self.held = None;
        }
    }
}

#[cfg(test)]
mod tests;
