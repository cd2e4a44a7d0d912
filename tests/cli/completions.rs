//! What a shell gets from `seqera completions`.

use seqera_tests::{Home, skip};

/// A home with a session, whose profile can be completed without an agent.
fn home() -> Home {
    let home = Home::new();
    home.write_config("config.json", r#"{"profiles": {"work": {}, "home": {}}}"#);
    home
}

/// What bash offers when Tab is pressed after these words.
#[track_caller]
fn in_bash(home: &Home, line: &str) -> Vec<String> {
    let script = format!(
        "source <(seqera completions bash); COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
         _seqera; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let run = home.program("/bin/bash").args(["-c", &script]).run().ok();
    run.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_values_and_profiles() {
    let home = home();
    assert_eq!(in_bash(&home, "seqera log"), ["login", "logout"]);
    assert_eq!(in_bash(&home, "seqera agent sta"), ["start", "status"]);
    assert_eq!(in_bash(&home, "seqera login --dev"), ["--device"]);
    assert_eq!(in_bash(&home, "seqera token --format h"), ["header"]);
    assert_eq!(in_bash(&home, "seqera status --profile ''"), ["home", "work"]);
    assert_eq!(in_bash(&home, "seqera profile use w"), ["work"]);
    assert_eq!(in_bash(&home, "seqera profile show --prof"), ["--profile"]);
    assert!(in_bash(&home, "seqera exec nextflow log").is_empty());
    assert_eq!(home.agent_pid(), None, "no agent is started by Tab");
}

#[test]
fn bash_completes_the_profiles_of_a_running_agent() {
    let home = home();
    home.seqera("agent start").run().ok();
    assert_eq!(in_bash(&home, "seqera --profile w"), ["work"]);
}

#[test]
fn programs_stand_behind_exec_and_names_of_the_platform_behind_switch() {
    let (home, sandbox) = (home(), seqera_tests::Sandbox::calm());
    home.login("work", &sandbox, seqera_tests::sandbox::ADA);
    for line in ["seqera exec seqera-ag", "seqera exec --long -- seqera-ag", "seqera -p work exec seqera-ag"]
    {
        assert_eq!(in_bash(&home, line), ["seqera-agent"], "{line}");
    }
    assert!(in_bash(&home, "seqera exec seqera-agent --ver").is_empty(), "those are the program's own");
    assert!(in_bash(&home, "seqera exec ./seqera-ag").is_empty(), "the shell completes files");
    let organizations = ["sandbox-genomics", "sandbox-proteomics"];
    assert_eq!(in_bash(&home, "seqera org switch -p work ''"), organizations);
    assert_eq!(in_bash(&home, "seqera org switch --profile=work sandbox-p"), organizations[1..]);
    assert_eq!(in_bash(&home, "seqera workspace switch -p work sh"), ["showcase"]);
    let fish = home.seqera("__complete fish -- org switch -p work sandbox-p").run().ok().stdout;
    assert_eq!(fish, "sandbox-proteomics\tSandbox Proteomics\n");
    let pid = home.agent_pid().expect("the login started an agent");
    home.stop_agent(pid);
    assert!(in_bash(&home, "seqera org switch -p work ''").is_empty());
    assert_eq!(home.agent_pid(), None, "no agent is started by Tab");
}

/// The name in a folder of `PATH` stands for any that somebody else has given: all take the same way.
#[test]
fn what_bash_inserts_is_one_word_and_runs_nothing_whatever_is_in_a_name() {
    use std::os::unix::fs::PermissionsExt;
    let mut home = home();
    let folder = home.root().join("programs");
    std::fs::create_dir(&folder).expect("the home can be written");
    let names = [
        "zqa$(touch${IFS}ran)",
        "zqb;touch ran",
        "zqc`touch ran`",
        "zqd e",
        "zqf'g\"h\\i",
        "zqj*",
        "zqk\nzl",
    ];
    for name in names.iter().chain(&["-rf", "-rf x"]) {
        std::fs::write(folder.join(name), "#!/bin/sh\n").expect("the home can be written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.join(name), mode).expect("the file is there");
    }
    let own = home.environment()[std::ffi::OsStr::new("PATH")].clone();
    home.set("PATH", [folder.as_os_str(), own.as_os_str()].join(std::ffi::OsStr::new(":")));
    // What the shell makes of the line after Tab and Enter: as typed, with the last word replaced.
    let entered = |typed: &str, mark: &str| {
        let script = "source <(seqera completions bash); COMP_WORDS=(seqera exec \"$1\"); COMP_CWORD=2; _seqera; \
                      printf '%s\\n' ${#COMPREPLY[@]}; eval \"set -- $2${COMPREPLY[0]}$2\"; printf '%s\\n' \"$@\"";
        home.program("/bin/bash").args(["-c", script, "bash", typed, mark]).run().ok().stdout
    };
    for name in &names[..6] {
        assert_eq!(entered(&name[..3], ""), format!("1\n{name}\n"));
    }
    for mark in ["'", "\""] {
        assert_eq!(entered(&format!("{mark}zqd "), mark), "1\nzqd e\n");
    }
    assert_eq!(entered("zqd\\ ", ""), "1\nzqd e\n");
    assert_eq!(entered("\"zqa", ""), "0\n\n", "nothing can be inserted between these marks");
    assert_eq!(entered("zqk", ""), "0\n\n", "a line break is no part of a name");
    assert!(!in_bash(&home, "seqera exec ''").iter().any(|word| word.starts_with('-')));
    assert!(!home.root().join("ran").exists() && !std::path::Path::new("ran").exists());
}

#[test]
fn every_script_is_one_that_its_shell_can_read() {
    let home = home();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        if !skip::have(&[shell], &format!("apt-get install {shell}")) {
            continue;
        }
        let script = home.seqera(&format!("completions {shell}")).run().ok().stdout;
        let file = home.root().join(shell);
        std::fs::write(&file, script).expect("the home can be written");
        home.shell(&format!("{shell} {check} '{}'", file.display())).run().ok();
    }
}

#[test]
fn fish_completes_commands_with_their_help() {
    if !skip::have(&["fish"], "apt-get install fish") {
        return;
    }
    let script = "seqera completions fish | source; complete -C 'seqera agent sta'; complete -C 'seqera log'";
    let run = home().program("fish").args(["-c", script]).run().ok();
    let words: Vec<_> = run.stdout.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(words, ["start", "status", "login", "logout"]);
}

/// Real completion needs a terminal, so the test takes the last step itself: it prints what would be offered.
#[test]
fn zsh_completes_commands_with_their_help() {
    if !skip::have(&["zsh"], "apt-get install zsh") {
        return;
    }
    let script = "compdef() { }; _files() { print files }; _describe() { print -l -- \"${(@P)@[-1]}\" }; \
                  source <(seqera completions zsh); words=(seqera agent sock); CURRENT=3; _seqera; \
                  words=(seqera exec nextflow x); CURRENT=4; _seqera";
    let run = home().program("zsh").args(["-f", "-c", script]).run().ok();
    assert_eq!(run.stdout, "socket:Print the path of the socket\nfiles\n");
}

#[test]
fn zsh_and_fish_get_the_help_beside_each_word() {
    let home = home();
    let zsh = home.seqera("__complete zsh -- whoa").run().ok().stdout;
    assert_eq!(zsh, "whoami:Show the account and how it signed in\n");
    let fish = home.seqera("__complete fish -- agent soc").run().ok().stdout;
    assert_eq!(fish, "socket\tPrint the path of the socket\n");
}
