//! Rust source as a flat list of tokens. Comments are dropped, and a string literal is one token.

use proc_macro2::{Delimiter, Group, LexError, Spacing, TokenStream, TokenTree};

#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Word(String),
    /// `::`
    Colons,
    Mark(char),
    /// An opening bracket, and the position of the closing one.
    Open(char, usize),
    Close,
    /// A literal as it is written.
    Text(String),
}

#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

/// Splits a source into tokens. The error is the line that is not valid Rust.
pub(crate) fn tokens(source: &str) -> Result<Vec<Token>, usize> {
    let stream: TokenStream = source.parse().map_err(|error: LexError| error.span().start().line)?;
    let mut tokens = Vec::new();
    append(stream, &mut tokens);
    Ok(tokens)
}

pub(crate) fn kind(tokens: &[Token], at: usize) -> Option<&Kind> {
    tokens.get(at).map(|token| &token.kind)
}

pub(crate) fn word(tokens: &[Token], at: usize) -> Option<&str> {
    match kind(tokens, at) {
        Some(Kind::Word(word)) => Some(word),
        _ => None,
    }
}

pub(crate) fn is_mark(tokens: &[Token], at: usize, mark: char) -> bool {
    kind(tokens, at) == Some(&Kind::Mark(mark))
}

fn append(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let line = tree.span().start().line;
        let kind = match tree {
            TokenTree::Group(group) => {
                append_group(&group, tokens);
                continue;
            }
            TokenTree::Ident(name) => Kind::Word(name.to_string().trim_start_matches("r#").to_owned()),
            TokenTree::Literal(text) => Kind::Text(text.to_string()),
            TokenTree::Punct(mark) if mark.as_char() == ':' && mark.spacing() == Spacing::Joint => {
                trees.next_if(|next| matches!(next, TokenTree::Punct(next) if next.as_char() == ':'));
                Kind::Colons
            }
            TokenTree::Punct(mark) => Kind::Mark(mark.as_char()),
        };
        tokens.push(Token { kind, line });
    }
}

fn append_group(group: &Group, tokens: &mut Vec<Token>) {
    let bracket = match group.delimiter() {
        Delimiter::Brace => '{',
        Delimiter::Bracket => '[',
        Delimiter::Parenthesis | Delimiter::None => '(',
    };
    let open = tokens.len();
    tokens.push(Token { kind: Kind::Open(bracket, open), line: group.span_open().start().line });
    append(group.stream(), tokens);
    let close = tokens.len();
    tokens.push(Token { kind: Kind::Close, line: group.span_close().start().line });
    tokens[open].kind = Kind::Open(bracket, close);
}
