//! The coding assistant on whose behalf a program asks: what the client finds in its environment, and what the agent
//! accepts of it. A program can say what it likes, so it is only ever shown and decides nothing.

use crate::place::Lookup;

/// The longest name that is kept, in bytes.
pub const LONGEST: usize = 64;

/// Variables by which assistants make themselves known to the programs that they run, in the order in which they
/// are looked for, each with the name that it stands for.
const KNOWN: [(&str, &str); 12] = [
    ("CLAUDECODE", "claude-code"),
    ("CODEX_SANDBOX", "codex"),
    ("CODEX_THREAD_ID", "codex"),
    ("CURSOR_AGENT", "cursor-cli"),
    ("CURSOR_TRACE_ID", "cursor"),
    ("GEMINI_CLI", "gemini-cli"),
    ("OPENCODE", "opencode"),
    ("GOOSE_TERMINAL", "goose"),
    ("AUGMENT_AGENT", "augment"),
    ("CLINE_ACTIVE", "cline"),
    ("COPILOT_CLI", "copilot-cli"),
    ("REPL_ID", "replit"),
];

/// The assistant that this environment names: `AI_AGENT`, whatever it holds, and else the first one that is known by a
/// variable of its own. Empty: none.
pub fn asking(env: Lookup<'_>) -> String {
    let is_set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    let named = env("AI_AGENT").map(|name| cleaned(&name.to_string_lossy())).filter(|name| !name.is_empty());
    let known = || KNOWN.iter().find(|(variable, _)| is_set(variable)).map(|(_, name)| (*name).to_owned());
    named.or_else(known).unwrap_or_default()
}

/// The name with nothing in it that could pass for something else in a log or at a terminal: ASCII letters, digits
/// and `-._@/+`, anything else as `_`, [`LONGEST`] bytes at most.
pub fn cleaned(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._@/+".contains(c) { c } else { '_' };
    name.trim().chars().take(LONGEST).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn of(variables: &[(&str, &str)]) -> String {
        asking(&|name| Some(OsString::from(variables.iter().find(|(key, _)| *key == name)?.1)))
    }

    #[test]
    fn what_the_environment_says_outright_comes_before_what_is_known() {
        assert_eq!(of(&[("CLAUDECODE", "1"), ("AI_AGENT", "devin@1.2")]), "devin@1.2");
        assert_eq!(of(&[("CLAUDECODE", "1"), ("AI_AGENT", "  ")]), "claude-code");
        assert_eq!(of(&[("CODEX_SANDBOX", "seatbelt")]), "codex");
        assert_eq!(of(&[("CLAUDECODE", "")]), "");
        assert_eq!(of(&[]), "");
    }

    #[test]
    fn a_name_is_short_and_plain_whatever_was_sent() {
        assert_eq!(cleaned(" my agent\n\x1b[31m\u{202e}"), "my_agent__[31m_".replace('[', "_"));
        assert_eq!(cleaned(&"é".repeat(500)), "_".repeat(LONGEST));
        assert_eq!(cleaned("cursor-cli@2.0/x+y.z"), "cursor-cli@2.0/x+y.z");
    }
}
