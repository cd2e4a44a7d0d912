//! Programs in the sandboxes of coding assistants, which refuse Unix sockets, have no network or cannot write.

use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::jail::{Refused, inside, without_sockets, works};
use seqera_tests::reaper::signal;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Running, Sandbox, eventually};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

fn signed_in(sandbox: &Sandbox) -> Home {
    let home = Home::new();
    home.login("work", sandbox, ADA);
    home
}

/// `seqera token --write` that has written; the file in a folder that a sandbox can be given.
fn kept(home: &Home) -> (Running, PathBuf) {
    let folder = home.root().join("run/shared");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("token");
    let path = file.display().to_string();
    let mut keeper = home.seqera("token --profile work --watch --write").args([&path]).start();
    keeper.until("file", |said| said.contains("holds the token").then_some(()));
    (keeper, file)
}

fn first_line(file: &PathBuf) -> Option<String> {
    std::fs::read_to_string(file).ok()?.lines().next().map(str::to_owned)
}

#[test]
fn every_command_names_a_sandbox_that_refuses_unix_sockets_and_what_helps() {
    if !works() {
        return;
    }
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    for refused in [Refused::Socket, Refused::Pairs] {
        for command in [
            "token",
            "token --min-valid 5m --format header",
            "token --decode",
            "token --write run/t",
            "token --write run/t --watch",
            "status",
            "status --check",
            "whoami",
            "info",
            "org",
            "org list",
            "workspace",
            "profile list",
            "exec -- true",
            "exec --long -- true",
            "login",
            "logout",
            "agent status",
            "agent start",
            "agent leases",
            "agent stop",
        ] {
            let line = format!("seqera {command} -o json").replace("-- true -o json", "-o json -- true");
            let line = line.replace("--format header -o json", "--format json -o json");
            let run = without_sockets(&home, refused, &line).env("SEQERA_PROFILE", "work").run();
            let run = run.fails_with(69);
            assert_eq!(run.stdout, "", "{line}");
            let error = run.error_json();
            assert_eq!(error["reason"], "SANDBOXED", "{line}: {error}");
            let (message, hint) = (error["message"].to_string(), error["hint"].to_string());
            assert!(message.contains("sandbox") && message.contains("not permitted"), "{line}: {message}");
            for way in ["seqera token --write", "SEQERA_ACCESS_TOKEN_FILE"] {
                assert!(hint.contains(way), "{line}: {hint}");
            }
        }
    }
    assert!(!home.root().join("run/t").exists());
    let bridge = without_sockets(&home, Refused::Pairs, "seqera-mcp --profile work").run().fails_with(69);
    assert!(bridge.stderr.contains("sandbox") && bridge.stderr.contains("hint: "), "{}", bridge.stderr);
    let named = without_sockets(&home, Refused::Socket, "seqera token").env("CLAUDECODE", "1").run();
    assert!(named.stderr.contains("the sandbox of claude-code"), "{}", named.stderr);
    home.seqera("token --profile work").run().ok();
}

#[test]
fn a_file_that_is_kept_outside_serves_a_sandbox_across_expiries_and_is_gone_with_the_session() {
    if !works() {
        return;
    }
    let sandbox = Sandbox::start(&json!({"access_lifetime": 6}));
    let home = signed_in(&sandbox);
    let (mut keeper, file) = kept(&home);
    let ask = |command: &str| {
        without_sockets(&home, Refused::Pairs, command)
            .env("SEQERA_ACCESS_TOKEN_FILE", &file)
            // Another account's, which the file beats.
            .env("SEQERA_AUTH_DOMAIN", "https://elsewhere.invalid/api")
            .env("TOWER_ACCESS_TOKEN", "another")
            .run()
            .ok()
    };
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let token = ask("seqera token").line().to_owned();
        assert_eq!(sandbox.user_info(&token).status, 200, "a token from the file is fresh");
        let changed = || first_line(&file).filter(|now| *now != token);
        eventually(LIMIT, "another token in the file", changed);
        seen.insert(token);
    }
    assert_eq!(seen.len(), 3);
    let status = ask("seqera status -o json").json();
    assert_eq!((&status["state"], &status["authority"]), (&json!("ENVIRONMENT"), &json!(sandbox.authority)));
    let endpoint = ask("seqera exec -- sh -c 'echo $TOWER_API_ENDPOINT'");
    assert_eq!(endpoint.line(), sandbox.authority);

    home.seqera("logout --profile work").run().ok();
    eventually(LIMIT, "the end of the file", || (!file.exists()).then_some(()));
    let out = without_sockets(&home, Refused::Pairs, "seqera token");
    let out = out.env("SEQERA_ACCESS_TOKEN_FILE", &file).env("TOWER_ACCESS_TOKEN", "another").run();
    assert!(out.fails_with(2).stderr.contains("No such file"));

    assert!(keeper.is_running(), "it waits for the next sign-in");
    home.login("work", &sandbox, ADA);
    eventually(LIMIT, "the file of the next session", || first_line(&file));
    signal(keeper.pid(), "TERM");
    keeper.finish(LIMIT).ok();
    assert!(!file.exists());
    assert_eq!(std::fs::read_dir(file.parent().expect("a folder")).expect("readable").count(), 0);
}

