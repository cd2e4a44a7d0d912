use clap::CommandFactory;

use super::*;
use crate::commands::completions::{Candidate, Names, candidates};
use crate::commands::listing::Kind;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_definitions_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_names_every_key_of_the_file() {
    use seqera_client::proto::configuration::{OF_PROFILE, TOP};
    for key in TOP.iter().chain(&OF_PROFILE) {
        let named = REFERENCE.split([' ', ',', ':', '.', '\n']).any(|word| word == *key);
        assert!(named, "{key}");
    }
}

/// What `seqera` sets for programs that it starts, what terminals and other programs set for everybody, and what is
/// read only to warn of it.
const NOT_FOR_PEOPLE: [&str; 17] = [
    "SEQERA_EXEC_TOKEN",
    "SEQERA_AI_STARTED_BY",
    "TOWER_API_ENDPOINT",
    "SEQERA_API_ENDPOINT",
    "TOWER_WORKFLOW_ID",
    "USERPROFILE",
    "NPM_CONFIG_PREFIX",
    "NVM_BIN",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "SSH_CONNECTION",
    "WSL_DISTRO_NAME",
    "TERM_PROGRAM",
    "VTE_VERSION",
    "KONSOLE_VERSION",
    "WT_SESSION",
    "HTTP_PROXY",
];

#[test]
fn the_help_names_every_variable_that_a_person_can_set() {
    // `settings/env.rs` names all that are read, in its comments.
    let (read, _) = include_str!("../settings/env.rs").split_once("#[cfg(test)]\nmod tests").expect("tests");
    let comments = read.lines().filter(|line| line.trim_start().starts_with("///"));
    let names = comments.flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_variable = |name: &&str| {
        name.len() > 3 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let mut known = 0;
    for name in names.filter(is_variable).filter(|name| !NOT_FOR_PEOPLE.contains(name) && *name != "TMUX") {
        let named = REFERENCE.split([' ', ',', ':', '.', '$', '/', '\n']).any(|word| word == name);
        assert!(named, "{name}");
        known += 1;
    }
    assert!(known > 20, "{known}");
    assert!(REFERENCE.contains("SCITOOLKIT_TOKEN"), "which another file knows");
}

#[test]
fn no_line_of_the_help_is_wider_than_the_manual() {
    for line in REFERENCE.lines() {
        assert!(line.chars().count() <= 78, "{line}");
    }
}

#[test]
fn a_profile_may_stand_before_and_after_the_command() {
    for line in ["seqera --profile work token", "seqera token --profile work"] {
        assert_eq!(parse(line).unwrap().profile.as_deref(), Some("work"));
    }
}

#[test]
fn flags_behind_the_program_belong_to_the_program() {
    for line in ["seqera exec nextflow run -o x --profile p", "seqera exec -- nextflow run -o x --profile p"]
    {
        let cli = parse(line).unwrap();
        let Command::Exec(exec) = cli.command else { panic!("{line}") };
        assert_eq!(exec.command, ["nextflow", "run", "-o", "x", "--profile", "p"]);
        assert_eq!(cli.profile, None);
    }
    let cli = parse("seqera exec --profile work -- tw --profile p").unwrap();
    assert_eq!(cli.profile.as_deref(), Some("work"));
    assert_eq!(parse("seqera exec").unwrap_err().exit_code(), 2);
}

#[test]
fn what_excludes_each_other_is_refused() {
    for line in [
        "seqera login --with-token --token x",
        "seqera login --with-token --device",
        "seqera logout --all --profile work",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn debug_does_not_show_a_token() {
    let cli = parse("seqera login --token canary").unwrap();
    assert!(!format!("{cli:?}").contains("canary"));
}

#[test]
fn what_is_about_scitoolkit_is_known_by_provider_or_profile() {
    for (line, profile, expected) in [
        ("seqera login --provider scitoolkit", None, true),
        ("seqera login --provider platform --profile scitoolkit", None, false),
        ("seqera login --provider scitoolkit --profile lab", Some("work"), true),
        ("seqera whoami --profile scitoolkit", None, true),
        ("seqera whoami", Some("scitoolkit"), true),
        ("seqera whoami --profile work", Some("scitoolkit"), false),
        ("seqera logout --clean-legacy", None, true),
        ("seqera logout --clean-legacy --all", None, false),
        ("seqera logout", None, false),
    ] {
        assert_eq!(parse(line).unwrap().provider(profile) == Provider::Scitoolkit, expected, "{line}");
    }
}

/// What completions offer after a line; `None` if the next word belongs to a program.
fn next(line: &str) -> Option<Vec<String>> {
    let before: Vec<_> = line.split_whitespace().collect();
    let found =
        candidates(Cli::command(), &before, false, |names| vec![Candidate::new(format!("{names:?}"), None)])?;
    Some(found.into_iter().map(|candidate| candidate.word).collect())
}

fn words(line: &str) -> Vec<String> {
    next(line).unwrap()
}

#[test]
fn commands_stand_at_the_beginning_and_subcommands_behind_theirs() {
    assert!(words("").contains(&"login".to_owned()));
    assert!(!words("").iter().any(|word| word.starts_with("__")));
    assert!(words("agent").contains(&"restart".to_owned()));
    assert!(words("--profile agent agent").contains(&"restart".to_owned()));
    assert!(words("completions").contains(&"zsh".to_owned()));
}

#[test]
fn the_values_of_an_option_stand_behind_it() {
    assert_eq!(words("token --format"), ["raw", "json", "header", "env"]);
    assert_eq!(words("status -o"), ["console", "json"]);
    assert!(words("token --format raw --min-valid").is_empty());
}

#[test]
fn the_words_of_a_program_are_its_own() {
    assert_eq!(next("exec nextflow"), None);
    assert_eq!(next("exec -- nextflow"), None);
    assert_eq!(next("status --"), None);
    assert_eq!(next("--profile work exec nextflow --profile"), None);
}

#[test]
fn names_are_offered_where_a_name_is_wanted() {
    for (line, names) in [
        ("exec", Names::Programs),
        ("exec --", Names::Programs),
        ("exec --long --for 12h", Names::Programs),
        ("-p work exec", Names::Programs),
        ("--profile", Names::Profiles),
        ("profile use", Names::Profiles),
        ("profile rename", Names::Profiles),
        ("profile remove", Names::Profiles),
        ("org switch", Names::Of(Kind::Organization)),
        ("login --organization", Names::Of(Kind::Organization)),
        ("workspace switch", Names::Of(Kind::Workspace)),
    ] {
        assert_eq!(words(line), [format!("{names:?}")], "{line}");
    }
}
