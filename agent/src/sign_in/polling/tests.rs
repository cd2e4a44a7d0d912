//! Polling an in-memory provider under a paused clock.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use url::Url;

use super::*;
use crate::clock::FakeClock;
use crate::providers::browser::{Callback, CallbackRequest, Flow, Landing, Page};
use crate::providers::page::Whose;
use crate::providers::{Check, Granted, Renewal, Revocable, Revocation, Tokens, UserCode};
use crate::token::{Access, AccessToken, Account, RefreshToken};

/// Gives the scripted answers, and records when each poll came.
struct Provider {
    start: Instant,
    answers: Mutex<VecDeque<Poll>>,
    polls: Mutex<Vec<u64>>,
    revoked: watch::Sender<Vec<String>>,
    /// If set, a poll is answered only after a notification.
    hold: Option<Notify>,
    asked: Notify,
}

impl Provider {
    fn answering(answers: impl IntoIterator<Item = Poll>, hold: Option<Notify>) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            answers: Mutex::new(answers.into_iter().collect()),
            polls: Mutex::default(),
            revoked: watch::Sender::default(),
            hold,
            asked: Notify::new(),
        })
    }
}

#[async_trait]
impl Issuer for Provider {
    fn landing(&self) -> Landing {
        Landing { path: "/callback", ports: 0..0 }
    }

    fn outlives_sign_out(&self) -> bool {
        false
    }

    async fn poll(&self, _: &DeviceFlow) -> Poll {
        self.polls.lock().unwrap().push(self.start.elapsed().as_secs());
        self.asked.notify_one();
        if let Some(hold) = &self.hold {
            hold.notified().await;
        }
        self.answers.lock().unwrap().pop_front().unwrap_or(Poll::Pending)
    }

    async fn revoke(&self, what: &Revocable) -> Revocation {
        let token = what.refresh.as_ref().unwrap().open().expose_secret().to_owned();
        self.revoked.send_modify(|revoked| revoked.push(token));
        Revocation::Revoked
    }

    async fn start(&self, _: &Url) -> Result<Flow, AgentError> {
        unreachable!("nobody begins anything here")
    }

    async fn start_device(&self) -> Result<DeviceFlow, AgentError> {
        unreachable!("nobody begins anything here")
    }

    fn callback(&self, _: &Flow, _: &CallbackRequest) -> Callback {
        unreachable!("there is no browser")
    }

    fn page(&self, _: Result<&Account, &AgentError>, _: &Whose) -> Page {
        unreachable!("there is no browser")
    }

    async fn finish(&self, _: Answer) -> Result<Granted, AgentError> {
        unreachable!("nobody finishes anything here")
    }

    async fn renew(&self, _: &RefreshToken, _: &str) -> Renewal {
        unreachable!("nothing is renewed here")
    }

    async fn check(&self, _: &AccessToken) -> Check {
        unreachable!("nothing is checked here")
    }
}

fn flow() -> DeviceFlow {
    let page = Url::parse("https://x.test/device").unwrap();
    DeviceFlow {
        code: UserCode { text: "WDJB-MJHT".into(), page, page_with_code: None },
        device_code: String::from("device-1").into(),
        code_verifier: String::new(),
        interval: Duration::from_secs(5),
        lifetime: Duration::from_secs(600),
    }
}

fn granted() -> Poll {
    let access = Access { token: AccessToken::new("access-1"), lifetime: Duration::from_secs(60) };
    let tokens = Tokens {
        access: Ok(access),
        refresh: Some(RefreshToken::new("refresh-1")),
        refresh_lifetime: None,
        authorization_lifetime: None,
        id_token: None,
    };
    Poll::Answered(Outcome::Granted((Box::new(tokens), FakeClock::new().now())))
}

fn transient(retry_after: Option<u64>) -> Poll {
    Poll::Answered(Outcome::Transient("status 503".into(), retry_after.map(Duration::from_secs)))
}

fn cancelled() -> AgentError {
    AgentError::new(ErrorKind::Ended, "cancelled", "")
}

