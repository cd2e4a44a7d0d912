//! `client/RECIPES.md`: every block there is run here, or the page says why not.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seqera_tests::binaries::workspace;
use seqera_tests::http;
use seqera_tests::nextflow::{alone, identities, under_exec};
use seqera_tests::sandbox::ADA;
use seqera_tests::skip::{self, have, skip};
use seqera_tests::{Home, Invocation, Sandbox, binaries};
use serde_json::json;

use crate::managers::{managed, run, said, units, with_units};

/// What a block is preceded by: the name of its test, or a reason.
const TEST: &str = "<!-- test: ";
const NONE: &str = "<!-- not executed: ";

/// The blocks that a test below runs.
const RUN: [&str; 17] = [
    "actions",
    "cron",
    "curl",
    "curl_stdin",
    "direnv",
    "go",
    "java",
    "jupyter",
    "loop",
    "neovim",
    "nextflow",
    "nextflow_long",
    "prompt",
    "r",
    "seqerakit",
    "systemd_service",
    "systemd_timer",
];

/// To compile a small program, on a machine that is busy with other tests.
const COMPILING: Duration = Duration::from_secs(300);

fn page() -> String {
    std::fs::read_to_string(workspace().join("client/RECIPES.md")).expect("the page is there")
}

/// The text of a block.
#[track_caller]
fn block(name: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!("{TEST}{name} -->\n```")).expect("the page has the block");
    let (_, rest) = rest.split_once('\n').expect("a block has lines");
    rest.split_once("\n```").expect("a block ends").0.to_owned()
}

/// A script that may be started.
fn program(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("a file");
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
}

/// A home where the profile that is chosen is signed in to the sandbox, and `$API` is set.
fn signed_in(settings: &serde_json::Value) -> (Home, Sandbox) {
    let sandbox = Sandbox::start(settings);
    let home = Home::new().with("API", &sandbox.authority);
    home.login("work", &sandbox, ADA);
    home.seqera("profile use work").run().ok();
    (home, sandbox)
}

#[test]
fn every_block_is_run_by_a_test_or_says_why_not() {
    let page = page();
    let mut before = "";
    let (mut named, mut inside) = (BTreeSet::new(), false);
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
            let told = before.starts_with(TEST) || before.starts_with(NONE);
            assert!(!inside || told, "no word about the block after {before:?}");
        }
        if let Some(name) = line.strip_prefix(TEST) {
            named.insert(name.trim_end_matches(" -->").to_owned());
        }
        before = line;
    }
    assert_eq!(named, RUN.map(str::to_owned).into());
}

#[test]
fn the_blocks_for_a_shell_ask_as_the_person_who_signed_in() {
    if !have(&["curl"], "apt-get install curl") {
        return;
    }
    let (home, _sandbox) = signed_in(&json!({}));
    for name in ["curl", "curl_stdin", "loop", "cron"] {
        let run = home.shell(&block(name)).run().ok();
        assert!(run.stdout.contains(ADA), "{name}: {}", run.stdout);
    }
}

#[test]
fn the_prompt_names_the_profile_and_says_nothing_without_a_session() {
    let (home, _sandbox) = signed_in(&json!({}));
    let shown = format!("{}\nseqera_prompt", block("prompt"));
    assert_eq!(home.shell(&shown).run().ok().line(), "[work] ");
    home.seqera("logout --profile work").run().ok();
    assert_eq!(home.shell(&shown).run().stdout, "");
}

#[test]
fn nextflows_configuration_asks_for_a_token_that_is_fresh() {
    let (home, sandbox) = signed_in(&json!({}));
    let config = home.root().join("recipe.config");
    std::fs::write(&config, block("nextflow")).expect("a file");
    for _ in 0..2 {
        let Some(nextflow) = alone(&home) else { return };
        let old = home.token("work");
        let expire = format!("{}/_sandbox/expire", sandbox.url);
        let body = json!({"access": "all"}).to_string();
        let reply = http::request("POST", &expire, &[("content-type", "application/json")], &body);
        assert!(reply.is_ok_and(|reply| reply.status < 300), "the sandbox keeps the tokens");
        assert_eq!(sandbox.user_info(&old).status, 401);
        // An agent that has just started has no token in memory, as after a night.
        home.seqera("agent restart --force").run().ok();
        // Its task has no token at all, and so the run ends with an error: what counts is whom Nextflow itself was.
        let run = nextflow.args(["-c".as_ref(), config.as_os_str()]);
        let run = run.env("TOWER_API_ENDPOINT", &sandbox.authority).run();
        assert!(run.stdout.contains(&format!("nextflow is {ADA}")), "{}{}", run.stdout, run.stderr);
    }
}

#[test]
fn a_long_run_of_nextflow_gets_a_token_of_its_own() {
    let (home, sandbox) = signed_in(&json!({"access_lifetime": 2}));
    let block = block("nextflow_long");
    let args =
        block.strip_prefix("seqera exec ").and_then(|rest| rest.strip_suffix(" -- nextflow run main.nf"));
    let Some(nextflow) = under_exec(&home, args.expect("the block is that command")) else { return };
    assert_eq!(identities(&nextflow.run().ok()), (ADA, ADA));
    drop(sandbox);
}

