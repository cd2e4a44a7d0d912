//! The address that a person copies from a browser that cannot reach this host.

use seqera_agent_proto::values::text;
use tokio::sync::oneshot;
use url::Url;

use crate::error::{AgentError, ErrorKind};
use crate::providers::browser::CallbackRequest;

/// More than any redirect address needs.
const LONGEST: usize = 16 * 1024;

/// A pasted text, and where to send the verdict on it. It is not `Debug`, because the code in it is a secret.
pub(crate) struct Paste {
    /// The text exactly as pasted.
    pub text: String,
    /// Receives `Ok` for the right address, or what is wrong with the text.
    pub reply: oneshot::Sender<Result<(), AgentError>>,
}

/// The request that the browser would have sent here. `text` is the whole address or its query.
///
/// # Errors
/// `BAD_REQUEST` if the text is too long, is the address of another page, or has no `state`.
pub(crate) fn request(redirect_uri: &Url, text: &str) -> Result<CallbackRequest, AgentError> {
    if text.len() > LONGEST {
        return Err(unusable("it is too long", redirect_uri));
    }
    let text = address_in(text);
    let query = match Url::parse(&text) {
        Ok(url) if url.path() == redirect_uri.path() => url.query().unwrap_or_default().to_owned(),
        Ok(_) => return Err(unusable("it is another address", redirect_uri)),
        Err(_) => text.rsplit('?').next().unwrap_or_default().to_owned(),
    };
    let has = |name: &str| url::form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == name);
    if !has("state") {
        // A code alone could be anybody's: only the state ties it to this login (RFC 6749, section 10.12).
        return Err(unusable("there is no state in it", redirect_uri));
    }
    let target = format!("{}?{query}", redirect_uri.path());
    Ok(CallbackRequest { method: "GET".into(), target, ..CallbackRequest::default() })
}

/// The address in what was copied: a window may have broken it into lines, a page written its `&` as HTML does, and a
/// chat or a mail put words, quotes and brackets around it.
fn address_in(text: &str) -> String {
    let joined: String = text.lines().map(text::trimmed).collect();
    let plain = ["&amp;", "&#38;", "&#x26;"].iter().fold(joined, |text, code| text.replace(code, "&"));
    let word = plain.split_whitespace().find(|word| word.contains("state=")).unwrap_or(plain.trim());
    let begin = ["http://", "https://"].iter().filter_map(|scheme| word.find(scheme)).min();
    // One behind a parameter's name is its value.
    let begin = begin.filter(|begin| !word[..*begin].contains(['=', '?'])).unwrap_or_default();
    let around =
        |c: char| matches!(c, '"' | '\'' | '`' | '<' | '>' | '(' | ')' | '[' | ']' | ',' | ';' | '.');
    word[begin..].trim_matches(around).to_owned()
}

/// The error for an address that has the right form but belongs to another login.
pub(crate) fn stray() -> AgentError {
    let hint = "open the address that this login shows, and paste the one that the browser ends on";
    AgentError::new(ErrorKind::BadRequest, "this is not the answer to the sign-in in progress", hint)
}

fn unusable(why: &str, redirect_uri: &Url) -> AgentError {
    let hint = format!("paste the whole address that the browser ends on; it begins with {redirect_uri}?");
    AgentError::new(ErrorKind::BadRequest, format!("what was pasted is not the answer: {why}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<String, String> {
        let redirect = Url::parse("http://127.0.0.1:53682/callback").unwrap();
        request(&redirect, text).map(|request| request.target).map_err(|error| error.to_string())
    }

    #[test]
    fn the_whole_address_and_its_query_are_taken() {
        for text in [
            "http://127.0.0.1:53682/callback?code=a%2Bb&state=s",
            "  http://localhost:9/callback?code=a%2Bb&state=s#end \n",
            "\"http://127.0.0.1:53682/callback?code=a%2Bb&state=s\"",
            "/callback?code=a%2Bb&state=s",
            "?code=a%2Bb&state=s",
            "code=a%2Bb&state=s",
            "http://127.0.0.1:53682/callback?code=a\n%2Bb&state=s",
            "http://127.0.0.1:53682/call\r\n  back?code=a%2Bb&sta\r\nte=s\r\n",
            "http://127.0.0.1:53682/callback?code=a%2Bb&amp;state=s",
            "http://127.0.0.1:53682/callback?code=a%2Bb&#38;state=s",
            "it says: http://127.0.0.1:53682/callback?code=a%2Bb&state=s, and now?",
            "Here it is:\nhttp://127.0.0.1:53682/callback?code=a%2Bb&state=s",
            "[the page](http://127.0.0.1:53682/callback?code=a%2Bb&state=s).",
            "<\u{201c}\"http://127.0.0.1:53682/callback?code=a%2Bb&state=s\">",
        ] {
            assert_eq!(target(text).unwrap(), "/callback?code=a%2Bb&state=s", "{text}");
        }
    }

    #[test]
    fn an_issuer_in_the_answer_is_not_taken_for_its_beginning() {
        let answer = "http://127.0.0.1:53682/callback?iss=https://x.test/api&state=s";
        assert_eq!(target(answer).unwrap(), "/callback?iss=https://x.test/api&state=s");
        assert_eq!(
            target("state=s&iss=https://x.test/api").unwrap(),
            "/callback?state=s&iss=https://x.test/api"
        );
    }

    #[test]
    fn what_cannot_be_an_answer_is_refused_with_the_reason() {
        for (text, why) in [
            ("a-code-alone", "no state"),
            ("code=a", "no state"),
            ("two words", "no state"),
            ("\n\n", "no state"),
            ("https://provider.test/authorize?code=a&state=s", "another address"),
            ("", "no state"),
            (&"x".repeat(20_000), "too long"),
        ] {
            assert!(target(text).unwrap_err().contains(why), "{text:.40}");
        }
    }
}
