//! Opens a page in the user's browser. The browser's output is discarded, so that it does not mix with ours.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use seqera_client::program;

/// A program that may show the page.
#[derive(Debug, PartialEq, Eq)]
struct Opener {
    program: String,
    arguments: Vec<String>,
    /// What it reads from its standard input.
    input: Option<String>,
    /// We have found it, and it looks for others.
    is_found: bool,
}

impl Opener {
    fn new(program: &str, arguments: Vec<String>) -> Self {
        Self { program: program.to_owned(), arguments, input: None, is_found: false }
    }

    /// The same by the real path of its program. Windows looks in its own folders first.
    fn found(self, path: &[PathBuf]) -> io::Result<Self> {
        if cfg!(windows) {
            return Ok(self);
        }
        let candidates = path.iter().map(|folder| folder.join(&self.program)).filter(|file| file.is_file());
        match program::first(candidates) {
            Ok(Some(real)) => {
                Ok(Self { program: real.to_string_lossy().into_owned(), is_found: true, ..self })
            }
            Ok(None) => Err(io::ErrorKind::NotFound.into()),
            Err(refused) => Err(io::Error::new(io::ErrorKind::PermissionDenied, refused)),
        }
    }

    fn start(&self, path: &[PathBuf]) -> io::Result<Child> {
        let input = if self.input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
        if self.is_found {
            program::narrow(&mut command, std::env::join_paths(path).ok().as_deref());
        }
        let mut child = command.spawn()?;
        if let (Some(text), Some(mut input)) = (&self.input, child.stdin.take()) {
            input.write_all(text.as_bytes())?;
        }
        Ok(child)
    }
}

