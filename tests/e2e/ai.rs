//! `seqera ai`: which front end it starts, and what that front end gets.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use seqera_tests::browser::{authorization_url, sign_in};
use seqera_tests::sandbox::ADA;
use seqera_tests::terminal::{in_terminal, seen};
use seqera_tests::{Home, Sandbox, binaries, skip};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

/// Prints its arguments and the variables that it was given.
const RECORDER: &str = "#!/bin/sh\necho \"args: $*\"\nenv | grep -E '^(SEQERA|TOWER)_' | sort\n";

fn program(path: &Path, text: &str) -> PathBuf {
    std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a writable home");
    std::fs::write(path, text).expect("a writable home");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("our own file");
    path.to_owned()
}

/// Installs it where the standalone binary goes.
fn install(home: &Home) -> PathBuf {
    program(&home.root().join("home/.seqera/bin/seqera"), RECORDER)
}

fn has(output: &str, line: &str) -> bool {
    output.lines().any(|seen| seen == line)
}

#[test]
fn the_front_end_gets_the_sessions_token_and_addresses_and_no_token_in_its_arguments() {
    let sandbox = Sandbox::start(&json!({"ai_backend": "https://ai.sandbox.test"}));
    let home = Home::new();
    install(&home);
    home.login("work", &sandbox, ADA);
    let run = home.seqera("ai --profile work --headless --approval-mode basic why?").run().ok();
    let token = home.token("work");
    for line in [
        "args: ai --headless --approval-mode basic why?".to_owned(),
        format!("SEQERA_ACCESS_TOKEN={token}"),
        format!("TOWER_ACCESS_TOKEN={token}"),
        format!("SEQERA_AUTH_DOMAIN={}", sandbox.authority),
        "SEQERA_AI_BACKEND_URL=https://ai.sandbox.test".to_owned(),
        "SEQERA_AUTH_CLI_CLIENT_ID=seqera_ai_cli".to_owned(),
    ] {
        assert!(has(&run.stdout, &line), "{line} is missing in\n{}", run.stdout);
    }
}

#[test]
fn the_front_end_takes_the_place_of_this_process() {
    let home =
        Home::new().with("SEQERA_ACCESS_TOKEN", "t").with("SEQERA_AUTH_DOMAIN", "http://127.0.0.1:9/api");
    let home = home.with("SEQERA_AI_BACKEND_URL", "https://ai.test");
    let ours = program(&home.root().join("front end"), "#!/bin/sh\necho $$ $SEQERA_AI_STARTED_BY\nexit 7\n");
    let running = home.seqera("ai").env("SEQERA_AI_COMMAND", ours).start();
    let pid = running.pid();
    assert_eq!(running.finish(LIMIT).fails_with(7).line(), format!("{pid} {pid}"));
}

#[test]
fn a_token_is_taken_from_the_flag_then_from_the_variables_then_from_the_session() {
    let (mut home, sandbox) = (Home::new(), Sandbox::calm());
    install(&home);
    home.login("work", &sandbox, ADA);
    home.set("SEQERA_AUTH_DOMAIN", &sandbox.authority);
    home.set("SEQERA_AI_BACKEND_URL", "https://ai.test");
    let token = |args: &str, env: &[(&str, &str)]| {
        let run = env.iter().fold(home.seqera(args), |run, (name, value)| run.env(name, value)).run().ok();
        let line = run.stdout.lines().find_map(|line| line.strip_prefix("SEQERA_ACCESS_TOKEN="));
        line.expect("a token").to_owned()
    };
    let both = [("SEQERA_ACCESS_TOKEN", "first"), ("TOWER_ACCESS_TOKEN", "second")];
    assert_eq!(token("ai --token flag", &both), "flag");
    assert_eq!(token("ai", &both), "first");
    assert_eq!(token("ai", &both[1..]), "second");
    assert_eq!(token("ai", &[]), home.token("work"));
}

