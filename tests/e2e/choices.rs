//! Organisations, workspaces and profiles across processes and restarts.

use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::{Home, Run, Sandbox};
use serde_json::json;

fn switch(home: &Home, what: &str) -> Run {
    home.seqera(&format!("{what} --profile work")).run().ok()
}

#[test]
fn a_choice_outlives_the_agent_and_a_login_and_reaches_the_programs() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    switch(&home, "org switch sandbox-proteomics");
    switch(&home, "workspace switch spectra");
    let pid = home.agent_pid().expect("an agent runs");
    home.stop_agent(pid);
    let status = home.status("work");
    assert_ne!(home.agent_pid(), Some(pid), "another agent answers");
    assert_eq!(status["organization"]["name"], "sandbox-proteomics");
    assert_eq!((&status["workspace_id"], &status["workspace_name"]), (&json!(1003), &json!("spectra")));
    let again = home.seqera("login --no-browser --force --profile work");
    let mut again = again.args(["--authority", &sandbox.authority]).start();
    let url = again.until("authorization URL", seqera_tests::browser::authorization_url);
    seqera_tests::browser::sign_in(&url, ADA);
    let again = again.finish(std::time::Duration::from_secs(30)).ok();
    assert!(again.stdout.contains("[Login] ✓ Organization set: sandbox-proteomics\n"), "{}", again.stdout);
    let seen = home.seqera("exec --profile work -- sh -c").args(["echo $TOWER_WORKSPACE_ID"]).run().ok();
    assert_eq!(seen.line(), "1003");
    let lines = home.seqera("token --profile work --format env").run().ok();
    assert!(lines.stdout.contains("export TOWER_WORKSPACE_ID='1003'"), "{}", lines.stdout);
}

#[test]
fn a_renewal_that_runs_while_an_organisation_is_chosen_loses_neither() {
    let sandbox = Sandbox::start(&json!({"access_lifetime": 4}));
    let home = Home::new();
    home.login("work", &sandbox, ADA);
    for (count, name) in [(1, "sandbox-proteomics"), (2, "sandbox-genomics"), (3, "sandbox-proteomics")] {
        switch(&home, &format!("org switch {name}"));
        sandbox.wait_for("refresh", count);
        assert_eq!(home.status("work")["organization"]["name"], name);
    }
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
}

#[test]
fn an_organisation_that_has_vanished_is_said_at_login_and_kept() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    switch(&home, "org switch sandbox-proteomics");
    sandbox.leave("ada", "sandbox-proteomics", None);
    let login = home.seqera("login --no-browser --force --profile work");
    let mut login = login.args(["--authority", &sandbox.authority]).start();
    let url = login.until("authorization URL", seqera_tests::browser::authorization_url);
    seqera_tests::browser::sign_in(&url, ADA);
    let login = login.finish(std::time::Duration::from_secs(30)).ok();
    let said = "note: organization sandbox-proteomics (102) is no longer one of yours";
    assert!(login.stderr.contains(said), "{}", login.stderr);
    assert_eq!(home.status("work")["organization"]["id"], 102);
}

#[test]
fn a_login_that_asks_for_an_organisation_it_cannot_have_fails_and_replaces_nothing() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    switch(&home, "org switch sandbox-proteomics");
    let before = home.token("work");
    for profile in ["work", "new"] {
        let args = format!("login --no-browser --force --organization nowhere --profile {profile}");
        let mut login = home.seqera(&args).args(["--authority", &sandbox.authority]).start();
        let url = login.until("authorization URL", seqera_tests::browser::authorization_url);
        let shown = seqera_tests::browser::sign_in(&url, GRACE);
        let refused = login.finish(std::time::Duration::from_secs(30)).fails_with(2);
        assert!(refused.stderr.contains("error: you have no organization \"nowhere\""), "{}", refused.stderr);
        assert!(refused.stderr.contains("hint: yours are sandbox-genomics"), "{}", refused.stderr);
        assert!(shown.body.contains("nowhere") && !refused.stdout.contains('✓'), "{}", shown.body);
    }
    let status = home.status("work");
    assert_eq!(
        (&status["account"]["email"], &status["organization"]["name"]),
        (&json!(ADA), &json!("sandbox-proteomics"))
    );
    assert_eq!(home.token("work"), before);
    home.seqera("status --profile new").run().fails_with(1);
    let revoked = || (sandbox.count("revocations") >= 2).then_some(());
    seqera_tests::eventually(std::time::Duration::from_secs(30), "the end of their tokens", revoked);

    let with_token = |organization: &str| {
        let login = home.seqera("login --with-token --profile pat").stdin(&sandbox.personal_token("ada"));
        login.args(["--authority", &sandbox.authority, "--organization", organization]).run()
    };
    with_token("nowhere").fails_with(2);
    home.seqera("status --profile pat").run().fails_with(1);
    with_token("Sandbox Proteomics").ok();
    assert_eq!(home.status("pat")["organization"]["name"], "sandbox-proteomics");
    home.seqera("login --import --organization x").run().fails_with(2);
}

