//! Takes a lease over from another host, because the person wants it to end: only that host could tell when its program
//! has ended, and a host that is gone, or has another name by now, never will.

use std::sync::Arc;

use tracing::{info, warn};

use crate::error::{AgentError, ErrorKind};
use crate::leases::book::TokenSource;
use crate::profile::ProfileName;
use crate::sessions::adopt::remove_there;
use crate::sessions::registry::Registry;
use crate::storage::other_hosts::{self, LeaseElsewhere};
use crate::storage::record::Lease;
use crate::storage::store::{Patience, StoreKind};

/// Makes a lease of another host one of this host, which is to end. False if no host has it.
///
/// # Errors
/// `OTHER_HOST` if that host keeps it; why it cannot be recorded here.
pub(super) async fn take(registry: &Arc<Registry>, id: &str) -> Result<bool, AgentError> {
    let Some(there) = find(registry, id).await? else { return Ok(false) };
    let shared = &registry.shared;
    let hold = shared.other_hosts.hold(&there.host).await;
    let _hold = hold.map_err(|why| kept(&there, &why))?;
    // What that host did before it was held is what counts.
    let Some(there) = find(registry, id).await? else { return Ok(false) };
    let store = saved_here(registry, id, &there).await;
    let ours = Lease { host: shared.state.host(), ending: true, store, ..there.lease.clone() };
    let recorded = shared.state.change(|sessions| drop(sessions.leases.insert(id.to_owned(), ours))).await;
    recorded.map_err(|error| AgentError::not_durable(&error))?;
    info!(%id, host = %there.host, "a lease was taken over from another host, to be ended");
    let (places, host, forgotten) = (shared.places.clone(), there.host.clone(), id.to_owned());
    let forgotten = move || other_hosts::forget_lease(&places, &host, &forgotten);
    // With both hosts it is ended twice at worst.
    if let Ok(Err(error)) = tokio::task::spawn_blocking(forgotten).await {
        warn!(%id, %error, "a lease could not be taken out of the records of another host");
    }
    if let Some(kind) = there.lease.store {
        remove_there(&ProfileName::of_lease(id), &there.kept_under, kind, shared).await;
    }
    shared.leases.begin(id, &(Arc::clone(registry) as Arc<dyn TokenSource>));
    Ok(true)
}

async fn find(registry: &Registry, id: &str) -> Result<Option<LeaseElsewhere>, AgentError> {
    let (places, ours, id) = (registry.shared.places.clone(), registry.shared.state.host(), id.to_owned());
    let found = tokio::task::spawn_blocking(move || other_hosts::lease(&places, &ours, &id)).await;
    found.map_err(AgentError::internal)
}

/// Where its token is stored here from now on: with it the lease can be ended by itself. `None`: the session has to end
/// it.
async fn saved_here(registry: &Registry, id: &str, there: &LeaseElsewhere) -> Option<StoreKind> {
    let (ladder, item) = (&registry.shared.ladder, ProfileName::of_lease(id));
    let kind = there.lease.store?;
    let secret = ladder.of_host(&there.kept_under, kind)?.load(&item).await.ok().flatten()?;
    let saved = ladder.save(&item, &secret, Some(kind), Patience::Login).await;
    saved
        .inspect_err(|error| warn!(%id, %error, "the token of a lease cannot be stored here"))
        .ok()
        .map(|saved| saved.kind)
}

fn kept(there: &LeaseElsewhere, why: &str) -> AgentError {
    let what = format!("host '{}' keeps its leases: {why}", there.host_name);
    AgentError::new(ErrorKind::OtherHost, what, "end it there: the agent of that host sees its program")
}
