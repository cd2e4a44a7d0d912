//! The attributes that decide what is read: `#[cfg(test)]` and `#[path]`.

use super::tokens::{Kind, Token, is_mark, kind, word};

/// Words with which an item begins; all else that has an attribute is a field, an arm or a statement.
const ITEMS: [&str; 14] = [
    "async", "const", "enum", "extern", "fn", "impl", "mod", "static", "struct", "trait", "type", "union",
    "unsafe", "use",
];

/// Whether the attribute here leaves its item to unit tests.
pub(crate) fn is_for_tests(tokens: &[Token], at: usize) -> bool {
    let open = at + 1 + usize::from(is_mark(tokens, at + 1, '!'));
    word(tokens, open + 1) == Some("cfg")
        && arguments(tokens, open + 2).into_iter().any(|at| demands(tokens, at))
}

/// Whether a condition cannot hold outside tests.
fn demands(tokens: &[Token], at: usize) -> bool {
    let mut inner = arguments(tokens, at + 1).into_iter();
    match kind(tokens, at) {
        Some(Kind::Word(word)) if word == "test" => true,
        Some(Kind::Word(word)) if word == "all" => inner.any(|at| demands(tokens, at)),
        Some(Kind::Word(word)) if word == "any" => inner.len() > 0 && inner.all(|at| demands(tokens, at)),
        _ => false,
    }
}

/// Where the arguments of the list that opens here begin.
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

/// The place behind a token, or behind the bracket that closes it.
fn behind(tokens: &[Token], at: usize) -> usize {
    if let Kind::Open(_, close) = tokens[at].kind { close + 1 } else { at + 1 }
}

/// Where the item ends whose attribute is here: all of the file where the attribute is that of the file.
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

/// The value of `#[path = "…"]`, alone or under a condition.
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
