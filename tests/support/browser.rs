//! A person at a browser, as far as a login at the sandbox needs one. The visit ends at the agent's page.

use crate::http::{self, Reply, encode};
use crate::visit::Visit;

/// The URL that `seqera login` prints.
pub fn authorization_url(output: &str) -> Option<String> {
    let found = output.split_whitespace().find(|word| {
        word.starts_with("http://") && word.contains("response_type=code") && word.contains("state=")
    })?;
    // Wait for the end of the line: the last word read so far may be incomplete.
    output.contains(&format!("{found}\n")).then(|| found.to_owned())
}

/// Signs `user` in and returns the last page, which is the agent's.
#[track_caller]
pub fn sign_in(authorization_url: &str, user: &str) -> Reply {
    follow(&format!("{authorization_url}&sandbox_user={}", encode(user)))
}

/// Refuses, like the deny button of the page.
#[track_caller]
pub fn deny(authorization_url: &str) -> Reply {
    follow(&format!("{authorization_url}&sandbox_deny=1"))
}

/// Signs `user` in but stops before the callback, whose URL is returned.
#[track_caller]
pub fn callback_url(authorization_url: &str, user: &str) -> String {
    let reply = http::get(&format!("{authorization_url}&sandbox_user={}", encode(user)), &[]);
    reply.header("location").unwrap_or_else(|| panic!("no redirect: {reply:?}")).to_owned()
}

/// One parameter of a URL, still encoded.
pub fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let query = url.split_once('?')?.1;
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name).map(|(_, v)| v)
}

/// Follows redirects to the first real page.
#[track_caller]
pub fn follow(url: &str) -> Reply {
    Visit::open(url).page
}

#[cfg(test)]
mod tests {
    use super::{authorization_url, parameter};

    #[test]
    fn an_address_that_is_still_being_printed_is_not_taken() {
        let half = "Open http://127.0.0.1:1/authorize?response_type=code&state=ab";
        assert_eq!(authorization_url(half), None);
        let url = authorization_url(&format!("{half}cd\n")).expect("the line is complete");
        assert_eq!(parameter(&url, "state"), Some("abcd"));
    }
}
