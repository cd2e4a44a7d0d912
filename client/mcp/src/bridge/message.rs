//! What the transport has to know of a message (JSON-RPC 2.0).

use serde_json::{Value, json};

/// A message, or the batch that version 2025-03-26 allows.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Message {
    /// Ids of the requests in it, which wait for an answer.
    pub(crate) ids: Vec<Value>,
    pub(crate) is_initialize: bool,
    /// The assistant is ready for what the server sends of its own accord.
    pub(crate) is_initialized: bool,
    /// The id of the request that it cancels.
    pub(crate) cancels: Option<Value>,
}

impl Message {
    /// `None` if it is no message.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let parts = match serde_json::from_str(text).ok()? {
            Value::Array(parts) => parts,
            one => vec![one],
        };
        let mut message = Self::default();
        for part in &parts {
            let part = part.as_object()?;
            let method = part.get("method").and_then(Value::as_str);
            message.ids.extend(part.get("id").filter(|_| method.is_some()).cloned());
            message.is_initialize |= method == Some("initialize");
            message.is_initialized |= method == Some("notifications/initialized");
            if method == Some("notifications/cancelled") {
                message.cancels = part.get("params").and_then(|params| params.get("requestId")).cloned();
            }
        }
        (!parts.is_empty()).then_some(message)
    }
}

/// The ids that a message of the server answers.
pub(crate) fn answered(text: &str) -> Vec<Value> {
    let parts = match serde_json::from_str(text) {
        Ok(Value::Array(parts)) => parts,
        Ok(one) => vec![one],
        Err(_) => Vec::new(),
    };
    let answer = |part: &Value| part.get("result").or(part.get("error")).and(part.get("id")).cloned();
    parts.iter().filter_map(answer).collect()
}

/// The version of the protocol on which an answer to `initialize` settles.
pub(crate) fn settled_version(text: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(text).ok()?;
    Some(answer.get("result")?.get("protocolVersion")?.as_str()?.to_owned())
}

/// The message for the assistant, on one line; `None` if it is none: what is no JSON can hold anything, such as
/// commands for a terminal.
pub(crate) fn passable(text: &str) -> Option<String> {
    Message::read(text).map(|_| on_one_line(text))
}

/// The text on one line: a message may have line feeds between its parts, and none inside a string.
fn on_one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ").trim().to_owned()
}

/// The answer to what is no message (JSON-RPC 2.0, section 5.1).
pub(crate) fn unreadable() -> Value {
    json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "this is not JSON"}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_notifications_and_answers_are_told_apart() {
        let ids = |text: &str| Message::read(text).map(|message| message.ids);
        assert_eq!(ids(r#"{"id":1,"method":"tools/list"}"#), Some(vec![json!(1)]));
        assert_eq!(ids(r#"{"id":"a","result":{}}"#), Some(vec![]));
        assert_eq!(ids(r#"{"method":"notifications/initialized"}"#), Some(vec![]));
        assert_eq!(
            ids(r#"[{"id":1,"method":"a"},{"method":"b"},{"id":2,"method":"c"}]"#),
            Some(vec![json!(1), json!(2)])
        );
        for odd in ["", "{", "5", "[]", "[1]", "null"] {
            assert_eq!(ids(odd), None, "{odd}");
        }
        let cancel = r#"{"method":"notifications/cancelled","params":{"requestId":7}}"#;
        assert_eq!(Message::read(cancel).unwrap().cancels, Some(json!(7)));
        assert!(Message::read(r#"{"id":0,"method":"initialize"}"#).unwrap().is_initialize);
    }

    #[test]
    fn an_answer_names_its_request_and_what_was_settled() {
        assert_eq!(answered(r#"{"id":1,"result":{}}"#), [json!(1)]);
        assert_eq!(answered(r#"[{"id":1,"result":null},{"id":2,"error":{}}]"#), [json!(1), json!(2)]);
        assert!(answered(r#"{"id":1,"method":"sampling/createMessage"}"#).is_empty());
        let first = r#"{"id":0,"result":{"protocolVersion":"2025-06-18"}}"#;
        assert_eq!(settled_version(first).as_deref(), Some("2025-06-18"));
        assert_eq!(passable("{\r\n \"a\": 1}\n").as_deref(), Some("{   \"a\": 1}"));
    }

    #[test]
    fn only_messages_reach_the_assistant() {
        for raw in
            ["", "5", "well\x1b[2J", "{\"a\": \"\x1b[2J\"}", "{} {}", "<html>", "[]", "[5]", "\"text\""]
        {
            assert_eq!(passable(raw), None, "{raw:?}");
        }
    }
}
