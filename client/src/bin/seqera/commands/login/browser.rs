//! Opens a page in the user's browser. The browser's streams are null, so that its output does not mix with
//! ours.

use std::io;
use std::process::{Command, Stdio};

/// Starts the first program that can be started, without waiting for it.
///
/// # Errors
/// None of the programs could be started.
pub(super) fn open(url: &str, chosen: &[String], in_wsl: bool) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for (program, arguments) in openers(url, chosen, in_wsl) {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The programs to try, with their arguments: those in `BROWSER`, where `%s` stands for the page, then the
/// system's own.
fn openers(url: &str, chosen: &[String], in_wsl: bool) -> Vec<(String, Vec<String>)> {
    let page = |word: &str| word.replace("%s", url);
    let mut openers = Vec::new();
    for line in chosen {
        let mut words = line.split_whitespace();
        let Some(program) = words.next() else { continue };
        let mut arguments: Vec<_> = words.map(page).collect();
        if !line.contains("%s") {
            arguments.push(url.to_owned());
        }
        openers.push((program.to_owned(), arguments));
    }
    if in_wsl {
        // Opens the browser of Windows; part of `wslu`, which the usual distributions include.
        openers.push(("wslview".to_owned(), vec![url.to_owned()]));
    }
    let of_system: &[&str] = if cfg!(target_os = "macos") {
        &["open"]
    } else if cfg!(windows) {
        // Not `cmd /c start`, which would take the `&` of the URL for its own.
        &["rundll32", "url.dll,FileProtocolHandler"]
    } else {
        &["xdg-open"]
    };
    let mut arguments: Vec<_> = of_system[1..].iter().map(|&word| word.to_owned()).collect();
    arguments.push(url.to_owned());
    openers.push((of_system[0].to_owned(), arguments));
    openers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_browser_comes_first_and_gets_the_page_where_it_wants_it() {
        let chosen = ["firefox --new %s".to_owned(), "lynx".to_owned()];
        let openers = openers("http://x/?a&b", &chosen, false);
        assert_eq!(openers[0], ("firefox".into(), vec!["--new".into(), "http://x/?a&b".into()]));
        assert_eq!(openers[1], ("lynx".into(), vec!["http://x/?a&b".into()]));
        assert_eq!(openers.len(), 3);
    }

    #[test]
    fn in_wsl_the_browser_of_windows_comes_before_that_of_linux() {
        let names: Vec<_> = openers("http://x/", &[], true).into_iter().map(|(program, _)| program).collect();
        assert_eq!(names[0], "wslview");
        assert_eq!(names.len(), 2);
    }
}
