//! What programs that use Seqera find when `seqera exec` runs them.

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Sandbox, skip};

const CURL: &str = "apt-get install curl";

fn signed_in(sandbox: &Sandbox) -> Home {
    let home = Home::new();
    home.login("work", sandbox, ADA);
    home
}

#[test]
fn curl_gets_in_with_the_header_on_its_command_line_and_from_a_header_command() {
    if !skip::have(&["curl"], CURL) {
        return;
    }
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    let url = format!("{}/user-info", sandbox.authority);
    let header = "seqera token --profile work --format header";
    for script in [
        format!("curl -fsS -H \"$({header})\" {url}"),
        // Not as an argument, because others can read those.
        format!("{header} | curl -fsS -H @- {url}"),
        "eval \"$(seqera token --profile work --format env)\"; \
         curl -fsS -H \"Authorization: Bearer $TOWER_ACCESS_TOKEN\" $TOWER_API_ENDPOINT/user-info"
            .to_owned(),
    ] {
        let answer = home.shell(&script).run().ok().json();
        assert_eq!(answer["user"]["email"], ADA, "{script}");
    }
}

/// Like `tw` and seqerakit: only the three variables of the environment.
const TW: &str = "\
set -eu
ask() { curl -fsS -H \"Authorization: Bearer $TOWER_ACCESS_TOKEN\" \"$TOWER_API_ENDPOINT$1\"; }
user=$(ask /user-info | sed 's/.*\"id\":\\([0-9]*\\).*/\\1/')
ask \"/user/$user/workspaces\"
echo
echo \"workspace ${TOWER_WORKSPACE_ID-none}\"";

#[test]
fn a_program_that_knows_the_environment_alone_finds_account_and_workspaces() {
    if !skip::have(&["curl"], CURL) {
        return;
    }
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    for long in ["", "--long "] {
        let command = format!("exec --profile work {long}-- sh -c");
        // What another account left in the environment must not send the token to the wrong place.
        let stale = [("TOWER_API_ENDPOINT", "https://elsewhere.invalid"), ("TOWER_WORKSPACE_ID", "1")];
        let run = home.seqera(&command).args([TW]);
        let run = stale.iter().fold(run, |run, (name, value)| run.env(name, value)).run().ok();
        assert!(run.stdout.contains("orgsAndWorkspaces"), "{}", run.stdout);
        assert!(run.stdout.contains("workspace none"), "{}", run.stdout);
    }
}

#[test]
fn a_signal_reaches_the_program_and_its_end_is_the_programs() {
    let home = Home::new().with("SEQERA_ACCESS_TOKEN", "t");
    let script = "trap 'exit 42' TERM; echo ready; while :; do read -r _ || :; done";
    let mut running = home.seqera("exec -- sh -c").args([script]).typed().start();
    running.until("trap", |output| output.contains("ready").then_some(()));
    seqera_tests::reaper::signal(running.pid(), "TERM");
    let run = running.finish(std::time::Duration::from_secs(20));
    assert_eq!(run.code, Some(42));
}

#[test]
fn nextflow_users_are_told_what_beats_the_session_and_nobody_else_is() {
    let sandbox = Sandbox::calm();
    let home = signed_in(&sandbox);
    let folder = home.root().join("home/.nextflow");
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
    let nextflow = home.root().join("nextflow");
    std::fs::write(&nextflow, "#!/bin/sh\n").expect("a script");
    home.program("chmod").args(["755".as_ref(), nextflow.as_os_str()]).run().ok();
    let told =
        |program: &std::path::Path| home.seqera("exec --profile work --").args([program]).run().ok().stderr;
    assert_eq!(told(&nextflow), "");
    write("config", "tower { accessToken = 'canary' }\n");
    let note = told(&nextflow);
    assert!(
        note.contains(".nextflow/config") && note.contains("hint: ") && !note.contains("canary"),
        "{note}"
    );
    write("seqera-auth.config", "tower.accessToken = 'canary'\n");
    assert!(told(&nextflow).contains("seqera-auth.config"));
    assert_eq!(told("true".as_ref()), "");
    let launched = home.seqera("exec --profile work --").args([&nextflow]).env("TOWER_WORKFLOW_ID", "1x");
    assert_eq!(launched.run().ok().stderr, "");
}

#[test]
fn nextflow_gets_no_token_that_its_own_files_would_send_to_another_platform() {
    let (sandbox, other) = (Sandbox::calm(), Sandbox::calm());
    let home = signed_in(&sandbox);
    let folder = home.root().join("home/.nextflow");
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |path: &str, sandbox: &Sandbox| {
        let text = format!("tower {{\n  endpoint = '{}'\n}}\n", sandbox.authority);
        std::fs::write(home.root().join(path), text).expect("a file");
    };
    let nextflow = home.root().join("nextflow");
    std::fs::write(&nextflow, "#!/bin/sh\necho runs\n").expect("a script");
    home.program("chmod").args(["755".as_ref(), nextflow.as_os_str()]).run().ok();
    let run = |args: &str| home.seqera(&format!("exec {args} --")).args([&nextflow]);
    let refused = |run: seqera_tests::Run, file: &str| {
        let run = run.fails_with(2);
        assert!(
            run.stderr.contains("sent nowhere") && run.stderr.contains(&other.authority),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains(file) && !run.stdout.contains("runs"), "{run:?}");
    };
    // As the sign-in of Nextflow leaves it, once its token was removed.
    write("home/.nextflow/seqera-auth.config", &other);
    refused(run("--profile work").run(), "seqera-auth.config");
    refused(run("--profile work").env("TOWER_WORKFLOW_ID", "1x").run(), "seqera-auth.config");
    refused(run("--profile work --long").run(), "seqera-auth.config");
    let leases = home.seqera("agent leases -o json").run().ok().stdout;
    assert!(!leases.contains("nextflow"), "{leases}");
    // The later file beats the earlier one.
    write("nextflow.config", &sandbox);
    assert_eq!(run("--profile work").run().ok().stdout, "runs\n");
    write("home/.nextflow/seqera-auth.config", &sandbox);
    write("nextflow.config", &other);
    refused(run("--profile work").run(), "nextflow.config");
    let token = sandbox.personal_token("ada");
    let pair = run("").env("TOWER_ACCESS_TOKEN", &token).env("TOWER_API_ENDPOINT", &sandbox.authority);
    refused(pair.run(), "nextflow.config");
    // A token of that file's own goes with its endpoint.
    std::fs::write(home.root().join("home/.nextflow/config"), "tower.accessToken = 'x'\n").expect("a file");
    assert!(run("--profile work").run().ok().stderr.contains("Nextflow takes its token from"));
}

#[test]
fn a_token_of_a_shape_that_nextflow_does_not_know_is_told() {
    let home = Home::new().with("SEQERA_ACCESS_TOKEN", "opaque");
    let nextflow = home.root().join("nextflow.sh");
    std::fs::write(&nextflow, "#!/bin/sh\n").expect("a script");
    home.program("chmod").args(["755".as_ref(), nextflow.as_os_str()]).run().ok();
    let run = home.seqera("exec --").args([&nextflow]).run().ok();
    assert!(run.stderr.contains("shape") && run.stderr.contains("hint: "), "{}", run.stderr);
    assert!(!run.stderr.contains("opaque"), "{}", run.stderr);
}
