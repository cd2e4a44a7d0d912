//! The page of results in `tests/bench`: pictures, and a table of every figure.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

use super::contestants::OWN;
use super::counting::output;

use super::plot::{self, Bar};

/// A picture: its file, what was measured, its title, where the value stands in the result, and its unit.
const PICTURES: [(&str, &str, &str, &str, &str); 3] = [
    ("whole.svg", "whole", "One call, whole process: times the floor", "/ratio/median", "×"),
    ("herd.svg", "herd", "A thousand processes at once: times the floor", "/ratio/median", "×"),
    ("memory.svg", "memory", "The agent idle: memory of its own", "/idle/anonymous_kib", "KiB"),
];

/// Writes the pictures and the table into `folder`.
pub(super) fn write(folder: &Path, machine: &str, results: &Map<String, Value>) {
    for (file, kind, title, pointer, unit) in PICTURES {
        let Some(Value::Object(of_all)) = results.get(kind) else { continue };
        let bar = |(name, result): (&String, &Value)| {
            let value = result.pointer(pointer)?.as_f64()?;
            let label =
                if unit == "×" { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") };
            Some(Bar { name: name.clone(), value, label })
        };
        let mut bars: Vec<Bar> = of_all.iter().filter_map(bar).collect();
        bars.sort_by(|one, other| one.value.total_cmp(&other.value));
        put(&folder.join(file), &plot::bars(title, OWN, &bars));
    }
    put(&folder.join("RESULTS.md"), &table(machine, results));
}

fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn table(machine: &str, results: &Map<String, Value>) -> String {
    let date = output(Command::new("date").args(["-u", "+%Y-%m-%d"])).unwrap_or_default();
    let mut page = format!(
        "# Results\n\nWritten by `cargo xtask bench --keep` on {}, on {machine}.\n\n| what | figure | value |\n|---|---|---|\n",
        date.trim()
    );
    for (kind, result) in results {
        rows(&mut page, kind, "", result);
    }
    page
}

/// One row for each number. A spread is one figure.
fn rows(page: &mut String, kind: &str, path: &str, result: &Value) {
    let spread = ["median", "low", "high"].map(|part| result.get(part).and_then(Value::as_f64));
    match (spread, result) {
        ([Some(median), Some(low), Some(high)], _) => {
            let _ = writeln!(page, "| {kind} | {path} | {median:.2} ({low:.2} to {high:.2}) |");
        }
        (_, Value::Object(parts)) => {
            let below =
                |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}, {name}") };
            parts.iter().for_each(|(name, part)| rows(page, kind, &below(name), part));
        }
        (_, Value::Number(number)) => {
            let number = number.as_f64().unwrap_or_default();
            let digits = if number.fract() == 0.0 { 0 } else { 2 };
            let _ = writeln!(page, "| {kind} | {path} | {number:.digits$} |");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_figure() {
        let results = json!({"whole": {"seqera token": {
            "ratio": {"low": 2.0, "median": 2.5, "high": 3.0}, "instructions": 170_000, "system_calls": null,
        }}});
        let page = table("1 × test", results.as_object().expect("an object"));
        assert!(page.contains("| whole | seqera token, ratio | 2.50 (2.00 to 3.00) |"), "{page}");
        assert!(page.contains("| whole | seqera token, instructions | 170000 |"), "{page}");
        assert!(!page.contains("system_calls"), "{page}");
    }
}
