//! Runs the table of `cases.json` against the library of each language. `README.md` says what is in the table.

mod expectation;
mod language;
mod table;
mod web;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use serde_json::Value;

use language::{Language, Start};
use world::World;

/// Cases at a time: most of a case is waiting for programs that start.
const AT_ONCE: usize = 3;

#[test]
fn rust() {
    all_of("rust");
}

#[test]
fn python() {
    all_of("python");
}

#[test]
fn node() {
    all_of("node");
}

/// Runs every case of a language in each of its modes, and each request with each of its helpers.
#[track_caller]
fn all_of(name: &str) {
    let Some(language) = Language::named(name) else { return };
    let work: Vec<(Value, Start)> = table::cases_for(name)
        .into_iter()
        .flat_map(|case| language.starts(&case).into_iter().map(move |start| (case.clone(), start)))
        .collect();
    assert!(!work.is_empty(), "no case for {name}");
    let (queue, failures) = (Mutex::new(work.iter()), Mutex::new(Vec::new()));
    let worker = || {
        while let Some((case, start)) = next(&queue) {
            if let Err(problem) = run(case, start) {
                let what = format!("{} ({start})\n    {problem}", table::name(case));
                failures.lock().expect("no worker panics").push(what);
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(worker))));
    let failures = failures.into_inner().expect("no worker panics");
    let (count, failed) = (work.len(), failures.len());
    assert!(failures.is_empty(), "{name}: {failed} of {count} fail:\n\n{}", failures.join("\n\n"));
}

fn next<'a, T>(queue: &Mutex<std::slice::Iter<'a, T>>) -> Option<&'a T> {
    queue.lock().expect("no worker panics").next()
}

/// A case is a test of its own: what it asserts must not keep the others from running.
fn run(case: &Value, start: &Start) -> Result<(), String> {
    let done = catch_unwind(AssertUnwindSafe(|| World::new(case, start).play()));
    let done = done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(text.unwrap_or_default())
    });
    done.map_err(|problem| without_tokens(&problem))
}

/// Only the beginnings of words that are long enough for a token: enough to tell two of them apart.
fn without_tokens(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut shown = String::new();
    for word in text.split_inclusive(|c| !is_part(c)) {
        let long = word.len() > 100;
        shown += if long { &word[..8] } else { word };
        shown += if long { "… " } else { "" };
    }
    shown
}

#[test]
fn a_token_is_not_shown_where_a_case_fails() {
    let token = "eyJhbGciOi".repeat(20);
    assert_eq!(without_tokens(&format!("\"{token}\" is not 5")), "\"eyJhbGci…  is not 5");
}
