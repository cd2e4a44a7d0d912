//! With `-o json`, every line of both streams is an object, whatever a command has to warn of: a program that reads
//! line by line never meets prose.

use std::collections::BTreeSet;

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Run, Sandbox};
use serde_json::Value;

use crate::schemas::{WITHOUT, asked, commands, is_event_or_failure};

/// What is typed, with words that a command succeeds and fails with. The last ones end what the others need.
const LINES: [&str; 54] = [
    "login -p work",
    "login -p work --organization nowhere",
    "login -p pat --token x --authority $SANDBOX",
    "login -p late --no-browser --authority $SANDBOX",
    "login -p late --device --authority $SANDBOX",
    "login -p late --import",
    "login -p nobody --authority http://127.0.0.1:9/api",
    "status",
    "status -p work",
    "status -p work --check",
    "status -p wrok",
    "whoami",
    "whoami -p work --check",
    "token",
    "token -p work --min-valid 1000h",
    "exec -p work -- true",
    "exec -p work -- ./nextflow",
    "exec --long -- true",
    "exec -- /nowhere",
    "ai -p work",
    "ai --token t",
    "ai why?",
    "info",
    "info -p work",
    "org -p work",
    "org list -p work",
    "org switch nowhere -p work",
    "org switch -p work",
    "org switch sandbox-genomics",
    "org clear -p work",
    "workspace -p work",
    "workspace list -p work",
    "workspace switch showcase -p work",
    "workspace clear -p work",
    "profile",
    "profile list",
    "profile use work",
    "profile show work",
    "profile rename work lab",
    "profile rename nobody x",
    "profile rename lab work",
    "profile remove work",
    "agent status",
    "agent socket",
    "agent logs -n 3",
    "agent doctor",
    "agent leases",
    "agent leases list",
    "agent leases end 00000000",
    "agent stop",
    "agent start",
    "agent restart",
    "logout -p work",
    "logout --all",
];

#[test]
fn every_line_of_every_command_is_an_object() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    home.write_config("config.json", r#"{"themes": 1, "profiles": {"work": {"clientID": "x"}}}"#);
    home.shell("printf '#!/bin/sh\n' > nextflow && chmod +x nextflow && mkdir -p home/.nextflow").run().ok();
    home.shell("echo \"tower.accessToken = 'x'\" > home/.nextflow/config").run().ok();
    for line in LINES {
        let run = typed(&home, &sandbox, line);
        objects(line, &run.stdout);
        assert!(run.stdout.lines().count() <= if line.starts_with("ai") { 3 } else { 1 }, "{line}: {run:?}");
        for object in objects(line, &run.stderr) {
            is_event_or_failure(&object, line);
        }
        // A program finds why at the end.
        let last = objects(line, &run.stderr).pop().unwrap_or_default();
        assert_eq!(run.code == Some(0), last.get("error").is_none(), "{line}: {run:?}");
    }
}

/// Runs a line where everything is odd that a command might warn of.
fn typed(home: &Home, sandbox: &Sandbox, line: &str) -> Run {
    let run = home.shell(&format!("printf '/help\\n/status\\n/whoami\\n' | seqera -o json {line}"));
    let run = run.env("SANDBOX", &sandbox.authority).env("SEQERA_AUTH_DOMAIN", &sandbox.authority);
    let run = run.env("SEQERA_AUTH_CALLBACK_TIMEOUT_MS", "300").env("TOWER_ACCESS_TOKEN", "odd");
    run.env("SEQERA_AI_BACKEND_URL", "https://ai.test").env("SEQERA_CLI_OUTPUT_FORMAT", "xml").run()
}

#[track_caller]
fn objects(line: &str, said: &str) -> Vec<Value> {
    let object = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Value::Object(object),
        other => panic!("{line}: {text:?} is no object: {other:?}"),
    };
    said.lines().map(object).collect()
}

#[test]
fn no_command_is_left_out() {
    let typed: BTreeSet<_> =
        LINES.iter().filter_map(|line| asked(&format!("seqera {line} -o json"))).collect();
    for command in commands("").into_iter().filter(|command| !WITHOUT.contains(&command.as_str())) {
        assert!(typed.contains(&command), "{command}");
    }
}