/// Polls to the end, without a time limit.
async fn run(provider: &Arc<Provider>) -> Result<Answer, AgentError> {
    let clock: Arc<dyn Clock> = FakeClock::new();
    let issuer: Arc<dyn Issuer> = provider.clone();
    poll(&clock, &issuer, flow(), std::future::pending()).await
}

#[tokio::test(start_paused = true)]
async fn polls_keep_the_interval_and_the_first_one_waits_too() {
    let provider = Provider::answering([Poll::Pending, Poll::Pending, granted()], None);
    assert!(matches!(run(&provider).await, Ok(Answer::Tokens(..))));
    assert_eq!(*provider.polls.lock().unwrap(), [5, 10, 15]);
}

#[tokio::test(start_paused = true)]
async fn slow_down_adds_five_seconds_for_good() {
    let answers = [Poll::SlowDown, Poll::Pending, Poll::SlowDown, Poll::Pending, granted()];
    let provider = Provider::answering(answers, None);
    run(&provider).await.map(drop).unwrap();
    assert_eq!(*provider.polls.lock().unwrap(), [5, 15, 25, 40, 55]);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_is_away_is_asked_less_and_less_and_then_as_before() {
    let lost = || Poll::Answered(Outcome::Unknown("reset".into()));
    let answers = [transient(None), lost(), transient(None), Poll::Pending, granted()];
    let provider = Provider::answering(answers, None);
    run(&provider).await.map(drop).unwrap();
    assert_eq!(*provider.polls.lock().unwrap(), [5, 15, 35, 75, 80]);
}

#[tokio::test(start_paused = true)]
async fn the_back_off_has_an_end_and_retry_after_is_obeyed() {
    let mut answers: Vec<_> = (0..6).map(|_| transient(None)).collect();
    answers.extend([transient(Some(120)), granted()]);
    let provider = Provider::answering(answers, None);
    run(&provider).await.map(drop).unwrap();
    assert_eq!(*provider.polls.lock().unwrap(), [5, 15, 35, 75, 135, 195, 255, 375]);
}

#[tokio::test(start_paused = true)]
async fn denial_and_expiry_end_the_polls_and_are_told_apart() {
    let denied = AgentError::new(ErrorKind::LoginDenied, "no", "");
    for error in [denied, AgentError::code_expired()] {
        let provider = Provider::answering([Poll::Pending, Poll::Ended(error.clone())], None);
        assert_eq!(run(&provider).await.map(drop).unwrap_err(), error);
        assert_eq!(provider.polls.lock().unwrap().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_that_is_spent_after_a_lost_answer_is_a_matter_of_the_network() {
    let spent = || Poll::Answered(Outcome::Rejected("invalid_grant".into()));
    let provider = Provider::answering([spent()], None);
    assert_eq!(run(&provider).await.map(drop).unwrap_err().kind, ErrorKind::LoginDenied);
    let provider = Provider::answering([Poll::Answered(Outcome::Unknown("reset".into())), spent()], None);
    let error = run(&provider).await.map(drop).unwrap_err();
    assert!(error.kind == ErrorKind::Unreachable && error.to_string().contains("reset"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_ends_between_polls_sends_no_more() {
    let provider = Provider::answering([], None);
    let clock: Arc<dyn Clock> = FakeClock::new();
    let issuer: Arc<dyn Issuer> = provider.clone();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(12)).await;
        cancelled()
    };
    assert_eq!(poll(&clock, &issuer, flow(), stop).await.map(drop).unwrap_err(), cancelled());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(*provider.polls.lock().unwrap(), [5, 10]);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_arrive_after_the_login_has_ended_are_revoked() {
    let provider = Provider::answering([granted()], Some(Notify::new()));
    let clock: Arc<dyn Clock> = FakeClock::new();
    let issuer: Arc<dyn Issuer> = provider.clone();
    let stop = async {
        provider.asked.notified().await;
        cancelled()
    };
    assert_eq!(poll(&clock, &issuer, flow(), stop).await.map(drop).unwrap_err(), cancelled());
    provider.hold.as_ref().unwrap().notify_one();
    let mut revoked = provider.revoked.subscribe();
    assert_eq!(*revoked.wait_for(|revoked| !revoked.is_empty()).await.unwrap(), ["refresh-1"]);
}
