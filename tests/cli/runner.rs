//! Runs a page of `cases/`. A page is prose, and whatever is indented by four spaces is a dialogue with a
//! shell in a sealed home:
//!
//! ```text
//!     $ seqera token --profile wrok
//!     ! error: …            standard error
//!     something             standard output
//!     [1]                   exit code, if it is not 0
//! ```
//!
//! All commands of a page share one home and one sandbox, whose authority is `$SANDBOX`. `@login PROFILE
//! USER` signs in with a simulated browser. `@fault JSON` scripts a fault in the sandbox, `@well` ends all
//! faults there, and `@expire` ends all sessions. `@leave USER ORGANIZATION[/WORKSPACE]` ends a membership.
//! `@object COMMAND` checks what a command prints against its schema (`schemas.rs`) and shows nothing.
//! `@scitoolkit USER COMMAND` signs in at SciToolkit with a simulated browser (as `deny`, it refuses), and
//! `@cli-token USER PREFIX` puts a SciToolkit token into `token.txt`. Whatever differs from run to run is
//! shown in angle brackets (`normal.rs`).
//!
//! With `SEQERA_UPDATE_CASES=1` the pages are rewritten from what happens. Read the diff before you commit
//! it.

use seqera_tests::browser::{authorization_url, sign_in};
use seqera_tests::environment::variable;
use seqera_tests::scitoolkit::{ConsentPage, consent_url, token};
use seqera_tests::{Home, Run, Sandbox};

use crate::normal::Normal;
use crate::pages::{self, INDENT};
use crate::schemas;

/// Runs the dialogues of a page and compares the output with the page.
#[track_caller]
pub(crate) fn run(name: &str) {
    let path = pages::path(name);
    let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let happened = Stage::new().play(&page);
    if variable("SEQERA_UPDATE_CASES").is_some() {
        std::fs::write(&path, happened).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    for (number, (expected, seen)) in page.lines().zip(happened.lines()).enumerate() {
        assert_eq!(seen, expected, "{}:{}\nall of it:\n{happened}", path.display(), number + 1);
    }
    assert_eq!(happened.lines().count(), page.lines().count(), "{}", path.display());
}

/// The home and sandbox of one page.
struct Stage {
    home: Home,
    sandbox: Sandbox,
    normal: Normal,
}

impl Stage {
    fn new() -> Self {
        let sandbox = Sandbox::calm();
        let home = Home::new().with("SANDBOX", &sandbox.authority).with("SEQERA_CREDENTIAL_STORE", "file");
        let normal = Normal::new(&home, &sandbox);
        Self { home, sandbox, normal }
    }

    /// The page, with the output that the commands have now.
    fn play(&self, page: &str) -> String {
        let mut happened = String::new();
        let mut expected_output = false;
        for line in page.lines() {
            let dialogue = line.strip_prefix(INDENT);
            if let Some(command) = dialogue.and_then(|text| text.strip_prefix("$ ")) {
                happened += &format!("{line}\n{}", self.answer(command));
                expected_output = true;
            } else if dialogue.is_none() || !expected_output {
                happened += &format!("{line}\n");
                expected_output = false;
            }
        }
        happened
    }

    fn answer(&self, command: &str) -> String {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "@object" => {
                let run = self.home.shell(rest).run();
                assert_ne!(run.stdout, "", "{rest}: {}", run.stderr);
                schemas::check(rest, &run);
            }
            "@login" => return self.normal.dialogue(&self.login(rest), INDENT),
            "@fault" => {
                self.sandbox.fault(serde_json::from_str(rest).unwrap_or_else(|e| panic!("{rest}: {e}")))
            }
            "@leave" => self.leave(rest),
            "@scitoolkit" => return self.normal.dialogue(&self.scitoolkit(rest), INDENT),
            "@cli-token" => self.cli_token(rest),
            "@well" => self.sandbox.clear_faults(),
            "@expire" => self.sandbox.end_sessions(),
            _ => {
                let run = self.home.shell(command).run();
                schemas::check(command, &run);
                return self.normal.dialogue(&run, INDENT);
            }
        }
        String::new()
    }

    fn leave(&self, rest: &str) {
        let (user, what) = rest.split_once(' ').unwrap_or_else(|| panic!("@leave USER WHAT, not {rest}"));
        let (organization, workspace) = what.split_once('/').unzip();
        self.sandbox.leave(user, organization.unwrap_or(what), workspace);
    }

    fn login(&self, rest: &str) -> Run {
        let (profile, user) =
            rest.split_once(' ').unwrap_or_else(|| panic!("@login PROFILE USER, not {rest}"));
        let args = format!("login --no-browser --profile {profile} --authority {}", self.sandbox.authority);
        let mut login = self.home.seqera(&args).start();
        let url = login.until("authorization URL", authorization_url);
        sign_in(&url, &format!("{user}@sandbox.test"));
        without_progress(login.finish(LOGIN))
    }

    /// Runs a command that signs in at SciToolkit. `user` approves it; as `deny`, it is denied.
    fn scitoolkit(&self, rest: &str) -> Run {
        let (user, command) =
            rest.split_once(' ').unwrap_or_else(|| panic!("@scitoolkit USER COMMAND, not {rest}"));
        let mut login = self.home.shell(command).start();
        let page = ConsentPage::open(&login.until("consent page", consent_url));
        match user {
            "deny" => page.deny(),
            user => page.sign_in(&format!("{user}@sandbox.test")),
        };
        without_progress(login.finish(LOGIN))
    }

    /// Puts a new SciToolkit token into `token.txt`.
    fn cli_token(&self, rest: &str) {
        let (user, prefix) =
            rest.split_once(' ').unwrap_or_else(|| panic!("@cli-token USER PREFIX, not {rest}"));
        let text = token(&self.sandbox, user, prefix);
        std::fs::write(self.home.root().join("token.txt"), text).expect("the home can be written to");
    }
}

/// How long a login may take once the person has done their part.
const LOGIN: std::time::Duration = std::time::Duration::from_secs(30);

/// Progress messages depend on the speed of the machine.
fn without_progress(mut run: Run) -> Run {
    let told = |line: &&str| ["note: ", "warning: ", "error: ", "hint: "].iter().any(|w| line.starts_with(w));
    run.stderr = run.stderr.lines().filter(told).collect::<Vec<_>>().join("\n");
    run
}

#[test]
fn a_dialogue_is_replaced_and_prose_is_kept() {
    let page = |answer: &str| {
        format!("Prose.\n\n    $ echo out; echo err >&2; exit 3\n{answer}\nMore.\n    indented prose\n")
    };
    let happened = Stage::new().play(&page("    old\n"));
    assert_eq!(happened, page("    out\n    ! err\n    [3]\n"));
}
