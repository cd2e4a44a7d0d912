//! Nextflow under `seqera exec`: whose token it gets, and what overrides it.

use seqera_tests::nextflow::{identities, under_exec};
use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::{Home, Sandbox, eventually};
use serde_json::json;

#[test]
fn nextflow_and_its_tasks_are_whom_the_profile_signs_in() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let Some(nextflow) = under_exec(&home, "--profile work") else { return };
    let run = nextflow.run().ok();
    assert_eq!(identities(&run), (ADA, ADA));
    assert!(!run.stderr.contains("note: "), "{}", run.stderr);
}

#[test]
fn a_token_in_nextflows_own_configuration_comes_first_and_the_person_is_told() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let folder = home.root().join("home/.nextflow");
    std::fs::create_dir_all(&folder).expect("a folder");
    let other = sandbox.personal_token(GRACE);
    std::fs::write(folder.join("config"), format!("tower {{ accessToken = '{other}' }}\n")).expect("a file");
    let Some(nextflow) = under_exec(&home, "--profile work") else { return };
    let run = nextflow.run().ok();
    assert_eq!(identities(&run), (GRACE, ADA));
    assert!(run.stderr.contains("Nextflow takes its token from"), "{}", run.stderr);
}

#[test]
fn a_run_that_is_longer_than_the_sessions_tokens_live_keeps_its_own() {
    // Java alone takes longer to start than such a token lives.
    let (home, sandbox) = (Home::new(), Sandbox::start(&json!({"access_lifetime": 2})));
    home.login("work", &sandbox, ADA);
    let session = home.token("work");
    let Some(nextflow) = under_exec(&home, "--profile work --long") else { return };
    let run = nextflow.run().ok();
    assert_eq!(identities(&run), (ADA, ADA));
    assert_eq!(sandbox.user_info(&session).status, 401);
    let mine = sandbox.personal_token(ADA);
    let left = || sandbox.token_names(&mine).iter().all(|name| !name.starts_with("seqera-")).then_some(());
    eventually(std::time::Duration::from_secs(30), "the deletion of its token", left);
}