#[test]
fn an_access_token_with_an_enterprise_backend_needs_the_authority() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    install(&home);
    let ai = || {
        let ai = home.seqera("ai -o json").env("TOWER_ACCESS_TOKEN", sandbox.personal_token("ada"));
        ai.env("SEQERA_AI_BACKEND_URL", "https://ai.platform.test")
    };
    let refused = ai().run().fails_with(2).error_json();
    assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("SEQERA_AUTH_DOMAIN")), "{refused}");
    let run = ai().env("SEQERA_AUTH_DOMAIN", &sandbox.authority).run().ok();
    assert!(has(&run.stdout, &format!("SEQERA_AUTH_DOMAIN={}", sandbox.authority)), "{}", run.stdout);
    // A token that its own authority refuses is reported before the front end starts.
    let wrong =
        home.seqera("ai").env("TOWER_ACCESS_TOKEN", "wrong").env("SEQERA_AUTH_DOMAIN", &sandbox.authority);
    wrong.run().fails_with(3);
}

#[test]
fn a_backend_of_another_authority_never_gets_the_token() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    install(&home);
    home.login("work", &sandbox, ADA);
    let file = json!({"authDomain": "https://other.test/api", "backendUrl": "https://ai.other.test"});
    home.write_config("config.json", &file.to_string());
    let run = home.seqera("ai --profile work").run().ok();
    assert!(!run.stdout.contains("ai.other.test"), "{}", run.stdout);
    assert!(run.stderr.contains("backend"), "{}", run.stderr);
}

#[test]
fn this_very_command_is_no_front_end_by_whatever_name() {
    let home = Home::new().with("SEQERA_ACCESS_TOKEN", "t");
    let folder = home.root().join("home/.seqera/bin");
    std::fs::create_dir_all(&folder).expect("a writable home");
    let (own, other) = (&binaries().client, folder.join("seqera"));
    std::os::unix::fs::symlink(own, &other).expect("a writable home");
    home.seqera("ai why?").run().fails_with(127);
    std::fs::remove_file(&other).expect("our own link");
    std::fs::copy(own, &other).expect("a writable home");
    home.seqera("ai why?").run().fails_with(127);
    let named = home.seqera("ai why?").env("SEQERA_AI_COMMAND", &other).run().fails_with(2);
    assert!(named.stderr.contains("names this very command"), "{}", named.stderr);
}

#[test]
fn a_front_end_that_leads_back_here_is_stopped_at_once() {
    let home = Home::new().with("SEQERA_ACCESS_TOKEN", "t").with("SEQERA_AI_BACKEND_URL", "https://ai.test");
    let home = home.with("SEQERA_AUTH_DOMAIN", "http://127.0.0.1:9/api");
    let client = binaries().client.display();
    let loops = program(&home.root().join("loop"), &format!("#!/bin/sh\n{client} \"$@\"\n"));
    let run = home.seqera("ai why?").env("SEQERA_AI_COMMAND", loops).run().fails_with(2);
    assert!(run.stderr.contains("started as a front end by another one"), "{}", run.stderr);
}

#[test]
fn a_session_is_offered_where_there_is_none_and_then_the_front_end_starts() {
    let (mut home, sandbox) = (Home::new(), Sandbox::calm());
    install(&home);
    home.set("SEQERA_AUTH_DOMAIN", &sandbox.authority);
    home.set("SEQERA_BROWSER_AUTO_OPEN", "false");
    home.set("SEQERA_AI_BACKEND_URL", "https://ai.test");
    home.seqera("ai").run().fails_with(3);
    let Some(terminal) = in_terminal(&home, "seqera ai") else { return };
    let mut ai = terminal.start();
    ai.until("question", |output| output.contains("Sign in now? [Y/n]").then_some(()));
    ai.write("y\n");
    sign_in(&ai.until("authorization URL", |output| authorization_url(&seen(output))), ADA);
    let run = ai.finish(LIMIT).ok();
    assert!(seen(&run.stdout).contains("args: ai\n"), "{}", run.stdout);
}

