//! The plain part of Groovy: settings and blocks of settings. A program can say anything about where a token belongs,
//! so one word that is not understood here spoils the file: to skip it would be to guess.

use std::iter::Peekable;
use std::str::CharIndices;

/// `path = value`, with the blocks around it at the front of the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting<'a> {
    pub(super) path: Vec<&'a str>,
    pub(super) value: Value<'a>,
    pub(super) line: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// In quotation marks, and nothing in it is computed.
    Text(&'a str),
    /// `true`, or a number.
    Word(&'a str),
    /// An expression.
    Computed,
}

/// The line that is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Odd(pub(super) usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    /// A text with an escape or an expression in it.
    Computed,
    /// The end of a line, or a semicolon.
    End,
    Sign(char),
}

/// The settings of a file, in their order.
///
/// # Errors
/// If it contains more than settings and blocks.
pub(super) fn settings(text: &str) -> Result<Vec<Setting<'_>>, Odd> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0, blocks: Vec::new(), found: Vec::new() };
    while reader.statement()? {}
    Ok(reader.found)
}

struct Reader<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    at: usize,
    /// The whole path of each open block, the innermost last.
    blocks: Vec<Vec<&'a str>>,
    found: Vec<Setting<'a>>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).map(|(token, _)| *token)
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn odd(&self) -> Odd {
        let at = self.at.min(self.tokens.len()).saturating_sub(1);
        Odd(self.tokens.get(at).map_or(1, |(_, line)| *line))
    }

    fn skip_ends(&mut self) {
        while self.peek() == Some(Token::End) {
            self.at += 1;
        }
    }

    /// Reads one statement. False at the end of the file.
    fn statement(&mut self) -> Result<bool, Odd> {
        self.skip_ends();
        match self.peek() {
            None if self.blocks.is_empty() => return Ok(false),
            Some(Token::Sign('}')) if self.blocks.pop().is_some() => self.at += 1,
            Some(Token::Word(_) | Token::Text(_)) => self.named()?,
            _ => {
                self.at += 1;
                return Err(self.odd());
            }
        }
        Ok(true)
    }

    /// A setting, or the head of a block, whose brace may stand on a later line.
    fn named(&mut self) -> Result<(), Odd> {
        let mut path = self.blocks.last().cloned().unwrap_or_default();
        loop {
            match self.next() {
                Some(Token::Word(part) | Token::Text(part)) => path.push(part),
                _ => return Err(self.odd()),
            }
            if self.peek() != Some(Token::Sign('.')) {
                break;
            }
            self.at += 1;
        }
        if self.peek() == Some(Token::Sign('=')) {
            self.at += 1;
            let line = self.odd().0;
            let value = self.value()?;
            self.found.push(Setting { path, value, line });
            return Ok(());
        }
        self.skip_ends();
        match self.next() {
            Some(Token::Sign('{')) => self.blocks.push(path),
            _ => return Err(self.odd()),
        }
        Ok(())
    }

    /// What is assigned: to the end of the statement, which is not within brackets.
    fn value(&mut self) -> Result<Value<'a>, Odd> {
        self.skip_ends();
        let begun = self.at;
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match token {
                Token::End | Token::Sign('}') if depth == 0 => break,
                // A closure may do anything, and so may a second assignment.
                Token::Sign('{' | '}' | '=') => return Err(self.odd()),
                Token::Sign('(' | '[') => depth += 1,
                Token::Sign(')' | ']') => depth = depth.checked_sub(1).ok_or(self.odd())?,
                _ => {}
            }
            self.at += 1;
        }
        match self.tokens.get(begun..self.at).unwrap_or_default() {
            [] => Err(self.odd()),
            [(Token::Text(text), _)] => Ok(Value::Text(text)),
            [(Token::Word(word), _)] => Ok(Value::Word(word)),
            _ => Ok(Value::Computed),
        }
    }
}

