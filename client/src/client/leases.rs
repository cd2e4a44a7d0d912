//! Access tokens of their own for programs that run for long.

use std::time::Duration;

use seqera_agent_proto::methods::leases;
use seqera_agent_proto::v1;

use crate::client::Client;
use crate::error::Error;
use crate::route::Call;
use crate::token::Token;

/// The agent waits 10 s for the Platform before it says that it goes on trying.
const END: Duration = Duration::from_secs(15);

impl Client {
    /// An access token for this process, which may replace itself by another program. With `keep` it lasts so
    /// long, else until the process ends. No lease: the profile's own credential does not expire.
    ///
    /// # Errors
    /// As [`Client::token`]; `FORBIDDEN` where the Platform does not let the account make one.
    pub async fn create_lease(
        &self,
        keep: Option<Duration>,
        program: &str,
    ) -> Result<(Token, Option<v1::Lease>), Error> {
        let message = v1::CreateLeaseRequest {
            profile: self.profile(),
            authority: self.authority(),
            keep: keep.and_then(|keep| prost_types::Duration::try_from(keep).ok()),
            program: program.to_owned(),
        };
        // Asked twice it would make two.
        let call = Call::within(self.route.options.deadline);
        let made = self.route.ask(call, leases::CREATE, message).await?;
        let token = made.token.ok_or_else(|| Error::Misunderstood("a lease without a token".into()))?;
        Ok((Token::from(token), made.lease))
    }

    /// The leases of a profile, or of all where it is empty: of this host, and of others over the same home.
    pub async fn leases(&self, profile: &str) -> Result<Vec<v1::Lease>, Error> {
        let message = v1::ListLeasesRequest { profile: profile.to_owned() };
        Ok(self.ask(leases::LIST, message).await?.leases)
    }

    /// Ends a lease. Where its token cannot be deleted now the agent goes on trying, or forgets it with
    /// `give_up`.
    ///
    /// # Errors
    /// Beside [those of every call](Client#errors): `BAD_REQUEST` where this host has no such lease.
    pub async fn end_lease(&self, id: &str, give_up: bool) -> Result<v1::EndLeaseResponse, Error> {
        let message = v1::EndLeaseRequest { id: id.to_owned(), give_up };
        self.route.ask(Call::within(END), leases::END, message).await
    }
}
