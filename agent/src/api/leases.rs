//! Service `Leases`: long-running programs get access tokens that are theirs alone.

use std::sync::Arc;
use std::time::Duration;

use seqera_agent_proto::v1::{
    self, CreateLeaseRequest, CreateLeaseResponse, EndLeaseRequest, EndLeaseResponse, ListLeasesRequest,
    ListLeasesResponse, leases_server,
};
use tonic::{Request, Response, Status};

use crate::api::convert;
use crate::api::deadline::until;
use crate::api::lease_elsewhere;
use crate::api::tokens::{hand_out, note};
use crate::clock::{from_unix, unix};
use crate::error::{AgentError, ErrorKind};
use crate::foreign::line;
use crate::leases::book::TokenSource;
use crate::leases::life::FailedDeletion;
use crate::leases::{Leased, Order};
use crate::profile::ProfileName;
use crate::sessions::registry::Registry;
use crate::sessions::verdict::Ask;
use crate::sessions::view::Served;
use crate::socket::peers::Caller;
use crate::storage::other_hosts;
use crate::storage::record::{Ends, Lease};
use crate::token::Kind;

/// How long `End` waits for the Platform to delete the token.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What runs less than this is no long run, and needs no lease.
const LONG: Duration = Duration::from_secs(3600);

/// How many characters of a program's name are recorded.
const LONGEST_PROGRAM: usize = 64;

/// A lease without an end would be no better than a token that its owner creates at the Platform.
const LONGEST_KEEP: Duration = Duration::from_secs(366 * 86_400);

pub(crate) struct Leases {
    pub registry: Arc<Registry>,
}

#[tonic::async_trait]
impl leases_server::Leases for Leases {
    async fn create(
        &self,
        request: Request<CreateLeaseRequest>,
    ) -> Result<Response<CreateLeaseResponse>, Status> {
        let until = until(&request, self.registry.shared.now());
        note(&self.registry, request.metadata());
        let pid = request.extensions().get::<Caller>().and_then(|caller| caller.peer.pid);
        let asked = request.into_inner();
        let name = self.registry.resolve(&asked.profile, &asked.authority)?;
        let mut ask = Ask::default();
        let (mut token, leased) = loop {
            let served = hand_out(&self.registry, &name, ask.clone(), until).await?;
            let token = convert::token(&name, &served);
            if !asked.force {
                self.lasts(&name, asked.keep)?;
            }
            if served.record.kind == Kind::Fixed {
                return Ok(Response::new(CreateLeaseResponse { token: Some(token), lease: None }));
            }
            let order = self.order(&asked, pid, name.clone(), &served)?;
            let access = Arc::clone(&self.registry) as Arc<dyn TokenSource>;
            match self.registry.shared.leases.create(order, access).await {
                // A session token that the Platform refuses is renewed once.
                Err(error) if error.kind == ErrorKind::LoginExpired && ask.rejected.is_none() => {
                    ask.rejected = Some(served.held.sha256.clone());
                }
                made => break (token, made?),
            }
        };
        let Leased { id, lease, token: made } = leased;
        token.access_token = made.expose().to_owned();
        token.kind = v1::CredentialKind::Fixed.into();
        token.renewed_at = Some(convert::timestamp(from_unix(lease.created_at)));
        (token.expires_at, token.valid_for, token.renewal_failing) = (None, None, false);
        let shown = shown(&id, &lease, self.registry.shared.site.longest_lease(), None);
        Ok(Response::new(CreateLeaseResponse { token: Some(token), lease: Some(shown) }))
    }

    async fn list(
        &self,
        request: Request<ListLeasesRequest>,
    ) -> Result<Response<ListLeasesResponse>, Status> {
        let shared = &self.registry.shared;
        let profile = request.into_inner().profile;
        let longest = shared.site.longest_lease();
        let trouble = |id: &str| shared.leases.life(id).and_then(|life| life.failure());
        let ours = shared.state.host();
        let own = shared.leases.book.recorded().into_iter().map(|(id, lease)| {
            let host = if lease.host == ours { String::new() } else { lease.host.clone() };
            v1::Lease { host, ..shown(&id, &lease, longest, trouble(&id)) }
        });
        let (places, kept_under) = (shared.places.clone(), ours.clone());
        let others = tokio::task::spawn_blocking(move || other_hosts::leases(&places, &kept_under)).await;
        let others = others.unwrap_or_default().into_iter();
        let others = others.map(|(host, id, lease)| v1::Lease { host, ..shown(&id, &lease, None, None) });
        let wanted = |lease: &v1::Lease| profile.is_empty() || lease.profile == profile;
        Ok(Response::new(ListLeasesResponse { leases: own.chain(others).filter(wanted).collect() }))
    }

    async fn end(&self, request: Request<EndLeaseRequest>) -> Result<Response<EndLeaseResponse>, Status> {
        let EndLeaseRequest { id, give_up } = request.into_inner();
        let known: String = id.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        let leases = &self.registry.shared.leases;
        let ended = match leases.end(&id, END_LIMIT).await {
            None if lease_elsewhere::take(&self.registry, &id).await? => leases.end(&id, END_LIMIT).await,
            ended => ended,
        };
        match ended {
            Some(false) if give_up => {
                let left_behind = leases.give_up(&id).await.unwrap_or_default();
                Ok(Response::new(EndLeaseResponse { deleted: left_behind.is_empty(), left_behind }))
            }
            Some(deleted) => Ok(Response::new(EndLeaseResponse { deleted, ..EndLeaseResponse::default() })),
            None => {
                let what = format!("there is no lease '{known}'");
                let hint = "'seqera agent leases' shows them";
                Err(AgentError::new(ErrorKind::BadRequest, what, hint).into())
            }
        }
    }
}

