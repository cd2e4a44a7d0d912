use super::*;

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_moment_is_quiet_when_nothing_runs_and_nothing_would_be_lost() {
    let (none, second) = (Unfinished::default(), Duration::from_secs(1));
    let profile = || vec!["work".to_owned()];
    assert_eq!(when(&none, QUIET, Duration::ZERO), When::Now);
    assert_eq!(when(&none, second, Duration::ZERO), When::Later(QUIET - second, None));
    // Whoever calls every second holds an upgrade up for minutes, and not for ever.
    assert_eq!(when(&none, second, PATIENCE), When::Now);
    assert_eq!(when(&none, Duration::ZERO, LONG), When::Later(SOON, None), "a call runs");
    for busy in
        [Unfinished { signing_in: true, ..none.clone() }, Unfinished { at_work: true, ..none.clone() }]
    {
        assert_eq!(when(&busy, LONG, LONG), When::Later(SOON, None));
    }
    for kept in [
        Unfinished { in_memory: profile(), ..none.clone() },
        Unfinished { failing: profile(), ..none.clone() },
        Unfinished { in_memory: profile(), signing_in: true, ..none },
    ] {
        let When::Later(AGAIN, Some(why)) = when(&kept, LONG, LONG) else { panic!("{kept:?}") };
        assert!(why.contains("work"), "{why}");
    }
}

#[cfg(unix)]
mod of_a_file {
    use std::fs::{Permissions, copy, remove_file, rename, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn watched(path: &Path) -> Successors {
        let stamp = system::stamp(path).unwrap();
        let owner = rustix::process::getuid().as_raw();
        Successors {
            own: Some((path.to_owned(), owner, stamp)),
            seen: Seen::Own,
            told: watch::Sender::default(),
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_a_program_is_told_once_and_looked_at_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, new) = (folder.path().join("agent"), folder.path().join("new"));
        write(&path, "old").unwrap();
        // As with a program that runs: its number is nobody else's while it is open.
        let _running = std::fs::File::open(&path).unwrap();
        let mut successors = watched(&path);
        let told = successors.told();
        assert!(successors.look().await.is_none() && !successors.has_changed().await);
        write(&new, "half of it").unwrap();
        set_permissions(&new, Permissions::from_mode(0o755)).unwrap();
        rename(&new, &path).unwrap();
        assert!(successors.has_changed().await);
        assert!(successors.look().await.is_none() && !successors.has_changed().await);
        assert!(told.borrow().as_ref().unwrap().contains("not a program"), "{told:?}");
        set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        assert!(successors.has_changed().await);
        assert!(successors.look().await.is_none());
        assert!(told.borrow().as_ref().unwrap().contains("everybody may write"), "{told:?}");
        // A program that is whole, and another one.
        remove_file(&path).unwrap();
        copy("/bin/true", &path).unwrap();
        // A process that another test starts may have the copy open for writing for a moment.
        assert!(successors.look().await.is_none());
        while matches!(successors.seen, Seen::Unclear) {
            assert!(successors.look().await.is_none());
        }
        assert!(told.borrow().as_ref().unwrap().contains("cannot take over"), "{told:?}");
    }

    #[tokio::test]
    async fn a_program_that_was_removed_is_looked_for_as_long_as_an_upgrade_takes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        write(&path, "old").unwrap();
        let mut successors = watched(&path);
        assert_eq!((successors.next_look(), successors.watched()), (None, Some(&*path)));
        remove_file(&path).unwrap();
        for _ in 0..LOOKS_FOR_MISSING {
            assert!(successors.look().await.is_none());
            assert_eq!((successors.next_look(), successors.watched()), (Some(AGAIN), None));
        }
        assert!(successors.look().await.is_none());
        assert_eq!(successors.next_look(), None);
        write(&path, "new").unwrap();
        assert!(successors.has_changed().await);
    }
}
