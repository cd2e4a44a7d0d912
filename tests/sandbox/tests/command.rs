use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_seqera-sandbox"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn the_program_prints_one_line_of_json_serves_and_stops_with_standard_input() {
    let mut child = start(&["--exit-with-stdin", "--access-lifetime", "5"]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let url = line["url"].as_str().unwrap();
    assert_eq!(line["authority"], format!("{url}/api"));
    let front = reqwest::get(url).await.unwrap();
    assert!(front.text().await.unwrap().contains("Sandbox"));

    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[cfg(unix)]
#[test]
fn the_program_stops_at_sigterm_and_leaves_standard_input_alone() {
    use rustix::process::{Pid, Signal, kill_process};
    let mut child = start(&[]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    drop(child.stdin.take());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success(), "a signal that was handled, not one that killed it");
}

#[test]
fn settings_come_from_a_file_and_flags_behind_it_change_them() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("sandbox-settings.json");
    std::fs::write(&file, r#"{ "listen": "192.0.2.1:1", "rotation": false }"#).unwrap();
    let file = file.to_str().unwrap();
    let mut child = start(&["--settings", file, "--listen", "127.0.0.1:0", "--exit-with-stdin"]);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    let broken = folder.join("sandbox-broken.json");
    std::fs::write(&broken, "{\n  \"rotatoin\": false }").unwrap();
    let output = start(&["--settings", broken.to_str().unwrap()]).wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("sandbox-broken.json") && told.contains("rotatoin") && told.contains("line 2"),
        "{told}"
    );
}

#[test]
fn a_flag_that_does_not_exist_and_an_address_in_use_are_errors() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, expected) in [(vec!["--colour"], "--colour"), (vec!["--listen", &*address], &*address)] {
        let output = start(&arguments).wait_with_output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8(output.stderr).unwrap().contains(expected));
        assert!(output.stdout.is_empty());
    }
}

/// Runs with a `tower.yml` and variables. Standard input is closed, so the program stops at once.
fn with_tower_yml(name: &str, text: &str, variables: &[(&str, &str)]) -> std::process::Output {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_seqera-sandbox"))
        .arg("--exit-with-stdin")
        .env("TOWER_CONFIG_FILE", &file)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    child.wait_with_output().unwrap()
}

#[test]
fn a_tower_yml_is_read_the_environment_beats_it_and_warnings_are_told() {
    let yaml = "tower:\n  server-url: http://sandbox.test/\n  jwt:\n    secret: from the file\n";
    let output = with_tower_yml("tower.yml", yaml, &[]);
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["authority"], "http://sandbox.test/api");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("warning: TOWER_JWT_SECRET") && !told.contains("from the file"), "{told}");

    let variables = [("TOWER_SERVER_URL", "http://other.test"), ("TOWER_JWT_SECRET", &*"long".repeat(9))];
    let output = with_tower_yml("tower-beaten.yml", yaml, &variables);
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["authority"], "http://other.test/api");
    assert!(output.stderr.is_empty());
}

#[test]
fn a_platform_s_configuration_without_its_secret_or_that_is_no_yaml_is_an_error() {
    for (name, yaml, expected) in [
        ("tower-no-secret.yml", "tower: {}\n", "TOWER_JWT_SECRET"),
        ("tower-broken.yml", "a: [1\n", "tower-broken.yml"),
    ] {
        let output = with_tower_yml(name, yaml, &[]);
        assert!(!output.status.success() && output.stdout.is_empty());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(expected), "{told}");
    }
}
