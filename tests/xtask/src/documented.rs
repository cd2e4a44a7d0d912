//! The tables of promises, `tests/DOCUMENTED.md` and `tests/peers/README.md`: every test and every page that
//! they name has to exist. A promise whose test was renamed would otherwise look kept for ever.

use std::collections::BTreeSet;
use std::path::Path;

use seqera_tests::binaries::workspace;

use crate::checks::sources;

const TABLES: [&str; 2] = ["tests/DOCUMENTED.md", "tests/peers/README.md"];

pub(crate) fn promises() -> Result<(), String> {
    let functions = functions(workspace());
    let mut missing = Vec::new();
    for table in TABLES {
        let text = std::fs::read_to_string(workspace().join(table)).map_err(|e| format!("{table}: {e}"))?;
        let lost = named(&text).into_iter().filter(|name| !exists(name, &functions));
        missing.extend(lost.map(|name| format!("{table}: {name}")));
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("no such test: {}", missing.join(", "))) }
}

/// What a table names as a test: `module::test_name`, or a page as `cases/name.md`.
fn named(table: &str) -> Vec<&str> {
    let quoted = table.split('`').skip(1).step_by(2);
    quoted.filter(|name| is_test(name) || is_page(name)).collect()
}

fn is_page(name: &str) -> bool {
    name.starts_with("cases/") && name.ends_with(".md")
}

/// Paths alone, such as `e2e::`, and types, such as `Foo::bar`, are not tests.
fn is_test(name: &str) -> bool {
    let of_words = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | ':');
    name.chars().all(of_words)
        && name.rsplit("::").next().is_some_and(|last| last.contains('_'))
        && name.contains("::")
}

fn exists(name: &str, functions: &BTreeSet<String>) -> bool {
    match name.strip_prefix("cases/") {
        Some(page) => workspace().join("tests/cli/cases").join(page).is_file(),
        None => name.rsplit("::").next().is_some_and(|test| functions.contains(test)),
    }
}

/// The names of all functions of the workspace.
fn functions(root: &Path) -> BTreeSet<String> {
    let texts = sources(root).into_iter().filter_map(|file| std::fs::read_to_string(file).ok());
    texts.flat_map(|text| functions_of(&text)).collect()
}

fn functions_of(text: &str) -> Vec<String> {
    let behind = text.lines().filter_map(|line| line.split_once("fn ").map(|(_, rest)| rest));
    let name = |rest: &str| rest.split(['(', '<']).next().unwrap_or_default().to_owned();
    behind.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_pages_are_found_in_a_table_and_other_code_is_not() {
        let table =
            "| `--all` | `e2e::sign_out::all_of_it`, `cases/logout.md` | `Foo::bar_x`, `e2e::`, `cases/` |";
        assert_eq!(named(table), ["e2e::sign_out::all_of_it", "cases/logout.md"]);
    }

    #[test]
    fn a_name_that_nobody_defines_is_missing() {
        let functions = functions_of("    fn here_it_is() {\n#[test]\nasync fn and_here<T>(t: T) {}")
            .into_iter()
            .collect();
        assert!(exists("a::here_it_is", &functions) && exists("b::and_here", &functions));
        assert!(!exists("a::here_it_was", &functions) && !exists("cases/no_such_page.md", &functions));
    }

    #[test]
    fn the_tables_of_this_repository_name_tests_that_exist() {
        assert_eq!(promises(), Ok(()));
    }
}