#[test]
fn a_provider_that_cannot_be_reached_while_it_signs_in_is_told_once() {
    let home = Home::new().with("SEQERA_AUTH_DOMAIN", "http://127.0.0.1:9/api");
    let Some(terminal) = in_terminal(&home, "seqera ai") else { return };
    let mut ai = terminal.start();
    ai.until("question", |output| output.contains("Sign in now? [Y/n]").then_some(()));
    ai.write("y\n");
    let run = ai.finish(LIMIT).fails_with(4);
    assert_eq!(run.stdout.matches("error: ").count(), 1, "{}", run.stdout);
}

#[test]
fn the_prompt_of_its_own_signs_in_and_out_in_a_terminal() {
    let (mut home, sandbox) = (Home::new(), Sandbox::calm());
    home.set("SEQERA_AUTH_DOMAIN", &sandbox.authority);
    home.set("SEQERA_BROWSER_AUTO_OPEN", "false");
    home.login("default", &sandbox, ADA);
    // Without `exec`, a shell in between would die from the Ctrl-C that is meant for the login.
    let Some(terminal) = in_terminal(&home, "exec seqera ai") else { return };
    let mut ai = terminal.start();
    ai.until("prompt", |output| output.contains("seqera> ").then_some(()));
    ai.write("/logout\n");
    ai.until("sign-out", |output| output.contains("default: revoked").then_some(()));
    ai.write("/login\n");
    ai.until("authorization URL", |output| authorization_url(&seen(output)));
    // Ctrl-C ends the login but not the prompt.
    ai.write("\u{3}");
    ai.until("next prompt", |output| {
        let (_, after) = output.split_once("the login was interrupted")?;
        after.contains("seqera> ").then_some(())
    });
    ai.write("/login\n");
    let url = ai.until("authorization URL", |output| {
        authorization_url(&seen(output.split_once("the login was interrupted")?.1))
    });
    sign_in(&url, ADA);
    ai.until("end of the login", |output| output.contains("Successfully authenticated").then_some(()));
    ai.write("/status\n/exit\n");
    let run = ai.finish(LIMIT).ok();
    assert!(run.stdout.contains(&format!("Logged in as: {ADA}")), "{}", run.stdout);
    assert_eq!(sandbox.user_info(&home.token("default")).status, 200);
}

/// An upgrade replaces the program under a prompt that runs, and so could somebody who may write there.
#[test]
fn the_prompt_runs_its_commands_with_the_program_that_it_is_itself() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("default", &sandbox, ADA);
    let own = home.root().join("installed/seqera");
    std::fs::create_dir(home.root().join("installed")).expect("a writable home");
    std::fs::copy(&binaries().client, &own).expect("a copy can be made");
    let Some(terminal) = in_terminal(&home, &format!("exec {} ai", own.display())) else { return };
    let mut ai = terminal.start();
    ai.until("prompt", |output| output.contains("seqera> ").then_some(()));
    std::fs::remove_file(&own).expect("a writable home");
    program(&own, "#!/bin/sh\necho another\n");
    ai.write("/status\n/exit\n");
    let run = ai.finish(LIMIT).ok();
    assert!(run.stdout.contains(&format!("Logged in as: {ADA}")), "{}", run.stdout);
    assert!(!run.stdout.contains("another"), "{}", run.stdout);
}

#[test]
fn what_is_typed_at_the_prompt_can_be_edited_and_comes_back_and_is_written_nowhere() {
    let home = Home::new().with("TERM", "xterm").with("SEQERA_ACCESS_TOKEN", "t");
    let Some(terminal) = in_terminal(&home, "exec seqera ai") else { return };
    let mut ai = terminal.start();
    ai.until("prompt", |output| output.contains("seqera> ").then_some(()));
    // The letters in the wrong order are swapped (Ctrl-T), after two steps to the left.
    ai.write("/hepl\u{1b}[D\u{14}\n");
    ai.until("help", |output| output.contains("who is signed in").then_some(()));
    ai.write("/private\n");
    ai.until("answer", |output| output.contains("there is no command '/private' here").then_some(()));
    // Up twice: the first line again. What looks like a terminal's answer is no key.
    ai.write("\u{1b}[A\u{1b}[A\u{1b}[9R\n");
    ai.until("help again", |output| (output.matches("who is signed in").count() == 2).then_some(()));
    ai.write("\u{4}");
    let run = ai.finish(LIMIT).ok();
    assert!(!run.stdout.contains("\u{1b}[6n"), "the terminal is asked nothing: {}", run.stdout);
    let found = home.program("grep").args(["-rl", "/private"]).args([home.root()]).run();
    assert_eq!(found.stdout, "", "{found:?}");
}

