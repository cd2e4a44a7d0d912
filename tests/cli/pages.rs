//! The pages in `cases/` and the dialogues on them.

use std::path::PathBuf;

use seqera_tests::binaries;

/// The indentation of a dialogue.
pub(crate) const INDENT: &str = "    ";

fn folder() -> PathBuf {
    binaries::workspace().join("tests/cli/cases")
}

pub(crate) fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.md"))
}

/// The names of all pages, sorted.
pub(crate) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("the pages lie beside this file").flatten();
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.filter_map(|entry| stem(entry.path())).collect();
    names.sort();
    names
}

/// The commands on a page.
pub(crate) fn commands(name: &str) -> Vec<String> {
    let page = std::fs::read_to_string(path(name)).expect("it is one of the pages");
    let mark = format!("{INDENT}$ ");
    page.lines().filter_map(|line| line.strip_prefix(&mark)).map(str::to_owned).collect()
}
