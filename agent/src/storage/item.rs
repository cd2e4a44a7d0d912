//! The stored form of a secret: JSON that also names the party it may be sent to and the host it belongs to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::network::Password;
use crate::profile::ProviderId;
use crate::sealed::Sealed;
use crate::storage::store::Stored;
use crate::token::Kind;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    provider: &'a ProviderId,
    authority: &'a str,
    client_id: &'a str,
    kind: Kind,
    secret: &'a str,
    saved_at: u64,
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_password: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    #[serde(default)]
    provider: ProviderId,
    authority: String,
    client_id: String,
    kind: Kind,
    secret: String,
    saved_at: u64,
    host: String,
    #[serde(default)]
    proxy_password: Option<String>,
}

/// Where parsing failed. The parser's own message is dropped, because it may quote the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: not a stored secret")]
pub(crate) struct Malformed {
    line: usize,
    column: usize,
}

pub(crate) fn write(secret: &Stored, host: &str) -> Zeroizing<Vec<u8>> {
    let token = secret.secret.open();
    let password = secret.proxy_password.as_ref().map(Password::open);
    let written = Written {
        provider: &secret.provider,
        authority: &secret.authority,
        client_id: &secret.client_id,
        kind: secret.kind,
        secret: token.expose_secret(),
        saved_at: secret.saved_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        host,
        proxy_password: password.as_ref().map(ExposeSecret::expose_secret),
    };
    let json = serde_json::to_vec(&written).expect("strings and numbers can be written as JSON");
    Zeroizing::new(json)
}

/// Reads a secret and the host that it belongs to.
///
/// # Errors
/// [`Malformed`] if `json` is not the stored form of a secret.
pub(crate) fn read(json: &[u8]) -> Result<(Stored, String), Malformed> {
    let read: Read = serde_json::from_slice(json)
        .map_err(|error| Malformed { line: error.line(), column: error.column() })?;
    let saved_at =
        UNIX_EPOCH.checked_add(Duration::from_secs(read.saved_at)).unwrap_or(SystemTime::UNIX_EPOCH);
    let stored = Stored {
        provider: read.provider,
        authority: read.authority,
        client_id: read.client_id,
        kind: read.kind,
        secret: Sealed::new(read.secret),
        saved_at,
        proxy_password: read.proxy_password.as_deref().map(Password::new),
    };
    Ok((stored, read.host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fake::stored;

    #[test]
    fn an_item_is_read_as_it_was_written() {
        let secret = stored("canary-1");
        let (read, host) = read(&write(&secret, "host-a")).unwrap();
        assert_eq!(host, "host-a");
        assert_eq!((read.authority, read.client_id), (secret.authority, secret.client_id));
        assert_eq!((read.kind, read.saved_at), (secret.kind, secret.saved_at));
        assert_eq!(read.secret.open().expose_secret(), "canary-1");
    }

    #[test]
    fn an_item_of_before_there_were_proxies_is_read_and_a_proxys_password_is_kept() {
        let plain = stored("canary-1");
        let json = write(&plain, "host-a");
        assert!(!String::from_utf8_lossy(&json).contains("proxy"));
        assert_eq!(read(&json).unwrap().0.proxy_password, None);
        let with = Stored { proxy_password: Some(Password::new("p%40ss")), ..plain };
        let read = read(&write(&with, "host-a")).unwrap().0;
        assert_eq!(read.proxy_password, Some(Password::new("p%40ss")));
    }

    #[test]
    fn what_cannot_be_read_is_placed_and_never_quoted() {
        for broken in
            [r#"{"secret":"#, r#"{"secret":{"canary":1}}"#, "{\"authority\":\n 7, \"secret\":\"canary\"}"]
        {
            let Err(error) = read(broken.as_bytes()) else { panic!("accepted {broken}") };
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let Err(error) = read(b"{\"authority\":\n  7}") else { panic!("accepted a number") };
        assert_eq!(error.to_string(), "2:3: not a stored secret");
    }
}
