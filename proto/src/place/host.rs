//! What identifies a host: something that does not change by itself.
//!
//! A node name changes, with DHCP above all, and images are cloned together with their machine id. What matters is
//! who else could have the same configuration folder. On a local file system that is nobody, so the machine id is
//! enough there. On a network file system the clones of one image may share a home folder, so the name counts as
//! well. Where there is no machine id, as in many containers, only the name is left.

use sha2::{Digest, Sha256};

use super::hash::hex;

/// A host as it describes itself.
pub(super) struct Host {
    /// Empty if unknown.
    pub(super) machine: Vec<u8>,
    pub(super) name: String,
    /// False where an id without a name was always the rule.
    pub(super) was_named: bool,
}

impl Host {
    /// The host's id, and the one that earlier versions used, where that is another one.
    pub(super) fn ids(&self, is_local: impl FnOnce() -> bool) -> (String, Option<String>) {
        let by_machine = digest(&[&self.machine]);
        if !self.was_named && !self.machine.is_empty() {
            return (by_machine, None);
        }
        let by_name = digest(&[&self.machine, b"\n", self.name.as_bytes()]);
        if self.machine.is_empty() || !is_local() {
            return (by_name, None);
        }
        (by_machine, Some(by_name))
    }
}

/// The content of a machine id's file; empty if it says nothing. `uninitialized` stands in images until their
/// first boot (`machine-id(5)`), and an id of zeros is none.
#[cfg(not(any(target_os = "macos", windows)))]
pub(super) fn machine_id(content: &[u8]) -> Vec<u8> {
    let id = content.trim_ascii();
    let says_nothing = id == b"uninitialized" || id.iter().all(|byte| matches!(byte, b'0' | 0));
    if says_nothing { Vec::new() } else { id.to_vec() }
}

fn digest(parts: &[&[u8]]) -> String {
    let mut sha = Sha256::new();
    parts.iter().for_each(|part| sha.update(part));
    hex(&sha.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(machine: &str, name: &str) -> Host {
        Host { machine: machine.into(), name: name.into(), was_named: true }
    }

    #[test]
    fn on_a_local_file_system_another_name_is_the_same_host_and_the_id_of_before_is_known() {
        let (ada, former) = host("m1", "ada").ids(|| true);
        let (dhcp, _) = host("m1", "dhcp-17").ids(|| true);
        assert_eq!(ada, dhcp);
        assert_ne!(ada, host("m2", "ada").ids(|| true).0);
        let (shared, none) = host("m1", "ada").ids(|| false);
        assert_eq!((former, none), (Some(shared), None));
    }

    #[test]
    fn clones_over_a_network_file_system_are_told_apart_by_their_names() {
        assert_ne!(host("m1", "node1").ids(|| false).0, host("m1", "node2").ids(|| false).0);
        assert_ne!(host("m1", "node1").ids(|| false).0, host("m1", "node1").ids(|| true).0);
    }

    #[test]
    fn without_a_machine_id_only_the_name_is_left() {
        let (first, former) = host("", "c1").ids(|| true);
        assert_eq!(former, None);
        assert_ne!(first, host("", "c2").ids(|| true).0);
    }

    #[test]
    fn where_the_name_never_counted_it_counts_only_without_a_machine_id() {
        let windows =
            |machine: &str, name: &str| Host { was_named: false, ..host(machine, name) }.ids(|| true);
        assert_eq!(windows("guid", "a"), windows("guid", "b"));
        assert_eq!(windows("guid", "a").1, None);
        assert_ne!(windows("", "a").0, windows("", "b").0);
    }

    #[cfg(not(any(target_os = "macos", windows)))]
    #[test]
    fn a_machine_id_that_says_nothing_is_none() {
        for nothing in ["", "\n", "uninitialized\n", "00000000000000000000000000000000\n", "\0\0\0\0"] {
            assert!(machine_id(nothing.as_bytes()).is_empty(), "{nothing:?}");
        }
        assert_eq!(machine_id(b"0af\n"), b"0af");
    }
}