impl Leases {
    /// Refuses a program whose token would go with the session in the middle of its work.
    fn lasts(&self, name: &ProfileName, keep: Option<prost_types::Duration>) -> Result<(), AgentError> {
        let wanted = keep.and_then(|keep| Duration::try_from(keep).ok()).unwrap_or(LONG);
        let Some(end) = convert::sign_in_end(&self.registry.worker(name)?.view()) else { return Ok(()) };
        let left = Duration::from_secs(end.saturating_sub(unix(self.registry.shared.now())));
        if left >= wanted {
            return Ok(());
        }
        let minutes = left.as_secs() / 60;
        let what = format!(
            "the sign-in of profile '{name}' ends in {}h {}m, and a program's token ends with it",
            minutes / 60,
            minutes % 60
        );
        let hint = format!(
            "sign in again first with 'seqera login --force --profile {name}'; --force here begins all the same"
        );
        Err(AgentError::new(ErrorKind::SignInEndsSoon, what, hint))
    }

    fn order(
        &self,
        asked: &CreateLeaseRequest,
        pid: Option<u32>,
        profile: ProfileName,
        served: &Served,
    ) -> Result<Order, AgentError> {
        // The file that cannot be read may say how long such a token lives.
        self.registry.shared.site.check()?;
        let ends = match asked.keep {
            Some(keep) => Ends::At(self.end_after(keep)?),
            None => Ends::With(self.caller(pid)?),
        };
        Ok(Order {
            profile,
            record: Arc::clone(&served.record),
            by: served.held.token.clone(),
            ends,
            program: line(&asked.program, LONGEST_PROGRAM),
        })
    }

    fn end_after(&self, keep: prost_types::Duration) -> Result<u64, AgentError> {
        let keep = Duration::try_from(keep).ok().filter(|keep| !keep.is_zero() && *keep <= LONGEST_KEEP);
        let policy = &self.registry.shared.site.policy;
        if let Some(set) =
            policy.longest_lease.as_ref().filter(|set| keep.is_some_and(|keep| keep > set.value))
        {
            let most = set.value.as_secs();
            let what = format!("a token can be kept for at most {most} s here, says {}", set.file.display());
            return Err(AgentError::new(
                ErrorKind::BadRequest,
                what,
                format!("give at most '--for {most}s'"),
            ));
        }
        let keep = keep.ok_or_else(|| {
            let what = "a token can be kept for between a second and a year";
            AgentError::new(ErrorKind::BadRequest, what, "give a length of time such as 12h")
        })?;
        Ok(unix(self.registry.shared.now()).saturating_add(keep.as_secs().max(1)))
    }

    /// The process at the other end, as reported by the kernel. A pid in the message could belong to anybody.
    fn caller(&self, pid: Option<u32>) -> Result<crate::storage::record::Program, AgentError> {
        let pid = pid.filter(|pid| *pid != 0);
        let found = pid.map(|pid| self.registry.shared.leases.identify(pid));
        match found {
            Some(Ok(program)) => Ok(program),
            Some(Err(_)) | None => {
                let what = "the agent cannot see the calling process, which may be in another container";
                let hint = "name a time instead, such as --for 12h";
                Err(AgentError::new(ErrorKind::Misconfigured, what, hint))
            }
        }
    }
}

/// `longest` is the longest life of a lease, where the site sets one.
fn shown(id: &str, lease: &Lease, longest: Option<Duration>, trouble: Option<FailedDeletion>) -> v1::Lease {
    let limit = longest.map(|limit| convert::timestamp(from_unix(lease.created_at) + limit));
    let (pid, until) = match &lease.ends {
        Ends::With(program) => (program.pid, limit),
        Ends::At(time) => (0, Some(convert::timestamp(from_unix(*time)))),
    };
    let retry_at = trouble.as_ref().map(|trouble| convert::timestamp(trouble.retry_at));
    v1::Lease {
        id: id.to_owned(),
        profile: lease.profile.to_string(),
        name: lease.name.clone(),
        program: lease.program.clone(),
        pid,
        until,
        created_at: Some(convert::timestamp(from_unix(lease.created_at))),
        host: String::new(),
        ending: lease.ending,
        trouble: trouble.map(|trouble| trouble.why).unwrap_or_default(),
        retry_at,
    }
}

#[cfg(test)]
mod tests {
    use super::leases_server::Leases as _;
    use super::*;
    use crate::leases::mint::MintError;
    use crate::providers::platform::PlatformError;
    use crate::testing::fakes::Agent;

    async fn create(agent: &Agent) -> Result<CreateLeaseResponse, Status> {
        let keep = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
        let asked = CreateLeaseRequest { profile: "work".into(), keep, ..CreateLeaseRequest::default() };
        let service = Leases { registry: Arc::clone(&agent.registry) };
        service.create(Request::new(asked)).await.map(Response::into_inner)
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_token_that_the_platform_refuses_is_renewed_once_and_makes_the_lease_then() {
        let agent = Agent::signed_in().await;
        let refused = || MintError::Refused(PlatformError::Unauthorized);
        agent.provider.outside.fail_next_creation(refused(), false);
        let made = create(&agent).await.unwrap();
        assert_eq!((made.token.unwrap().access_token.as_str(), agent.provider.calls()), ("pat-1", 1));
        crate::testing::fakes::pass(61).await;
        agent.provider.outside.fail_next_creation(refused(), false);
        agent.provider.outside.fail_next_creation(refused(), false);
        assert_eq!(create(&agent).await.err().unwrap().code(), tonic::Code::Unauthenticated);
        assert_eq!(*agent.provider.outside.calls.borrow(), 4, "it does not go round");
    }
}
