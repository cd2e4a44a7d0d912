//! A person at SciToolkit's page, and the page's own script, which sends the answer to the command-line tool.

use serde_json::{Value, json};

use crate::browser::parameter;
use crate::http::{self, Reply, decode};
use crate::{Home, Sandbox};

/// The page that a login opens.
#[derive(Debug)]
pub struct ConsentPage {
    /// The origin of the page.
    pub origin: String,
    /// Where its script sends the answer.
    pub callback: String,
    /// Proves that the answer belongs to the login.
    pub state: String,
}

/// The URL that a login at SciToolkit prints.
pub fn consent_url(output: &str) -> Option<String> {
    let found =
        output.split_whitespace().find(|word| word.starts_with("http://") && word.contains("/cli-auth?"))?;
    // Wait for the end of the line: the last word read so far may be incomplete.
    output.contains(&format!("{found}\n")).then(|| found.to_owned())
}

impl ConsentPage {
    /// The page at a URL that was printed.
    ///
    /// # Panics
    ///
    /// If it is another kind of URL, or the page is missing.
    #[track_caller]
    pub fn open(url: &str) -> Self {
        let page = http::get(url, &[]);
        assert!(page.status == 200 && page.body.contains("Sandbox"), "{page:?}");
        let field = |name| decode(parameter(url, name).unwrap_or_else(|| panic!("no {name} in {url}")));
        let (host, _) = http::split(url);
        Self { origin: format!("http://{host}"), callback: field("callback"), state: field("state") }
    }

    /// The token that the site makes once `user` approves.
    #[track_caller]
    pub fn approve(&self, user: &str) -> String {
        let reply = http::post_json(&format!("{}/cli-auth/approve", self.origin), &json!({"user": user}));
        reply.json()["token"].as_str().unwrap_or_else(|| panic!("no token: {reply:?}")).to_owned()
    }

    /// Sends what the script would, from any origin.
    #[track_caller]
    pub fn send_from(&self, origin: &str, body: &Value) -> Reply {
        let headers = [("origin", origin), ("content-type", "application/json")];
        let reply = http::request("POST", &self.callback, &headers, &body.to_string());
        reply.unwrap_or_else(|error| panic!("POST {}: {error}", self.callback))
    }

    /// Sends what the script sends, from its own origin.
    #[track_caller]
    pub fn send(&self, body: &Value) -> Reply {
        self.send_from(&self.origin, body)
    }

    /// Everything that happens when a person approves.
    #[track_caller]
    pub fn sign_in(&self, user: &str) -> Reply {
        let token = self.approve(user);
        self.send(&json!({"state": self.state, "token": token}))
    }

    /// Everything that happens when a person denies.
    #[track_caller]
    pub fn deny(&self) -> Reply {
        self.send(&json!({"state": self.state, "denied": true}))
    }
}

/// A token made on the page 'CLI Tokens', with a `prefix` such as `stk_user_`.
#[track_caller]
pub fn token(sandbox: &Sandbox, user: &str, prefix: &str) -> String {
    let url = format!("{}/_sandbox/scitoolkit", sandbox.url);
    let reply = http::post_json(&url, &json!({"user": user, "prefix": prefix}));
    reply.json()["token"].as_str().unwrap_or_else(|| panic!("no token: {reply:?}")).to_owned()
}

/// The status of the backend's `whoami` for a token.
#[track_caller]
pub fn whoami(sandbox: &Sandbox, token: &str) -> u16 {
    let url = format!("{}/cli/whoami", sandbox.authority);
    http::get(&url, &[("authorization", &format!("Bearer {token}"))]).status
}

/// A home whose SciToolkit is the sandbox, with the command linked as `scitoolkit` on its path.
///
/// # Panics
///
/// If the link cannot be made.
pub fn home(sandbox: &Sandbox) -> Home {
    let mut home = Home::new();
    let config = json!({"profiles": {"scitoolkit": {"authority": sandbox.url}}});
    home.write_config("config.json", &config.to_string());
    let folder = home.root().join("bin");
    let programs = crate::binaries();
    std::fs::create_dir(&folder).expect("a new home has no such folder");
    std::os::unix::fs::symlink(&programs.client, folder.join("scitoolkit")).expect("links can be made");
    let mut path = folder.into_os_string();
    path.push(":");
    path.push(home.environment().get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_default());
    home.set("PATH", path);
    home
}
