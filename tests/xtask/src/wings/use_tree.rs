//! The tree after the word `use`.

use super::tokens::{Kind, Token, kind, word};

/// One path of the tree.
#[derive(Debug, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) path: Vec<String>,
    /// The name it gets, or nothing for a glob.
    pub(crate) name: Option<String>,
    pub(crate) line: usize,
}

/// Adds the leaves of the tree that begins at `start` below `prefix`. Returns the position of the comma,
/// semicolon or bracket after it.
pub(crate) fn leaves(tokens: &[Token], start: usize, prefix: &[String], found: &mut Vec<Leaf>) -> usize {
    let mut at = start;
    let mut path = prefix.to_vec();
    loop {
        match kind(tokens, at) {
            Some(Kind::Word(next)) if next == "as" => {
                found.push(leaf(path, word(tokens, at + 1), tokens[at].line));
                return at + 2;
            }
            Some(Kind::Word(next)) => path.push(next.clone()),
            // A path that starts with `::` never leads into this crate.
            Some(Kind::Colons) if path.is_empty() => path.push(String::new()),
            Some(Kind::Colons | Kind::Mark('$')) => {}
            Some(Kind::Mark('*')) => {
                found.push(Leaf { path, name: None, line: tokens[at].line });
                return at + 1;
            }
            Some(Kind::Open('{', close)) => {
                let mut inner = at + 1;
                while inner < *close {
                    inner = leaves(tokens, inner, &path, found) + 1;
                }
                return close + 1;
            }
            _ if at == start => return at,
            _ => {
                found.push(leaf(path, None, tokens[at - 1].line));
                return at;
            }
        }
        at += 1;
    }
}

/// A leaf. Its name follows `as`, or is the last word of its path; `self` stands for its parent.
fn leaf(mut path: Vec<String>, renamed: Option<&str>, line: usize) -> Leaf {
    if path.len() > 1 {
        path.pop_if(|last| last == "self");
    }
    let name = renamed.or(path.last().map(String::as_str)).unwrap_or_default().to_owned();
    Leaf { path, name: Some(name), line }
}

#[cfg(test)]
mod tests {
    use super::{Leaf, leaves};
    use crate::wings::tokens::tokens;

    #[test]
    fn a_tree_is_taken_apart() {
        let tokens = tokens("{a::{self, b as c,\n d::*}, ::e, self as f};").expect("it is Rust");
        let mut found = Vec::new();
        let end = leaves(&tokens, 0, &[], &mut found);
        assert_eq!(end, tokens.len() - 1);
        let leaf = |path: &str, name: Option<&str>, line| Leaf {
            path: path.split('.').map(str::to_owned).collect(),
            name: name.map(str::to_owned),
            line,
        };
        let expected = [
            leaf("a", Some("a"), 1),
            leaf("a.b", Some("c"), 1),
            leaf("a.d", None, 2),
            leaf(".e", Some("e"), 2),
            leaf("self", Some("f"), 2),
        ];
        assert_eq!(found, expected);
    }
}
