//! Temporary folders for a test, with the places of an agent in them.

use seqera_agent_proto::place::Places;
use tempfile::TempDir;

/// The folders are removed when this is dropped.
pub(crate) struct TestPlaces {
    home: TempDir,
    places: Places,
}

impl TestPlaces {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    /// Places in memory where the system has a folder there, for a test that writes thousands of times.
    pub(crate) fn in_memory() -> Self {
        Self::at(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn at(home: TempDir) -> Self {
        let root = home.path().to_owned();
        let places = Places::find(&|name| match name {
            "HOME" | "USERPROFILE" => Some(root.clone().into_os_string()),
            "SEQERA_AGENT_HOST_ID" => Some("testhost".into()),
            _ => None,
        });
        Self { home, places: places.unwrap() }
    }

    pub(crate) fn places(&self) -> &Places {
        assert!(self.home.path().exists());
        &self.places
    }
}
