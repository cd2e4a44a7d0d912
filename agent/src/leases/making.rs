//! How a lease comes about: written down first, then its token is made, stored and recorded.

use std::sync::Arc;

use secrecy::SecretString;

use crate::clock::Moment;
use crate::error::{AgentError, Kind as ErrorKind};
use crate::leases::lease::{Ends, Lease, id, token_name};
use crate::leases::mint::{MintError, Minted};
use crate::leases::{Leases, TokenSource};
use crate::profile::ProfileName;
use crate::providers::platform::PlatformError;
use crate::sessions::shared::unix;
use crate::storage::record::Record;
use crate::storage::store::{Patience, Stored};
use crate::token::{AccessToken, Kind};

/// Names that are tried before a Platform that has them all is believed.
pub(crate) const NAMES: usize = 3;

/// What a caller wants.
pub(crate) struct Order {
    /// Whose session makes the token.
    pub profile: ProfileName,
    /// That session.
    pub record: Arc<Record>,
    /// Its token.
    pub by: AccessToken,
    /// What ends the lease.
    pub ends: Ends,
    /// What the person calls the program.
    pub program: String,
}

/// A lease that was made.
#[derive(Debug)]
pub(crate) struct Leased {
    /// Eight hexadecimal digits.
    pub id: String,
    /// As recorded.
    pub lease: Lease,
    /// The token.
    pub token: AccessToken,
}

impl Leases {
    pub(crate) async fn make(
        self: &Arc<Self>,
        order: &Order,
        access: &Arc<dyn TokenSource>,
    ) -> Result<Leased, AgentError> {
        let mint = self.parts.mints.mint(&order.record.profile);
        for _ in 0..NAMES {
            let (id, lease) = self.draft(order)?;
            self.write_down(&id, &lease).await?;
            (self.parts.crash)("lease-recorded");
            match mint.create(&order.by, &lease.name).await {
                Ok(minted) => {
                    let leased = self.keep(id, lease, minted, access).await?;
                    return self.unless_signed_out(order, leased);
                }
                Err(MintError::NameTaken) => self.forget(&id).await,
                Err(MintError::Refused(why)) => {
                    self.forget(&id).await;
                    return Err(refused(order, &why));
                }
                Err(MintError::Unknown(why)) => {
                    // Its task looks for the name, and deletes what it finds.
                    let _ = self.change(&id, |lease| lease.ending = true).await;
                    self.begin(&id, access);
                    return Err(unanswered(order, &why));
                }
            }
        }
        Err(refused(
            order,
            &PlatformError::Misconfigured("it has tokens of every name that was tried".into()),
        ))
    }

    fn draft(&self, order: &Order) -> Result<(String, Lease), AgentError> {
        let id = id(getrandom::u32().map_err(AgentError::internal)?);
        let now = self.parts.clock.now();
        let (user, host) = &self.parts.owner;
        let account = order.record.account.as_ref();
        let lease = Lease {
            name: token_name(user, host, &minute(now), &id),
            profile: order.profile.clone(),
            settings: order.record.profile.clone(),
            subject: account.map(|account| account.subject.clone()).unwrap_or_default(),
            host: self.parts.host.clone(),
            program: order.program.clone(),
            ends: order.ends.clone(),
            created_at: unix(now),
            token_id: None,
            store: None,
            ending: false,
            other: serde_json::Map::new(),
        };
        Ok((id, lease))
    }

    /// Before the token is made, because afterwards may be too late.
    async fn write_down(&self, id: &str, lease: &Lease) -> Result<(), AgentError> {
        let (key, value) = (id.to_owned(), lease.clone());
        let written = self.parts.state.change(|sessions| drop(sessions.leases.insert(key, value))).await;
        if let Err(error) = written {
            self.forget(id).await;
            let what = format!("no token was made, since it could not be written down: {error}");
            return Err(AgentError::new(ErrorKind::StoreFailed, what, "is the disk full?"));
        }
        Ok(())
    }

    /// A sign-out ends the leases that have begun. One that came while this token was made has not seen it;
    /// but it has marked the record before it looked for leases.
    fn unless_signed_out(&self, order: &Order, leased: Leased) -> Result<Leased, AgentError> {
        let is_same = |now: Record| !now.signed_out && now.logged_in_at == order.record.logged_in_at;
        if self.parts.state.record(&order.profile).is_some_and(is_same) {
            return Ok(leased);
        }
        self.ask_for_end(&leased.id, None);
        Err(AgentError::signed_out(&order.profile))
    }

    /// A token that cannot be recorded is deleted at once.
    async fn keep(
        self: &Arc<Self>,
        id: String,
        lease: Lease,
        minted: Minted,
        access: &Arc<dyn TokenSource>,
    ) -> Result<Leased, AgentError> {
        (self.parts.crash)("lease-made");
        let stored = Stored {
            provider: lease.settings.provider,
            authority: lease.settings.authority.clone(),
            client_id: lease.settings.client_id.clone(),
            kind: Kind::Fixed,
            secret: SecretString::from(minted.token.expose()),
            saved_at: self.parts.clock.now().wall,
            proxy_password: self.parts.passwords.known(&lease.settings.network),
        };
        // Without it the session deletes the token.
        let item = ProfileName::of_lease(&id);
        let kept = self.parts.ladder.save(&item, &stored, None, Patience::Background).await;
        let store = kept.ok().map(|kept| kept.kind);
        (self.parts.crash)("lease-stored");
        let known = self.change(&id, |lease| (lease.token_id, lease.store) = (Some(minted.id), store)).await;
        self.begin(&id, access);
        match (known, self.lease(&id)) {
            (Ok(()), Some(lease)) => Ok(Leased { id, lease, token: minted.token }),
            (known, _) => {
                self.ask_for_end(&id, None);
                let why = known.err().map(|error| error.to_string()).unwrap_or_default();
                let what = format!("the token could not be written down and is deleted again: {why}");
                Err(AgentError::new(ErrorKind::StoreFailed, what, "is the disk full?"))
            }
        }
    }
}

/// `20260102T0304Z`.
fn minute(now: Moment) -> String {
    let zoned = jiff::Timestamp::try_from(now.wall).unwrap_or_default();
    zoned.strftime("%Y%m%dT%H%MZ").to_string()
}

fn refused(order: &Order, why: &PlatformError) -> AgentError {
    let api = order.record.profile.api();
    match why {
        PlatformError::Unauthorized => {
            AgentError::login_expired(&order.profile, &format!("{api} refuses its access token"))
        }
        PlatformError::Forbidden => {
            let what = format!("{api} does not let this account make an access token: {why}");
            let hint = "ask its administrator, or run the program with 'seqera exec' alone";
            AgentError::new(ErrorKind::Forbidden, what, hint)
        }
        PlatformError::Unreachable(why) => {
            let what = format!("{api} could not be asked for an access token: {why}");
            AgentError::new(ErrorKind::Unreachable, what, "nothing was made; try again later")
        }
        PlatformError::NotAPlatform(_) | PlatformError::Misconfigured(_) => {
            let what = format!("{api} gives no access token for the program: {why}");
            let hint = "a token of its own needs a Seqera Platform; 'seqera exec' works without one";
            AgentError::new(ErrorKind::Misconfigured, what, hint)
        }
    }
}

fn unanswered(order: &Order, why: &str) -> AgentError {
    let what =
        format!("{} did not answer whether it made an access token: {why}", order.record.profile.api());
    let hint = "try again later; if one was made, the agent deletes it ('seqera agent leases')";
    AgentError::new(ErrorKind::Unreachable, what, hint)
}
