//! Stand-ins for what the agent meets, for its tests.

pub(crate) mod double;
pub(crate) mod fakes;
#[cfg(unix)]
pub(crate) mod odd;
pub(crate) mod outside;
pub(crate) mod test_places;