/// Each token with its line.
fn tokens(text: &str) -> Result<Vec<(Token<'_>, usize)>, Odd> {
    // Groovy reads such an escape before all else: it may end a comment.
    if let Some(at) = text.find("\\u") {
        return Err(Odd(text[..at].matches('\n').count() + 1));
    }
    let mut found = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut line = 1;
    while let Some((at, c)) = chars.next() {
        let rest = &text[at..];
        let token = match c {
            ' ' | '\t' => continue,
            // A carriage return ends a line by itself, as in Groovy.
            '\n' | '\r' | ';' => Token::End,
            '/' => {
                let length = comment(rest).ok_or(Odd(line))?;
                line += skip(&mut chars, text, at, length);
                continue;
            }
            '\'' | '"' => {
                let (token, length) = quoted(rest).ok_or(Odd(line))?;
                found.push((token, line));
                line += skip(&mut chars, text, at, length);
                continue;
            }
            c if is_part(c) => {
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                skip(&mut chars, text, at, length);
                Token::Word(&rest[..length])
            }
            c => Token::Sign(c),
        };
        found.push((token, line));
        line += usize::from(c == '\n');
    }
    Ok(found)
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Goes to the end of what begins at `at`. Returns the number of lines in it.
fn skip(chars: &mut Peekable<CharIndices<'_>>, text: &str, at: usize, length: usize) -> usize {
    while chars.next_if(|(next, _)| *next < at + length).is_some() {}
    text[at..at + length].matches('\n').count()
}

/// The length of the comment. `None` for one without an end, and for a text between slashes.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find(['\n', '\r']).unwrap_or(rest.len()));
    }
    let inner = rest.strip_prefix("/*")?;
    Some(inner.find("*/")? + "/**/".len())
}

/// A text and the length of it with its quotation marks; `None` for one without an end.
fn quoted(rest: &str) -> Option<(Token<'_>, usize)> {
    let tripled = ["'''", "\"\"\""].into_iter().find(|mark| rest.starts_with(mark));
    let mark = tripled.unwrap_or(&rest[..1]);
    let inner = &rest[mark.len()..];
    let (mut end, mut escaped) = (None, false);
    for (at, c) in inner.char_indices() {
        if !escaped && inner[at..].starts_with(mark) {
            end = Some(at);
            break;
        }
        escaped = c == '\\' && !escaped;
    }
    let text = &inner[..end?];
    if tripled.is_none() && text.contains(['\n', '\r']) {
        return None;
    }
    let is_computed = text.contains('\\') || (mark.starts_with('"') && text.contains('$'));
    let token = if is_computed { Token::Computed } else { Token::Text(text) };
    Some((token, text.len() + 2 * mark.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Option<(String, Value<'_>)> {
        let mut found = settings(text).ok()?;
        let setting = found.pop().filter(|_| found.is_empty())?;
        Some((setting.path.join("."), setting.value))
    }

    #[test]
    fn a_setting_is_the_same_in_every_plain_form() {
        for text in [
            "a.b = 'x'",
            "a.b='x';",
            "a { b = 'x' }",
            "a\n{\n b = \"x\"\n}",
            "a { // note }\n /* b = 'y'\n */ b = '''x''' // end\n}",
            "'a' { \"b\" = \"\"\"x\"\"\" }",
            "a.'b' = 'x'\r\n",
            "// note\ra {\r b =\r 'x' // end\r}\r",
            "a.b =\n 'x'",
            "\n\n;a { b = /* y */ 'x'; }",
        ] {
            assert_eq!(one(text), Some(("a.b".to_owned(), Value::Text("x"))), "{text}");
        }
        assert_eq!(one("a = 7"), Some(("a".to_owned(), Value::Word("7"))));
        assert_eq!(one("a = ['x',\n 'y']"), Some(("a".to_owned(), Value::Computed)));
        assert_eq!(one("a = '//x /* y'"), Some(("a".to_owned(), Value::Text("//x /* y"))));
    }

    #[test]
    fn what_is_no_plain_setting_is_named_by_its_line() {
        for (text, line) in [
            ("if (x) { a = 'x' }", 1),
            ("a = 'x'\nincludeConfig 'y'", 2),
            ("a = 'x'\n  .trim()", 2),
            ("a = 'x'\n ?: 'y'", 2),
            ("def a = 'x'", 1),
            ("a += 'x'", 1),
            ("a == 'x'", 1),
            ("a = { 'x' }", 1),
            ("a { b = 'x'", 1),
            ("a = 'x' }", 1),
            ("a = 'x", 1),
            ("a = 'x\ry'", 1),
            ("a = 'x'\r.trim()", 1),
            ("/* a = 'x'", 1),
            ("\na = /x/", 2),
            ("// \\u000a a = 'x'", 1),
            ("a 'x'", 1),
            ("@A\na = 'x'", 1),
        ] {
            assert_eq!(settings(text), Err(Odd(line)), "{text}");
        }
        for text in
            ["a = \"${x}\"", "a = \"x$y\"", "a = b ?: 'x'", "a = 'x' + 'y'", "a = 'x\\n'", "a = f('x')"]
        {
            assert_eq!(one(text), Some(("a".to_owned(), Value::Computed)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_upsets_the_reader(text in "[ab'\"={}.;/*\\\\$\n\r()\\[\\] é]{0,40}") {
            let _ = settings(&text);
        }
    }
}
