//! The tables of promises, `tests/DOCUMENTED.md` and `tests/peers/README.md`, and that of incidents,
//! `tests/INCIDENTS.md`. Every test and every page in them has to exist, and every test has to be in the module
//! that the table names. Without this check, a promise would still look kept after its test was renamed, and
//! nobody could find a test that was moved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use seqera_tests::binaries::workspace;

use crate::checks::sources;

const TABLES: [&str; 3] = ["tests/DOCUMENTED.md", "tests/INCIDENTS.md", "tests/peers/README.md"];

/// Folders of code, and the word that the tables use for each. The first match counts.
const CRATES: [(&str, &str); 10] = [
    ("agent/src", "agent"),
    ("client/src/bin/seqera", "client"),
    ("client/src", "client"),
    ("proto/src", "proto"),
    ("tests/sandbox", "sandbox"),
    ("tests/e2e", "e2e"),
    ("tests/cli", "cli"),
    ("tests/peers", "peers"),
    ("tests/support", "support"),
    ("tests/xtask/src", "xtask"),
];

/// Parts of a file's path that do not appear in the tables.
const LEFT_OUT: [&str; 5] = ["lib", "main", "mod", "src", "tests"];

/// The names of functions, each with the modules that have a function of that name.
type Functions = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn promises() -> Result<(), String> {
    let functions = functions(workspace());
    let mut wrong = Vec::new();
    for table in TABLES {
        let text = std::fs::read_to_string(workspace().join(table)).map_err(|e| format!("{table}: {e}"))?;
        let problems = named(&text).into_iter().filter_map(|name| problem(name, &functions));
        wrong.extend(problems.map(|problem| format!("{table}: {problem}")));
    }
    wrong.iter().for_each(|problem| eprintln!("{problem}"));
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} names are wrong", wrong.len())) }
}

/// The tests and pages in a table: `module::test_name` is a test, `cases/name.md` is a page.
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

/// What is wrong with a name in a table, if anything. For a test that was moved, the text has its new path,
/// ready to copy.
fn problem(name: &str, functions: &Functions) -> Option<String> {
    if let Some(page) = name.strip_prefix("cases/") {
        let exists = workspace().join("tests/cli/cases").join(page).is_file();
        return (!exists).then(|| format!("there is no page {name}"));
    }
    let (module, test) = name.rsplit_once("::")?;
    let Some(modules) = functions.get(test) else { return Some(format!("there is no test {name}")) };
    if modules.iter().any(|actual| leads_to(module, actual)) {
        return None;
    }
    let actual: Vec<String> = modules.iter().map(|module| format!("{module}::{test}")).collect();
    Some(format!("{name} is now {}", actual.join(" or ")))
}

/// Whether the named module is the actual one or one of its parents.
fn leads_to(named: &str, actual: &str) -> bool {
    actual.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// All functions of the workspace.
fn functions(root: &Path) -> Functions {
    let mut functions = Functions::new();
    for file in sources(root) {
        let module = file.strip_prefix(root).ok().and_then(module);
        let (Some(module), Ok(text)) = (module, std::fs::read_to_string(&file)) else { continue };
        for name in functions_of(&text) {
            functions.entry(name).or_default().insert(module.clone());
        }
    }
    functions
}

/// The module of a file as the tables write it: `agent::providers::oidc`.
fn module(file: &Path) -> Option<String> {
    let (within, name) = CRATES
        .iter()
        .find_map(|(folder, name)| Some((file.strip_prefix(folder).ok()?.with_extension(""), *name)))?;
    let parts = within.iter().map(|part| part.to_string_lossy().into_owned());
    let parts = parts.filter(|part| !LEFT_OUT.contains(&part.as_str()));
    Some(std::iter::once(name.to_owned()).chain(parts).collect::<Vec<_>>().join("::"))
}

fn functions_of(text: &str) -> Vec<String> {
    let behind = text.lines().filter_map(|line| line.split_once("fn ").map(|(_, rest)| rest));
    let name = |rest: &str| rest.split(['(', '<']).next().unwrap_or_default().to_owned();
    behind.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(module: &str, test: &str) -> Functions {
        Functions::from([(test.to_owned(), BTreeSet::from([module.to_owned()]))])
    }

    #[test]
    fn tests_and_pages_are_found_in_a_table_and_other_code_is_not() {
        let table =
            "| `--all` | `e2e::sign_out::all_of_it`, `cases/logout.md` | `Foo::bar_x`, `e2e::`, `cases/` |";
        assert_eq!(named(table), ["e2e::sign_out::all_of_it", "cases/logout.md"]);
    }

    #[test]
    fn functions_are_found_in_a_text() {
        let text = "    fn here_it_is() {\n#[test]\nasync fn and_here<T>(t: T) {}";
        assert_eq!(functions_of(text), ["here_it_is", "and_here"]);
    }

    #[test]
    fn a_name_that_nobody_defines_is_missing() {
        let functions = one("agent::leases", "it_ends");
        let missing = problem("agent::leases::it_ended", &functions);
        assert_eq!(missing.as_deref(), Some("there is no test agent::leases::it_ended"));
        assert!(problem("cases/no_such_page.md", &functions).is_some());
        assert_eq!(problem("cases/login.md", &functions), None);
    }

    #[test]
    fn a_test_in_another_module_is_named_as_it_is_now() {
        let functions = one("agent::sessions::worker", "it_ends");
        assert_eq!(problem("agent::sessions::worker::it_ends", &functions), None);
        assert_eq!(problem("agent::sessions::it_ends", &functions), None);
        for moved in ["agent::worker::it_ends", "agent::sessions::work::it_ends", "worker::it_ends"] {
            let now = format!("{moved} is now agent::sessions::worker::it_ends");
            assert_eq!(problem(moved, &functions), Some(now));
        }
    }

    #[test]
    fn a_module_is_its_files_path_without_tests() {
        let of = |file: &str| module(Path::new(file)).unwrap_or_default();
        assert_eq!(of("agent/src/providers/oidc/tests/discovery.rs"), "agent::providers::oidc::discovery");
        assert_eq!(of("agent/src/leases/tests.rs"), "agent::leases");
        assert_eq!(of("client/src/bin/seqera/main.rs"), "client");
        assert_eq!(of("tests/sandbox/tests/mail.rs"), "sandbox::mail");
        assert_eq!(of("tests/e2e/start.rs"), "e2e::start");
    }

    #[test]
    fn the_tables_of_this_repository_name_tests_that_exist() {
        assert_eq!(promises(), Ok(()));
    }
}