#[test]
fn a_program_in_java_asks_for_each_request() {
    let Some(java) = skip::find("java").filter(|_| have(&["javac"], "apt-get install default-jdk")) else {
        return;
    };
    let (home, _sandbox) = signed_in(&json!({}));
    let file = home.root().join("Seqera.java");
    std::fs::write(&file, block("java")).expect("a file");
    let run = home.program(java).args([file]).limit(COMPILING).run().ok();
    assert!(run.stdout.contains(ADA), "{}", run.stdout);
}

#[test]
fn a_script_in_r_asks_with_a_fresh_token() {
    let remedy = "R or packages of it are missing (apt-get install r-cran-httr2 r-cran-jsonlite)";
    let Some(r) = skip::find("Rscript") else { return skip(remedy) };
    let (home, _sandbox) = signed_in(&json!({}));
    if home.program(&r).args(["-e", "library(httr2); library(jsonlite)"]).limit(COMPILING).run().code
        != Some(0)
    {
        return skip(remedy);
    }
    let run = home.program(&r).args(["-e", &block("r")]).limit(COMPILING).run().ok();
    assert!(run.stdout.contains(ADA), "{}", run.stdout);
    home.seqera("logout --profile work").run().ok();
    let refused = home.program(r).args(["-e", &block("r")]).limit(COMPILING).run().fails_with(1);
    assert!(refused.stderr.contains("seqera token failed"), "{}", refused.stderr);
}

/// The last step of the workflow is run here, where the sandbox is the Platform; the others are GitHub's.
#[test]
fn a_workflow_of_github_is_one_and_asks_with_the_token_of_its_environment() {
    let Some(go) = skip::find("go") else { return skip("go is missing (apt-get install golang)") };
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let file = home.root().join("workflow.yml");
    std::fs::write(&file, block("actions")).expect("a file");
    let ours = ["ci.yml", "release.yml"].map(|name| workspace().join(".github/workflows").join(name));
    let lint = in_go(&home, go, &["tool", "actionlint", "-no-color"]).args([file]).args(ours);
    let lint = lint.with(|command| {
        command.current_dir(workspace().join("tests/peers/actions"));
    });
    assert_eq!(lint.run().ok().stdout, "");

    let block = block("actions");
    let (_, step) = block.rsplit_once("- run: ").expect("the last step");
    let run = home.shell(step).env("SEQERA_ACCESS_TOKEN", sandbox.personal_token(ADA));
    let run = run.env("SEQERA_AUTH_DOMAIN", &sandbox.authority).run().ok();
    assert!(run.stdout.contains(ADA), "{}", run.stdout);
    assert_eq!(home.agent_pid(), None, "a token of the environment needs no agent");
}

#[test]
fn a_timer_of_systemd_starts_a_program_as_the_person_who_signed_in() {
    let Some(home) = with_units(&binaries().agent.display().to_string()) else { return };
    let sandbox = Sandbox::calm();
    let file = |path: PathBuf, text: &str| std::fs::write(path, text).expect("a file");
    file(units(&home).join("report.service"), &block("systemd_service"));
    file(units(&home).join("report.timer"), &block("systemd_timer"));
    let folders = ["bin", ".cargo/bin"].map(|name| home.root().join("home").join(name));
    folders.iter().for_each(|folder| std::fs::create_dir_all(folder).expect("a folder"));
    let [bin, cargo] = folders;
    std::os::unix::fs::symlink(&binaries().client, cargo.join("seqera")).expect("a link");
    let ask = r#"curl --fail --silent -H "Authorization: Bearer $TOWER_ACCESS_TOKEN" "$TOWER_API_ENDPOINT/user-info""#;
    program(&bin.join("report"), &format!("{ask} >\"$HOME/report.json\""));
    let script = format!(
        "systemd-analyze --user verify report.service report.timer
        systemctl --user start seqera-agent.socket
        printf %s \"$GIVEN\" | seqera login --with-token --profile work --authority {} >/dev/null
        systemctl --user stop seqera-agent.socket seqera-agent.service
        systemctl --user enable --now --quiet report.timer
        systemctl --user show -p ActiveState,NextElapseUSecRealtime report.timer
        systemctl --user start report.service && cat ~/report.json
        systemctl --user is-active seqera-agent.service && seqera agent status
        systemctl --user stop report.timer seqera-agent.socket seqera-agent.service",
        sandbox.authority
    );
    let given = managed(&home, &script).env("GIVEN", sandbox.personal_token(ADA));
    let Some(run) = run(given) else { return };
    assert!(
        !run.stderr.contains("report."),
        "words of the check:
{}",
        run.stderr
    );
    for what in ["ActiveState=active", ":00:00 ", ADA, "Sessions"] {
        said(&run, what);
    }
}

