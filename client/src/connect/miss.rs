//! Why a candidate did not lead to a connection.

use crate::error::Error;

#[derive(Debug)]
pub(crate) enum Miss {
    /// Nobody is listening there.
    Nobody,
    /// Somebody listens there and does not take the connection in time.
    Silent,
    /// Any other failure. It ends the search.
    Failed(Error),
}
