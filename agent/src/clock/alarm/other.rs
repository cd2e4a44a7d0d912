//! Elsewhere the runtime's timers have to do.

use std::convert::Infallible;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Timer(Infallible);

impl Timer {
    pub(super) fn new() -> Option<Self> {
        None
    }

    pub(super) async fn rest(&self, _: Duration) -> bool {
        match self.0 {}
    }
}
