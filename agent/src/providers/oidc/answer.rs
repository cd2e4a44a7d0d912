//! Reads what a token endpoint answers (RFC 6749, section 5): strictly where a mistake would end a session,
//! leniently where strictness would lose a refresh token that the provider has already rotated.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::quoted::without;
use crate::foreign::{self, Label, Words};
use crate::outcome::{Outcome, Why};
use crate::providers::http::{Reply, lenient};
use crate::providers::{NoAccess, Tokens};
use crate::token::{Access, AccessToken, RefreshToken};

/// Of an access token whose provider tells nothing.
const UNTOLD: Duration = Duration::from_secs(300);

/// No life is longer than ten years, so that sums with it stay dates.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

pub(super) const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Judges an answer. `sent` are the secrets that were sent: a provider that repeats them must not bring them into a
/// message.
pub(super) fn judge(reply: &Reply, sent: &[&str]) -> Outcome<Tokens> {
    match reply.status {
        200..=299 => granted(reply),
        300..=399 => {
            let why =
                format!("the token endpoint redirects (status {}), which is never followed", reply.status);
            Outcome::Misconfigured(why.into())
        }
        // 403 without a code is a gateway's, which may let the request pass from another network.
        403 if code(reply).is_none() => Outcome::Transient(refusal(reply, sent), reply.retry_after),
        _ if reply.is_transient() => Outcome::Transient(refusal(reply, sent), reply.retry_after),
        _ if reply.cut.is_some() => Outcome::Transient(refusal(reply, sent), None),
        _ => refused(reply, sent),
    }
}

/// The error codes of RFC 6749 (sections 4.1.2.1 and 5.2) by what has to be done about them.
fn refused(reply: &Reply, sent: &[&str]) -> Outcome<Tokens> {
    let why = refusal(reply, sent);
    match (code(reply).as_deref(), reply.status) {
        (Some("invalid_grant"), _) => Outcome::Rejected(why),
        (Some("invalid_client" | "unauthorized_client" | "unsupported_grant_type" | "invalid_scope"), _) => {
            Outcome::Misconfigured(why)
        }
        (Some("temporarily_unavailable" | "server_error" | "slow_down"), _) => {
            Outcome::Transient(why, reply.retry_after)
        }
        (_, 400 | 401) => Outcome::Unclear(why),
        _ => Outcome::Misconfigured(why),
    }
}

fn granted(reply: &Reply) -> Outcome<Tokens> {
    let lost = || {
        let why = reply.cut.as_deref().unwrap_or("there is no token in it");
        Why::from(format!("the answer (status {}) cannot be used: {why}", reply.status))
    };
    let Some(fields) = object(reply) else {
        // Cut off, or wrapped in something else. A refresh token that can be read is the only live one.
        let Some(refresh) = stray_refresh_token(&reply.body) else { return Outcome::Unknown(lost()) };
        let tokens = Tokens {
            access: Err(NoAccess::Missing(lost().to_string())),
            refresh: Some(refresh),
            refresh_lifetime: None,
            authorization_lifetime: None,
            id_token: None,
        };
        return Outcome::Granted(tokens);
    };
    let text = |name: &str| fields.get(name)?.as_str().filter(|text| !text.is_empty());
    let access = text("access_token");
    let refresh = text("refresh_token").map(RefreshToken::new).or_else(|| stray_refresh_token(&reply.body));
    if access.is_none() && refresh.is_none() {
        return Outcome::Unknown(lost());
    }
    Outcome::Granted(Tokens {
        access: access_of(access, text("token_type"), fields.get("expires_in")),
        refresh,
        refresh_lifetime: lasting(&fields, &["refresh_token_timeout", "refresh_expires_in"]),
        authorization_lifetime: lasting(&fields, &["authorization_expires_in"]),
        id_token: text("id_token").map(str::to_owned),
    })
}

/// The first of these lifetimes that is told: how long the refresh token may be held without being used, and how long
/// the person's consent lasts however often it is (draft-ietf-oauth-refresh-token-expiration, section 6.1; Keycloak's
/// `refresh_expires_in` is the first of the two by another name). A lifetime of zero, which Keycloak gives where there
/// is no limit, is as good as none.
fn lasting(fields: &Map<String, Value>, names: &[&str]) -> Option<Duration> {
    let told = names.iter().find_map(|name| fields.get(*name).and_then(seconds));
    told.filter(|life| !life.is_zero())
}

fn access_of(
    token: Option<&str>,
    kind: Option<&str>,
    expires_in: Option<&Value>,
) -> Result<Access, NoAccess> {
    let missing = || NoAccess::Missing("there is no access token in the answer".into());
    let token = foreign::access_token(token.ok_or_else(missing)?).map_err(NoAccess::Odd)?;
    if let Some(kind) = kind.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(NoAccess::Odd(format!("it is of type {:?}, not Bearer", Label::from(kind))));
    }
    let lifetime = expires_in.and_then(seconds).or_else(|| own_life(token)).unwrap_or(UNTOLD);
    Ok(Access { token: AccessToken::new(token), lifetime })
}

/// `exp − iat` of a JWT. Our own clock is not asked: it may be off.
fn own_life(token: &str) -> Option<Duration> {
    let claims = claims(token)?;
    Some(clamped(claims.get("exp")?.as_f64()? - claims.get("iat")?.as_f64()?))
}

/// The claims of a JWT, unverified; `None` for a token of another shape.
pub(in crate::providers) fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    lenient::read(&BASE64URL.decode(payload).ok()?)
}

/// Seconds as a number or as text.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    number.is_finite().then(|| clamped(number))
}

/// Zero or negative becomes zero.
fn clamped(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST).min(LONGEST)
}

fn object(reply: &Reply) -> Option<Map<String, Value>> {
    reply.json()
}

/// A whole string after the key `"refresh_token"`, wherever that stands.
fn stray_refresh_token(body: &[u8]) -> Option<RefreshToken> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("\"refresh_token\"")?;
    let value = rest.trim_start().strip_prefix(':')?;
    let token = serde_json::Deserializer::from_str(value).into_iter::<String>().next()?.ok()?;
    (!token.is_empty()).then(|| RefreshToken::new(token))
}

/// The error code of a JSON answer (RFC 6749, section 5.2).
pub(super) fn code(reply: &Reply) -> Option<String> {
    Some(object(reply)?.get("error")?.as_str()?.to_owned())
}

/// What the provider said, for a message: status, code, description.
pub(super) fn refusal(reply: &Reply, sent: &[&str]) -> Why {
    let fields = object(reply).unwrap_or_default();
    let text = |name| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut words = format!("status {}", reply.status);
    for part in [text("error"), text("error_description")] {
        if !part.is_empty() {
            words = format!("{words}, {}", Words::from(without(part, sent)));
        }
    }
    words.into()
}

#[cfg(test)]
mod tests;
