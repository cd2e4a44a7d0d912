//! Replaces what differs from run to run with names in angle brackets.

use seqera_tests::{Home, Run, Sandbox};

/// `0` stands for any digit, everything else for itself.
const TIMES: [&str; 6] = [
    "0000-00-00T00:00:00Z",
    "0000-00-00 00:00:00 UTC",
    "0000-00-00 00:00:00 +00:00",
    "0000-00-00 00:00:00 -00:00",
    "0000-00-00 00:00:00",
    "00:00:00",
];

/// Printed only if it takes long enough for somebody to wonder.
const PROGRESS: [&str; 6] = [
    "asking the provider how to sign in",
    "answer received; fetching and storing the tokens (a keychain may ask you to unlock it)",
    "looking for sign-ins of other programs (the keychain is slow to answer)",
    "taking it over (a keychain may ask you to unlock it)",
    "asking the Platform for your organizations...",
    "asking the Platform for your workspaces...",
];

/// The values that are known to differ.
pub(crate) struct Normal {
    known: Vec<(String, &'static str)>,
}

impl Normal {
    pub(crate) fn new(home: &Home, sandbox: &Sandbox) -> Self {
        let root = home.root().to_string_lossy().into_owned();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let host = sandbox.url.trim_start_matches("http://").to_owned();
        let known =
            [(sandbox.url.clone(), "<sandbox>"), (host, "<host>"), (root, "<root>"), (version, "<version>")];
        Self { known: known.into() }
    }

    /// The output of a run, as it appears on a page.
    pub(crate) fn dialogue(&self, run: &Run, indent: &str) -> String {
        let out = run.stdout.lines().map(|line| self.line(line, indent, ""));
        let err = run
            .stderr
            .lines()
            .filter(|line| !PROGRESS.contains(line))
            .map(|line| self.line(line, indent, "! "));
        let code = run.code.filter(|code| *code != 0).map(|code| format!("{indent}[{code}]\n"));
        out.chain(err).chain(code).collect()
    }

    fn line(&self, line: &str, indent: &str, mark: &str) -> String {
        let mut text = line.to_owned();
        for (value, name) in &self.known {
            text = text.replace(value, name);
        }
        if let Some((program, _)) = text.split_once(" <version> (") {
            text = format!("{program} <version> (<commit>, <target>)");
        }
        text = words(&mask_times(&text));
        format!("{indent}{mark}{text}").trim_end().to_owned() + "\n"
    }
}

fn mask_times(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let time = TIMES.iter().find(|shape| fits(rest, shape));
        masked += time.map_or(&rest[..first.len_utf8()], |_| "<time>");
        rest = &rest[time.map_or(first.len_utf8(), |shape| shape.len())..];
    }
    masked
}

fn fits(text: &str, shape: &str) -> bool {
    let pairs = text.bytes().zip(shape.bytes());
    let equal =
        pairs.filter(|(seen, wanted)| if *wanted == b'0' { seen.is_ascii_digit() } else { seen == wanted });
    equal.count() == shape.len()
}

/// Replaces tokens, hashes, login URLs and process ids with names.
fn words(text: &str) -> String {
    let mut named = String::new();
    let mut before = "";
    for word in text.split_inclusive([' ', '\'', '"', ':']) {
        let (bare, end) = word.split_at(word.trim_end_matches([' ', '\'', '"', ':']).len());
        let digits = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
        named += match bare {
            _ if bare.contains("response_type=code") => "<authorization URL>",
            _ if bare.contains("/cli-auth?state=") => "<consent page>",
            _ if bare.starts_with("stk_user_") && bare.len() == 41 => "<token>",
            _ if bare.starts_with("eyJ") && bare.matches('.').count() == 2 => "<token>",
            _ if bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) => "<sha256>",
            _ if digits && matches!(before, "agent" | "pid" | "process") => "<pid>",
            // A delay that includes a random jitter.
            _ if digits && before == "in" => "<n>",
            _ => bare,
        };
        named += end;
        before = bare;
    }
    named
}

#[test]
fn times_are_masked_and_other_digits_are_not() {
    assert_eq!(mask_times("at 2026-01-02 03:04:05, 2026-01-02T03:04:05Z or 7"), "at <time>, <time> or 7");
    assert_eq!(words("agent 12345 for 10"), "agent <pid> for 10");
    assert_eq!(words("export T='eyJa.b.c' 'x:y'"), "export T='<token>' 'x:y'");
}
