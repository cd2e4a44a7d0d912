//! Why something does not work, for the person and for the assistant.

use seqera_client::Error;
use serde_json::{Value, json};

/// The code of an error that the bridge reports in the server's place (JSON-RPC 2.0, section 5.1: from -32000 on).
const CODE: i32 = -32000;

/// The server takes no token of the account.
pub(crate) const TOKEN_REFUSED: &str = "MCP_TOKEN_REFUSED";

/// The proxy takes no request of this user.
pub(crate) const PROXY_REFUSED: &str = "PROXY_REFUSED";

/// A failure of the bridge. None of its texts holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) reason: String,
    pub(crate) exit: u8,
    pub(crate) message: String,
    /// Empty: nothing can be done.
    pub(crate) hint: String,
}

impl Problem {
    pub(crate) fn new(reason: &str, exit: u8, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), exit, message: message.into(), hint: hint.into() }
    }

    /// The server, or what is in its place, answered something that is of no use.
    pub(crate) fn of_server(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new("MCP_SERVER", 4, message, hint)
    }

    /// True if another attempt is refused as well, until a person has changed something.
    pub(crate) fn is_refusal(&self) -> bool {
        [TOKEN_REFUSED, PROXY_REFUSED].contains(&self.reason.as_str())
    }

    /// On standard error, which assistants show or log.
    pub(crate) fn print(&self) {
        eprintln!("error: {}", self.message);
        if !self.hint.is_empty() {
            eprintln!("hint: {}", self.hint);
        }
    }

    /// The answer to a request with this id.
    pub(crate) fn answer(&self, id: &Value) -> Value {
        let message = match self.hint.as_str() {
            "" => self.message.clone(),
            hint => format!("{} ({hint})", self.message),
        };
        let data = json!({"reason": self.reason, "hint": self.hint});
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": CODE, "message": message, "data": data}})
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let hint = error.hint().unwrap_or_default().to_owned();
        Self::new(error.reason(), error.exit_code(), error.to_string(), hint)
    }
}
