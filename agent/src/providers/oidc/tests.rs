//! One profile and a provider double on a real socket.

mod admission;
mod authorization;
mod device;
mod discovery;
mod hostile;
mod renewal;
mod revocation;
mod user_info;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::clock::{Clock, FakeClock};
use crate::profile::{Profile, ProviderId};
use crate::providers::http::{Http, Limits};
use crate::providers::oidc::client::Oidc;
use crate::testing::double::{Double, json_answer, jwt};

struct Bench {
    double: Double,
    clock: Arc<FakeClock>,
    oidc: Oidc,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The profile may be changed first.
    async fn with(change: impl FnOnce(&mut Profile)) -> Self {
        let double = Double::provider().await;
        let mut profile = Profile {
            authority: double.url.clone(),
            client_id: "client".into(),
            audience: "platform".into(),
            api_url: String::new(),
            backend_url: String::new(),
            endpoints_of: String::new(),
            scopes: Profile::SCOPES.into(),
            provider: ProviderId::default(),
            network: Default::default(),
        };
        change(&mut profile);
        let clock = FakeClock::new();
        let http = Http::new(clock.clone(), Limits::default());
        Self { oidc: Oidc::new(http, clock.clone(), &profile), double, clock }
    }

    async fn flow(&self) -> Flow {
        self.oidc.start(&Url::parse("http://127.0.0.1:5/callback").unwrap()).await.unwrap()
    }

    fn now(&self) -> i64 {
        let wall = self.clock.now().wall;
        wall.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
    }

    /// What a good ID token of this flow claims.
    fn claims(&self, flow: &Flow) -> Value {
        json!({
            "iss": self.double.url,
            "sub": "ada",
            "aud": "client",
            "exp": self.now() + 300,
            "iat": self.now(),
            "nonce": flow.nonce,
            "email": "ada@x.test",
        })
    }

    /// What the token endpoint answers to the next code.
    fn grant(&self, id_token: &str) {
        let body = json!({
            "access_token": "access-1",
            "refresh_token": "refresh-1",
            "expires_in": 3600,
            "token_type": "Bearer",
            "id_token": id_token,
        });
        self.double.script("POST /token", json_answer(200, &body));
    }

    /// Signs in with a good ID token that was changed like this.
    async fn finish_with(&self, change: impl FnOnce(&mut Value)) -> Result<Granted, AgentError> {
        let flow = self.flow().await;
        let mut claims = self.claims(&flow);
        change(&mut claims);
        self.grant(&jwt(&claims));
        self.oidc.finish(code(flow)).await
    }
}

fn code(flow: Flow) -> Answer {
    Answer::Code("code-1".to_owned().into(), Box::new(flow))
}
