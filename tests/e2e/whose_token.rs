//! A token in the environment goes to the Platform that it is from, whichever others are named around it. Two sandboxes
//! are two Platforms, and the other one is never asked.

use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Invocation, Sandbox, eventually};
use serde_json::json;

const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// Every command that shows the Platform a token.
const ASKING: [&str; 6] =
    ["whoami", "info", "org list", "workspace list", "status --check", "status --check -o json"];

/// Two Platforms, a token of the first one, and a home without a session.
struct Stage {
    own: Sandbox,
    other: Sandbox,
    token: String,
    home: Home,
}

impl Stage {
    fn new() -> Self {
        let (own, other) = (Sandbox::calm(), Sandbox::calm());
        let token = own.personal_token("ada");
        Self { own, other, token, home: Home::new() }
    }

    /// The file names this Platform's authority at its top.
    fn file(&self, sandbox: &Sandbox) {
        self.home.write_config("config.json", &json!({"authDomain": sandbox.authority}).to_string());
    }

    fn run(&self, args: &str, env: &[(&str, &str)]) -> Invocation {
        env.iter().fold(self.home.seqera(args), |run, (name, value)| run.env(name, value))
    }

    /// Each command asks the token's own Platform, a program finds that one alone, and so does the bridge.
    fn holds(&self, env: &[(&str, &str)]) {
        for args in ASKING {
            let run = self.run(args, env).run().ok();
            assert!(run.stdout.contains("ada") || run.stdout.contains("sandbox-genomics"), "{args}: {run:?}");
        }
        let printed = "exec -- printenv TOWER_API_ENDPOINT SEQERA_API_ENDPOINT SEQERA_PLATFORM_API_URL \
                       SEQERA_AUTH_DOMAIN";
        let given = self.run(printed, env).run().ok();
        assert_eq!(given.stdout, format!("{}\n", self.own.authority).repeat(4), "{env:?}");
        let lines = self.run("token --format env", env).run().ok().stdout;
        assert!(lines.contains(&format!("export TOWER_API_ENDPOINT='{}'", self.own.authority)), "{lines}");
        let bridge = self.run("mcp", env).run().fails_with(2);
        assert!(bridge.stderr.contains(&format!("whose authority is {}", self.own.authority)), "{bridge:?}");
        self.other_saw_nothing();
    }

    fn refused(&self, env: &[(&str, &str)]) {
        let handing_on = ["exec -- true", "token --format env", "mcp"];
        for args in ASKING.into_iter().chain(handing_on) {
            let run = self.run(args, env).run().fails_with(2);
            assert!(run.stderr.contains("sent nowhere"), "{args}: {}", run.stderr);
        }
        let asked =
            self.own.stats().as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum::<u64>();
        assert_eq!(asked, 0);
        self.other_saw_nothing();
    }

    fn other_saw_nothing(&self) {
        let seen = self.other.stats();
        let asked: u64 = seen.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
        assert_eq!(asked, 0, "the other Platform was asked: {seen}");
    }
}

#[test]
fn the_pair_of_nextflow_and_tw_is_the_place_of_its_token() {
    let stage = Stage::new();
    let pair = [("TOWER_ACCESS_TOKEN", &*stage.token), ("TOWER_API_ENDPOINT", &*stage.own.authority)];
    stage.holds(&pair);
    // The file names another account's.
    stage.file(&stage.other);
    stage.holds(&pair);
}

#[test]
fn what_exec_has_set_without_its_mark_still_leads_to_its_own_platform() {
    let stage = Stage::new();
    stage.holds(&[
        ("SEQERA_ACCESS_TOKEN", &stage.token),
        ("TOWER_ACCESS_TOKEN", &stage.token),
        ("TOWER_API_ENDPOINT", &stage.own.authority),
    ]);
}

#[test]
fn the_authority_of_the_file_and_of_the_variable_are_those_of_a_token_for_every_command() {
    let stage = Stage::new();
    stage.file(&stage.own);
    stage.holds(&[("SEQERA_ACCESS_TOKEN", &stage.token)]);
    stage.file(&stage.other);
    let named = [("SEQERA_ACCESS_TOKEN", &*stage.token), ("SEQERA_AUTH_DOMAIN", &*stage.own.authority)];
    stage.holds(&named);
    let beside = [named[0], named[1], ("TOWER_API_ENDPOINT", &stage.other.authority)];
    stage.holds(&beside);
}

#[test]
fn a_token_in_a_file_goes_where_the_file_says_and_else_where_the_variables_say() {
    let stage = Stage::new();
    let file = stage.home.root().join("token");
    let path = file.display().to_string();
    stage.file(&stage.other);
    for content in [
        format!("{}\n# seqera token file\napi={}\n", stage.token, stage.own.authority),
        format!("{}\n# seqera token file\nauthority={}\n", stage.token, stage.own.authority),
    ] {
        std::fs::write(&file, content).expect("a writable home");
        let set = [("SEQERA_ACCESS_TOKEN_FILE", &*path), ("SEQERA_AUTH_DOMAIN", &stage.other.authority)];
        let workspace_stays = stage.run("exec -- printenv TOWER_API_ENDPOINT", &set).run().ok();
        assert_eq!(workspace_stays.line(), stage.own.authority);
        stage.holds(&set);
    }
    for content in [format!("{}\n", stage.token), format!("{}\n# seqera token file\n", stage.token)] {
        std::fs::write(&file, content).expect("a writable home");
        stage.holds(&[("SEQERA_ACCESS_TOKEN_FILE", &path), ("SEQERA_AUTH_DOMAIN", &stage.own.authority)]);
    }
}