#[test]
fn what_another_user_has_put_in_the_way_never_runs() {
    if std::fs::metadata("/proc/self").expect("procfs").uid() != 0 {
        return skip("needs root, to play a second user");
    }
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let theirs = home.root().join("theirs");
    program(&theirs.join("seqera"), RECORDER);
    chown(&theirs, Some(65_534), None).expect("root may");
    let path = home.environment()[OsStr::new("PATH")].clone().into_string().expect("text");
    let ask = |path: String| {
        let run = home.seqera("ai --profile work why?").env("PATH", path);
        let (here, token) = (theirs.clone(), home.token("work"));
        let enter = move |command: &mut Command| {
            command.current_dir(&here);
        };
        let run = run.with(enter).run();
        assert!(!run.stdout.contains("args:") && !run.stdout.contains(&token), "{run:?}");
        run
    };
    let relative = ask(format!("{path}:."));
    assert!(relative.stderr.contains("Co-Scientist is not installed here"), "{relative:?}");
    let named = ask(format!("{path}:{}", theirs.display()));
    let why = format!("{} is not safe to use: it belongs to another user (uid 65534)", theirs.display());
    assert!(named.fails_with(126).stderr.contains(&why));
}

#[test]
fn a_front_end_that_is_a_script_finds_its_interpreter_where_nobody_else_can_put_it() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let [own, here, shared] = ["own", "here", "shared"].map(|name| home.root().join(name));
    program(&own.join("seqera"), "#!/usr/bin/env interpreter\n");
    program(&own.join("interpreter"), "#!/bin/sh\necho \"own: $PATH\"\n");
    for folder in [&here, &shared] {
        program(&folder.join("interpreter"), "#!/bin/sh\necho planted\n");
    }
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).expect("our own folder");
    let path = home.environment()[OsStr::new("PATH")].clone().into_string().expect("text");
    let own = own.display();
    for planted in [".", "", "../here", shared.to_str().expect("text")] {
        let here = here.clone();
        let enter = move |command: &mut Command| {
            command.current_dir(&here);
        };
        let run = home.seqera("ai --profile work why?").env("PATH", format!("{planted}:{own}:{path}"));
        let run = run.with(enter).run().ok();
        assert_eq!(run.stdout, format!("own: {own}:{path}\n"), "{planted}");
    }
}

#[test]
fn a_program_below_a_folder_that_everybody_can_write_to_never_runs() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let above = home.root().join("above");
    program(&above.join("bin/seqera"), RECORDER);
    std::fs::set_permissions(&above, std::fs::Permissions::from_mode(0o777)).expect("our own folder");
    let path = home.environment()[OsStr::new("PATH")].clone().into_string().expect("text");
    let run = home.seqera("ai --profile work why?");
    let run = run.env("PATH", format!("{}:{path}", above.join("bin").display())).run().fails_with(126);
    let why = format!("{} is not safe to use: everybody may write to it (mode 0777)", above.display());
    assert!(run.stderr.contains(&why) && !run.stdout.contains("args:"), "{run:?}");
}

#[test]
fn a_backend_that_is_reached_by_plain_http_gets_no_token() {
    let sandbox = Sandbox::start(&json!({"ai_backend": "http://ai.sandbox.test"}));
    let home = Home::new();
    install(&home);
    home.login("work", &sandbox, ADA);
    let run = home.seqera("ai --profile work why?").run().ok();
    assert!(!run.stdout.contains("SEQERA_AI_BACKEND_URL"), "{run:?}");
    assert!(
        run.stderr.contains("http://ai.sandbox.test") && run.stderr.contains("unencrypted; use https"),
        "{run:?}"
    );
}
