use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::storage::fake::stored;
use crate::testing::odd::named_pipe;
use crate::testing::test_places::TestPlaces;

struct Bench {
    home: tempfile::TempDir,
    places: TestPlaces,
}

impl Bench {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), places: TestPlaces::new() }
    }

    fn store(&self) -> TokenFile {
        TokenFile::new(self.home.path(), self.places.places())
    }

    fn path(&self) -> PathBuf {
        self.home.path().join(".scitoolkit/token")
    }

    fn plant(&self, text: &str) {
        fs::create_dir_all(self.path().parent().unwrap()).unwrap();
        fs::write(self.path(), text).unwrap();
    }

    fn mode(&self, path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }
}

fn own() -> ProfileName {
    "scitoolkit".parse().unwrap()
}

fn token(secret: &str) -> Stored {
    Stored { provider: scitoolkit::ID, kind: Kind::Fixed, ..stored(secret) }
}

fn save(store: &TokenFile, secret: &str) -> Result<(), StoreError> {
    store.save(&own(), &token(secret), Patience::Login)
}

fn load(store: &TokenFile) -> Result<Option<String>, StoreError> {
    Ok(store.load(&own())?.map(|stored| stored.secret.open().expose_secret().to_owned()))
}

#[test]
fn the_file_is_the_bare_token_as_documented_private_and_read_back() {
    let bench = Bench::new();
    let store = bench.store();
    assert_eq!((load(&store), store.list()), (Ok(None), Ok(Vec::new())));
    save(&store, "stk_user_a").unwrap();
    assert_eq!(fs::read_to_string(bench.path()).unwrap(), "stk_user_a\n");
    assert_eq!((bench.mode(&bench.path()), bench.mode(bench.path().parent().unwrap())), (0o600, 0o700));
    // As another process of this host would find it.
    let again = bench.store();
    let found = again.load(&own()).unwrap().unwrap();
    assert_eq!(found.secret.open().expose_secret(), "stk_user_a");
    assert!(found.party().same_party(&token("x").party()));
    assert_eq!((found.kind, again.list()), (Kind::Fixed, Ok(vec![own()])));
    assert_eq!((again.remove(&own()), again.remove(&own())), (Ok(true), Ok(false)));
    assert!(!bench.path().exists());
}

#[test]
fn only_the_profile_and_provider_of_the_documentation_are_kept_here() {
    let bench = Bench::new();
    let store = bench.store();
    assert!(store.is_documented_for(&own(), &token("x")));
    assert!(!store.is_documented_for(&"work".parse().unwrap(), &token("x")));
    assert!(!store.is_documented_for(&own(), &stored("x")));
    save(&store, "stk_user_a").unwrap();
    let work = "work".parse().unwrap();
    assert_eq!((store.load(&work).map(drop), store.remove(&work)), (Ok(()), Ok(false)));
    assert!(bench.path().exists());
}

#[test]
fn a_token_of_another_program_is_neither_used_nor_removed() {
    let bench = Bench::new();
    let store = bench.store();
    bench.plant("stk_user_other\n");
    assert_eq!((load(&store), store.list(), store.remove(&own())), (Ok(None), Ok(Vec::new()), Ok(false)));
    save(&store, "stk_user_ours").unwrap();
    bench.plant("sct_user_theirs\n");
    let Err(StoreError::Failed(why)) = load(&store) else { panic!("it is not ours") };
    assert!(why.contains("another program") && !why.contains("theirs"), "{why}");
    assert_eq!(store.remove(&own()), Ok(false));
    assert_eq!(fs::read_to_string(bench.path()).unwrap(), "sct_user_theirs\n");
}

#[test]
fn what_is_no_token_is_set_aside_by_a_login_and_by_nothing_else() {
    let bench = Bench::new();
    let store = bench.store();
    let long = "x".repeat(20_000);
    for text in ["my notes", &long] {
        bench.plant(text);
        assert!(matches!(save(&store, "stk_user_a"), Err(StoreError::Corrupt(_))));
        assert_eq!(fs::read_to_string(bench.path()).unwrap(), text);
        let aside = store.set_aside(&own(), UNIX_EPOCH + Duration::from_secs(7)).unwrap();
        assert_eq!(fs::read_to_string(&aside[0]).unwrap(), text);
        save(&store, "stk_user_a").unwrap();
        assert_eq!(store.set_aside(&own(), UNIX_EPOCH), Ok(Vec::new()));
    }
}

#[test]
fn what_is_no_file_or_a_link_is_named_and_stays() {
    let bench = Bench::new();
    bench.plant("x");
    fs::remove_file(bench.path()).unwrap();
    named_pipe(&bench.path());
    let refused = |what: &str| {
        let Err(StoreError::Failed(why)) = save(&bench.store(), "stk_user_a") else {
            panic!("it is no file")
        };
        assert_eq!(why, format!("{} is {what}", bench.path().display()));
    };
    refused("a named pipe, not a file");
    fs::remove_file(bench.path()).unwrap();
    std::os::unix::fs::symlink("/dev/zero", bench.path()).unwrap();
    refused("a symbolic link, and is not followed");
    assert!(bench.path().is_symlink());
}

#[test]
fn an_open_folder_and_an_open_file_are_closed_by_the_next_write() {
    let bench = Bench::new();
    bench.plant("stk_user_other\n");
    for (path, mode) in [(bench.path(), 0o644), (bench.path().parent().unwrap().to_owned(), 0o777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    save(&bench.store(), "stk_user_a").unwrap();
    assert_eq!((bench.mode(&bench.path()), bench.mode(bench.path().parent().unwrap())), (0o600, 0o700));
}
