//! `cargo xtask demo`: the agent at work, with real processes and the sandbox, in a sealed home.

mod record;
mod tour;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::wait::Stopwatch;
use seqera_tests::{Home, Run, Sandbox, binaries, browser, environment, http};
use serde_json::json;

use crate::report::{line, seconds};

pub(crate) use record::record;
pub(crate) use tour::tour;

/// The task that stands in for curl if curl is not installed.
pub(crate) const USER_INFO: &str = "user-info";

/// Lifetime of access tokens in seconds. The scheduled renewal comes after 16 to 20 of them.
const LIFETIME: u32 = 40;

/// Longer lines of a program's output are cut.
const WIDTH: usize = 100;

/// A login without a real browser takes no time at all, unless the machine is very busy.
const LOGIN_LIMIT: Duration = Duration::from_secs(60);

/// The two profiles and the people behind them.
const PEOPLE: [(&str, &str); 2] = [("work", ADA), ("private", GRACE)];

/// The sandbox and the sealed home.
struct Stage {
    sandbox: Sandbox,
    home: Home,
}

impl Stage {
    fn build() -> Self {
        println!(
            "Builds the agent, the client and the sandbox (a few minutes on a fresh clone, else seconds),"
        );
        println!(
            "then shows them at work for about a minute. Nothing outside a temporary folder is touched."
        );
        let watch = Stopwatch::start();
        // Cargo shows its own progress.
        binaries();
        line(&format!("built: {}", seconds(watch.elapsed())));
        let sandbox = Sandbox::start(&json!({ "access_lifetime": LIFETIME }));
        let home = Home::new().with("SEQERA_AUTH_DOMAIN", &sandbox.authority);
        Self { sandbox, home }
    }

    /// Shows a command, runs it, and shows what it prints.
    fn show(&self, args: &str) -> Run {
        line(&format!("$ seqera {args}"));
        let run = self.home.seqera(args).run();
        print_all(&run);
        run
    }

    /// Signs in as a person would. The browser is simulated.
    fn login(&self, profile: &str, user: &str) {
        line(&format!("$ seqera login --profile {profile}"));
        // Both outputs in one, to show them in order.
        let script = format!("exec seqera login --no-browser --profile {profile} 2>&1");
        let mut login = self.home.shell(&script).start();
        let url = login.until("authorization URL", browser::authorization_url);
        browser::sign_in(&url, user);
        print_all(&login.finish(LOGIN_LIMIT).ok());
        line(&format!("  (the browser was played over HTTP, as {user})"));
    }
}

fn print_all(run: &Run) {
    let lines = run.stdout.lines().chain(run.stderr.lines()).filter(|text| !text.trim().is_empty());
    lines.for_each(|text| line(&format!("  {}", shortened(text))));
}

/// A login's address is long, and nobody has to open it here.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `cargo xtask demo --shell`
pub(crate) fn shell() {
    let stage = Stage::build();
    for (profile, user) in PEOPLE {
        stage.login(profile, user);
    }
    println!("\n`seqera` works against the sandbox at {}; nothing here is real.", stage.sandbox.url);
    println!(
        "  seqera status --profile work     seqera token --profile work     seqera exec --profile work -- env"
    );
    println!("  seqera login                     (open the address in a browser on this machine)");
    println!("`exit` ends the shell, the agent and the sandbox.\n");
    let shell = environment::variable("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut command = Command::new(shell);
    command.env_clear().envs(stage.home.environment()).env("SEQERA_BROWSER_AUTO_OPEN", "false");
    let passed = ["TERM", "LANG", "LC_ALL", "COLORTERM"];
    command.envs(passed.iter().filter_map(|name| Some((name, environment::variable(name)?))));
    let status = command.current_dir(stage.home.root().join("home")).stdin(Stdio::inherit()).status();
    status.expect("the shell can be started");
}

/// `cargo xtask user-info`: what a program run by `seqera exec` does with its token.
pub(crate) fn user_info() {
    let variable = |name: &str| {
        let value = environment::variable(name).unwrap_or_else(|| panic!("{name} is not set"));
        value.into_string().expect("tokens and addresses are text")
    };
    let url = format!("{}/user-info", variable("TOWER_API_ENDPOINT"));
    let bearer = format!("Bearer {}", variable("SEQERA_ACCESS_TOKEN"));
    println!("{}", http::get(&url, &[("authorization", &bearer)]).body);
}

/// The command line of a program that calls `/user-info` with the token in its environment. The token is
/// never an argument, because other users can see those.
fn caller() -> Vec<String> {
    if seqera_tests::skip::on_path("curl") {
        let script = "printf 'Authorization: Bearer %s' \"$SEQERA_ACCESS_TOKEN\" | \
                      curl -sS -H @- \"$TOWER_API_ENDPOINT/user-info\"";
        return ["sh", "-c", script].map(str::to_owned).into();
    }
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("xtask"));
    vec![own.display().to_string(), USER_INFO.to_owned()]
}
