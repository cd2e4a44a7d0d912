//! Configuration folders, runtime folders and hosts: who shares an agent with whom.

use std::time::Duration;

use seqera_tests::browser::{authorization_url, sign_in};
use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::{Home, Invocation, Run, Sandbox};

const LIMIT: Duration = Duration::from_secs(30);

fn log_in(invocation: Invocation, user: &str) -> Run {
    let mut login = invocation.start();
    let url = login.until("authorization URL", authorization_url);
    sign_in(&url, user);
    login.finish(LIMIT).ok()
}

#[test]
fn two_configuration_folders_with_one_runtime_folder_are_two_agents_that_never_mix() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let other = home.root().join("other");
    let in_other = |args: &str| home.seqera(args).env("SEQERA_CLI_CONFIG_DIR", &other);
    let login = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    log_in(home.seqera(&login), ADA);
    log_in(in_other(&login), GRACE);

    let pid = |run: Run| run.ok().json()["pid"].as_u64();
    let first = pid(home.seqera("agent status -o json").run());
    let second = pid(in_other("agent status -o json").run());
    assert_ne!(first, second);
    let who = |run: Run| run.ok().json()["account"]["email"].as_str().map(str::to_owned);
    assert_eq!(who(home.seqera("status --profile work -o json").run()).as_deref(), Some(ADA));
    assert_eq!(who(in_other("status --profile work -o json").run()).as_deref(), Some(GRACE));

    // A client of one folder at the other folder's socket is refused.
    let socket = home.seqera("agent socket").run().ok().line().to_owned();
    let crossed = in_other("token --profile work").env("SEQERA_AGENT_SOCK", &socket).run().fails_with(69);
    assert_eq!(crossed.stdout, "");
    in_other("agent stop").run().ok();
}

#[test]
fn two_home_folders_with_one_runtime_folder_are_two_agents_that_never_mix() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let other = home.root().join("other-home");
    std::fs::create_dir(&other).expect("the folder can be made");
    let in_other = |args: &str| home.seqera(args).env("HOME", &other);
    let login = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    log_in(home.seqera(&login), ADA);
    log_in(in_other(&login), GRACE);
    let who = |run: Run| run.ok().json()["account"]["email"].as_str().map(str::to_owned);
    for _ in 0..2 {
        assert_eq!(who(home.seqera("status --profile work -o json").run()).as_deref(), Some(ADA));
        assert_eq!(who(in_other("status --profile work -o json").run()).as_deref(), Some(GRACE));
        // Whoever starts again finds the other one at the first place.
        home.seqera("agent restart").run().ok();
    }
    in_other("agent stop").run().ok();
}

#[test]
fn two_runtime_folders_with_one_configuration_folder_share_one_agent() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    home.login("work", &sandbox, ADA);
    let agent = home.agent_pid();
    let second = home.root().join("run2");
    std::fs::create_dir(&second).expect("the folder can be made");
    let job = |args: &str| home.seqera(args).env("XDG_RUNTIME_DIR", &second);
    let token = job("token --profile work").run().ok();
    assert_eq!(token.line(), home.token("work"));
    assert_eq!(job("agent status -o json").run().ok().json()["pid"].as_u64(), agent.map(u64::from));
    let without = home.seqera("token --profile work").without_env("XDG_RUNTIME_DIR").run().ok();
    assert_eq!(without.line(), token.line());
}

#[test]
fn a_second_host_over_the_same_home_never_spends_the_first_ones_refresh_token() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let on = |host: &str, args: &str| {
        let runtime = home.root().join(format!("run-{host}"));
        std::fs::create_dir_all(&runtime).expect("the folder can be made");
        home.seqera(args).env("SEQERA_AGENT_HOST_ID", host).env("XDG_RUNTIME_DIR", runtime)
    };
    let login = format!("login --no-browser --profile work --authority {}", sandbox.authority);
    log_in(on("alpha", &login), ADA);
    on("alpha", "agent stop").run().ok();
    // Nothing is in memory, so whoever has the refresh token would have to spend it now.
    let refused = on("beta", "token --profile work").run();
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert_eq!(sandbox.count("refresh_attempts"), 0);
    log_in(on("beta", &login), ADA);
    assert_eq!(sandbox.count("tokens_alive"), 2, "each host has a session of its own");
    on("beta", "agent restart").run().ok();
    for host in ["alpha", "beta"] {
        let token = on(host, "token --profile work").run().ok();
        assert_eq!(sandbox.user_info(token.line()).status, 200, "{host}");
    }
    assert_eq!(sandbox.count("reuses"), 0);
    on("alpha", "agent stop").run().ok();
    let all = on("beta", "logout --all").run().ok();
    assert!(all.stdout.contains("work: revoked"), "{all:?}");
    assert!(all.stdout.contains("work (of host alpha): revoked"), "{all:?}");
    assert_eq!(sandbox.count("tokens_alive"), 0);
    let left = std::fs::read_dir(home.config_dir()).expect("the folder is there").flatten();
    assert_eq!(
        left.filter(|file| file.file_name().to_string_lossy().starts_with("refresh-token.")).count(),
        0
    );
    on("beta", "agent stop").run().ok();
}
