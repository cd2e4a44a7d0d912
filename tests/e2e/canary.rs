//! No token text appears in any output, log, command line or file where it does not belong.

use std::fs;
use std::path::{Path, PathBuf};

use seqera_tests::browser::{authorization_url, callback_url, parameter};
use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::scitoolkit::{self, ConsentPage, consent_url};
use seqera_tests::{Home, Run, Sandbox, http, skip};
use serde_json::{Value, json};

/// The secrets that must not be found, by name.
#[derive(Default)]
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// Remembers the end of a secret. The start of a token is often the same and may be public.
    fn add(&mut self, name: &'static str, secret: &str) {
        let tail = secret.len().saturating_sub(24);
        assert!(secret.len() - tail >= 16, "{name} is too short to be told from other text");
        self.0.push((name, secret[tail..].to_owned()));
    }

    fn search(&self, place: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        for (name, secret) in &self.0 {
            assert!(!text.contains(secret), "{name} stands in {place}");
        }
    }
}

/// The secret in the store's own file, which is where it belongs.
fn stored_secret(home: &Home, profile: &str) -> String {
    let file = home.config_dir().join(format!("refresh-token.{profile}"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let record: Value = serde_json::from_str(&text).expect("a record");
    record["secret"].as_str().expect("the record has a secret").to_owned()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let below = |path: PathBuf| match path.symlink_metadata() {
        Ok(data) if data.is_dir() => files_below(&path),
        Ok(data) if data.is_file() => vec![path],
        _ => Vec::new(),
    };
    entries.flat_map(below).collect()
}

#[test]
fn no_token_text_in_any_output_log_command_line_or_summary() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 6}));
    let home = Home::new().with("SEQERA_LOG_LEVEL", "trace");
    let mut canaries = Canaries::default();
    let mut outputs: Vec<Run> = Vec::new();

    // A browser login, with its code, state and first tokens.
    let args = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    let mut login = home.seqera(&args).start();
    let url = login.until("authorization URL", authorization_url);
    let callback = callback_url(&url, ADA);
    canaries.add("the authorization code", parameter(&callback, "code").expect("a code"));
    let page = http::get(&callback, &[]);
    outputs.push(login.finish(std::time::Duration::from_secs(30)).ok());
    canaries.add("the first refresh token", &stored_secret(&home, "work"));
    canaries.add("the first access token", &home.token("work"));

    // A personal access token, one that is refused, and one in the environment.
    let pat = sandbox.personal_token(GRACE);
    canaries.add("the personal access token", &pat);
    let with_token = format!("login --profile pat --authority {} --with-token", sandbox.authority);
    outputs.push(home.seqera(&with_token).stdin(&pat).run().ok());
    let wrong = "not-a-token-of-this-platform-0123456789";
    canaries.add("a refused token", wrong);
    outputs.push(home.seqera(&with_token.replace("pat", "wrong")).stdin(wrong).run());
    outputs.push(home.seqera("whoami").env("SEQERA_ACCESS_TOKEN", wrong).run());

    // Renewals that succeed and fail. A token must not reach the log, even if the provider quotes it.
    let echo = stored_secret(&home, "work");
    sandbox.fault(json!({"on": "refresh", "kind": "status", "code": 500, "body": echo}));
    sandbox.fault(json!({"on": "refresh", "kind": "garbage", "body": echo}));
    sandbox.wait_for("refresh", 4);
    canaries.add("a later access token", &home.token("work"));
    canaries.add("a later refresh token", &stored_secret(&home, "work"));

    for args in ["status --profile work", "status --profile pat", "whoami --profile work", "agent status"] {
        outputs.push(home.seqera(args).run());
        outputs.push(home.seqera(&format!("{args} -o json")).run());
    }
    let pid = home.agent_pid().expect("the agent runs");
    // The agent keeps its variables from its own user.
    let readable: &[&str] = if skip::is_root() { &["cmdline", "environ"] } else { &["cmdline"] };
    for what in readable {
        let text = fs::read(format!("/proc/{pid}/{what}")).expect("readable by its owner");
        canaries.search(&format!("the agent's {what}"), &text);
    }
    // While signed in, only the store's own file may contain a secret.
    search_files(&home, &canaries, |path| path.to_string_lossy().contains("refresh-token."));
    outputs.push(home.seqera("logout --all").run().ok());
    outputs.push(home.seqera("token --profile work").run());
    outputs.push(home.seqera("agent stop").run());
    // Afterwards, no file may.
    search_files(&home, &canaries, |_| false);
    assert!(home.log().len() > 1000, "the log was on: {} bytes", home.log().len());

    canaries.search("the page at the end", page.body.as_bytes());
    for run in &outputs {
        canaries.search("an output", format!("{}{}", run.stdout, run.stderr).as_bytes());
    }
}

#[test]
fn a_token_of_scitoolkit_stands_in_its_documented_file_and_nowhere_else() {
    let sandbox = Sandbox::calm();
    let home = scitoolkit::home(&sandbox).with("SEQERA_LOG_LEVEL", "trace");
    let mut login = home.shell("scitoolkit login --no-browser").start();
    let page = ConsentPage::open(&login.until("page to open", consent_url));
    assert_eq!(page.sign_in(ADA).status, 200);
    let mut outputs = vec![login.finish(std::time::Duration::from_secs(30)).ok()];
    let mut canaries = Canaries::default();
    canaries.add("the token", &home.token("scitoolkit"));

    for args in
        ["status", "whoami", "whoami --check", "profile show scitoolkit", "agent doctor", "agent logs"]
    {
        let args = format!("{args} --profile scitoolkit");
        outputs.push(home.seqera(&args).run());
        outputs.push(home.seqera(&format!("{args} -o json")).run());
    }
    search_files(&home, &canaries, |path| path.ends_with(".scitoolkit/token"));
    outputs.push(home.shell("scitoolkit logout").run().ok());
    search_files(&home, &canaries, |_| false);
    for run in &outputs {
        canaries.search("an output", format!("{}{}", run.stdout, run.stderr).as_bytes());
    }
}

fn search_files(home: &Home, canaries: &Canaries, may_hold: impl Fn(&Path) -> bool) {
    let files = files_below(home.root());
    assert!(files.iter().any(|file| file.ends_with("agent.log")), "{files:?}");
    for file in files.into_iter().filter(|file| !may_hold(file)) {
        canaries.search(&file.display().to_string(), &fs::read(&file).unwrap_or_default());
    }
}
