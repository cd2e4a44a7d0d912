//! Whether an answer is what the table expects.

use serde_json::Value;

/// Says how an answer differs from what is expected of it; only what is expected counts.
pub(crate) fn differs(expected: &Value, actual: &Value) -> Option<String> {
    let wrong = || Some(format!("expected {expected}, got {actual}"));
    match expected {
        Value::String(text) if text == "*" => is_nothing(actual).then(wrong).flatten(),
        Value::Object(fields) => match rule(expected, actual) {
            Some(holds) => (!holds).then(wrong).flatten(),
            None => fields.iter().find_map(|(name, value)| {
                differs(value, &actual[name]).map(|problem| format!("{name}: {problem}"))
            }),
        },
        Value::Array(items) => {
            let Some(others) = actual.as_array().filter(|others| others.len() == items.len()) else {
                return wrong();
            };
            items.iter().zip(others).find_map(|(item, other)| differs(item, other))
        }
        plain => (plain != actual).then(wrong).flatten(),
    }
}

/// Whether a rule holds; `None` if this is no rule but an object.
fn rule(expected: &Value, actual: &Value) -> Option<bool> {
    let (name, value) = expected.as_object().filter(|fields| fields.len() == 1)?.iter().next()?;
    let has = |part: &Value| actual.as_str().unwrap_or_default().contains(part.as_str().unwrap_or_default());
    Some(match name.as_str() {
        "not" => value != actual && !is_nothing(actual),
        "has" => has(value),
        "lacks" => !has(value),
        "above" => actual.as_f64() > value.as_f64(),
        _ => return None,
    })
}

fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value == ""
}

#[test]
fn only_what_is_expected_counts() {
    use serde_json::json;
    let answer = json!({"a": "text", "b": null, "n": 4.5, "list": ["x"]});
    for fits in [
        json!({}),
        json!({"a": "*", "b": null, "missing": null}),
        json!({"a": {"has": "ex"}}),
        json!({"a": {"lacks": "y"}}),
        json!({"a": {"not": "other"}, "n": {"above": 4}}),
        json!({"list": ["*"]}),
    ] {
        assert_eq!(differs(&fits, &answer), None);
    }
    for wrong in [
        json!({"b": "*"}),
        json!({"b": {"not": "x"}}),
        json!({"a": {"not": "text"}}),
        json!({"a": {"has": "y"}}),
        json!({"n": {"above": 5}}),
        json!({"b": {"above": 0}}),
        json!({"list": ["*", "*"]}),
        json!({"a": "other"}),
    ] {
        assert!(differs(&wrong, &answer).is_some(), "{wrong}");
    }
}
