//! Why a candidate gave no connection.

use crate::error::Error;

#[derive(Debug)]
pub(crate) enum Miss {
    /// Nobody listens there.
    Nobody,
    /// Any other reason, which ends the search.
    Failed(Error),
}
