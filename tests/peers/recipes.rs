//! `client/RECIPES.md`: every block there is run here, or the page says why not.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::binaries::workspace;
use seqera_tests::http;
use seqera_tests::nextflow::{alone, identities, under_exec};
use seqera_tests::sandbox::ADA;
use seqera_tests::skip::{self, have, skip};
use seqera_tests::{Home, Sandbox};
use serde_json::json;

/// What a block is preceded by: the name of its test, or a reason.
const TEST: &str = "<!-- test: ";
const NONE: &str = "<!-- not executed: ";

/// The blocks that a test below runs.
const RUN: [&str; 12] = [
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
    let cache = |name: &str| workspace().join("target/peers/go").join(name);
    let mut run = home.program(go).args(["run", "."]).limit(COMPILING);
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
    let run = run.with(|command| {
        command.current_dir(folder);
    });
    let run = run.run().ok();
    assert!(run.stdout.contains(ADA), "{}", run.stdout);
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