#[test]
fn a_login_that_joins_another_one_gets_the_organisation_that_it_asks_for() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let login = |more: &str| {
        let args = format!("login --no-browser --profile work {more}");
        home.seqera(&args).args(["--authority", &sandbox.authority]).start()
    };
    let mut first = login("");
    let url = first.until("authorization URL", seqera_tests::browser::authorization_url);
    let mut second = login("--organization sandbox-proteomics");
    second.until("word of the first one", |output| output.contains("joins it").then_some(()));
    drop(seqera_tests::browser::sign_in(&url, ADA));
    for login in [first, second] {
        login.finish(std::time::Duration::from_secs(30)).ok();
    }
    assert_eq!(home.status("work")["organization"]["name"], "sandbox-proteomics");
}

#[test]
fn a_person_picks_by_what_they_know_of_a_name() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    for (answer, name) in [
        ("sandbox proteomics", "sandbox-proteomics"),
        ("101", "sandbox-genomics"),
        ("proteo", "sandbox-proteomics"),
    ] {
        let terminal = seqera_tests::terminal::in_terminal(&home, "seqera org switch --profile work");
        let Some(mut switch) = terminal.map(seqera_tests::Invocation::start) else { return };
        switch.until("question", |output| output.contains("Which organization").then_some(()));
        assert!(switch.stdout().contains("sandbox-proteomics  (Sandbox Proteomics)"), "{}", switch.stdout());
        switch.write(&format!("{answer}\n"));
        switch.finish(std::time::Duration::from_secs(30)).ok();
        assert_eq!(home.status("work")["organization"]["name"], name, "{answer}");
    }
}

#[test]
fn two_platforms_side_by_side_each_with_its_own_choice_and_a_default_that_lasts() {
    let home = Home::new();
    let (cloud, enterprise) = (Sandbox::calm(), Sandbox::calm());
    home.login("cloud", &cloud, ADA);
    home.login("enterprise", &enterprise, GRACE);
    home.seqera("org switch sandbox-proteomics --profile cloud").run().ok();
    home.seqera("profile use enterprise").run().ok();
    let pid = home.agent_pid().expect("an agent runs");
    home.stop_agent(pid);
    let listed = home.seqera("profile list -o json").run().ok().json();
    assert_eq!(listed["default_profile"], "enterprise");
    let [first, second] = listed["profiles"].as_array().expect("a list").as_slice() else {
        panic!("{listed}")
    };
    assert_eq!(
        (&first["organization"]["name"], &first["authority"]),
        (&json!("sandbox-proteomics"), &json!(cloud.authority))
    );
    assert_eq!(
        (&second["organization"]["name"], &second["authority"]),
        (&json!("sandbox-genomics"), &json!(enterprise.authority))
    );
    assert_eq!(enterprise.user_info(home.seqera("token").run().ok().line()).status, 200);
    let by_authority = home.seqera("token").env("SEQERA_AUTH_DOMAIN", &cloud.authority).run().ok();
    assert_eq!(
        cloud.user_info(by_authority.line()).status,
        200,
        "the profile of the authority that is named"
    );
    let (mine, theirs) = (home.token("cloud"), home.token("enterprise"));
    assert_eq!((enterprise.user_info(&mine).status, cloud.user_info(&theirs).status), (401, 401));
}
