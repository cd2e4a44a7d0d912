//! The programs for Windows under Wine, with the sandbox on loopback. `README.md` lists what Wine cannot show.

use std::path::Path;
use std::time::Duration;

use seqera_tests::process::Run;
use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::wine::{Invocation, Wine};
use seqera_tests::{Sandbox, browser, eventually, within};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);

/// A person who signs in at the page whose address `login` shows.
fn sign_in(login: Invocation, user: &str) -> Run {
    let mut login = login.start();
    let url = login.until("authorization URL", browser::authorization_url);
    let page = browser::sign_in(&url, user);
    assert!(page.body.contains("Signed in"), "{page:?}");
    login.finish(LIMIT).ok()
}

/// The names in the Credential Manager that are ours.
fn credentials(wine: &Wine) -> Vec<String> {
    let all = wine.outside(&["credentials"]).ok().stdout;
    all.lines().filter(|name| name.contains("seqera")).map(str::to_owned).collect()
}

fn pipe(wine: &Wine) -> String {
    wine.seqera("agent socket").run().ok().line().to_owned()
}

/// What the running agent says of itself.
fn agent(wine: &Wine) -> Value {
    wine.seqera("agent status -o json").run().ok().json()
}

fn none_runs(wine: &Wine) {
    wine.seqera("agent status").run().fails_with(69);
}

/// The text files below a folder that hold one of these secrets.
fn holders(folder: &Path, secrets: &[&str]) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.flat_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => holders(&entry.path(), secrets),
        Ok(kind) if kind.is_file() => {
            let text = std::fs::read(entry.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let holds = secrets.iter().any(|secret| text.contains(secret));
            holds.then(|| entry.path().display().to_string()).into_iter().collect()
        }
        _ => Vec::new(),
    });
    found.collect()
}

#[test]
fn a_day_with_the_agent_on_windows() {
    let Some(mut wine) = Wine::start() else { return };
    let sandbox = Sandbox::calm();
    the_first_call_starts_an_agent(&wine);
    the_pipe_is_the_users_alone(&wine);
    let browser = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    let told = sign_in(wine.seqera(&browser), ADA);
    assert!(told.stdout.contains(ADA), "{}", told.stdout);
    let given = sandbox.personal_token(GRACE);
    let by_token = format!("login --with-token --profile given --authority {}", sandbox.authority);
    wine.seqera(&by_token).stdin(&format!("{given}\r\n")).run().ok();
    assert_eq!(credentials(&wine).len(), 2, "{:?}", credentials(&wine));
    assert_eq!(wine.seqera("token --profile given").run().ok().line(), given);
    let token = a_session_outlives_its_agent(&wine, &sandbox);
    programs_get_the_token_and_their_exit_code_comes_back(&wine, &token);
    doctor_finds_nothing_wrong(&wine, &sandbox);
    nothing_is_left_after_the_sign_out(&mut wine, &sandbox, &[&token, &given]);
}

fn the_first_call_starts_an_agent(wine: &Wine) {
    none_runs(wine);
    wine.seqera("status").run().fails_with(3);
    let status = agent(wine);
    assert!(status.to_string().contains("keychain"), "{status}");
    let again = wine.program(&wine.folder().join("seqera-agent.exe"), &[]).run().fails_with(1);
    assert!(again.stderr.contains("an agent is running already"), "{}", again.stderr);
    wine.program(&wine.folder().join("seqera-agent.exe"), &["--launch"]).run().ok();
    assert_eq!(agent(wine)["pid"], status["pid"]);
}

fn the_pipe_is_the_users_alone(wine: &Wine) {
    let user = wine.outside(&["user"]).ok().line().to_owned();
    let seen = wine.outside(&["pipe", &pipe(wine)]).ok().line().to_owned();
    assert!(pipe(wine).ends_with(&user), "{user}");
    let (all, of_files) = (format!("O:{user}D:P(A;;GA;;;{user})"), format!("O:{user}D:P(A;;FA;;;{user})"));
    // Windows shows general rights as those of files.
    assert!(seen == all || seen == of_files, "{seen}");
}

fn a_session_outlives_its_agent(wine: &Wine, sandbox: &Sandbox) -> String {
    let first = wine.seqera("token --profile work").run().ok().line().to_owned();
    assert_eq!(sandbox.user_info(&first).status, 200);
    let before = agent(wine);
    wine.seqera("agent restart").run().ok();
    assert_ne!(agent(wine)["pid"], before["pid"]);
    let renewals = sandbox.count("refresh_attempts");
    let token = wine.seqera("token --profile work").run().ok().line().to_owned();
    assert_eq!(sandbox.user_info(&token).status, 200);
    // The refresh token came out of the Credential Manager, and its successor went in.
    assert_eq!(sandbox.count("refresh_attempts"), renewals + 1);
    assert_eq!(credentials(wine).len(), 2);
    token
}

fn programs_get_the_token_and_their_exit_code_comes_back(wine: &Wine, token: &str) {
    let seen = wine.seqera("exec --profile work -- cmd /c set").run().ok().stdout;
    for name in ["SEQERA_ACCESS_TOKEN", "TOWER_ACCESS_TOKEN"] {
        assert!(seen.lines().any(|line| line == format!("{name}={token}")), "{name}");
    }
    wine.seqera("exec --profile work -- cmd /c").arg("exit 7").run().fails_with(7);
    wine.seqera("exec --profile work -- no-such-program").run().fails_with(127);
}