/// Go with the caches of all tests and with what it needs of the environment to fetch modules.
fn in_go(home: &Home, go: PathBuf, args: &[&str]) -> Invocation {
    let cache = |name: &str| workspace().join("target/peers/go").join(name);
    let mut run = home.program(go).args(args).limit(COMPILING);
    for (variable, folder) in [("GOCACHE", "cache"), ("GOMODCACHE", "modules"), ("GOPATH", "path")] {
        run = run.env(variable, cache(folder));
    }
    for variable in
        ["GOPROXY", "GONOSUMDB", "GONOSUMCHECK", "GOFLAGS", "GOSUMDB", "HTTPS_PROXY", "SSL_CERT_FILE"]
    {
        if let Some(value) = seqera_tests::environment::variable(variable) {
            run = run.env(variable, value);
        }
    }
    run
}

#[test]
fn a_client_in_go_gets_the_token_of_the_profile() {
    let Some(go) = skip::find("go") else { return skip("go is missing (apt-get install golang)") };
    let (home, _sandbox) = signed_in(&json!({}));
    let folder = home.root().join("recipe");
    std::fs::create_dir(&folder).expect("a folder");
    let ours = workspace().join("tests/peers/go");
    for file in ["go.mod", "go.sum", "main.go"] {
        std::fs::copy(ours.join(file), folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    std::fs::write(folder.join("seqera.go"), block("go")).expect("a file");
    let run = in_go(&home, go, &["run", "."]).with(|command| {
        command.current_dir(folder);
    });
    let run = run.run().ok();
    assert!(run.stdout.contains(ADA), "{}", run.stdout);
}

/// The real seqerakit. A stand-in takes the place of `tw`, which it runs for each thing that it makes.
#[test]
fn seqerakit_hands_token_and_endpoint_on_to_what_it_runs() {
    let programs = workspace().join("target/peers/python/bin");
    if !programs.join("seqerakit").is_file() {
        return skip("the packages for Python are missing (cargo xtask peers)");
    }
    let (home, _sandbox) = signed_in(&json!({}));
    let launch = "launch:\n  - name: hello\n    pipeline: https://github.com/nextflow-io/hello\n";
    std::fs::write(home.root().join("launch.yml"), launch).expect("a file");
    let ask = r#"curl --fail --silent -H "Authorization: Bearer $TOWER_ACCESS_TOKEN" "$TOWER_API_ENDPOINT/user-info""#;
    program(&home.root().join("tw"), &format!("echo \"$@\"; {ask}"));
    let script = format!("PATH=$PWD:$PATH:{}; {}", programs.display(), block("seqerakit"));
    let run = home.shell(&script).limit(COMPILING).run().ok();
    assert!(run.stdout.contains("launch") && run.stdout.contains(ADA), "{run:?}");
}

#[test]
fn a_notebook_uses_the_library_for_python() {
    let python = workspace().join("target/peers/python/bin/python");
    if !python.is_file() {
        return skip("the packages for Python are missing (cargo xtask peers)");
    }
    let (home, _sandbox) = signed_in(&json!({}));
    let mut cell: Vec<String> = block("jupyter").lines().map(str::to_owned).collect();
    // A notebook shows the value of the last line.
    let last = cell.pop().expect("a cell has lines");
    cell.push(format!("print({last})"));
    let run = home.program(python).args(["-c", &cell.join("\n")]).run().ok();
    assert_eq!(run.line(), ADA);
}

#[test]
fn direnv_chooses_the_profile_of_a_folder() {
    if !have(&["direnv"], "apt-get install direnv") {
        return;
    }
    let (home, sandbox) = signed_in(&json!({}));
    home.login("home", &sandbox, ADA);
    home.seqera("profile use home").run().ok();
    let folder = home.root().join("folder");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join(".envrc"), block("direnv")).expect("a file");
    let script = "cd folder && direnv allow && direnv exec . seqera token -o json";
    let run = home.shell(script).run().ok();
    assert_eq!(run.json()["profile"], "work");
}

#[test]
fn neovim_gets_a_token_and_shows_the_account() {
    let Some(neovim) = skip::find("nvim") else { return skip("nvim is missing (apt-get install neovim)") };
    let (home, _sandbox) = signed_in(&json!({}));
    let file: PathBuf = home.root().join("seqera.lua");
    std::fs::write(&file, block("neovim")).expect("a file");
    let shown = r#"lua vim.wait(30000, function() return seqera.status ~= "" end)
        io.stdout:write(#seqera.token() > 20 and "token " or "none ", vim.api.nvim_eval_statusline(vim.o.statusline, {}).str)"#;
    let shown = shown.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let source = format!("luafile {}", file.display());
    let run = home
        .program(neovim)
        .args(["--headless", "--clean", "-c", &source, "-c", &shown, "-c", "qa!"])
        .run()
        .ok();
    assert!(run.stdout.starts_with("token ") && run.stdout.contains("seqera: work"), "{run:?}");
}
