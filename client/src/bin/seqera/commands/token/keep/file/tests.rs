use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::time::Duration;

use prost_types::Timestamp;
use seqera_client::proto::v1::AccessToken;

use super::*;

fn token(secret: &str, end: SystemTime) -> Token {
    Token::from(AccessToken {
        access_token: secret.into(),
        profile: "work".into(),
        authority: "https://a.test/api".into(),
        api_url: "https://api.a.test".into(),
        workspace_id: 7,
        expires_at: Some(Timestamp::from(end)),
        ..AccessToken::default()
    })
}

fn in_an_hour() -> SystemTime {
    SystemTime::from(now()) + Duration::from_secs(3600)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn the_file_is_private_replaced_whole_and_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let mut file = Kept::at(&path).unwrap();
    file.put(&token("first", in_an_hour())).unwrap();
    let before = fs::metadata(&path).unwrap();
    assert_eq!(before.mode() & 0o7777, 0o600);
    let open = fs::File::open(&path).unwrap();
    file.put(&token("second", in_an_hour())).unwrap();
    assert_ne!(fs::metadata(&path).unwrap().ino(), before.ino(), "a reader of the old one reads on");
    assert!(io::read_to_string(open).unwrap().starts_with("first\n"));
    let read = TokenFile::read(&path).unwrap();
    assert_eq!((read.token.as_str(), read.api.as_str(), read.workspace), ("second", "https://api.a.test", 7));
    assert!(file.holds(&token("second", in_an_hour())) && !file.holds(&token("first", in_an_hour())));
    drop(file);
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
}

#[test]
fn a_token_that_has_expired_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let mut file = Kept::at(&path).unwrap();
    file.put(&token("t", SystemTime::from(now()) - Duration::from_secs(1))).unwrap();
    file.look().unwrap();
    assert!(!path.exists());
    file.look().unwrap();
    assert!(!path.exists(), "it is not written again");
}

#[test]
fn only_files_of_its_own_are_replaced_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("mine"), "my notes\n").unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::write(at("ours"), format!("old\n{MARK}\n")).unwrap();
    symlink(at("ours"), at("link")).unwrap();
    for name in ["mine", "folder", "link"] {
        let failure = Kept::at(&at(name)).map(drop).unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.exit), ("BAD_REQUEST", 2), "{name}");
        assert!(failure.message.contains("is left alone"), "{}", failure.message);
    }
    assert_eq!(fs::read_to_string(at("mine")).unwrap(), "my notes\n");
    for name in ["empty", "ours"] {
        let mut file = Kept::at(&at(name)).unwrap();
        file.put(&token("t", in_an_hour())).unwrap();
        assert!(fs::read_to_string(at(name)).unwrap().starts_with("t\n"));
    }
    // Another command has taken the place over.
    let (mut first, mut second) = (Kept::at(&at("two")).unwrap(), Kept::at(&at("two")).unwrap());
    first.put(&token("a", in_an_hour())).unwrap();
    second.put(&token("b", in_an_hour())).unwrap();
    drop(first);
    assert!(at("two").exists());
    // And somebody has put notes there.
    fs::remove_file(at("two")).unwrap();
    fs::write(at("two"), "my notes\n").unwrap();
    assert!(second.put(&token("c", in_an_hour())).is_err());
    drop(second);
    assert_eq!(fs::read_to_string(at("two")).unwrap(), "my notes\n");
}

#[test]
fn a_folder_where_others_may_put_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (open, sticky) = (folder.path().join("open"), folder.path().join("sticky"));
    for (path, mode, fits) in [(&open, 0o777, false), (&sticky, 0o1777, true), (&open, 0o755, true)] {
        fs::create_dir_all(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(Kept::at(&path.join("t")).is_ok(), fits, "{mode:o}");
    }
    for missing in [folder.path().join("none/t"), PathBuf::from("/"), "/dev/null/t".into()] {
        assert_eq!(Kept::at(&missing).map(drop).unwrap_err().exit, 2, "{missing:?}");
    }
}

#[test]
fn what_cannot_be_written_leaves_the_former_one_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (here, gone) = (folder.path().join("here"), folder.path().join("gone"));
    fs::create_dir(&here).unwrap();
    let mut file = Kept::at(&here.join("token")).unwrap();
    file.put(&token("first", in_an_hour())).unwrap();
    fs::rename(&here, &gone).unwrap();
    assert!(matches!(file.put(&token("second", in_an_hour())), Err(Trouble::Folder(_))));
    assert!(fs::read_to_string(gone.join("token")).unwrap().starts_with("first\n"));
    fs::rename(&gone, &here).unwrap();
    file.look().unwrap();
    assert!(fs::read_to_string(here.join("token")).unwrap().starts_with("second\n"), "it is tried again");
    assert_eq!(names(&here), ["token"]);
}

