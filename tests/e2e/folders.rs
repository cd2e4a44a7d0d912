//! Configuration folders, runtime folders and hosts: who shares an agent with whom.

use std::time::Duration;

use seqera_tests::browser::{authorization_url, sign_in};
use seqera_tests::namespaces::may_make;
use seqera_tests::sandbox::{ADA, GRACE};
use seqera_tests::{Home, Invocation, Run, Sandbox, eventually};

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

/// Another name of the host, and other files of the machine as well.
const RENAMED: [&str; 1] = ["--uts"];
const CONTAINED: [&str; 2] = ["--uts", "--mount"];

/// Commands of one machine that calls itself by another name each time, in a UTS namespace of its own.
fn called(home: &Home, name: &str, command: &str) -> Invocation {
    let script = format!("hostname {name} && exec {command}");
    home.program("unshare").args(RENAMED.iter().copied().chain(["sh", "-c", &script])).limit(LIMIT)
}

/// The folders of hosts in the configuration folder.
fn host_folders(home: &Home) -> Vec<String> {
    let folders = std::fs::read_dir(home.config_dir().join("run")).expect("an agent has run here").flatten();
    folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_host_that_gets_another_name_keeps_its_session_and_gets_the_old_name_back_as_well() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    if !may_make(&home, &RENAMED) {
        return;
    }
    home.login("work", &sandbox, ADA);
    home.seqera("agent stop").run().ok();
    for name in ["dhcp-17", "dhcp-18", "dhcp-17"] {
        let token = called(&home, name, "seqera token --profile work").run().ok();
        assert_eq!(sandbox.user_info(token.line()).status, 200, "{name}");
        let listed = called(&home, name, "seqera profile list").run().ok();
        assert!(listed.stdout.contains("signed in"), "{listed:?}");
        called(&home, name, "seqera agent stop").run().ok();
    }
    assert_eq!(sandbox.user_info(&home.token("work")).status, 200);
    assert_eq!((sandbox.count("refresh_attempts"), sandbox.count("reuses")), (4, 0));
    assert_eq!(host_folders(&home).len(), 1);
}

#[test]
fn under_another_name_the_running_agent_is_found_whatever_the_runtime_folder() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    if !may_make(&home, &RENAMED) {
        return;
    }
    home.login("work", &sandbox, ADA);
    let token = home.token("work");
    let elsewhere = home.root().join("run2");
    std::fs::create_dir(&elsewhere).expect("the folder can be made");
    let renamed = called(&home, "dhcp-17", "seqera token --profile work").env("XDG_RUNTIME_DIR", &elsewhere);
    assert_eq!(renamed.run().ok().line(), token);
    assert_eq!(sandbox.count("refresh_attempts"), 0);
}

/// The folder as a version of before left it, whose id changed with the node name: `name` is the one of then.
fn as_of_before(home: &Home, name: &str) {
    let id = format!("{{ tr -d '\\n' < /etc/machine-id; printf '\\n%s' {name}; }} | sha256sum | cut -c1-16");
    let (now, before) = (host_folders(home).remove(0), home.shell(&id).run().ok().line().to_owned());
    let run = home.config_dir().join("run");
    std::fs::rename(run.join(&now), run.join(&before)).expect("the folder can be renamed");
    for file in [home.config_dir().join("refresh-token.work"), run.join(&before).join("sessions.json")] {
        let text = std::fs::read_to_string(&file).expect("the file can be read");
        std::fs::write(&file, text.replace(&now, &before).replace("\"hostName\"", "\"then\""))
            .expect("written");
    }
}

#[test]
fn sessions_of_a_version_whose_id_changed_with_the_name_are_found_and_survive_the_next_name() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    if !may_make(&home, &RENAMED) {
        return;
    }
    home.login("work", &sandbox, ADA);
    home.seqera("agent stop").run().ok();
    as_of_before(&home, "ada");
    for name in ["ada", "dhcp-17"] {
        let token = called(&home, name, "seqera token --profile work").run().ok();
        assert_eq!(sandbox.user_info(token.line()).status, 200, "{name}");
        called(&home, name, "seqera agent stop").run().ok();
    }
    assert_eq!((sandbox.count("refresh_attempts"), sandbox.count("reuses")), (2, 0));
    let out = called(&home, "dhcp-17", "seqera logout --all").run().ok();
    assert_eq!(out.stdout.trim(), "work: revoked", "{out:?}");
    assert_eq!(sandbox.count("tokens_alive"), 0);
}

