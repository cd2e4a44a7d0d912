use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, UNIX_EPOCH};

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::storage::fake::stored;

const V1_TOKEN: &str = "v1-token-of-another-program\n";

fn on(folder: &TempDir, host: &str) -> File {
    File { folder: folder.path().join("config"), host: host.into() }
}

fn work() -> ProfileName {
    "work".parse().unwrap()
}

fn save(store: &File, secret: &str) -> Result<(), StoreError> {
    store.save(&work(), &stored(secret), Patience::Background)
}

fn load(store: &File) -> Result<Option<String>, StoreError> {
    let loaded = store.load(&work())?;
    Ok(loaded.map(|stored| stored.secret.open().expose_secret().to_owned()))
}

/// Writes content to the plain name, as another program would.
fn plant(store: &File, content: &str) -> PathBuf {
    fs::create_dir_all(&store.folder).unwrap();
    let path = store.plain(&work());
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_secret_is_kept_in_a_private_file_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = on(&folder, "host-a");
    assert_eq!(load(&store), Ok(None));
    assert_eq!(store.list(), Ok(Vec::new()));
    let long = "x".repeat(20_000);
    save(&store, &long).unwrap();
    assert_eq!(load(&store), Ok(Some(long)));
    assert_eq!(store.list(), Ok(vec![work()]));
    let mode = fs::metadata(store.plain(&work())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn removal_leaves_no_secret_not_even_in_what_a_killed_writer_left() {
    let folder = tempfile::tempdir().unwrap();
    let store = on(&folder, "host-a");
    save(&store, "secret").unwrap();
    fs::write(store.folder.join(".refresh-token.work.host-a~0011"), "secret").unwrap();
    assert_eq!(store.remove(&work()), Ok(true));
    assert_eq!(store.remove(&work()), Ok(false));
    assert_eq!(fs::read_dir(&store.folder).unwrap().count(), 0);
}

#[test]
fn two_hosts_over_one_home_never_touch_each_others_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (on(&folder, "host-a"), on(&folder, "host-b"));
    save(&first, "secret-a").unwrap();
    assert_eq!(load(&second), Err(StoreError::OtherHost("host-a".into())));
    assert_eq!(second.list(), Ok(Vec::new()));
    save(&second, "secret-b").unwrap();
    assert!(second.with_host(&work()).exists());
    assert_eq!((load(&first), load(&second)), (Ok(Some("secret-a".into())), Ok(Some("secret-b".into()))));
    assert_eq!(second.remove(&work()), Ok(true));
    assert_eq!(second.remove(&work()), Ok(false));
    assert_eq!(load(&first), Ok(Some("secret-a".into())));
}

#[test]
fn the_bare_token_of_v1_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = on(&folder, "host-a");
    let path = plant(&store, V1_TOKEN);
    assert_eq!(load(&store), Ok(None));
    save(&store, "ours").unwrap();
    assert_eq!(load(&store), Ok(Some("ours".into())));
    assert_eq!(store.remove(&work()), Ok(true));
    assert_eq!(fs::read_to_string(path).unwrap(), V1_TOKEN);
}

fn names_in(store: &File) -> Vec<String> {
    let entries = fs::read_dir(&store.folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_documented_name_is_used_once_whoever_had_it_has_gone() {
    for content in [V1_TOKEN.as_bytes().to_vec(), item::write(&stored("theirs"), "host-b").to_vec()] {
        for by_a_save in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let store = on(&folder, "host-a");
            let path = plant(&store, std::str::from_utf8(&content).unwrap());
            save(&store, "first").unwrap();
            store.settle_name(&work()).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content, "it is another's");
            fs::remove_file(&path).unwrap();
            match by_a_save {
                true => save(&store, "second").unwrap(),
                false => store.settle_name(&work()).unwrap(),
            }
            assert_eq!(names_in(&store), ["refresh-token.work"]);
            assert_eq!(load(&store), Ok(Some(if by_a_save { "second" } else { "first" }.into())));
        }
    }
}

