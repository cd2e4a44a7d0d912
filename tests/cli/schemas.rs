//! What programs read. Every object on a page is checked against the schema of its command in `schemas/`, every
//! failure against `failure.json`, and what else a command says on standard error against `event.json`. Keys that a schema does not know are refused, so that neither an
//! output nor its description changes alone. Parts that several objects share are in `parts.json`, and the
//! schemas refer to them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use seqera_tests::{Run, binaries};
use serde_json::Value;

/// Commands with subcommands. Those marked `true` can also be called alone.
const GROUPS: [(&str, bool); 5] =
    [("agent", false), ("agent-leases", true), ("org", true), ("workspace", true), ("profile", true)];

/// Commands whose output is that of another program, or is meant for a shell.
pub(crate) const WITHOUT: [&str; 4] = ["exec", "ai", "completions", "mcp"];

/// Prints its object even if it fails.
const REPORT: &str = "agent-doctor";

fn folder() -> PathBuf {
    binaries::workspace().join("tests/cli/schemas")
}

/// If a command of a dialogue was asked for JSON, checks what it printed against its schema.
///
/// # Panics
///
/// If the object does not fit, or there is no schema.
pub(crate) fn check(line: &str, run: &Run) {
    let Some(command) = asked(line) else { return };
    let out = run.stdout.trim();
    for said in run.stderr.lines() {
        let object: Value = serde_json::from_str(said).unwrap_or_else(|e| panic!("{line}: {e}\n{said}"));
        is_event_or_failure(&object, line);
    }
    if run.code == Some(0) || (command == REPORT && !out.is_empty()) {
        let object = serde_json::from_str(out).unwrap_or_else(|error| panic!("{line}: {error}\n{out}"));
        fits(&command, &object, line);
        return;
    }
    // Whatever goes wrong, a program has to find exactly one object.
    assert_eq!(out, "", "{line} failed and printed data");
    let last = run.stderr.lines().last().unwrap_or_default();
    let object = serde_json::from_str(last).unwrap_or_else(|error| panic!("{line}: {error}\n{}", run.stderr));
    fits("failure", &object, line);
}

/// Checks an object on standard error.
pub(crate) fn is_event_or_failure(object: &Value, line: &str) {
    fits(if object.get("error").is_some() { "failure" } else { "event" }, object, line);
}

fn fits(schema: &str, object: &Value, line: &str) {
    let path = folder().join(format!("{schema}.json"));
    assert!(path.is_file(), "{line} prints an object, and there is no {}", path.display());
    let (schemas, index) = compiled(&path);
    let said = schemas.validate(object, index);
    said.unwrap_or_else(|error| panic!("{line} does not fit {}: {error:#}\n{object:#}", path.display()));
}

/// A schema together with the parts that it refers to.
fn compiled(path: &Path) -> (Schemas, SchemaIndex) {
    let mut schemas = Schemas::new();
    let compiled = Compiler::new().compile(&path.display().to_string(), &mut schemas);
    let index = compiled.unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
    (schemas, index)
}

/// The command in a line that calls `seqera` once, with `-o json`: `status`, or `agent-status`.
pub(crate) fn asked(line: &str) -> Option<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let is_json = words.windows(2).any(|pair| pair == ["-o", "json"]);
    let alone = !words.iter().any(|word| matches!(*word, "|" | ">" | "&&" | ";" | "||"));
    let at = words.iter().rposition(|word| *word == "seqera")?;
    let mut rest = words[at + 1..].iter().take_while(|word| !word.starts_with('-'));
    let mut command = (*rest.next().filter(|_| is_json && alone)?).to_owned();
    for word in rest {
        if !is_group(&command) {
            break;
        }
        command = format!("{command}-{word}");
    }
    Some(command)
}

fn is_group(command: &str) -> bool {
    GROUPS.iter().any(|(group, _)| *group == command)
}

/// What a shell would offer after these words.
fn offered(words: &str) -> Vec<String> {
    let home = seqera_tests::Home::new();
    let run = home.shell(&format!("seqera __complete bash -- {words} ''")).run();
    run.ok().stdout.lines().map(str::to_owned).collect()
}

/// Every command below `above` that can be called: `status`, `agent-status`.
pub(crate) fn commands(above: &str) -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    for word in offered(&above.replace('-', " ")).into_iter().filter(|word| word != "help") {
        let command = format!("{above}-{word}").trim_start_matches('-').to_owned();
        let group = GROUPS.iter().find(|(group, _)| *group == command);
        if group.is_some() {
            commands.extend(self::commands(&command));
        }
        if group.is_none_or(|(_, alone)| *alone) {
            commands.insert(command);
        }
    }
    commands
}

#[test]
fn every_command_has_a_schema_and_a_page_that_shows_its_object() {
    let shown: BTreeSet<String> = crate::pages::names()
        .iter()
        .flat_map(|page| crate::pages::commands(page))
        .filter_map(|line| asked(&line))
        .collect();
    for command in commands("").into_iter().filter(|command| !WITHOUT.contains(&command.as_str())) {
        assert!(folder().join(format!("{command}.json")).is_file(), "no schema for {command}");
        assert!(shown.contains(&command), "no page shows the object of {command}");
    }
}

#[test]
fn every_part_is_there_and_is_used() {
    let files = std::fs::read_dir(folder()).expect("the schemas lie there");
    let files: Vec<_> = files.map(|entry| entry.expect("a readable folder").path()).collect();
    let mut texts = String::new();
    for file in &files {
        compiled(file);
        texts += &std::fs::read_to_string(file).expect("a readable file");
    }
    let parts = std::fs::read(folder().join("parts.json")).expect("the parts lie there");
    let parts: Value = serde_json::from_slice(&parts).expect("JSON");
    for part in parts["$defs"].as_object().expect("named parts").keys() {
        assert!(texts.contains(&format!("#/$defs/{part}\"")), "nothing uses the part {part}");
    }
}

#[test]
fn an_unknown_key_and_a_missing_one_are_found() {
    let object = |text: &str| serde_json::from_str::<Value>(text).expect("a test's own text");
    fits("agent-stop", &object(r#"{"was_running": true, "leases": 0}"#), "as it is");
    for wrong in
        [r#"{"was_running": true, "leases": 0, "more": 1}"#, "{}", r#"{"was_running": 1, "leases": 0}"#]
    {
        let found = std::panic::catch_unwind(|| fits("agent-stop", &object(wrong), "changed"));
        assert!(found.is_err(), "{wrong}");
    }
}

#[test]
fn a_line_is_taken_for_what_it_asks() {
    assert_eq!(asked("X=1 seqera status --profile p -o json").as_deref(), Some("status"));
    assert_eq!(asked("seqera org switch acme -o json").as_deref(), Some("org-switch"));
    assert_eq!(asked("seqera agent leases end 3f -o json").as_deref(), Some("agent-leases-end"));
    assert_eq!(asked("seqera org -o json").as_deref(), Some("org"));
    assert_eq!(asked("seqera agent status -o json | tr , x"), None);
    assert_eq!(asked("seqera status"), None);
}
