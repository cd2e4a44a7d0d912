//! Polls the provider for the tokens of a device login (RFC 8628, section 3.5).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::{Clock, reached};
use crate::error::{AgentError, ErrorKind};
use crate::outcome::Outcome;
use crate::providers::{Answer, DeviceFlow, Issuer, Poll};

/// `slow_down` increases the interval by this much, for this and all later polls (RFC 8628, section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// The shortest interval between polls, whatever the provider says.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest back-off while the network is down. A waiting person still notices soon that it is back.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// The longest `Retry-After` that is honoured, whatever a gateway demands.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// How long to wait before the next poll.
struct Pace {
    interval: Duration,
    /// How many polls in a row got no answer.
    lost: u32,
}

impl Pace {
    fn new(interval: Duration) -> Self {
        Self { interval: interval.max(SHORTEST), lost: 0 }
    }

    /// An answer has come, so the next poll follows after the interval.
    fn answered(&mut self) -> Duration {
        self.lost = 0;
        self.interval
    }

    fn slow_down(&mut self) -> Duration {
        self.interval += SLOWER;
        self.answered()
    }

    /// No answer has come: each further failure doubles the wait.
    fn unanswered(&mut self, retry_after: Option<Duration>) -> Duration {
        self.lost = self.lost.saturating_add(1);
        let doubled = self.interval.saturating_mul(2_u32.saturating_pow(self.lost));
        let backoff = doubled.min(LONGEST_BACKOFF.max(self.interval));
        backoff.max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
    }
}

/// Polls until the person has decided, or until `stop` returns a reason to end. Tokens that arrive after
/// `stop` are revoked.
///
/// # Errors
/// The provider's refusal, an error that further polls cannot mend, or the reason that `stop` returned.
pub(crate) async fn poll(
    clock: &Arc<dyn Clock>,
    issuer: &Arc<dyn Issuer>,
    flow: DeviceFlow,
    stop: impl Future<Output = AgentError>,
) -> Result<Answer, AgentError> {
    let flow = Arc::new(flow);
    let mut stop = pin!(stop);
    let mut pace = Pace::new(flow.interval);
    let mut wait = pace.interval;
    let mut unknown = None;
    loop {
        tokio::select! {
            () = reached(&**clock, clock.now().plus(wait)) => {}
            why = &mut stop => return Err(why),
        }
        let mut question = ask(issuer, &flow);
        let answer = tokio::select! {
            answer = &mut question => answer,
            why = &mut stop => {
                tokio::spawn(give_back(Arc::clone(issuer), question));
                return Err(why);
            }
        };
        let answer = answer.unwrap_or_else(|_| Poll::Ended(AgentError::internal("a poll broke off")));
        wait = match answer {
            Poll::Pending => pace.answered(),
            Poll::SlowDown => pace.slow_down(),
            Poll::Ended(error) => return Err(error),
            Poll::Answered(Outcome::Granted((tokens, sent))) => return Ok(Answer::Tokens(tokens, sent)),
            Poll::Answered(Outcome::Transient(why, retry_after)) => {
                tracing::debug!(%why, "a poll for a device login failed for now");
                pace.unanswered(retry_after)
            }
            Poll::Answered(Outcome::Unknown(why)) => {
                unknown = Some(why);
                pace.unanswered(None)
            }
            Poll::Answered(Outcome::Rejected(why)) => return Err(spent(&why, unknown.as_deref())),
            Poll::Answered(Outcome::Misconfigured(why) | Outcome::Unclear(why)) => {
                let hint = why.hint_or("run '{again}' again; nothing was changed");
                return Err(AgentError::new(ErrorKind::Misconfigured, why.to_string(), hint));
            }
        };
    }
}

/// Polls in a separate task, so that the answer is not dropped: the provider gives these tokens only once.
fn ask(issuer: &Arc<dyn Issuer>, flow: &Arc<DeviceFlow>) -> JoinHandle<Poll> {
    let (issuer, flow) = (Arc::clone(issuer), Arc::clone(flow));
    tokio::spawn(async move { issuer.poll(&flow).await })
}

/// Revokes the tokens that arrive after the login has ended.
async fn give_back(issuer: Arc<dyn Issuer>, question: JoinHandle<Poll>) {
    if let Ok(Poll::Answered(Outcome::Granted((tokens, _)))) = question.await {
        let revocation = issuer.revoke(&tokens.revocable()).await;
        tracing::info!(?revocation, "a login ended while its tokens were on the way; they are revoked");
    }
}

/// The error for a device code that the provider no longer accepts. If an earlier answer was lost, the tokens
/// may have been in that answer.
fn spent(why: &str, lost: Option<&str>) -> AgentError {
    let hint = "run '{again}' again; nothing was changed";
    match lost {
        None => AgentError::new(ErrorKind::LoginDenied, why, hint),
        Some(lost) => {
            let message =
                format!("the provider's answer was lost on the way ({lost}), and it gives none twice");
            AgentError::new(ErrorKind::Unreachable, message, hint)
        }
    }
}

#[cfg(test)]
mod tests;
