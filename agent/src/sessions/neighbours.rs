//! Sessions of other hosts over the same home folder. They are neither spent nor overwritten here; only a
//! sign-out of everything revokes and removes those whose secret lies in a file, and names the rest.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret;
use seqera_agent_proto::place::Places;
use tracing::warn;

use crate::leases::lease::Lease;
use crate::profile::ProfileName;
use crate::providers::{Issuers, Revocable};
use crate::sessions::pending::Pending;
use crate::sessions::sign_out::{LIMIT, SignedOut, revoke_or_owe};
use crate::storage::file::File;
use crate::storage::store::{Store, Stored};
use crate::storage::timed::Timed;
use crate::token::{AccessToken, Kind, RefreshToken};

/// What became of another host's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// Of the session.
    pub profile: ProfileName,
    /// Whose it was.
    pub host: String,
    /// What became of it; `None`: it was left as it is, since its secret is not in a file.
    pub result: Option<SignedOut>,
}

/// The hosts that have a folder below `run/`, other than this one. Blocks on the file system.
pub(crate) fn hosts(places: &Places) -> Vec<String> {
    let entries = std::fs::read_dir(places.config_dir.join("run")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| *name != places.host_id).collect()
}

/// Who is signed in on other hosts, with the host. What cannot be read is left out. Blocks on the file system.
pub(crate) fn sessions(places: &Places) -> BTreeMap<ProfileName, String> {
    let mut found = BTreeMap::new();
    for host in hosts(places) {
        let path = places.config_dir.join("run").join(&host).join("sessions.json");
        let profiles = crate::storage::state::read(&path).unwrap_or_default().profiles;
        let signed_in = profiles.into_iter().filter(|(_, record)| record.account.is_some());
        found.extend(signed_in.map(|(name, _)| (name, host.clone())));
    }
    found
}

/// What other hosts have recorded of leases, with the host. No other host can judge their processes. Blocks
/// on the file system.
pub(crate) fn leases(places: &Places) -> Vec<(String, String, Lease)> {
    let of_host = |host: String| {
        let path = places.config_dir.join("run").join(&host).join("sessions.json");
        let leases = crate::storage::state::read(&path).unwrap_or_default().leases;
        leases.into_iter().map(move |(id, lease)| (host.clone(), id, lease))
    };
    hosts(places).into_iter().flat_map(of_host).collect()
}

/// Revokes and removes what the files of other hosts hold. `known` are their sessions as recorded.
pub(crate) async fn sign_out(
    places: &Places,
    known: Vec<(ProfileName, String)>,
    issuers: &dyn Issuers,
    pending: &Pending,
) -> Vec<Neighbour> {
    let mut ended = Vec::new();
    let everywhere = places.clone();
    let hosts = tokio::task::spawn_blocking(move || hosts(&everywhere)).await.unwrap_or_default();
    for host in hosts {
        let files = Timed::new(File::of_host(places, &host));
        for profile in files.list().await.unwrap_or_default() {
            let result = sign_out_one(&files, &profile, issuers, pending).await;
            ended.push(Neighbour { profile, host: host.clone(), result });
        }
    }
    let done: BTreeSet<_> = ended.iter().map(|done| (done.profile.clone(), done.host.clone())).collect();
    let left = known.into_iter().filter(|session| !done.contains(session));
    ended.extend(left.map(|(profile, host)| Neighbour { profile, host, result: None }));
    ended
}

async fn sign_out_one(
    files: &dyn Store,
    profile: &ProfileName,
    issuers: &dyn Issuers,
    pending: &Pending,
) -> Option<SignedOut> {
    let stored = files.load(profile).await.ok().flatten()?;
    let result = revoke(profile, &stored, issuers, pending).await;
    match files.remove(profile).await {
        Ok(_) => Some(result),
        Err(error) => {
            warn!(%profile, %error, "the file of another host could not be removed");
            None
        }
    }
}

async fn revoke(
    profile: &ProfileName,
    stored: &Stored,
    issuers: &dyn Issuers,
    pending: &Pending,
) -> SignedOut {
    let secret = stored.secret.expose_secret();
    let issuer = issuers.issuer(&stored.party(), stored.kind);
    if issuer.outlives_sign_out() {
        return SignedOut::TokenKept;
    }
    let what = match stored.kind {
        Kind::Fixed => Revocable { refresh: None, access: Some(AccessToken::new(secret)) },
        Kind::Renewable => Revocable { refresh: Some(RefreshToken::new(secret)), access: None },
    };
    revoke_or_owe(profile, &issuer, what, pending, LIMIT).await
}
