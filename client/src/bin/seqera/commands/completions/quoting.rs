//! Words in the quotation marks of each shell. A name that somebody else has given must be one word of a command
//! line and nothing more: bash and PowerShell insert what they get as it is, so that `a;rm` would be a command.

use clap::ValueEnum;
use seqera_client::proto::text::is_deceptive;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

/// A word as it stands on the command line, perhaps without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Typed {
    /// What the shell would make of it.
    pub(super) text: String,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Bare,
    /// It begins with this quotation mark, which is still open.
    Open(char),
    /// Quoted in parts, or to its end.
    Mixed,
}

impl Typed {
    pub(super) fn read(shell: Shell, word: &str) -> Self {
        let mut typed = Self { text: String::new(), form: Form::Bare };
        let mut open = None;
        let mut chars = word.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            match (open, next) {
                (None, _) if matches!(c, '\'' | '"') => {
                    open = Some(c);
                    typed.form = if at == 0 { Form::Open(c) } else { Form::Mixed };
                }
                (Some(mark), Some(next)) if is_escape(shell, Some(mark), c, next) => {
                    typed.text.push(next);
                    chars.next();
                }
                (Some(mark), _) if c == mark => (open, typed.form) = (None, Form::Mixed),
                (None, Some(next)) if is_escape(shell, None, c, next) => {
                    typed.text.push(next);
                    chars.next();
                }
                // An escape without what it escapes.
                (None, None) if c == escape(shell) => {}
                _ => typed.text.push(c),
            }
        }
        typed
    }
}

fn escape(shell: Shell) -> char {
    if shell == Shell::Powershell { '`' } else { '\\' }
}

/// True if `c` says that `next` means itself, within the quotation marks `open`.
fn is_escape(shell: Shell, open: Option<char>, c: char, next: char) -> bool {
    match (shell, open) {
        (Shell::Powershell, Some(mark)) if c == mark => next == mark,
        (Shell::Powershell, Some('\'')) => false,
        (_, None) | (Shell::Powershell, _) => c == escape(shell),
        (Shell::Fish, Some('\'')) => c == '\\' && matches!(next, '\'' | '\\'),
        (_, Some('\'')) => false,
        _ => c == '\\' && matches!(next, '$' | '`' | '"' | '\\' | '!'),
    }
}

/// The word as its shell has to insert it where `typed` stands, in the form that the script of the shell expects;
/// `None` if it cannot stand there, or would deceive its reader.
pub(super) fn inserted(shell: Shell, word: &str, typed: &Typed) -> Option<String> {
    if word.is_empty() || word.contains(|c: char| c.is_control() || is_deceptive(c)) {
        return None;
    }
    match shell {
        Shell::Bash => in_bash(word, typed.form),
        // These quote what they insert. A colon ends the word in what `_describe` takes.
        Shell::Zsh => Some(word.replace('\\', "\\\\").replace(':', "\\:")),
        Shell::Fish => Some(word.to_owned()),
        // The whole word is replaced, with the quotation marks that it has.
        Shell::Powershell if word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./\\+".contains(c)) => {
            Some(word.to_owned())
        }
        Shell::Powershell => Some(format!("'{}'", doubled(word))),
    }
}

/// Readline replaces what follows an open quotation mark, and adds the one at the end. What would need an escape
/// between the marks is not offered there.
fn in_bash(word: &str, form: Form) -> Option<String> {
    let means_itself = |c: char| c.is_alphanumeric() || "_-./+,%".contains(c);
    let escaped = |c: char| [(!means_itself(c)).then_some('\\'), Some(c)];
    match form {
        Form::Bare => Some(word.chars().flat_map(escaped).flatten().collect()),
        Form::Open('\'') if !word.contains('\'') => Some(word.to_owned()),
        Form::Open('"') if !word.contains(['$', '`', '"', '\\', '!']) => Some(word.to_owned()),
        Form::Open(_) | Form::Mixed => None,
    }
}

/// PowerShell takes the typographic marks for quotation marks as well.
fn doubled(word: &str) -> String {
    let is_mark = |c: char| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
    word.chars().flat_map(|c| [Some(c), is_mark(c).then_some(c)]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(shell: Shell, word: &str) -> (String, Form) {
        let typed = Typed::read(shell, word);
        (typed.text, typed.form)
    }

    fn line(shell: Shell, word: &str, begun: &str) -> Option<String> {
        inserted(shell, word, &Typed::read(shell, begun))
    }

    #[test]
    fn a_word_is_read_as_its_shell_reads_it() {
        for (shell, word, text, form) in [
            (Shell::Bash, "my\\ o", "my o", Form::Bare),
            (Shell::Bash, "my\\", "my", Form::Bare),
            (Shell::Bash, "'my o", "my o", Form::Open('\'')),
            (Shell::Bash, "\"my \\$o\\x", "my $o\\x", Form::Open('"')),
            (Shell::Bash, "my' o", "my o", Form::Mixed),
            (Shell::Bash, "'my o'", "my o", Form::Mixed),
            (Shell::Zsh, "a'b c'd", "ab cd", Form::Mixed),
            (Shell::Fish, "'it\\'s", "it's", Form::Open('\'')),
            (Shell::Powershell, "'it''s", "it's", Form::Open('\'')),
            (Shell::Powershell, "a` b\\c", "a b\\c", Form::Bare),
            (Shell::Powershell, "\"\"", "", Form::Mixed),
        ] {
            assert_eq!(read(shell, word), (text.to_owned(), form), "{word}");
        }
    }

    #[test]
    fn what_a_shell_would_run_is_a_word_that_it_does_not() {
        for (word, bash, powershell) in [
            ("aa$(touch${IFS}x)", "aa\\$\\(touch\\$\\{IFS\\}x\\)", "'aa$(touch${IFS}x)'"),
            ("ab;touch x", "ab\\;touch\\ x", "'ab;touch x'"),
            ("a`b`", "a\\`b\\`", "'a`b`'"),
            ("it's", "it\\'s", "'it''s'"),
            ("it\u{2019}s", "it\\\u{2019}s", "'it\u{2019}\u{2019}s'"),
            ("*?[a]~!#", "\\*\\?\\[a\\]\\~\\!\\#", "'*?[a]~!#'"),
            ("acme/lab-1", "acme/lab-1", "acme/lab-1"),
        ] {
            assert_eq!(line(Shell::Bash, word, "").as_deref(), Some(bash));
            assert_eq!(line(Shell::Powershell, word, "").as_deref(), Some(powershell));
        }
        for (begun, offered) in [("'aa", true), ("\"aa", false), ("a'a", false), ("'aa'", false)] {
            assert_eq!(line(Shell::Bash, "aa$(x)", begun).is_some(), offered, "{begun}");
        }
        assert_eq!(line(Shell::Bash, "my org", "\"my o").as_deref(), Some("my org"));
        assert_eq!(line(Shell::Bash, "it's", "'it"), None);
        assert_eq!(line(Shell::Zsh, "a:b\\c", "").as_deref(), Some("a\\:b\\\\c"));
        for deceptive in ["a\nb", "a\tb", "a\u{202e}b", "\u{1b}[2J", ""] {
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Powershell] {
                assert_eq!(line(shell, deceptive, ""), None, "{deceptive:?}");
            }
        }
    }
}
