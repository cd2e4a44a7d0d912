//! A secret as it is written down: JSON with the party it may be sent to and the host it belongs to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Stored;
use crate::token::Kind;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    authority: &'a str,
    client_id: &'a str,
    kind: Kind,
    secret: &'a str,
    saved_at: u64,
    host: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    authority: String,
    client_id: String,
    kind: Kind,
    secret: String,
    saved_at: u64,
    host: String,
}

/// Where the text stops being an item. The parser's own words are dropped: they may quote the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: not a stored secret")]
pub(crate) struct Malformed {
    line: usize,
    column: usize,
}

/// The item as JSON.
pub(crate) fn write(secret: &Stored, host: &str) -> Zeroizing<Vec<u8>> {
    let token = secret.secret.expose_secret();
    let written = Written {
        authority: &secret.authority,
        client_id: &secret.client_id,
        kind: secret.kind,
        secret: token,
        saved_at: secret.saved_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        host,
    };
    let json = serde_json::to_vec(&written).expect("strings and numbers can be written as JSON");
    Zeroizing::new(json)
}

/// The item and the host that it belongs to.
///
/// # Errors
/// Where the text is not such an item.
pub(crate) fn read(json: &[u8]) -> Result<(Stored, String), Malformed> {
    let read: Read = serde_json::from_slice(json)
        .map_err(|error| Malformed { line: error.line(), column: error.column() })?;
    let saved_at =
        UNIX_EPOCH.checked_add(Duration::from_secs(read.saved_at)).unwrap_or(SystemTime::UNIX_EPOCH);
    let stored = Stored {
        authority: read.authority,
        client_id: read.client_id,
        kind: read.kind,
        secret: read.secret.into(),
        saved_at,
    };
    Ok((stored, read.host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fake::stored;

    #[test]
    fn an_item_is_read_as_it_was_written() {
        let secret = stored("canary-1");
        let (read, host) = read(&write(&secret, "host-a")).unwrap();
        assert_eq!(host, "host-a");
        assert_eq!((read.authority, read.client_id), (secret.authority, secret.client_id));
        assert_eq!((read.kind, read.saved_at), (secret.kind, secret.saved_at));
        assert_eq!(read.secret.expose_secret(), "canary-1");
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
