//! An installation with a site's file, and one that is removed under its agent.

use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::reaper::is_alive;
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, eventually, skip};
use serde_json::json;

use crate::installation::Installation;

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_sign_in_that_names_no_authority_goes_to_the_sites_and_no_variable_names_another_file() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let site = Installation::new(&home, "opt").with(&json!({"authDomain": sandbox.authority}));
    let status = site.sign_in("");
    assert_eq!(status["authority"], json!(sandbox.authority), "{status}");
    assert_eq!(sandbox.user_info(site.seqera("token").run().ok().line()).status, 200);
    // What a person names beats it.
    let refused = site.seqera("login --profile own --authority https://127.0.0.1:1/api").run();
    assert!(refused.stderr.contains("127.0.0.1:1"), "{}", refused.stderr);
}

#[test]
fn where_no_secret_may_be_in_a_file_none_is_and_one_from_before_moves_without_a_loss() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let site = Installation::new(&home, "opt");
    let secret = home.config_dir().join("refresh-token.default");
    site.sign_in(&format!("--authority {}", sandbox.authority));
    assert!(secret.exists(), "without a policy it is in the file");
    site.write(&json!({"policy": {"fileStore": false}}).to_string());
    site.seqera("agent restart").run().ok();
    let token = site.seqera("token").run().ok();
    assert_eq!(sandbox.user_info(token.line()).status, 200, "it can still be read");
    site.seqera("token --force-new").run().ok();
    eventually(LIMIT, "the end of the file", || (!secret.exists()).then_some(()));
    assert_eq!(sandbox.user_info(site.seqera("token").run().ok().line()).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);
    let asked = format!("login --force --no-browser --authority {}", sandbox.authority);
    let refused = site.seqera(&asked).env("SEQERA_CREDENTIAL_STORE", "file").run().fails_with(2);
    let file = site.file().display().to_string();
    assert!(refused.stderr.contains("not allowed") && refused.stderr.contains(&file), "{}", refused.stderr);
    let doctor = site.doctor();
    assert!(doctor.contains("no secret in a file"), "{doctor}");
}

#[test]
fn where_no_secret_may_be_in_a_file_no_token_is_written_to_one() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let site = Installation::new(&home, "opt")
        .with(&json!({"authDomain": sandbox.authority, "policy": {"fileStore": false}}));
    site.sign_in("");
    let file = site.file().display().to_string();
    for way in ["token --write run/t", "token --write run/t --watch"] {
        let refused = site.seqera(way).run().fails_with(2);
        for words in ["not allowed here", file.as_str(), "ask the administrator"] {
            assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        }
        assert!(!home.root().join("run/t").exists());
    }
    site.seqera("token").run().ok();
}

#[test]
fn a_program_keeps_its_token_no_longer_than_the_site_allows() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let policy = json!({"authDomain": sandbox.authority, "policy": {"longestLease": "3s"}});
    let site = Installation::new(&home, "opt").with(&policy);
    site.sign_in("");
    let refused = site.seqera("exec --long --for 9h -- true").run().fails_with(2);
    assert!(
        refused.stderr.contains("at most 3 s") && refused.stderr.contains("--for 3s"),
        "{}",
        refused.stderr
    );
    let mut program = site.seqera("exec --long -- cat").typed().start();
    let names = || sandbox.token_names(&sandbox.personal_token(ADA));
    let leased = || names().into_iter().any(|name| name.starts_with("seqera-"));
    eventually(LIMIT, "the end of its token", || (!leased()).then_some(()));
    assert!(program.is_running(), "the program itself is left alone");
    program.kill();
}

#[test]
fn a_site_file_with_a_mistake_stops_sign_ins_alone_and_says_whom_to_ask() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let site = Installation::new(&home, "opt").with(&json!({"authDomain": sandbox.authority}));
    site.sign_in("");
    site.write("{\"authDoman\": \"https://a.test\"}");
    site.seqera("agent restart").run().ok();
    assert_eq!(sandbox.user_info(site.seqera("token").run().ok().line()).status, 200);
    let refused = site.seqera("login --no-browser --profile other").run().fails_with(2);
    for said in ["authDoman", "administrator", &site.file().display().to_string()] {
        assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
    }
    let doctor = site.doctor();
    assert!(doctor.contains("authDoman") && doctor.contains("administrator"), "{doctor}");
}

#[test]
fn the_log_goes_where_the_site_wants_it_and_an_agent_without_work_ends_when_it_says() {
    let home = Home::new();
    let logs = home.root().join("logs");
    std::fs::create_dir(&logs).expect("the folder can be made");
    let site = Installation::new(&home, "opt");
    site.write(&json!({"policy": {"log": logs, "idleExit": "1s"}}).to_string());
    let status = site.seqera("agent start -o json").env("SEQERA_AGENT_IDLE_EXIT", "0").run().ok().json();
    let log = status["log"].as_str().map(PathBuf::from);
    eventually(LIMIT, "a line in the log", || {
        let file = std::fs::read_dir(&logs).ok()?.next()?.ok()?.path();
        assert!(log.as_ref().is_none_or(|log| *log == file), "{log:?}");
        std::fs::read_to_string(file).ok()?.contains("serving").then_some(())
    });
    assert_eq!(home.log(), "");
    // A call would count as work.
    let pid = status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("the agent has a number");
    eventually(LIMIT, "the end of the agent", || (!is_alive(pid)).then_some(()));
}

#[test]
fn an_agent_whose_program_was_removed_goes_on_and_a_restart_finds_the_new_place() {
    if !skip::looks_into_agents() {
        return;
    }
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let old = Installation::new(&home, "old");
    old.sign_in(&format!("--authority {}", sandbox.authority));
    let new = Installation::new(&home, "new");
    std::fs::remove_dir_all(&old.prefix).expect("the installation can be removed");
    assert_eq!(sandbox.user_info(new.seqera("token").run().ok().line()).status, 200);
    new.seqera("token --force-new").run().ok();
    let before = new.seqera("agent status -o json").run().ok().json();
    new.seqera("agent restart").run().ok();
    let after = new.seqera("agent status -o json").run().ok().json();
    assert_ne!(before["pid"], after["pid"]);
    let program = std::fs::read_link(format!("/proc/{}/exe", after["pid"])).expect("the agent runs");
    assert_eq!(program, new.prefix.join("bin/seqera-agent"));
    assert_eq!(sandbox.user_info(new.seqera("token").run().ok().line()).status, 200);
    assert_eq!(sandbox.count("reuses"), 0);
}