#[test]
fn a_token_for_which_two_platforms_are_named_is_sent_to_neither() {
    let stage = Stage::new();
    let (own, other) = (&*stage.own.authority, &*stage.other.authority);
    let asked_before = stage.own.stats();
    assert!(asked_before.is_object());
    stage.refused(&[
        ("TOWER_ACCESS_TOKEN", &stage.token),
        ("TOWER_API_ENDPOINT", own),
        ("SEQERA_AUTH_DOMAIN", other),
    ]);
    stage.refused(&[
        ("SEQERA_ACCESS_TOKEN", &stage.token),
        ("TOWER_ACCESS_TOKEN", "another"),
        ("TOWER_API_ENDPOINT", other),
    ]);
    stage.file(&stage.other);
    stage.refused(&[("SEQERA_ACCESS_TOKEN", &stage.token), ("TOWER_API_ENDPOINT", own)]);
}

#[test]
fn the_mcp_server_of_one_account_gets_no_token_of_another_under_the_same_name() {
    let stage = Stage::new();
    let section = |name: &str| {
        let place = json!({"authority": stage.other.authority, "mcpUrl": format!("{}/mcp", stage.other.url)});
        stage.home.write_config("config.json", &json!({"profiles": {name: place}}).to_string());
    };
    section("work");
    stage.home.login("work", &stage.own, ADA);
    let refused = |name: &str| {
        let run = stage.home.seqera(&format!("mcp --profile {name}")).run().fails_with(2);
        assert!(run.stderr.contains("which was set for"), "{}", run.stderr);
        let asked = format!("mcp --profile {name} {}/mcp", stage.other.url);
        let run = stage.home.seqera(&asked).run().fails_with(2);
        assert!(run.stderr.contains("gets no token"), "{}", run.stderr);
    };
    refused("work");
    stage.home.seqera("profile rename work lab").run().ok();
    section("lab");
    refused("lab");
    stage.other_saw_nothing();
}

#[test]
fn a_login_with_the_token_of_this_shell_goes_to_the_platform_of_that_token() {
    let stage = Stage::new();
    let login = |file: &str, args: &str, env: &[(&str, &str)]| {
        let line = format!("printf %s \"${file}\" | seqera login --with-token {args}");
        let run = stage.home.shell(&line).env("GIVEN", &stage.token);
        env.iter().fold(run, |run, (name, value)| run.env(name, value)).run()
    };
    let (own, other) = (&*stage.own.authority, &*stage.other.authority);
    let pair = [("TOWER_ACCESS_TOKEN", &*stage.token), ("TOWER_API_ENDPOINT", own)];
    let refused = |run: seqera_tests::Run| {
        let run = run.fails_with(2);
        assert!(run.stderr.contains("sent nowhere") && run.stderr.contains("--authority"), "{}", run.stderr);
    };
    // A token from elsewhere would be shown to Cloud, and this shell is about another Platform.
    refused(login("GIVEN", "", &[("TOWER_API_ENDPOINT", other)]));
    stage.file(&stage.other);
    refused(login("TOWER_ACCESS_TOKEN", "", &pair));
    stage.home.write_config("config.json", "{}");
    let run = login("TOWER_ACCESS_TOKEN", "--profile work", &pair).ok();
    assert!(run.stderr.contains("TOWER_API_ENDPOINT"), "{}", run.stderr);
    assert_eq!(stage.home.status("work")["authority"], *own);
    login("GIVEN", &format!("--profile named --authority {own}"), &[("TOWER_API_ENDPOINT", other)]).ok();
    // What is signed in keeps its authority.
    login("GIVEN", "--profile named --force", &[("TOWER_API_ENDPOINT", other)]).ok();
    stage.other_saw_nothing();
}

#[test]
fn a_program_under_exec_gets_no_token_of_the_account_that_has_the_name_by_now() {
    let stage = Stage::new();
    stage.home.login("work", &stage.own, ADA);
    let script = "echo ready; read -r line; seqera token; seqera token --profile work | wc -l";
    let mut child = stage.home.seqera("exec --profile work -- sh -c").args([script]).typed().start();
    child.until("the program", |output| output.contains("ready").then_some(()));
    stage.home.seqera("logout --profile work").run().ok();
    stage.home.seqera("profile remove work").run().ok();
    stage.home.login("work", &stage.other, ADA);
    child.write("go\n");
    let run = child.finish(LIMIT);
    // The name alone is the program's own word.
    assert_eq!(run.stdout.split_whitespace().collect::<Vec<_>>(), ["ready", "1"], "{run:?}");
    let why = format!("belongs to {}, not to {}", stage.other.authority, stage.own.authority);
    assert!(run.stderr.contains(&why), "{}", run.stderr);
}

#[test]
fn a_file_that_is_kept_for_one_account_gets_no_token_of_the_account_that_has_the_name_by_now() {
    let stage = Stage::new();
    stage.home.login("work", &stage.own, ADA);
    let file = stage.home.root().join("run/kept");
    let path = file.display().to_string();
    let keeper = stage.home.seqera("token --profile work --watch --write").args([&path]).start();
    eventually(LIMIT, "the file", || file.exists().then_some(()));
    stage.home.seqera("logout --profile work").run().ok();
    stage.home.login("work", &stage.other, ADA);
    let ended = keeper.finish(LIMIT).fails_with(2);
    assert!(ended.stderr.contains(&stage.own.authority), "{}", ended.stderr);
    assert!(!file.exists());
}
