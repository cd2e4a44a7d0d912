//! Named places at which a test can end a debug build as a crash would. Release builds have none.
//!
//! | name | where |
//! |---|---|
//! | `renewal-sent` | the provider has answered, nothing is saved |
//! | `lease-recorded` | a lease is written down, its token is not made yet |
//! | `lease-made` | its token is made, and neither stored nor recorded |
//! | `lease-stored` | its token is stored, its id is not recorded |
//! | `adoption-saved` | the secret of another host's session is saved here as well, the records are as they were |
//! | `adoption-noted` | it is written down that the session is being taken over |
//! | `adoption-taken` | the other host does not have it any more, and it is not recorded here yet |
//! | `climb-saved` | a better store has been offered the secret, the record does not name it yet |
//! | `climb-recorded` | the record names it, the lesser store is not emptied yet |
//! | `rename-noted` | a profile is to have another name, nothing is moved yet |
//! | `rename-copied` | its secret has both names, the records have the old one |
//! | `rename-recorded` | its secret has both names, the records have the new one |
//! | `renewal-saved` | the new refresh token is saved, the intent is not cleared |

use std::sync::OnceLock;

static ARMED: OnceLock<String> = OnceLock::new();

/// Chooses the place (`SEQERA_AGENT_CRASH_AT`, read by `config`). Once per process.
pub(crate) fn arm(place: Option<String>) {
    if let Some(place) = place {
        let _ = ARMED.set(place);
    }
}

/// Ends the process here if this place was chosen: no destructor runs, no file is flushed.
pub(crate) fn crash_point(place: &str) {
    if cfg!(debug_assertions) && ARMED.get().is_some_and(|armed| armed == place) {
        crate::process::system::kill_self();
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    const CHILD: &str = "SEQERA_TEST_CRASHES";

    /// The test runs itself again as the process that is to crash.
    #[test]
    fn only_the_chosen_place_ends_the_process() {
        if crate::process::config::environment(CHILD).is_some() {
            arm(Some("renewal-sent".to_owned()));
            crash_point("renewal-saved");
            println!("past the other place");
            crash_point("renewal-sent");
            println!("past the chosen place");
            return;
        }
        let name = "process::crash::tests::only_the_chosen_place_ends_the_process";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert_eq!(child.status.signal(), Some(9), "{output}");
        assert!(output.contains("past the other place") && !output.contains("past the chosen place"));
    }
}
