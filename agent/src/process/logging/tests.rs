use super::*;

fn written(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_full_log_makes_way_and_two_old_ones_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/agent.log");
    let mut log = Rotated::open(&path, 4).unwrap();
    for line in ["one\n", "two\n", "three\n", "four\n"] {
        log.write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(written(&path), "four\n");
    assert_eq!(written(&dir.path().join("state/agent.log.1")), "three\n");
    assert_eq!(written(&dir.path().join("state/agent.log.2")), "two\n");
    assert!(!dir.path().join("state/agent.log.3").exists());
}

#[test]
fn a_log_that_was_left_full_makes_way_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.log");
    create(&path).unwrap().write_all(b"full\n").unwrap();
    Rotated::open(&path, 4).unwrap();
    assert_eq!(written(&path), "");
    assert_eq!(written(&dir.path().join("agent.log.1")), "full\n");
}

#[test]
fn an_event_is_one_line_whatever_others_said() {
    for (event, line) in [
        ("INFO call method=\"x\"\n", "INFO call method=\"x\"\n"),
        ("INFO said=a\n2026 ERROR forged\n", "INFO said=a\\u{a}2026 ERROR forged\n"),
        ("a\r\u{1b}[2J\u{85}\u{2028}\u{202e}b", "a\\u{d}\\u{1b}[2J\\u{85}\\u{2028}\\u{202e}b\n"),
        ("", "\n"),
    ] {
        assert_eq!(one_line(event), line, "{event:?}");
    }
    let long = one_line(&"é".repeat(900_000));
    assert!(
        long.len() < LONGEST_LINE + 50 && long.ends_with("… (1791808 bytes left out)\n"),
        "{}",
        long.len()
    );
    assert!(one_line(&"\n".repeat(1 << 20)).len() <= 50);
}

#[test]
fn what_is_logged_through_the_library_arrives_as_one_line() {
    let log = std::sync::Arc::new(Mutex::new(Vec::new()));
    let writer = Lines(Shared(log.clone()));
    let subscriber = tracing_subscriber::registry().with(layer(writer));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(said = %"a\n2026-01-01 ERROR forged", debug = ?"b\u{202e}", "mess\nage");
        tracing::warn!("{}", "x".repeat(900_000));
    });
    let text = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.len() < 2 * LONGEST_LINE && !text.contains('\u{202e}'));
}

