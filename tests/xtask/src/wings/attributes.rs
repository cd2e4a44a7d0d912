//! The attributes that decide which code is read: `#[cfg(test)]` and `#[path]`.

use super::tokens::{Kind, Token, is_mark, kind, word};

/// Words that can start an item. Anything else with an attribute is a field, an arm or a statement.
const ITEMS: [&str; 14] = [
    "async", "const", "enum", "extern", "fn", "impl", "mod", "static", "struct", "trait", "type", "union",
    "unsafe", "use",
];

/// Whether the attribute here limits its item to unit tests.
pub(crate) fn is_for_tests(tokens: &[Token], at: usize) -> bool {
    let open = at + 1 + usize::from(is_mark(tokens, at + 1, '!'));
    word(tokens, open + 1) == Some("cfg")
        && arguments(tokens, open + 2).into_iter().any(|at| demands(tokens, at))
}

/// Whether a condition can hold only in tests.
fn demands(tokens: &[Token], at: usize) -> bool {
    let mut inner = arguments(tokens, at + 1).into_iter();
    match kind(tokens, at) {
        Some(Kind::Word(word)) if word == "test" => true,
        Some(Kind::Word(word)) if word == "all" => inner.any(|at| demands(tokens, at)),
        Some(Kind::Word(word)) if word == "any" => inner.len() > 0 && inner.all(|at| demands(tokens, at)),
        _ => false,
    }
}

/// Where each argument of the list starts that opens here.
fn arguments(tokens: &[Token], at: usize) -> Vec<usize> {
    let Some(Kind::Open('(', close)) = kind(tokens, at) else { return Vec::new() };
    let mut starts = vec![at + 1];
    let mut next = at + 1;
    while next < *close {
        if is_mark(tokens, next, ',') {
            starts.push(next + 1);
        }
        next = behind(tokens, next);
    }
    starts
}

/// The position after a token, or after its closing bracket.
fn behind(tokens: &[Token], at: usize) -> usize {
    if let Kind::Open(_, close) = tokens[at].kind { close + 1 } else { at + 1 }
}

/// Where the item ends that the attribute here belongs to. An attribute of the file covers the whole file.
pub(crate) fn behind_item(tokens: &[Token], at: usize) -> usize {
    if is_mark(tokens, at + 1, '!') {
        return tokens.len();
    }
    let mut next = at;
    let mut is_item = false;
    while let Some(token) = tokens.get(next) {
        match &token.kind {
            Kind::Close => return next,
            Kind::Open('{', close) => return close + 1,
            Kind::Mark(';') => return next + 1,
            Kind::Mark(',') if !is_item => return next + 1,
            Kind::Word(word) => is_item |= ITEMS.contains(&word.as_str()),
            _ => {}
        }
        next = behind(tokens, next);
    }
    next
}

/// The value of `#[path = "…"]`, whether or not it is under a condition.
pub(crate) fn path(tokens: &[Token], at: usize) -> Option<String> {
    let Some(Kind::Open('[', close)) = kind(tokens, at + 1) else { return None };
    if !matches!(word(tokens, at + 2), Some("path" | "cfg_attr")) {
        return None;
    }
    let name =
        (at + 2..*close).find(|at| word(tokens, *at) == Some("path") && is_mark(tokens, at + 1, '='))?;
    match &tokens.get(name + 2)?.kind {
        Kind::Text(text) => Some(text.trim_matches('"').to_owned()),
        _ => None,
    }
}
