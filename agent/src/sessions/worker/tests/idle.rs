//! A documented problem of long queues: a job waits for longer than a refresh token may stay unused.

use std::time::Duration;

use crate::clock::Clock as _;
use crate::providers::Renewal;
use crate::testing::fakes::{Agent, Provider, pass};
use crate::token::RefreshToken;

const HOUR: Duration = Duration::from_secs(3600);

/// How long a refresh token may stay unused, by the Platform's default.
const IDLE: Duration = Duration::from_secs(6 * 3600);

/// A week and a minute, so that no renewal is running at the end.
const WEEK_SECONDS: u64 = 7 * 24 * 3600 + 60;

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_a_week_gets_a_valid_token_where_a_refresh_token_handed_to_it_has_died() {
    // Access tokens of an hour are renewed often enough anyhow; with those of a day only the keep-alive is.
    for lifetime in [HOUR, 24 * HOUR] {
        let handed_to_the_job = Provider::new(lifetime, IDLE);
        let agent = Agent::at(Provider::new(lifetime, IDLE));
        agent.login("work").await;
        pass(WEEK_SECONDS).await;

        let token = agent.token(300, 0).await.unwrap();
        assert_eq!(token, format!("access-{}", agent.provider.calls()), "the provider's newest");
        assert!(agent.worker().view().served(agent.clock.now()).is_some());
        assert!(agent.provider.calls() <= 7 * 36, "and not by renewing all the time");

        let late = handed_to_the_job.grant(&RefreshToken::new("refresh-0"));
        assert!(matches!(late, Renewal::Rejected(_)), "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_idle_limit_has_struck_the_login_has_expired_and_the_agent_does_not_go_on_asking() {
    // An idle limit of zero has always passed, as after the agent was stopped for longer than the real limit.
    let agent = Agent::at(Provider::new(HOUR, Duration::ZERO));
    agent.login("work").await;
    agent.clock.jump(2 * 3600);
    let error = agent.token(0, 30).await.unwrap_err();
    assert_eq!(error.kind, crate::error::ErrorKind::LoginExpired);
    assert_eq!(agent.stored().as_deref(), Some("refresh-0"), "nothing is deleted because of an error");
    let calls = agent.provider.calls();
    pass(24 * 3600).await;
    assert_eq!(agent.provider.calls(), calls);
}