#[test]
fn a_change_of_name_that_was_interrupted_leaves_one_secret_to_find_and_none_after_its_removal() {
    let older = Stored { saved_at: UNIX_EPOCH, ..stored("older") };
    let newer = Stored { saved_at: UNIX_EPOCH + Duration::from_secs(9), ..stored("newer") };
    for (plain, with_host) in [(&newer, &newer), (&newer, &older), (&older, &newer)] {
        let both = || {
            let folder = tempfile::tempdir().unwrap();
            let store = on(&folder, "host-a");
            plant(&store, std::str::from_utf8(&item::write(plain, "host-a")).unwrap());
            fs::write(store.with_host(&work()), item::write(with_host, "host-a")).unwrap();
            (folder, store)
        };
        let (_folder, store) = both();
        assert_eq!(load(&store), Ok(Some("newer".into())));
        store.settle_name(&work()).unwrap();
        assert_eq!((load(&store), names_in(&store).len()), (Ok(Some("newer".into())), 1));
        let (_folder, store) = both();
        save(&store, "newest").unwrap();
        assert_eq!((load(&store), names_in(&store).len()), (Ok(Some("newest".into())), 1));
        let (_folder, store) = both();
        assert_eq!(store.remove(&work()), Ok(true));
        assert!(names_in(&store).is_empty());
    }
}

#[test]
fn a_corrupt_file_is_named_and_neither_overwritten_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = on(&folder, "host-a");
    save(&store, "canary").unwrap();
    let whole = fs::read_to_string(store.plain(&work())).unwrap();
    for damage in ["", "{\n\"secret\": \"canary\"", &whole[..whole.len() - 2], "\0\0\0\0"] {
        let path = plant(&store, damage);
        for outcome in [save(&store, "new"), load(&store).map(|_| ()), store.remove(&work()).map(|_| ())] {
            let Err(StoreError::Corrupt(text)) = outcome else { panic!("{damage:?}: {outcome:?}") };
            assert!(text.starts_with(&format!("{}:", path.display())), "{text}");
            assert!(!text.contains("canary"));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), damage);
        // It may contain a secret, so signing out of all profiles must not miss it.
        assert_eq!(store.list(), Ok(vec![work()]));
    }
}

#[test]
fn after_a_corrupt_file_was_set_aside_a_login_can_save() {
    let folder = tempfile::tempdir().unwrap();
    let store = on(&folder, "host-a");
    let path = plant(&store, "{");
    let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let aside = store.set_aside(&work(), now).unwrap();
    assert_eq!(aside, [format!("{}.corrupt-1767225600", path.display())]);
    save(&store, "new").unwrap();
    assert_eq!(store.set_aside(&work(), now), Ok(Vec::new()));
    assert_eq!((load(&store), store.list()), (Ok(Some("new".into())), Ok(vec![work()])));
    assert_eq!(fs::read_to_string(&aside[0]).unwrap(), "{");
}

#[test]
fn what_is_no_file_is_named_and_hides_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = on(&folder, "host-a");
    save(&store, "secret").unwrap();
    let odd: ProfileName = "odd".parse().unwrap();
    let pipe = store.plain(&odd);
    crate::testing::odd::named_pipe(&pipe);
    assert_eq!(store.list(), Ok(vec![work()]));
    let said = Err(StoreError::Failed(format!("{} is a named pipe, not a file", pipe.display())));
    assert_eq!(store.load(&odd).map(drop), said);
    assert_eq!(store.remove(&odd).map(drop), said);
    assert_eq!(store.save(&odd, &stored("new"), Patience::Background), said);
    fs::remove_file(&pipe).unwrap();
    std::os::unix::fs::symlink(store.plain(&work()), &pipe).unwrap();
    let Err(StoreError::Failed(text)) = store.load(&odd) else { panic!("a link was followed") };
    assert!(text.contains("is a symbolic link"), "{text}");
}

#[test]
fn a_file_that_is_too_large_for_a_secret_is_named_and_can_be_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = on(&folder, "host-a");
    let path = plant(&store, "");
    fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let Err(StoreError::Corrupt(text)) = load(&store) else { panic!("it was read") };
    assert!(text.ends_with(" has 1073741824 bytes; 4194304 are the limit"), "{text}");
    assert_eq!(store.set_aside(&work(), UNIX_EPOCH).unwrap().len(), 1);
    save(&store, "new").unwrap();
}

#[test]
fn nothing_is_kept_in_a_folder_that_others_may_write_to() {
    let folder = tempfile::tempdir().unwrap();
    let store = on(&folder, "host-a");
    save(&store, "secret").unwrap();
    fs::set_permissions(&store.folder, fs::Permissions::from_mode(0o777)).unwrap();
    for outcome in [save(&store, "new"), load(&store).map(|_| ()), store.list().map(|_| ())] {
        let Err(StoreError::Failed(text)) = outcome else { panic!("{outcome:?}") };
        assert!(text.contains("chmod go-w"), "{text}");
    }
}
