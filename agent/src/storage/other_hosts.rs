//! The records of other hosts that share the home folder. They are only read, never used or overwritten.

use std::collections::BTreeMap;

use seqera_agent_proto::place::Places;

use crate::profile::ProfileName;
use crate::storage::journal;
use crate::storage::record::{Lease, read};

/// The other hosts that have a folder in `run/`. Blocks on the file system.
pub(crate) fn hosts(places: &Places) -> Vec<String> {
    let entries = std::fs::read_dir(places.config_dir.join("run")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| *name != places.host_id).collect()
}

/// The profiles that are signed in on other hosts, each with its host. Skips what cannot be read. Blocks on the
/// file system.
pub(crate) fn sessions(places: &Places) -> BTreeMap<ProfileName, String> {
    let mut found = BTreeMap::new();
    for host in hosts(places) {
        let path = places.config_dir.join("run").join(&host).join("sessions.json");
        let profiles = read(&path).unwrap_or_default().profiles;
        let signed_in = profiles.into_iter().filter(|(_, record)| record.account.is_some());
        found.extend(signed_in.map(|(name, _)| (name, host.clone())));
    }
    found
}

/// The leases of other hosts as (host, lease id, lease). Only their own host can tell whether their processes
/// are still running. Blocks on the file system.
pub(crate) fn leases(places: &Places) -> Vec<(String, String, Lease)> {
    let of_host = |host: String| {
        let folder = places.config_dir.join("run").join(&host);
        let mut leases = read(&folder.join("sessions.json")).unwrap_or_default().leases;
        let _ = journal::replay(&journal::path(&folder), &mut leases);
        leases.into_iter().map(move |(id, lease)| (host.clone(), id, lease))
    };
    hosts(places).into_iter().flat_map(of_host).collect()
}
