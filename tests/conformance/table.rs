//! The table, and the texts in it that stand for something.

use std::collections::BTreeMap;

use seqera_tests::binaries::workspace;
use seqera_tests::environment;
use serde_json::Value;

/// A part of the name of the cases to run; without it, all.
const CHOICE: &str = "SEQERA_CASES";

/// Reads a file of this folder.
pub(crate) fn read(file: &str) -> Value {
    let path = workspace().join("tests/conformance").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cases that a language has to pass.
pub(crate) fn cases_for(language: &str) -> Vec<Value> {
    let choice = environment::variable(CHOICE).unwrap_or_default().to_string_lossy().into_owned();
    let Value::Array(cases) = read("cases.json") else { panic!("cases.json is a list") };
    let is_meant = |case: &Value| {
        let only = case["languages"].as_array();
        only.is_none_or(|only| only.iter().any(|name| name == language)) && name(case).contains(&choice)
    };
    cases.into_iter().filter(is_meant).collect()
}

/// The name of a case.
pub(crate) fn name(case: &Value) -> &str {
    case["name"].as_str().expect("a case has a name")
}

/// A field of a step that has to be there.
#[track_caller]
pub(crate) fn text<'a>(step: &'a Value, field: &str) -> &'a str {
    step[field].as_str().unwrap_or_else(|| panic!("{step} needs the text '{field}'"))
}

/// What names in braces stand for.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    pub(crate) fn set(&mut self, name: &str, meaning: impl Into<String>) {
        self.0.insert(name.to_owned(), meaning.into());
    }

    /// A value with every name in its texts replaced.
    #[track_caller]
    pub(crate) fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.in_text(text)),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.fill(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// A brace that is followed by something else than a name is just a brace, as in JSON.
    #[track_caller]
    fn in_text(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled += before;
            let name = after.split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
            match name {
                Some(name) => {
                    let meaning = self.0.get(name);
                    filled += meaning.unwrap_or_else(|| panic!("nothing is called {{{name}}} in {text:?}"));
                    rest = &after[name.len() + 1..];
                }
                None => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled + rest
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c))
}

#[test]
fn names_are_filled_in_and_other_braces_stay() {
    let mut names = Names::default();
    names.set("one.url", "http://x");
    assert_eq!(names.in_text(r#"{"a": "{one.url}/b"} {"#), r#"{"a": "http://x/b"} {"#);
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let cases = read("cases.json");
    let mut names: Vec<&str> = cases.as_array().expect("a list").iter().map(name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
