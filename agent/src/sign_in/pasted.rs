//! What a person copied out of a browser that could not reach this host: the address that it ended on.

use tokio::sync::oneshot;
use url::Url;

use crate::error::{AgentError, ErrorKind};
use crate::providers::browser::CallbackRequest;

/// Longer than any address that a browser takes.
const LONGEST: usize = 16 * 1024;

/// A text, and whom to tell whether it was the right one. Not `Debug`: the code in it is a secret.
pub(crate) struct Paste {
    /// As it was typed.
    pub text: String,
    /// Good, or what is wrong with it.
    pub reply: oneshot::Sender<Result<(), AgentError>>,
}

/// The request that the browser would have made here. Takes the whole address, or its query.
///
/// # Errors
/// Where it is neither.
pub(crate) fn request(redirect_uri: &Url, text: &str) -> Result<CallbackRequest, AgentError> {
    // Quotes and brackets come along with a copy out of a chat or a mail.
    let text = text.trim().trim_matches(['"', '\'', '<', '>']);
    if text.len() > LONGEST {
        return Err(unusable("it is too long", redirect_uri));
    }
    let query = match Url::parse(text) {
        Ok(url) if url.path() == redirect_uri.path() => url.query().unwrap_or_default().to_owned(),
        Ok(_) => return Err(unusable("it is another address", redirect_uri)),
        Err(_) => text.rsplit('?').next().unwrap_or_default().to_owned(),
    };
    let has = |name: &str| url::form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == name);
    if !has("state") {
        // A code alone could be anybody's: only the state says that it belongs to this login (RFC 6749, 10.12).
        return Err(unusable("there is no state in it", redirect_uri));
    }
    let target = format!("{}?{query}", redirect_uri.path());
    Ok(CallbackRequest { method: "GET".into(), target, ..CallbackRequest::default() })
}

/// The right shape, of another login.
pub(crate) fn stray() -> AgentError {
    let hint = "open the address that this login shows, and paste the one that the browser ends on";
    AgentError::new(ErrorKind::BadRequest, "this is not the answer to the sign-in that is running", hint)
}

fn unusable(why: &str, redirect_uri: &Url) -> AgentError {
    let hint = format!("paste the whole address that the browser ends on; it begins with {redirect_uri}?");
    AgentError::new(ErrorKind::BadRequest, format!("what was pasted is no answer: {why}"), hint)
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
        ] {
            assert_eq!(target(text).unwrap(), "/callback?code=a%2Bb&state=s", "{text}");
        }
    }

    #[test]
    fn what_cannot_be_an_answer_is_refused_with_the_reason() {
        for (text, why) in [
            ("a-code-alone", "no state"),
            ("code=a", "no state"),
            ("https://provider.test/authorize?code=a&state=s", "another address"),
            ("", "no state"),
            (&"x".repeat(20_000), "too long"),
        ] {
            assert!(target(text).unwrap_err().contains(why), "{text:.40}");
        }
    }
}
