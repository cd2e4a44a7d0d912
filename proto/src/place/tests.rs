//! Tests of the places on Unix.

use std::collections::HashMap;
use std::ffi::OsString;

use super::{PlaceError, Places};

fn lookup(vars: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + use<> {
    let vars: HashMap<String, OsString> = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    move |name| vars.get(name).cloned()
}

fn find(vars: &[(&str, &str)]) -> Result<Places, PlaceError> {
    Places::find(&lookup(vars))
}

#[test]
fn the_default_folder_has_the_plain_socket_name() {
    let places = find(&[("HOME", "/nowhere"), ("XDG_RUNTIME_DIR", "/run/x")]).unwrap();
    assert_eq!(places.config_dir, std::path::Path::new("/nowhere/.config/seqera-ai"));
    assert_eq!(places.sockets[0], std::path::Path::new("/run/x/seqera/agent.sock"));
}

#[test]
fn another_folder_has_a_socket_of_its_own_in_the_same_runtime_folder() {
    let base = [("HOME", "/nowhere"), ("XDG_RUNTIME_DIR", "/run/x")];
    let first = find(&[&base[..], &[("SEQERA_CLI_CONFIG_DIR", "/a")]].concat()).unwrap();
    let second = find(&[&base[..], &[("SEQERA_CLI_CONFIG_DIR", "/b")]].concat()).unwrap();
    assert_ne!(first.sockets[0], second.sockets[0]);
    assert_eq!(first.sockets[0].parent(), second.sockets[0].parent());
}

#[test]
fn two_names_of_one_folder_are_one_place() {
    let dir = std::env::temp_dir().join(format!("seqera-place-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("real")).unwrap();
    let link = dir.join("link");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(dir.join("real"), &link).unwrap();
    let tag = |name: &str| find(&[("SEQERA_CLI_CONFIG_DIR", dir.join(name).to_str().unwrap())]).unwrap().tag;
    assert_eq!(tag("real/below"), tag("link/below"));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_left_out() {
    let home = format!("/{}", "h".repeat(200));
    let places = find(&[("HOME", &home), ("XDG_RUNTIME_DIR", &home)]).unwrap();
    assert_eq!(places.sockets.len(), 1);
    assert!(places.sockets[0].starts_with("/tmp"));
}

#[test]
#[cfg(not(target_os = "macos"))]
fn without_a_variable_there_is_no_home_and_nobody_else_is_asked() {
    assert_eq!(find(&[]), Err(PlaceError::NoHome));
    assert!(PlaceError::NoHome.to_string().contains("HOME"));
}

#[test]
#[cfg(target_os = "macos")]
fn without_a_variable_the_home_is_the_one_that_the_system_knows() {
    assert!(find(&[]).unwrap().config_is_default);
}

#[test]
fn a_relative_folder_is_an_error_that_names_the_variable() {
    let relative = find(&[("HOME", "/h"), ("SEQERA_CLI_CONFIG_DIR", "here")]).unwrap_err();
    assert!(relative.to_string().contains("SEQERA_CLI_CONFIG_DIR"));
}

#[test]
fn the_log_lies_in_the_state_folder_and_the_variable_that_decided_is_named() {
    let home = ("HOME", "/h");
    for (variable, wanted, decided) in [
        (("SEQERA_LOG_FILE", "/l"), "/l", Some("SEQERA_LOG_FILE")),
        (("XDG_STATE_HOME", "/s"), "/s/seqera/agent.log", Some("XDG_STATE_HOME")),
        (("XDG_STATE_HOME", "relative"), "/h/.local/state/seqera/agent.log", None),
        (("LOCALAPPDATA", "/windows"), "/h/.local/state/seqera/agent.log", None),
    ] {
        let env = lookup(&[home, variable]);
        let found = Places::find(&env).unwrap().log_file(&env).unwrap();
        assert_eq!(found, (wanted.into(), decided));
    }
}

#[test]
fn a_chosen_host_id_cannot_leave_its_folder() {
    let places = find(&[("HOME", "/h"), ("SEQERA_AGENT_HOST_ID", "../X")]).unwrap();
    assert_eq!(places.host_id, "___x");
}

#[test]
fn a_chosen_socket_is_the_only_one() {
    let places = find(&[("HOME", "/h"), ("SEQERA_AGENT_SOCK", "/s")]).unwrap();
    assert!(places.socket_is_chosen);
    assert_eq!(places.sockets, [std::path::Path::new("/s")]);
}

#[test]
fn a_variable_is_used_without_the_blanks_around_it_or_refused_by_its_name() {
    let places =
        find(&[("HOME", "/h\n"), ("SEQERA_CLI_CONFIG_DIR", " /c \r\n"), ("SEQERA_AGENT_SOCK", " ")]).unwrap();
    assert_eq!((places.config_dir.as_path(), places.socket_is_chosen), (std::path::Path::new("/c"), false));
    let named = find(&[("HOME", "/h"), ("SEQERA_AGENT_HOST_ID", " a-1\n")]).unwrap();
    assert_eq!(named.host_id, "a-1");
    for (name, value, said) in [
        ("SEQERA_CLI_CONFIG_DIR", "~/c", "an absolute path"),
        ("SEQERA_CLI_CONFIG_DIR", "/a\nb", "line break"),
        ("SEQERA_AGENT_SOCK", "agent.sock", "an absolute path"),
        ("SEQERA_AGENT_SOCK", "/a\u{1b}b", "control character"),
        ("HOME", "h", "an absolute path"),
    ] {
        let variables = [("HOME", "/h"), (name, value)];
        let told = find(&variables[if name == "HOME" { 1.. } else { 0.. }]).unwrap_err().to_string();
        assert!(told.starts_with(name) && told.contains(said), "{told}");
    }
}

#[test]
fn what_is_no_text_is_no_host_id_and_not_the_same_as_none() {
    use std::os::unix::ffi::OsStringExt;
    let odd = std::ffi::OsString::from_vec(b"a\xff".to_vec());
    let env = |name: &str| match name {
        "SEQERA_AGENT_HOST_ID" => Some(odd.clone()),
        _ => lookup(&[("HOME", "/h")])(name),
    };
    let told = Places::find(&env).unwrap_err().to_string();
    assert_eq!(told, "SEQERA_AGENT_HOST_ID is not text in UTF-8");
    let folder = |name: &str| (name == "HOME").then(|| std::ffi::OsString::from_vec(b"/a\xff".to_vec()));
    assert!(
        Places::find(&folder).unwrap().config_dir.starts_with(folder("HOME").unwrap()),
        "a path is no text"
    );
}
