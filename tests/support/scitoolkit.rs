//! A person at SciToolkit's page, and the page's own part: what its script sends to the command line tool.

use serde_json::{Value, json};

use crate::browser::parameter;
use crate::http::{self, Reply, decode};
use crate::{Home, Sandbox};

/// What the page that a login opens knows.
#[derive(Debug)]
pub struct ConsentPage {
    /// The page's origin.
    pub origin: String,
    /// Where its script sends the answer.
    pub callback: String,
    /// What proves that the answer belongs to the login.
    pub state: String,
}

/// The address that a login at SciToolkit prints.
pub fn consent_url(output: &str) -> Option<String> {
    let found =
        output.split_whitespace().find(|word| word.starts_with("http://") && word.contains("/cli-auth?"))?;
    // A word at the end of what was read so far may be cut off.
    output.contains(&format!("{found}\n")).then(|| found.to_owned())
}

impl ConsentPage {
    /// The page at an address that was printed.
    ///
    /// # Panics
    /// Where the address is of another kind, or the page is missing.
    #[track_caller]
    pub fn open(url: &str) -> Self {
        let page = http::get(url, &[]);
        assert!(page.status == 200 && page.body.contains("Sandbox"), "{page:?}");
        let field = |name| decode(parameter(url, name).unwrap_or_else(|| panic!("no {name} in {url}")));
        let (host, _) = http::split(url);
        Self { origin: format!("http://{host}"), callback: field("callback"), state: field("state") }
    }

    /// The token that the site makes when `user` approves.
    #[track_caller]
    pub fn approve(&self, user: &str) -> String {
        let reply = http::post_json(&format!("{}/cli-auth/approve", self.origin), &json!({"user": user}));
        reply.json()["token"].as_str().unwrap_or_else(|| panic!("no token: {reply:?}")).to_owned()
    }

    /// What the script sends, from an origin of choice.
    #[track_caller]
    pub fn send_from(&self, origin: &str, body: &Value) -> Reply {
        let headers = [("origin", origin), ("content-type", "application/json")];
        let reply = http::request("POST", &self.callback, &headers, &body.to_string());
        reply.unwrap_or_else(|error| panic!("POST {}: {error}", self.callback))
    }

    /// What the script sends from its own page.
    #[track_caller]
    pub fn send(&self, body: &Value) -> Reply {
        self.send_from(&self.origin, body)
    }

    /// The whole of a person's yes.
    #[track_caller]
    pub fn sign_in(&self, user: &str) -> Reply {
        let token = self.approve(user);
        self.send(&json!({"state": self.state, "token": token}))
    }

    /// A person's no.
    #[track_caller]
    pub fn deny(&self) -> Reply {
        self.send(&json!({"state": self.state, "denied": true}))
    }
}

/// A token made on the page 'CLI Tokens'; `prefix` such as `stk_user_`.
#[track_caller]
pub fn token(sandbox: &Sandbox, user: &str, prefix: &str) -> String {
    let url = format!("{}/_sandbox/scitoolkit", sandbox.url);
    let reply = http::post_json(&url, &json!({"user": user, "prefix": prefix}));
    reply.json()["token"].as_str().unwrap_or_else(|| panic!("no token: {reply:?}")).to_owned()
}

/// Status of the backend's `whoami` for a token.
#[track_caller]
pub fn whoami(sandbox: &Sandbox, token: &str) -> u16 {
    let url = format!("{}/cli/whoami", sandbox.authority);
    http::get(&url, &[("authorization", &format!("Bearer {token}"))]).status
}

/// A home whose SciToolkit is the sandbox, with a link `scitoolkit` to the command on its path.
///
/// # Panics
/// Where the link cannot be made.
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