#[test]
fn the_file_outlives_the_agent_and_comes_back_to_it() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 8}));
    let home = signed_in(&sandbox);
    let (keeper, file) = kept(&home);
    let before = first_line(&file);
    let agent = home.agent_pid().expect("an agent");
    signal(agent, "KILL");
    let changed = || first_line(&file).filter(|now| Some(now) != before.as_ref());
    let token = eventually(LIMIT, "a token of the next agent", changed);
    assert_eq!(sandbox.user_info(&token).status, 200);
    assert_ne!(home.agent_pid(), Some(agent));
    signal(keeper.pid(), "INT");
    keeper.finish(LIMIT).fails_with(130);
    assert!(!file.exists());
}

#[test]
fn whatever_signal_ends_the_command_the_file_goes_with_it() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    // Batch systems announce the end of a job by USR1 or USR2; QUIT is Ctrl-\\ at a terminal.
    for name in ["QUIT", "USR1", "USR2", "ALRM", "HUP"] {
        let (keeper, file) = kept(&home);
        signal(keeper.pid(), name);
        let run = keeper.finish(LIMIT);
        assert!(run.code.is_some() && !file.exists(), "{name}: {run:?}");
    }
}

#[test]
fn a_full_disk_leaves_nothing_and_is_tried_again() {
    if !works() {
        return;
    }
    let sandbox = Sandbox::start(&json!({"access_lifetime": 6}));
    let home = signed_in(&sandbox);
    // A file system of 4 KiB, which belongs to the sandbox alone. The agent is outside.
    let script = "\
        cd /mnt; dd if=/dev/zero of=ballast bs=1024 count=64 2>/dev/null; \
        seqera token --profile work --write token -o json; echo \"code $?\"; ls -A; \
        rm ballast; seqera token --profile work --write token --watch 2>\"$HOME/said\" & \
        until [ -s token ]; do sleep 0.1; done; first=$(head -n 1 token); \
        dd if=/dev/zero of=ballast bs=1024 count=64 2>/dev/null; \
        until grep -q 'disk is full' \"$HOME/said\"; do sleep 0.1; done; rm -f ballast; \
        until [ -s token ] && [ \"$(head -n 1 token)\" != \"$first\" ]; do sleep 0.1; done; echo another; \
        kill $!; wait $!; ls -A";
    let options = ["--size", "8192", "--perms", "0700", "--tmpfs", "/mnt"];
    let run = inside(&home, &options, script).run().ok();
    assert_eq!(run.stdout, "code 69\nballast\nanother\n", "{}", run.stderr);
    assert!(run.stderr.contains("the disk is full"), "{}", run.stderr);
    assert!(run.stderr.contains("make room there") && !run.stderr.contains("raise"), "{}", run.stderr);
}

#[test]
fn a_personal_access_token_in_a_file_is_told_to_have_no_end() {
    let sandbox = Sandbox::calm();
    let home = Home::new();
    let login = format!("login --profile work --authority {} --with-token", sandbox.authority);
    home.seqera(&login).stdin(&sandbox.personal_token(ADA)).run().ok();
    let file = home.root().join("run/t");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let run = home.seqera("token --profile work --write").args([&file.display().to_string()]).run().ok();
    for words in ["this token does not expire and the file stays", "--watch removes the file"] {
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}

#[test]
fn in_a_sandbox_without_network_or_with_a_home_that_is_read_only_the_agent_outside_answers() {
    if !works() {
        return;
    }
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    let outside = home.seqera("token --profile work").run().ok();
    let folder = home.root().join("home").display().to_string();
    for options in
        [&[][..], &["--unshare-net"], &["--ro-bind", &folder, &folder], &["--unshare-all", "--share-net"]]
    {
        let run =
            inside(&home, options, "seqera token --profile work && seqera status --profile work >&2").run();
        assert_eq!(run.ok().line(), outside.line(), "{options:?}");
    }
}

#[test]
fn the_agent_shows_which_assistant_has_asked_by_its_own_word() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox).with("AI_AGENT", "my agent\x1b[31m@1");
    home.seqera("token --profile work").run().ok();
    home.seqera("token --profile work --min-valid 1s").run().ok();
    home.seqera("token --profile work").without_env("AI_AGENT").env("CLAUDECODE", "1").run().ok();
    let status = home.seqera("agent status -o json").run().ok().json();
    let names: Vec<_> = status["assistants"].as_array().expect("a list").iter().collect();
    assert_eq!((&names[0]["name"], &names[0]["calls"]), (&json!("claude-code"), &json!(1)));
    assert_eq!((&names[1]["name"], &names[1]["calls"]), (&json!("my_agent__31m@1"), &json!(2)));
    assert_eq!(names.len(), 2);
    let shown = home.seqera("agent status").run().ok().stdout;
    assert!(shown.contains("claude-code (1 times") && shown.contains("by its own word"), "{shown}");
    let long = home.seqera("token --profile work").env("AI_AGENT", "x".repeat(500)).run().ok();
    assert!(!long.line().is_empty());
}
