//! `cargo xtask record`: a terminal session for the README, from a real run in a real terminal against the sandbox, as
//! a picture that is readable on light and on dark pages.

use std::fmt::Write;
use std::time::Duration;

use seqera_tests::binaries::workspace;
use seqera_tests::sandbox::GRACE;
use seqera_tests::terminal::{in_terminal, seen};
use seqera_tests::{Home, Sandbox, browser};

/// What is typed, with a line of explanation before it.
const SESSION: [(&str, &str); 4] = [
    ("# once per account: the browser opens", "seqera login"),
    ("# from then on any program gets a token that is fresh", "seqera token"),
    (
        "# or is run with one, and with the address that it is for",
        "seqera exec -- sh -c 'echo $TOWER_API_ENDPOINT ${TOWER_ACCESS_TOKEN%%.*}'",
    ),
    ("# the agent renews it in the background", "seqera status"),
];

/// Longer lines are cut: a token has hundreds of characters.
const COLUMNS: usize = 92;

const LIMIT: Duration = Duration::from_secs(60);

/// Records the session and writes `.github/session.svg`.
///
/// # Panics
/// If a command fails.
pub(crate) fn record() {
    let sandbox = Sandbox::calm();
    let home = Home::new().with("SEQERA_AUTH_DOMAIN", &sandbox.authority).with("LANG", "C.UTF-8");
    // No keychain is here, and the words about that would be the longest.
    let home = home.with("SEQERA_CREDENTIAL_STORE", "file");
    // A program that does nothing stands in for the browser.
    let home = home.with("BROWSER", "true");
    let mut lines = Vec::new();
    for (why, command) in SESSION {
        lines.push(vec![Span::new("why", why)]);
        lines.push(vec![Span::new("prompt", "$ "), Span::new("typed", command)]);
        let mut run = in_terminal(&home, command).expect("a terminal").start();
        if command.ends_with("login") {
            browser::sign_in(
                &run.until("the page", |output| browser::authorization_url(&seen(output))),
                GRACE,
            );
        }
        let output = seen(&run.finish(LIMIT).ok().stdout);
        lines.extend(output.trim_end().lines().map(|line| vec![Span::new("", &plain(line))]));
        lines.push(Vec::new());
    }
    home.seqera("logout --all").run().ok();
    let file = workspace().join(".github/session.svg");
    std::fs::write(&file, picture(&lines)).expect("a file of the repository");
    println!("{}", file.display());
}

/// A piece of a line, with the name of its style.
struct Span {
    style: &'static str,
    text: String,
}

impl Span {
    fn new(style: &'static str, text: &str) -> Self {
        Self { style, text: text.to_owned() }
    }
}

/// A line without the sequences that colour it, cut to the width of the picture.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.chars();
    while let Some(letter) = rest.next() {
        match letter {
            // A control sequence ends with a letter (ECMA-48, 5.4).
            '\x1b' => drop(rest.by_ref().skip(1).find(char::is_ascii_alphabetic)),
            _ => text.push(letter),
        }
    }
    match text.char_indices().nth(COLUMNS - 1) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

const STYLE: &str = "\
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;fill:#24292f;white-space:pre}\
.window{fill:#f6f8fa;stroke:#d0d7de}.why{fill:#6e7781}.prompt{fill:#0d7a5f}.typed{font-weight:600}\
.dot{fill:#d0d7de}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.window{fill:#0d1117;stroke:#30363d}.why{fill:#8b949e}\
.prompt{fill:#2fbf95}.dot{fill:#30363d}}";

const ROW: usize = 19;
const TOP: usize = 58;

fn picture(lines: &[Vec<Span>]) -> String {
    let shown = lines.len() - lines.iter().rev().take_while(|line| line.is_empty()).count();
    let height = TOP + shown * ROW + 4;
    let title = "A terminal: seqera login, token, exec and status";
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 780 {height}\" width=\"780\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"window\" x=\"0.5\" y=\"0.5\" width=\"779\" height=\"{}\" rx=\"8\"/>\n\
         <circle class=\"dot\" cx=\"20\" cy=\"20\" r=\"6\"/><circle class=\"dot\" cx=\"40\" cy=\"20\" r=\"6\"/>\
         <circle class=\"dot\" cx=\"60\" cy=\"20\" r=\"6\"/>\n",
        height - 1
    );
    for (index, line) in lines[..shown].iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let _ = write!(svg, "<text x=\"18\" y=\"{}\">", TOP + index * ROW);
        for span in line {
            let text = span.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = match span.style {
                "" => write!(svg, "{text}"),
                style => write!(svg, "<tspan class=\"{style}\">{text}</tspan>"),
            };
        }
        svg.push_str("</text>\n");
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_left_out_and_long_lines_are_cut() {
        assert_eq!(plain("\x1b[1;32mok\x1b[0m <b>"), "ok <b>");
        assert_eq!(plain(&"x".repeat(200)).chars().count(), COLUMNS);
    }

    #[test]
    fn a_picture_has_one_text_a_line_and_no_markup_of_programs() {
        let svg = picture(&[vec![Span::new("prompt", "$ "), Span::new("", "a<b&c")], Vec::new()]);
        assert!(svg.contains("<tspan class=\"prompt\">$ </tspan>a&lt;b&amp;c</text>"), "{svg}");
        assert_eq!(svg.matches("<text ").count(), 1);
    }
}
