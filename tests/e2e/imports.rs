//! Sign-ins that the earlier CLI and Nextflow left behind.

use std::time::Duration;

use seqera_tests::leftovers::{nextflow_file, note, refresh_token, v1_file};
use seqera_tests::sandbox::ADA;
use seqera_tests::terminal::{in_terminal, seen};
use seqera_tests::{Home, Sandbox, eventually};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

fn home() -> Home {
    Home::new().with("SEQERA_CREDENTIAL_STORE", "file")
}

#[test]
fn a_token_of_v1_is_renewed_kept_and_removed_where_it_was() {
    let (home, sandbox) = (home(), Sandbox::calm());
    let file = v1_file(&home, "lab", &sandbox);
    let old = std::fs::read_to_string(&file).expect("v1 left it");
    let run = home.seqera("login --import -o json").run().ok();
    assert_eq!(run.json()["imported"][0]["profile"], "lab");
    let status = home.status("lab");
    assert_eq!((&status["state"], &status["account"]["email"]), (&json!("SIGNED_IN"), &json!(ADA)));
    assert_eq!(status["organization"]["name"], "sandbox-genomics");
    assert_eq!(sandbox.user_info(&home.token("lab")).status, 200);
    let new =
        std::fs::read_to_string(home.config_dir().join("refresh-token.lab")).expect("its documented name");
    assert!(!new.contains(&old), "v1's token is of no use any more, and gone");
    assert_eq!(token_files(&home), ["refresh-token.lab"]);
    assert_eq!((sandbox.count("refresh_attempts"), sandbox.count("reuses")), (1, 0));
    // What was kept is valid: it can be renewed.
    home.seqera("agent restart").run().ok();
    assert_eq!(sandbox.user_info(&home.token("lab")).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);
    home.seqera("login --import").run().fails_with(1);
}

#[test]
fn nothing_is_taken_where_nobody_can_be_asked() {
    let (home, sandbox) = (home(), Sandbox::calm());
    let file = v1_file(&home, "lab", &sandbox);
    home.login("default", &sandbox, ADA);
    assert!(file.exists());
    assert_eq!(sandbox.count("refresh_attempts"), 0);
}

#[test]
fn a_person_is_asked_and_a_no_leads_to_the_browser() {
    let (home, sandbox) = (home(), Sandbox::calm());
    let file = v1_file(&home, "lab", &sandbox);
    let command = format!("seqera login --no-browser --authority {}", sandbox.authority);
    let Some(terminal) = in_terminal(&home, &command) else { return };
    let mut login = terminal.start();
    login.until("question", |output| output.contains("[Y/n]").then_some(()));
    assert!(seen(&login.stdout()).contains(ADA), "whose it is: {}", login.stdout());
    login.write("n\n");
    login.until("way to paste", |output| output.contains("paste the address").then_some(()));
    drop(login);
    assert!(file.exists());

    let mut login = in_terminal(&home, &command).expect("as before").start();
    login.until("question", |output| output.contains("[Y/n]").then_some(()));
    login.write("\n");
    let told = login.finish(LIMIT).ok();
    assert!(told.stdout.contains(&format!("Successfully authenticated as {ADA}")), "{}", told.stdout);
    assert!(!file.exists() || home.status("lab")["store"] == "file");
    assert_eq!(sandbox.count("reuses"), 0);
}

#[test]
fn a_refused_token_stays_is_told_and_is_not_tried_again() {
    let (home, sandbox) = (home(), Sandbox::calm());
    let file = v1_file(&home, "lab", &sandbox);
    sandbox.end_sessions();
    let refused = home.seqera("login --import -o json").run().fails_with(3).error_json();
    assert_eq!(refused["reason"], "LOGIN_EXPIRED");
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("refresh-token.lab")), "{refused}");
    assert!(file.exists());
    home.seqera("login --import").run().fails_with(1);
    assert_eq!(sandbox.count("refresh_attempts"), 1, "a dead token is spent once");
}

#[test]
fn two_at_once_spend_it_once() {
    let (home, sandbox) = (home(), Sandbox::calm());
    v1_file(&home, "lab", &sandbox);
    home.seqera("agent start").run().ok();
    let both = [(); 2].map(|()| home.seqera("login --import").start());
    let codes = both.map(|login| login.finish(LIMIT).code);
    assert!(codes.contains(&Some(0)), "{codes:?}");
    assert_eq!((sandbox.count("refresh_attempts"), sandbox.count("reuses")), (1, 0));
    assert_eq!(sandbox.user_info(&home.token("lab")).status, 200);
}

#[test]
fn a_client_that_is_killed_meanwhile_loses_nothing() {
    let (home, sandbox) = (home(), Sandbox::calm());
    let file = v1_file(&home, "lab", &sandbox);
    sandbox.fault(json!({"on": "refresh", "kind": "hang", "after": true}));
    let mut login = home.seqera("login --import").start();
    sandbox.wait_for("refresh", 1);
    login.kill();
    sandbox.clear_faults();
    let taken = || home.seqera("token --profile lab").run().code == Some(0);
    eventually(LIMIT, "the session", || taken().then_some(()));
    eventually(LIMIT, "the end of v1's file", || (!is_bare(&file)).then_some(()));
    assert_eq!(sandbox.count("reuses"), 0);
}