/// Starts the first program that can be started, without waiting for it.
///
/// # Errors
/// None of the programs could be started.
pub(super) fn open(url: &str, chosen: &[String], path: &[PathBuf], in_wsl: bool) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    // `BROWSER` is the person's word; what we choose ourselves has to be found where nobody else can put it.
    let chosen = openers_of(url, chosen).into_iter().map(Ok);
    let path = searched(path, in_wsl);
    let own = openers(url, in_wsl).into_iter().map(|opener| opener.found(&path));
    for opener in chosen.chain(own) {
        match opener.and_then(|opener| opener.start(&path)) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The folders of `PATH`; in WSL those of Windows as well, which `appendWindowsPath=false` leaves out (wsl.conf).
fn searched(path: &[PathBuf], in_wsl: bool) -> Vec<PathBuf> {
    const OF_WINDOWS: [&str; 2] = ["/mnt/c/Windows/System32", "/mnt/c/Windows"];
    let of_windows = OF_WINDOWS.into_iter().filter(|_| in_wsl).map(PathBuf::from);
    path.iter().cloned().chain(of_windows).collect()
}

/// The programs in `BROWSER`, where `%s` stands for the page.
fn openers_of(url: &str, chosen: &[String]) -> Vec<Opener> {
    let page = |word: &str| word.replace("%s", url);
    let mut openers = Vec::new();
    for line in chosen {
        let mut words = line.split_whitespace();
        let Some(program) = words.next() else { continue };
        let mut arguments: Vec<_> = words.map(page).collect();
        if !line.contains("%s") {
            arguments.push(url.to_owned());
        }
        openers.push(Opener::new(program, arguments));
    }
    openers
}

/// The system's own.
fn openers(url: &str, in_wsl: bool) -> Vec<Opener> {
    let mut openers = Vec::new();
    if in_wsl {
        // Opens the browser of Windows; part of `wslu`, which not every distribution includes.
        openers.push(Opener::new("wslview", vec![url.to_owned()]));
        openers.push(by_protocol("rundll32.exe", url));
        // Last, because it takes an address with a query for a file (microsoft/WSL#3832).
        openers.push(Opener::new("explorer.exe", vec![url.to_owned()]));
    }
    openers.push(if cfg!(target_os = "macos") {
        by_script(url)
    } else if cfg!(windows) {
        by_protocol("rundll32", url)
    } else {
        Opener::new("xdg-open", vec![url.to_owned()])
    });
    openers
}

/// Not `cmd /c start`, which would take the `&` of the URL for its own.
fn by_protocol(program: &str, url: &str) -> Opener {
    Opener::new(program, vec!["url.dll,FileProtocolHandler".to_owned(), url.to_owned()])
}

/// Not `open`, because other users can read its arguments with `ps`.
fn by_script(url: &str) -> Opener {
    let quoted = url.replace('\\', "%5C").replace('"', "%22");
    let input = Some(format!("open location \"{quoted}\"\n"));
    Opener { input, ..Opener::new("osascript", Vec::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_browser_comes_first_and_gets_the_page_where_it_wants_it() {
        let chosen = ["firefox --new %s".to_owned(), "lynx".to_owned()];
        let openers = openers_of("http://x/?a&b", &chosen);
        assert_eq!(openers[0], Opener::new("firefox", vec!["--new".into(), "http://x/?a&b".into()]));
        assert_eq!(openers[1], Opener::new("lynx", vec!["http://x/?a&b".into()]));
        assert_eq!(openers.len(), 2);
    }

    #[test]
    fn in_wsl_the_browser_of_windows_comes_before_that_of_linux() {
        let names: Vec<_> = openers("http://x/", true).into_iter().map(|opener| opener.program).collect();
        assert_eq!(names[..3], ["wslview", "rundll32.exe", "explorer.exe"]);
        assert_eq!(names.len(), 4);
    }

    #[test]
    fn a_script_gets_the_page_on_its_standard_input_and_nothing_else_with_it() {
        let opener = by_script("https://x/?state=s&a=\"\\\" & beep");
        assert_eq!(opener.arguments, [""; 0]);
        let expected = "open location \"https://x/?state=s&a=%22%5C%22 & beep\"\n";
        assert_eq!(opener.input.as_deref(), Some(expected));
    }

    #[cfg(unix)]
    #[test]
    fn our_own_choice_is_found_in_no_folder_that_everybody_can_write_to_and_in_no_relative_one() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("xdg-open"), "").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let found = |path: PathBuf| Opener::new("xdg-open", Vec::new()).found(&[path]).unwrap_err().kind();
        assert_eq!(found(folder.path().to_owned()), io::ErrorKind::PermissionDenied);
        assert_eq!(found(PathBuf::from(".")), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn our_own_choice_looks_for_others_where_we_have_looked_for_it_and_in_no_relative_folder() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (opener, kept) = (folder.path().join("xdg-open"), folder.path().join("kept"));
        std::fs::write(&opener, format!("#!/bin/sh\nprintf %s \"$PATH\" >'{}'\n", kept.display())).unwrap();
        std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = [PathBuf::from("."), folder.path().to_owned(), PathBuf::new(), "/usr/bin".into()];
        let found = Opener::new("xdg-open", Vec::new()).found(&path).unwrap();
        assert!(found.start(&path).unwrap().wait().unwrap().success());
        let expected = format!("{}:/usr/bin", folder.path().display());
        assert_eq!(std::fs::read_to_string(kept).unwrap(), expected);
    }

    #[cfg(unix)]
    #[test]
    fn no_shell_reads_what_stands_in_an_address_or_in_the_variable() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (browser, kept) = (folder.path().join("browser"), folder.path().join("kept"));
        let script = format!("#!/bin/sh\nprintf '%s\\n' \"$#\" \"$@\" >'{}'\n", kept.display());
        std::fs::write(&browser, script).unwrap();
        std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mark = folder.path().join("pwned").display().to_string();
        for url in [
            format!("https://x.test/?a=$(touch {mark})"),
            format!("https://x.test/`touch {mark}`"),
            format!("https://x.test/;touch {mark};#"),
            format!("https://x.test/'\"|touch {mark}&%s -- --flag"),
            format!("https://x.test/\ntouch {mark}\n"),
        ] {
            for (chosen, before) in [("%s", 0), ("--new %s", 1), ("$(touch pwned) ; %s", 3)] {
                let chosen = [format!("{} {chosen}", browser.display())];
                let opener = openers_of(&url, &chosen).remove(0);
                assert!(opener.start(&[]).unwrap().wait().unwrap().success());
                let arguments = std::fs::read_to_string(&kept).unwrap();
                let expected = format!("{}\n", before + 1);
                assert!(
                    arguments.starts_with(&expected) && arguments.ends_with(&format!("{url}\n")),
                    "{arguments}"
                );
            }
        }
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[cfg(unix)]
    #[test]
    fn what_a_program_reads_is_written_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let read = folder.path().join("read");
        let script = format!("cat >'{}'", read.display());
        let opener = Opener { input: Some("text".into()), ..Opener::new("sh", vec!["-c".into(), script]) };
        assert!(opener.start(&[]).unwrap().wait().unwrap().success());
        assert_eq!(std::fs::read_to_string(read).unwrap(), "text");
    }
}
