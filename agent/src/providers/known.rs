//! The providers of this agent's profiles. One that is known is kept, and with it its discovery.

use std::sync::{Arc, Mutex, PoisonError};

use super::oidc::client::Oidc;
use super::pat::Pat;
use super::scitoolkit::SciToolkit;
use super::{Issuer, Issuers};
use crate::clock::Clock;
use crate::profile::{Profile, Provider};
use crate::providers::http::Http;
use crate::providers::platform::Platform;
use crate::token::Kind;

/// More profiles than anybody has; what is dropped costs one request for discovery.
const KEPT: usize = 64;

/// Finds the issuer of a profile by its settings.
pub(crate) struct Providers {
    http: Http,
    clock: Arc<dyn Clock>,
    kept: Mutex<Vec<(Profile, Arc<Oidc>)>>,
}

impl Providers {
    /// Knows no provider yet.
    pub(crate) fn new(http: Http, clock: Arc<dyn Clock>) -> Self {
        Self { http, clock, kept: Mutex::default() }
    }

    /// The way to a profile's provider.
    pub(crate) fn http(&self, profile: &Profile) -> Http {
        self.http.over(&profile.network)
    }

    /// The REST API of a profile's Platform.
    pub(crate) fn platform(&self, profile: &Profile) -> Platform {
        Platform::new(self.http(profile), profile.api())
    }

    /// The SciToolkit of a profile.
    pub(crate) fn scitoolkit(&self, profile: &Profile) -> SciToolkit {
        SciToolkit::new(self.http.over(&profile.network), self.clock.clone(), profile)
    }

    fn oidc(&self, profile: &Profile) -> Arc<Oidc> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, oidc)) = kept.iter().find(|(known, _)| known == profile) {
            return oidc.clone();
        }
        if kept.len() == KEPT {
            kept.remove(0);
        }
        let oidc = Arc::new(Oidc::new(self.http(profile), self.clock.clone(), profile));
        kept.push((profile.clone(), oidc.clone()));
        oidc
    }
}

impl Issuers for Providers {
    fn issuer(&self, profile: &Profile, kind: Kind) -> Arc<dyn Issuer> {
        match (profile.provider, kind) {
            (Provider::Platform, Kind::Renewable) => self.oidc(profile),
            (Provider::Platform, Kind::Fixed) => Arc::new(Pat::new(self.platform(profile), profile)),
            (Provider::SciToolkit, _) => Arc::new(self.scitoolkit(profile)),
        }
    }
}