/// The names of the files with secrets.
fn token_files(home: &Home) -> Vec<String> {
    let entries = std::fs::read_dir(home.config_dir()).expect("the folder is there").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("refresh-token.")).collect()
}

/// Whether the file is version 1's bare token, without a record of ours.
fn is_bare(file: &std::path::Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| !text.starts_with('{'))
}

#[test]
fn a_platform_that_is_not_well_loses_nothing() {
    let (home, sandbox) = (home(), Sandbox::calm());
    let file = v1_file(&home, "lab", &sandbox);
    sandbox.fault(json!({"on": "refresh", "kind": "status", "code": 503, "times": 1}));
    home.seqera("login --import").run().fails_with(4);
    assert!(file.exists());
    home.seqera("login --import").run().ok();
    assert_eq!(sandbox.user_info(&home.token("lab")).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);
}

#[test]
fn an_agent_that_dies_in_between_says_so_the_next_time() {
    let (home, sandbox) = (home(), Sandbox::calm());
    v1_file(&home, "lab", &sandbox);
    let agent = home.start_agent_with(&[("SEQERA_AGENT_CRASH_AT", "import-sent")]);
    home.seqera("login --import").run();
    drop(agent);
    assert_eq!(sandbox.count("refresh_attempts"), 1);
    let told = home.seqera("login --import").run().fails_with(3);
    assert!(told.stderr.contains("interrupted"), "{}", told.stderr);
}

#[test]
fn a_token_whose_authority_nobody_knows_is_sent_nowhere() {
    let (home, sandbox) = (home(), Sandbox::calm());
    home.write_config("refresh-token.lab", &refresh_token(&sandbox));
    let before = sandbox.stats()["calls"].clone();
    let args = format!("login --import --authority {}", sandbox.authority);
    let told = home.seqera(&args).run().fails_with(1);
    assert!(told.stderr.contains("it does not say where it belongs"), "{}", told.stderr);
    note(&home, "lab", "https://other.invalid/api");
    home.seqera(&args).run().fails_with(1);
    assert_eq!(sandbox.stats()["calls"], before, "the sandbox was not asked at all");
}

#[test]
fn nextflows_token_is_checked_kept_as_a_fixed_one_and_its_file_is_left() {
    let (home, sandbox) = (home(), Sandbox::calm());
    let file = nextflow_file(&home, &sandbox.personal_token("ada"), &sandbox.authority);
    let told = home.seqera("login --import").run().ok();
    assert!(told.stderr.contains("beats TOWER_ACCESS_TOKEN"), "{}", told.stderr);
    assert_eq!(home.status("default")["kind"], "FIXED");
    assert_eq!(sandbox.user_info(&home.token("default")).status, 200);
    assert!(file.exists());
    home.seqera("login --import").run().fails_with(1);
    home.seqera("logout --profile default").run().ok();
    nextflow_file(&home, "wrong", &sandbox.authority);
    home.seqera("login --import").run().fails_with(3);
}

#[test]
fn nextflows_token_goes_where_nextflow_would_send_it_and_to_cloud_only_if_that_is_certain() {
    let (home, sandbox) = (home(), Sandbox::calm());
    let token = sandbox.personal_token("ada");
    let folder = home.root().join("home/.nextflow");
    std::fs::create_dir_all(&folder).expect("the home can be written");
    let write =
        |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("the home can be written");
    write("seqera-auth.config", &format!("tower.accessToken = '{token}'\n"));
    let left = |run: seqera_tests::Run, said: &str| {
        let run = run.fails_with(1);
        assert!(run.stderr.contains("is left as it is") && run.stderr.contains(said), "{}", run.stderr);
        assert!(!run.stderr.contains(&token));
    };
    let import = || home.seqera("login --import");
    left(import().env("TOWER_API_ENDPOINT", &sandbox.authority).run(), &sandbox.authority);
    write("config", "includeConfig 'site.config'\ntower.endpoint = host()\n");
    left(import().run(), ".nextflow/config may say");
    write("config", &format!("tower.endpoint = '{}'\n", sandbox.authority));
    import().run().ok();
    assert_eq!(home.status("default")["authority"], sandbox.authority);
}

#[test]
fn no_token_is_told_or_logged() {
    let (home, sandbox) = (home(), Sandbox::calm());
    let file = v1_file(&home, "lab", &sandbox);
    let old = std::fs::read_to_string(file).expect("v1 left it");
    let run = home.seqera("login --import -o json").run().ok();
    let state = std::fs::read_to_string(home.config_dir().join("auth-state.json")).unwrap_or_default();
    assert!(![run.stdout, run.stderr, home.log(), state].concat().contains(&old));
}