/// Commands of another machine over the same home: its machine id says nothing, as in many containers.
fn in_container(home: &Home, name: &str, command: &str) -> Invocation {
    let empty = home.root().join("machine-id");
    std::fs::write(&empty, "").expect("the file can be written");
    let hide = |file: &str| format!("if test -e {file}; then mount --bind {} {file}; fi", empty.display());
    let hidden = ["/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid"].map(hide).join(" && ");
    let script = format!("{hidden} && hostname {name} && exec {command}");
    home.program("unshare").args(CONTAINED.iter().copied().chain(["sh", "-c", &script])).limit(LIMIT)
}

#[test]
fn a_container_with_a_new_name_says_whose_the_session_is_and_takes_it_over_when_told_so() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    if !may_make(&home, &CONTAINED) {
        return;
    }
    let in_c1 = |command: &str| in_container(&home, "c1", command);
    let login = format!("seqera login --no-browser --profile work --authority {}", sandbox.authority);
    log_in(in_c1(&login), ADA);
    in_c1("seqera agent stop").run().ok();

    let in_c2 = |command: &str| in_container(&home, "c2", command);
    for command in ["status --profile work", "status", "token", "token --profile work"] {
        let refused = in_c2(&format!("seqera {command}")).run().fails_with(3);
        assert!(refused.stderr.contains("host 'c1', last renewed 20"), "{refused:?}");
        assert!(refused.stderr.contains("seqera login --adopt --profile work"), "{refused:?}");
    }
    let listed = in_c2("seqera profile list").run().ok();
    assert!(listed.stdout.contains("work") && listed.stdout.contains("of host 'c1'"), "{listed:?}");
    let doctor = in_c2("seqera agent doctor").run();
    assert!(doctor.stdout.contains("host 'c1'") && doctor.stdout.contains("--adopt"), "{doctor:?}");

    let asked = in_c2("seqera login --adopt").run().fails_with(2);
    assert!(asked.stderr.contains("host 'c1', last renewed 20"), "{asked:?}");
    assert!(asked.stderr.contains("--adopt --force"), "{asked:?}");
    assert_eq!(sandbox.count("refresh_attempts"), 0);
    let adopted = in_c2("seqera login --adopt --force").run().ok();
    assert!(adopted.stdout.contains(&format!("Signed in as {ADA}")), "{adopted:?}");
    let token = in_c2("seqera token --profile work").run().ok();
    assert_eq!(sandbox.user_info(token.line()).status, 200);
    in_c2("seqera agent stop").run().ok();

    // The first name comes back: the session is the other one's, until it is told otherwise.
    let refused = in_c1("seqera token --profile work").run().fails_with(3);
    assert!(refused.stderr.contains("host 'c2'"), "{refused:?}");
    in_c1("seqera login --adopt --force --profile work").run().ok();
    let token = in_c1("seqera token --profile work").run().ok();
    assert_eq!(sandbox.user_info(token.line()).status, 200);
    in_c1("seqera agent stop").run().ok();
    assert_eq!(sandbox.count("reuses"), 0);
}

/// Two hosts over one home, by ids that somebody chose. Neither is ever silently the other.
fn on<'a>(home: &'a Home, host: &'a str) -> impl Fn(&str) -> Invocation + 'a {
    move |args| {
        let runtime = home.root().join(format!("run-{host}"));
        std::fs::create_dir_all(&runtime).expect("the folder can be made");
        home.seqera(args).env("SEQERA_AGENT_HOST_ID", host).env("XDG_RUNTIME_DIR", runtime)
    }
}