#[test]
fn in_a_sticky_folder_nobody_can_take_the_name_of_the_new_file_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let mut file = Kept::at(&path).unwrap();
    // Folders stand for files of another user: this command can remove neither.
    for number in [std::process::id(), std::process::id() + 1] {
        fs::create_dir(folder.path().join(format!(".token.{number}.new"))).unwrap();
    }
    file.put(&token("t", in_an_hour())).unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("t\n"));
    let (one, other) = (file.create().unwrap().0, file.create().unwrap().0);
    let random =
        |name: &OsString| name.to_str().unwrap()[".token-".len()..].len() == "0123456789abcdef.new".len();
    assert!(one != other && random(&one) && random(&other), "{one:?} {other:?}");
}

#[test]
fn a_pipe_in_the_place_of_the_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let mut file = Kept::at(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let refused = Kept::at(&path).map(drop).unwrap_err();
    assert!(
        refused.message.ends_with("is left alone: it is a named pipe, not a file"),
        "{}",
        refused.message
    );
    assert!(matches!(file.put(&token("t", in_an_hour())), Err(Trouble::Foreign(_))));
    assert_eq!(names(folder.path()), ["token"]);
}

#[test]
fn a_folder_that_takes_the_place_of_the_one_at_the_beginning_gets_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let (here, moved) = (folder.path().join("here"), folder.path().join("moved"));
    fs::create_dir(&here).unwrap();
    let mut file = Kept::at(&here.join("token")).unwrap();
    file.put(&token("first", in_an_hour())).unwrap();
    fs::rename(&here, &moved).unwrap();
    for mode in [0o777, 0o700] {
        fs::create_dir_all(&here).unwrap();
        fs::set_permissions(&here, fs::Permissions::from_mode(mode)).unwrap();
        let trouble = file.put(&token("second", in_an_hour())).unwrap_err();
        let failure = file.failure(&trouble);
        assert!(failure.message.contains("is not the folder any more"), "{}", failure.message);
        assert!(names(&here).is_empty());
    }
    // And one that others may write to by now.
    fs::remove_dir(&here).unwrap();
    fs::rename(&moved, &here).unwrap();
    fs::set_permissions(&here, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(file.put(&token("second", in_an_hour())), Err(Trouble::Folder(_))));
    fs::rename(&here, &moved).unwrap();
    drop(file);
    assert!(names(&moved).is_empty(), "the file goes from wherever the folder is");
}

fn of(profile: &str, secret: &str) -> Token {
    let mut token = token(secret, in_an_hour());
    token.profile = profile.to_owned();
    token
}

#[test]
fn a_file_with_the_token_of_another_profile_is_left_alone_and_both_commands_tell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let first_line = || fs::read_to_string(&path).unwrap().lines().next().unwrap().to_owned();
    let (mut work, mut home) = (Kept::at(&path).unwrap(), Kept::at(&path).unwrap());
    work.put(&of("work", "w1")).unwrap();
    let trouble = home.put(&of("home", "h1")).unwrap_err();
    let failure = home.failure(&trouble);
    assert!(failure.message.contains("it holds the token of profile 'work'"), "{}", failure.message);
    assert_eq!((failure.exit, failure.hint.text().unwrap().contains("name another file")), (2, true));
    assert_eq!(first_line(), "w1");
    // Somebody removes the file, and the other command is the first to see that.
    fs::remove_file(&path).unwrap();
    home.look().unwrap();
    assert_eq!(first_line(), "h1");
    assert!(matches!(work.look(), Err(Trouble::Profile(other)) if other == "home"));
    work.look().unwrap();
    assert!(matches!(work.put(&of("work", "w2")), Err(Trouble::Profile(_))));
    assert_eq!(first_line(), "h1");
    // The one that is left has the place.
    drop(home);
    work.look().unwrap();
    assert_eq!(first_line(), "w2");
    // A profile gets another name: the file is still this command's own.
    work.put(&of("renamed", "r1")).unwrap();
    assert_eq!(first_line(), "r1");
}

#[test]
fn a_file_that_was_removed_comes_back_and_one_of_another_command_of_the_profile_does_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let mut one = Kept::at(&path).unwrap();
    one.put(&of("work", "t")).unwrap();
    let mut other = Kept::at(&path).unwrap();
    other.put(&of("work", "t")).unwrap();
    one.look().unwrap();
    assert!(one.holds(&of("work", "t")));
    drop(other);
    assert!(!path.exists());
    one.look().unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("t\n"));
}