/// Keeps what is written.
struct Shared(std::sync::Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Shared {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn only_its_user_can_read_a_log_that_the_agent_created() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.log");
    Rotated::open(&path, LARGEST).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[cfg(unix)]
#[test]
fn a_log_of_the_person_keeps_its_mode_and_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.log");
    std::fs::write(&path, "open to the group\n").unwrap();
    set_mode(&path, 0o664);
    let mut log = Rotated::open(&path, 4).unwrap();
    for line in ["one\n", "two\n"] {
        log.write_all(line.as_bytes()).unwrap();
    }
    assert_eq!((mode(&path), written(&path).as_str()), (0o664, "open to the group\none\ntwo\n"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn an_old_log_that_is_not_the_agents_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("agent.log"), dir.path().join("agent.log.2"));
    std::fs::write(&other, "theirs").unwrap();
    set_mode(&other, 0o644);
    let mut log = Rotated::open(&path, 4).unwrap();
    for line in ["one\n", "two\n", "three\n"] {
        log.write_all(line.as_bytes()).unwrap();
    }
    assert_eq!((written(&path).as_str(), written(&other).as_str()), ("one\ntwo\nthree\n", "theirs"));
}

#[cfg(unix)]
#[test]
fn a_pipe_and_a_device_are_written_to_as_they_are() {
    use std::io::Read;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    crate::testing::odd::named_pipe(&path);
    set_mode(&path, 0o644);
    Rotated::open(&path, 4).err().expect("nobody reads the pipe, and nobody waits for that");
    let mut reader = files_for_reading(&path);
    let mut log = Rotated::open(&path, 4).unwrap();
    for line in ["one\n", "two\n"] {
        log.write_all(line.as_bytes()).unwrap();
    }
    // Far more than a pipe holds.
    for _ in 0..100 {
        log.write_all(&[b'x'; 8192]).unwrap();
    }
    let mut begin = [0; 8];
    reader.read_exact(&mut begin).unwrap();
    assert_eq!((&begin, mode(&path)), (b"one\ntwo\n", 0o644));
    let device = Path::new("/dev/null");
    let before = mode(device);
    let mut log = Rotated::open(device, 4).unwrap();
    log.write_all(b"one\ntwo\n").unwrap();
    log.write_all(b"three\n").unwrap();
    assert_eq!((log.kind, mode(device)), (LogKind::NoFile, before));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[cfg(unix)]
fn files_for_reading(pipe: &Path) -> File {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).custom_flags(files::WITHOUT_WAITING).open(pipe).unwrap()
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_is_not_followed_and_nothing_is_made_behind_a_dangling_one() {
    let dir = tempfile::tempdir().unwrap();
    let (link, target) = (dir.path().join("agent.log"), dir.path().join("target"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    Rotated::open(&link, LARGEST).err().expect("nothing is there");
    assert!(!target.exists());
    std::fs::write(&target, "theirs").unwrap();
    let error = Rotated::open(&link, LARGEST).err().expect("a link");
    assert!(error.to_string().contains("is a symbolic link"), "{error}");
    assert_eq!(written(&target), "theirs");
}

#[cfg(unix)]
#[test]
fn a_link_below_dev_is_a_link_like_any_other_unless_the_system_made_it() {
    let dir = tempfile::Builder::new().prefix("seqera-log").tempdir_in("/dev/shm");
    let Ok(dir) = dir else { return };
    let (link, target) = (dir.path().join("agent.log"), dir.path().join("target"));
    std::fs::write(&target, "theirs").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let error = Rotated::open(&link, LARGEST).err().expect("a link");
    assert!(error.to_string().contains("is a symbolic link"), "{error}");
    assert_eq!(written(&target), "theirs");
}

/// Gives a file, or the link itself, to another user. False where only root could do that.
#[cfg(unix)]
fn give_away(path: &Path) -> bool {
    std::os::unix::fs::lchown(path, Some(1001), None).is_ok()
}

#[cfg(unix)]
#[test]
fn nobody_reads_the_log_by_a_pipe_or_a_link_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (path, pipe, link) = (dir.path().join("1.log"), dir.path().join("pipe"), dir.path().join("link"));
    for planted in [&path, &pipe] {
        crate::testing::odd::named_pipe(planted);
    }
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    if ![&path, &link].into_iter().all(|planted| give_away(planted)) {
        return;
    }
    let (_reader, _other) = (files_for_reading(&path), files_for_reading(&pipe));
    for planted in [&path, &link] {
        let error = Rotated::open(planted, LARGEST).err().expect("it is theirs").to_string();
        assert!(error.starts_with("belongs to uid 1001"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn what_others_put_in_the_place_of_an_old_log_does_not_let_the_log_grow() {
    for (squatted, kept) in [(vec![1], Some(2)), (vec![2], Some(1)), (vec![1, 2], None)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.log");
        for number in &squatted {
            let theirs = beside(&path, &number.to_string());
            std::fs::write(&theirs, "theirs").unwrap();
            if !give_away(&theirs) {
                return;
            }
        }
        let mut log = Rotated::open(&path, 4).unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!((written(&path).as_str(), mode(&path)), ("three\n", 0o600), "{squatted:?}");
        for number in 1..=KEPT {
            let text = written_if_there(&beside(&path, &number.to_string()));
            let expected = match squatted.contains(&number) {
                true => Some("theirs"),
                false => (kept == Some(number)).then_some("two\n"),
            };
            assert_eq!(text.as_deref(), expected, "{squatted:?} {number}");
        }
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, squatted.len() + 1 + usize::from(kept.is_some()), "{squatted:?}");
    }
}

#[cfg(unix)]
fn written_if_there(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(unix)]
#[test]
fn a_log_that_cannot_be_had_goes_to_its_ordinary_place_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (wanted, ordinary) = (dir.path().join("wanted"), dir.path().join("state/agent.log"));
    std::fs::create_dir(&wanted).unwrap();
    let (log, problem) = opened(&wanted, Some(&ordinary)).unwrap();
    assert_eq!(log.path, ordinary);
    let problem = problem.unwrap();
    assert!(problem.starts_with(&wanted.display().to_string()), "{problem}");
    assert!(problem.ends_with(&format!("; the log goes to {} instead", ordinary.display())), "{problem}");
    let problem = opened(&wanted, Some(&wanted)).err().unwrap();
    assert!(problem.ends_with("; no log is written"), "{problem}");
    assert!(opened(&ordinary, None).unwrap().1.is_none());
}

#[cfg(unix)]
#[test]
fn root_leaves_the_files_and_folders_of_others_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.log");
    std::fs::write(&path, "theirs").unwrap();
    for theirs in [path.as_path(), dir.path()] {
        if std::os::unix::fs::chown(theirs, Some(1001), None).is_err() {
            return;
        }
    }
    let said = |path: &Path| Rotated::open(path, LARGEST).err().expect("it is theirs").to_string();
    assert!(said(&path).starts_with("belongs to uid 1001"), "{}", said(&path));
    for new in ["new.log", "state/agent.log"] {
        assert!(said(&dir.path().join(new)).contains("run without sudo"));
    }
    assert_eq!(written(&path), "theirs");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn libraries_are_heard_from_warnings_on_only() {
    let all = filter(Some(Level::TRACE));
    assert!(all.would_enable("seqera_agent::worker", &Level::TRACE));
    for library in ["hyper::proto", "h2::codec", "reqwest::connect", "rustls::client"] {
        assert!(all.would_enable(library, &Level::WARN));
        assert!(!all.would_enable(library, &Level::INFO));
    }
    assert!(!filter(None).would_enable("h2::codec", &Level::ERROR));
}