#[test]
fn a_host_that_is_alive_keeps_its_session_even_from_one_that_insists() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let (alpha, beta) = (on(&home, "alpha"), on(&home, "beta"));
    log_in(alpha(&format!("login --no-browser --profile work --authority {}", sandbox.authority)), ADA);
    let refused = beta("login --adopt --force").run().fails_with(3);
    assert!(refused.stderr.contains("seqera agent stop"), "{refused:?}");
    let token = alpha("token --profile work").run().ok();
    assert_eq!(sandbox.user_info(token.line()).status, 200);
    alpha("agent stop").run().ok();
    let adopted = beta("login --adopt=alpha --force -o json").run().ok().json();
    assert_eq!(adopted["adopted"][0]["state"], "SIGNED_IN", "{adopted}");
    assert_eq!(adopted["adopted"][0]["host"]["id"], "alpha", "{adopted}");
    assert_eq!(sandbox.user_info(beta("token --profile work").run().ok().line()).status, 200);
    alpha("token --profile work").run().fails_with(3);
    assert_eq!(sandbox.count("reuses"), 0);
    alpha("agent stop").run().ok();
    beta("agent stop").run().ok();
}

#[test]
fn a_lease_that_is_left_with_a_host_that_is_gone_ends_where_a_person_says_so() {
    let (home, sandbox) = (Home::new(), Sandbox::calm());
    let (alpha, beta) = (on(&home, "alpha"), on(&home, "beta"));
    log_in(alpha(&format!("login --no-browser --profile work --authority {}", sandbox.authority)), ADA);
    let program = alpha("exec --long --profile work -- sleep 1000").start();
    let listed = |host: &dyn Fn(&str) -> Invocation| {
        host("agent leases -o json").run().ok().json()["leases"].as_array().expect("a list").clone()
    };
    let id = eventually(LIMIT, "a lease", || Some(listed(&alpha).first()?["id"].as_str()?.to_owned()));
    let end = format!("agent leases end {id}");
    let leased = || {
        let names = sandbox.token_names(&sandbox.personal_token(ADA)).into_iter();
        names.filter(|name| name.ends_with(&id)).count()
    };
    assert_eq!(leased(), 1);
    let refused = beta(&end).run().fails_with(3);
    assert!(refused.stderr.contains("keeps its leases"), "{refused:?}");

    alpha("agent stop --force").run().ok();
    beta("login --adopt --force").run().ok();
    assert_eq!((listed(&beta).len(), leased()), (1, 1), "its program may run on");
    let ended = beta(&end).run().ok();
    assert!(ended.stdout.contains("its token is deleted"), "{ended:?}");
    assert_eq!((listed(&beta).len(), leased()), (0, 0));
    beta(&end).run().fails_with(2);
    alpha("agent start").run().ok();
    assert!(listed(&alpha).is_empty());
    let kept = std::fs::read_dir(home.config_dir()).expect("a folder").flatten();
    let kept: Vec<_> = kept.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(kept.iter().filter(|name| name.contains(&id)).count(), 0, "{kept:?}");
    drop(program);
    alpha("agent stop").run().ok();
    beta("agent stop").run().ok();
}

#[test]
fn a_crash_while_a_session_is_taken_over_leaves_it_with_one_of_the_two() {
    for place in ["adoption-saved", "adoption-noted", "adoption-taken"] {
        let (home, sandbox) = (Home::new(), Sandbox::calm());
        let (alpha, beta) = (on(&home, "alpha"), on(&home, "beta"));
        log_in(alpha(&format!("login --no-browser --profile work --authority {}", sandbox.authority)), ADA);
        alpha("agent stop").run().ok();
        beta("login --adopt --force").env("SEQERA_AGENT_CRASH_AT", place).run();
        let mine = [alpha("token --profile work").run(), beta("token --profile work").run()];
        let owners = mine.iter().filter(|run| run.code == Some(0)).count();
        assert_eq!(owners, 1, "{place}: {mine:?}");
        assert_eq!(sandbox.count("reuses"), 0, "{place}");
        alpha("agent stop").run().ok();
        beta("login --adopt --force").run();
        assert_eq!(sandbox.user_info(beta("token --profile work").run().ok().line()).status, 200, "{place}");
        assert_eq!(sandbox.count("reuses"), 0, "{place}");
        beta("agent stop").run().ok();
    }
}