fn doctor_finds_nothing_wrong(wine: &Wine, sandbox: &Sandbox) {
    let run = wine.seqera("agent doctor -o json").env("SEQERA_AUTH_DOMAIN", &sandbox.authority).run();
    assert!(!run.stdout.is_empty(), "{run:?}");
    let report = run.json();
    assert_eq!(report["problems"], 0, "{report:#}");
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("no checks in {report}"));
    for name in ["agent", "socket", "keychain", "private files"] {
        let check = checks.iter().find(|check| check["name"] == name);
        assert!(check.is_some_and(|check| check["verdict"] == "OK"), "{name}: {report:#}");
    }
    assert!(!report.to_string().contains("systemd"), "{report:#}");
}

fn nothing_is_left_after_the_sign_out(wine: &mut Wine, sandbox: &Sandbox, secrets: &[&str]) {
    let out = wine.seqera("logout --all").run().ok().stdout;
    assert!(out.contains("work: revoked"), "{out}");
    assert_eq!(credentials(wine), Vec::<String>::new());
    assert_eq!(sandbox.count("tokens_alive"), 0);
    wine.seqera("token --profile work").run().fails_with(3);
    wine.seqera("agent stop").run().ok();
    none_runs(wine);
    wine.shut_down();
    assert_eq!(holders(&wine.drive().join("users"), secrets), Vec::<String>::new());
}

#[test]
fn tokens_are_renewed_and_every_path_may_have_blanks_and_umlauts() {
    let Some(wine) = Wine::start() else { return };
    let sandbox = Sandbox::start(&json!({"access_lifetime": 4}));
    let seqera = |args: &str| wine.seqera(args).elsewhere().env("SEQERA_CREDENTIAL_STORE", "file");
    let login = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    sign_in(seqera(&login), ADA);
    let file = wine.other_config().join("refresh-token.work");
    let stored =
        || std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let before = stored();
    sandbox.wait_for("refresh", 1);
    eventually(LIMIT, "the new refresh token in the file", || (stored() != before).then_some(()));
    let token = eventually(LIMIT, "a token that the API takes", || {
        let token = seqera("token --profile work").run().ok().line().to_owned();
        (sandbox.user_info(&token).status == 200).then_some(token)
    });
    assert_ne!(token, "");
    // Folders of this name are not the default ones, so neither is the pipe.
    assert_ne!(seqera("agent socket").run().ok().line(), pipe(&wine));
    seqera("logout --all").run().ok();
    assert!(!file.exists());
}

#[test]
fn what_somebody_else_has_put_in_the_way_is_not_used() {
    let Some(wine) = Wine::start() else { return };
    let squatted = pipe(&wine);
    // Under Wine a pipe belongs to a group unless its maker says otherwise, as to another user.
    let squatter = wine.program(&wine.folder().join("outside.exe"), &["squat", &squatted]).held_open();
    let mut squatter = squatter.start();
    squatter.until("word that it holds the pipe", |output| output.contains("held").then_some(()));
    let refused = wine.seqera("status -o json").run();
    let error = refused.error_json();
    assert_eq!(error["reason"], "DISTRUSTED", "{error}");
    assert!(
        error["message"].as_str().is_some_and(|text| text.contains("belongs to another user")),
        "{error}"
    );
    let agent = wine.program(&wine.folder().join("seqera-agent.exe"), &[]).run().fails_with(1);
    assert!(agent.stderr.contains("no place for the socket"), "{}", agent.stderr);
    drop(squatter);
    let free = || wine.seqera("status").run().code == Some(3);
    eventually(LIMIT, "an agent of our own once the pipe is free", || free().then_some(()));
    an_agent_that_everybody_can_write_to_is_not_started(&wine);
}

fn an_agent_that_everybody_can_write_to_is_not_started(wine: &Wine) {
    use std::os::unix::fs::PermissionsExt;
    wine.seqera("agent stop").run().ok();
    let mode = |path: &Path, mode| {
        let set = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
        set.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    };
    let (program, folder) = (wine.folder().join("seqera-agent.exe"), wine.folder());
    for (path, usual) in [(&program, 0o755), (&folder, 0o755)] {
        // Wine shows the mode as an access list.
        mode(path, 0o777);
        let error = wine.seqera("status -o json").run().error_json();
        assert_eq!(error["reason"], "DISTRUSTED", "{error}");
        assert!(
            error["message"].as_str().is_some_and(|text| text.contains("everybody may write")),
            "{error}"
        );
        mode(path, usual);
    }
    let ended = within(LIMIT, || (wine.seqera("status").run().code == Some(3)).then_some(()));
    assert!(ended.is_some(), "{:?}", wine.seqera("status").run());
}

/// What the system has to keep, and what only looking at one's own files shows.
#[test]
fn unit_tests_of_programs_and_places_pass_there_as_well() {
    let Some(wine) = Wine::start() else { return };
    for (package, filter) in [("seqera-client", "program::"), ("seqera-agent-proto", "place::")] {
        let run = wine.unit_tests(package, filter).ok();
        assert!(
            run.stdout.contains("test result: ok") && !run.stdout.contains(" 0 passed"),
            "{}",
            run.stdout
        );
    }
}
