//! The page of results in `tests/bench`: pictures, and a table of every figure.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

use super::contestants::OWN;
use super::counting::output;
use super::goals;
use super::plot::{self, Bar, Line};

/// A picture with bars: its file, what was measured, its title, where the value stands in the result, and its unit.
const PICTURES: [(&str, &str, &str, &str, &str); 4] = [
    ("whole.svg", "whole", "One call, whole process: times the floor", "/ratio/median", "×"),
    ("herd.svg", "herd", "A thousand processes at once: times the floor", "/ratio/median", "×"),
    ("memory.svg", "memory", "The agent idle: memory of its own", "/idle/anonymous_kib", "KiB"),
    ("grow.svg", "grow", "A call with so many profiles: times that with one", "/ratio/median", "×"),
];

/// What stands around the table of goals in the page.
const MARKS: [&str; 2] = ["<!-- results -->\n", "<!-- end of results -->\n"];

/// Writes the pictures, the table of goals and that of all figures into `folder`.
pub(super) fn write(folder: &Path, machine: &str, results: &Map<String, Value>) {
    for (file, kind, title, pointer, unit) in PICTURES {
        let Some(Value::Object(of_all)) = results.get(kind) else { continue };
        let bar = |(name, result): (&String, &Value)| {
            let value = result.pointer(pointer)?.as_f64()?;
            let label = match unit {
                "×" => format!("{value:.2} {unit}"),
                _ => format!("{value:.0} {unit}"),
            };
            Some(Bar { name: name.trim_start_matches('0').to_owned(), value, label })
        };
        let mut bars: Vec<Bar> = of_all.iter().filter_map(bar).collect();
        if kind != "grow" {
            bars.sort_by(|one, other| one.value.total_cmp(&other.value));
        }
        put(&folder.join(file), &plot::bars(title, OWN, &bars));
    }
    let title = "Memory of its own through a thousand calls at once, and after";
    put(&folder.join("course.svg"), &plot::lines(title, OWN, "KiB", &courses(results)));
    let measured = format!("Measured on {}, on {machine}.", date());
    let page = folder.join("README.md");
    let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    put(&page, &between_marks(&text, &format!("{measured}\n\n{}", goals::table(results))));
    put(&folder.join("RESULTS.md"), &table(&measured, results));
}

/// The memory of the agents that tell it, through a herd.
fn courses(results: &Map<String, Value>) -> Vec<Line> {
    let of_all = results.get("memory").and_then(Value::as_object).into_iter().flatten();
    let line = |(name, result): (&String, &Value)| {
        let point = |pair: &Value| Some((pair.get(0)?.as_f64()?, pair.get(1)?.as_f64()?));
        let points = result.get("course")?.as_array()?.iter().filter_map(point).collect();
        Some(Line { name: name.clone(), points })
    };
    of_all.filter_map(line).collect()
}

/// The page with another text between the marks.
fn between_marks(page: &str, text: &str) -> String {
    let [begin, end] = MARKS.map(|mark| page.find(mark).expect("the page has a place for the results"));
    format!("{}{}\n{text}\n\n{}", &page[..begin], MARKS[0], &page[end..])
}

fn date() -> String {
    output(Command::new("date").args(["-u", "+%Y-%m-%d"])).unwrap_or_default().trim().to_owned()
}

fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn table(measured: &str, results: &Map<String, Value>) -> String {
    let mut page = format!(
        "# Every figure\n\n{measured} Written by `cargo xtask bench --keep`.\n\n| what | figure | value |\n|---|---|---|\n"
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

    #[test]
    fn the_results_stand_between_their_marks_and_the_rest_of_the_page_stays() {
        let page = format!("before\n{}old\n{}after\n", MARKS[0], MARKS[1]);
        let once = between_marks(&page, "new");
        assert_eq!(once, format!("before\n{}\nnew\n\n{}after\n", MARKS[0], MARKS[1]));
        assert_eq!(between_marks(&once, "new"), once);
    }
}
