use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
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
    file.look();
    assert!(!path.exists());
    file.look();
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
    let path = folder.path().join("token");
    let mut file = Kept::at(&path).unwrap();
    file.put(&token("first", in_an_hour())).unwrap();
    // In the way of the new file stands a folder, which nobody can remove as a file.
    let new = folder.path().join(format!(".token.{}.new", std::process::id()));
    fs::create_dir(&new).unwrap();
    assert!(file.put(&token("second", in_an_hour())).is_err());
    assert!(fs::read_to_string(&path).unwrap().starts_with("first\n"));
    fs::remove_dir(&new).unwrap();
    file.look();
    assert!(fs::read_to_string(&path).unwrap().starts_with("second\n"), "it is tried again");
    assert_eq!(names(folder.path()), ["token"]);
}
