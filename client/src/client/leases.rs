//! Separate access tokens for programs that run for a long time.

use std::time::Duration;

use seqera_agent_proto::methods::leases;
use seqera_agent_proto::v1;

use crate::client::Client;
use crate::error::Error;
use crate::route::Call;
use crate::token::Token;

/// The agent waits 10 s for the Platform before it answers that it will keep trying.
const END: Duration = Duration::from_secs(15);

impl Client {
    /// Makes an access token for this process, which may replace itself with another program. With `keep` the
    /// token lasts that long, otherwise until the process ends. There is no lease if the profile's own
    /// credential does not expire.
    ///
    /// # Errors
    /// As [`Client::token`]; also `SIGN_IN_ENDS_SOON` if the sign-in ends before that, or within an hour where the end
    /// is open, unless `force` is set; `FORBIDDEN` if the Platform does not let the account make a token.
    pub async fn create_lease(
        &self,
        keep: Option<Duration>,
        program: &str,
        force: bool,
    ) -> Result<(Token, Option<v1::Lease>), Error> {
        let message = v1::CreateLeaseRequest {
            profile: self.profile(),
            authority: self.authority(),
            keep: keep.and_then(|keep| prost_types::Duration::try_from(keep).ok()),
            program: program.to_owned(),
            force,
        };
        // Not repeatable: two calls would make two tokens.
        let call = Call::within(self.route.options.deadline);
        let made = self.route.ask(call, leases::CREATE, message).await?;
        let token = made.token.ok_or_else(|| Error::Misunderstood("a lease without a token".into()))?;
        Ok((Token::from(token), made.lease))
    }

    /// Lists the leases of a profile, or of all profiles if it is empty: those of this host, and those of
    /// other hosts that share the home folder.
    pub async fn leases(&self, profile: &str) -> Result<Vec<v1::Lease>, Error> {
        let message = v1::ListLeasesRequest { profile: profile.to_owned() };
        Ok(self.ask(leases::LIST, message).await?.leases)
    }

    /// Ends a lease. If its token cannot be deleted now, the agent keeps trying, or forgets it with
    /// `give_up`.
    ///
    /// # Errors
    /// Besides [those of every call](Client#errors): `BAD_REQUEST` if this host has no such lease.
    pub async fn end_lease(&self, id: &str, give_up: bool) -> Result<v1::EndLeaseResponse, Error> {
        let message = v1::EndLeaseRequest { id: id.to_owned(), give_up };
        self.route.ask(Call::within(END), leases::END, message).await
    }
}
