//! Sign-in on another device (RFC 8628): a code for the person, and polls for the tokens.

use std::time::Duration;

use openidconnect::PkceCodeChallenge;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{code, judge, refusal, seconds};
use super::client::Client;
use super::discovery::{Metadata, denied, misconfigured, unreachable};
use crate::error::{AgentError, ErrorKind};
use crate::foreign::{Exact, Label};
use crate::outcome::Outcome;
use crate::providers::http::{Fault, Reply};
use crate::providers::{DeviceFlow, Poll, UserCode};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Where the provider names none (section 3.2).
const INTERVAL: Duration = Duration::from_secs(5);

/// Where the provider names none, though it must: as long as a login in a browser may take.
const LIFETIME: Duration = Duration::from_secs(300);

/// However long a provider says that its code lives or its polls are apart: a login takes one of few places while it
/// lasts, and a person who has entered the code does not wait for minutes. `slow_down` still counts.
const LONGEST_LIFETIME: Duration = Duration::from_secs(3600);
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);

/// As it is sent (section 3.2), apart from numbers that come as text.
#[derive(Deserialize)]
struct Document {
    device_code: String,
    user_code: Label,
    // The name in the drafts, which some providers have kept.
    #[serde(alias = "verification_url")]
    verification_uri: Exact,
    verification_uri_complete: Option<Exact>,
    expires_in: Option<Value>,
    interval: Option<Value>,
}

impl Client {
    /// Asks for a code (section 3.1).
    pub(in crate::providers) async fn begin_device(
        &self,
        metadata: &Metadata,
    ) -> Result<DeviceFlow, AgentError> {
        let authority = &self.profile.authority;
        let Some(endpoint) = &metadata.device_endpoint else {
            return Err(self.not_offered(&format!("{authority} offers no sign-in on another device")));
        };
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let asked = self.asked();
        let mut form = vec![
            ("client_id", self.profile.client_id.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        form.extend(asked.iter().map(|(name, value)| (*name, value.as_str())));
        let reply = self.http.submit(endpoint, &form).await.map_err(|fault| match fault {
            Fault::NotSent(why) | Fault::Unanswered(why) => unreachable(authority, why),
            Fault::Misconfigured(why) => misconfigured(why),
        })?;
        if !reply.is_success() {
            return Err(self.refused_device(&reply));
        }
        let document = reply.json().ok_or_else(|| {
            let why = reply.cut.as_deref().unwrap_or("it is not a device authorization response");
            unreachable(authority, format!("its answer cannot be used: {why}"))
        })?;
        self.accept(document, verifier.into_secret())
    }

    fn accept(&self, document: Document, code_verifier: String) -> Result<DeviceFlow, AgentError> {
        let codes = [("device_code", document.device_code.as_str()), ("user_code", &*document.user_code)];
        if let Some((name, _)) = codes.into_iter().find(|(_, code)| code.trim().is_empty()) {
            let authority = &self.profile.authority;
            let why = format!("its answer cannot be used: {name} is empty (RFC 8628, section 3.2)");
            return Err(misconfigured(format!("{authority} offers no sign-in on another device: {why}")));
        }
        let page = |text: &Exact| {
            let page = self.discovery.endpoint("verification_uri", text);
            page.map_err(misconfigured)
        };
        let code = UserCode {
            text: document.user_code,
            page: page(&document.verification_uri)?,
            // Only a shortcut: the login works without it.
            page_with_code: document.verification_uri_complete.and_then(|text| page(&text).ok()),
        };
        let told = |value: Option<Value>| value.as_ref().and_then(seconds).filter(|time| !time.is_zero());
        Ok(DeviceFlow {
            code,
            device_code: document.device_code.into(),
            code_verifier,
            interval: told(document.interval).map_or(INTERVAL, |told| told.min(LONGEST_INTERVAL)),
            lifetime: told(document.expires_in).map_or(LIFETIME, |told| told.min(LONGEST_LIFETIME)),
        })
    }

    /// One poll (sections 3.4 and 3.5).
    pub(in crate::providers) async fn poll_device(&self, flow: &DeviceFlow) -> Poll {
        let metadata = match self.known_metadata().await {
            Ok(metadata) => metadata,
            Err(error) => return Poll::Ended(error),
        };
        let (authority, device_code) = (&self.profile.authority, flow.device_code.expose_secret());
        let form = [
            ("grant_type", GRANT),
            ("device_code", device_code),
            ("client_id", &self.profile.client_id),
            ("code_verifier", &flow.code_verifier),
        ];
        let sent = self.clock.now();
        let reply = match self.http.submit(&metadata.token_endpoint, &form).await {
            Ok(reply) => reply,
            Err(Fault::Misconfigured(why)) => return Poll::Ended(misconfigured(why)),
            Err(fault) => return Poll::Answered(fault.into()),
        };
        let refused = |why: &str| format!("{authority} refused the sign-in: {why}");
        let secrets = [device_code, flow.code_verifier.as_str()];
        // Before the status: providers send these with 400, 403, 428 and 429.
        match code(&reply).as_deref() {
            Some("authorization_pending") => return Poll::Pending,
            Some("slow_down") => return Poll::SlowDown,
            Some("expired_token") => return Poll::Ended(AgentError::code_expired()),
            Some("access_denied") => {
                return Poll::Ended(denied(&refused(&refusal(&reply, &secrets))));
            }
            _ => {}
        }
        match judge(&reply, &secrets) {
            // The provider has spent the device code: another poll with it could look like a theft.
            Outcome::Unknown(why) => Poll::Ended(unreachable(authority, why)),
            Outcome::Rejected(why) => Poll::Answered(Outcome::Rejected(why.said(refused))),
            Outcome::Misconfigured(why) => {
                let refused = |why: &str| format!("{authority} refuses this client: {why}");
                Poll::Ended(misconfigured(why.said(refused)))
            }
            Outcome::Unclear(why) => Poll::Ended(denied(&refused(&why))),
            answer => Poll::Answered(answer.map(|tokens| (Box::new(tokens), sent))),
        }
    }

    /// An error of the device authorization endpoint (section 3.2 has none of its own; RFC 6749, section 5.2).
    fn refused_device(&self, reply: &Reply) -> AgentError {
        let (authority, why) = (&self.profile.authority, refusal(reply, &[]));
        let code = code(reply);
        match code.as_deref() {
            Some("access_denied") => denied(&format!("{authority} refused the sign-in: {why}")),
            Some("unauthorized_client") => {
                let what = "does not let this client sign in on another device";
                self.not_offered(&format!("{authority} {what}: {why}"))
            }
            // 403 without a code is a gateway's.
            code if reply.is_transient() || (code.is_none() && reply.status == 403) => {
                unreachable(authority, why)
            }
            _ => misconfigured(format!("{authority} refuses this client: {why}")),
        }
    }

    /// The other ways in.
    fn not_offered(&self, why: &str) -> AgentError {
        AgentError::new(ErrorKind::Misconfigured, why, self.dialect.without_device)
    }
}
