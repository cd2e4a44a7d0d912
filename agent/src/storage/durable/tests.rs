//! What happens to a file when its writer is killed or the disk is full. Process limits are set in a child
//! process, which is this test program running one of the ignored tests.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};

use super::*;

/// More than one system call writes at once, so that a kill can hit the middle.
const LARGE: usize = 300_000;

/// Starts an ignored test in `folder` after the shell has run `limits`.
fn child(folder: &Path, limits: &str, test: &str) -> Child {
    let script = format!("{limits}; exec \"$0\" --exact storage::durable::tests::{test} --ignored");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(std::env::current_exe().unwrap()).current_dir(folder);
    shell.stdout(Stdio::null()).spawn().unwrap()
}

fn here() -> PathBuf {
    std::env::current_dir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn new_content_takes_the_place_of_the_old_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for content in ["old", "new"] {
        write(&path, "host-a", content.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn files_and_folders_are_private_from_the_first_byte_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    assert!(child(folder.path(), "umask 0", "child_without_umask").wait().unwrap().success());
    assert!(folder.path().join("a/b/file").exists());
}

#[test]
#[ignore = "started by the test above with umask 0"]
fn child_without_umask() {
    let deep = here().join("a/b");
    private_folder(&deep).unwrap();
    let path = deep.join("file");
    let empty = system::create_private(&path).unwrap();
    assert_eq!(empty.metadata().unwrap().mode() & 0o777, 0o600);
    write(&path, "host-a", b"secret").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&path), mode(&deep), mode(&here().join("a"))), (0o600, 0o700, 0o700));
}

#[test]
fn a_full_disk_leaves_the_old_content_and_no_piece_of_the_new() {
    let folder = tempfile::tempdir().unwrap();
    // A limit on file sizes makes a write fail half-way, as a full disk does. It also raises SIGXFSZ, which
    // would kill the child.
    let limits = "trap '' XFSZ; ulimit -f 64";
    assert!(child(folder.path(), limits, "child_on_a_full_disk").wait().unwrap().success());
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "old");
}

#[test]
#[ignore = "started by the test above with a limit on file sizes"]
fn child_on_a_full_disk() {
    let path = here().join("file");
    write(&path, "host-a", b"old").unwrap();
    assert!(write(&path, "host-a", &[b'n'; LARGE]).is_err());
    assert_eq!(names(&here()), ["file"]);
}

#[test]
fn a_writer_that_is_killed_leaves_the_old_content_or_the_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for reads in 0..20 {
        let mut writer = child(folder.path(), ":", "child_that_never_stops_writing");
        while !path.exists() {
            assert!(writer.try_wait().unwrap().is_none(), "the writer ended by itself");
            std::thread::yield_now();
        }
        for _ in 0..=reads {
            check_whole(&path);
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        check_whole(&path);
        sweep(&path, "host-a").unwrap();
        assert_eq!(names(folder.path()), ["file"]);
        fs::remove_file(&path).unwrap();
    }
}

fn check_whole(path: &Path) {
    let content = fs::read(path).unwrap();
    assert_eq!(content.len(), LARGE);
    assert!(content.iter().all(|byte| *byte == content[0]));
}

#[test]
#[ignore = "started by the test above, which kills it"]
fn child_that_never_stops_writing() {
    let path = here().join("file");
    for byte in [b'a', b'b'].into_iter().cycle() {
        write(&path, "host-a", &[byte; LARGE]).unwrap();
    }
}

#[test]
fn a_sweep_takes_only_what_its_own_writer_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let [ours, theirs] = ["host-a", "host-b"].map(|owner| temporary(&path, owner).unwrap());
    fs::write(&ours, "secret").unwrap();
    fs::write(&theirs, "secret").unwrap();
    sweep(&path, "host-a").unwrap();
    assert!(!ours.exists() && theirs.exists());
}

#[test]
fn a_folder_of_another_owner_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = if rustix::process::getuid().is_root() {
        std::os::unix::fs::chown(folder.path(), Some(1), None).unwrap();
        folder.path()
    } else {
        Path::new("/usr")
    };
    let error = private_folder(foreign).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("belongs to user"), "{error}");
}

#[test]
fn a_folder_that_others_may_write_to_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o770, 0o702] {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let error = private_folder(folder.path()).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
    // That others can read the folder is harmless: the files in it are private.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    private_folder(folder.path()).unwrap();
}

#[test]
fn the_configuration_folder_that_the_umask_left_open_to_the_group_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (own, shared) = (folder.path().join("seqera-ai"), folder.path().join("shared"));
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    for path in [&own, &shared] {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o775)).unwrap();
    }
    assert!(check_folder(&own).unwrap());
    private_folder(&shared).unwrap_err();
    assert_eq!((mode(&own), mode(&shared)), (0o700, 0o775));
    // Open to everybody is not what a umask does: somebody may have put files there.
    fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
    private_folder(&own).unwrap_err();
    // What a link leads to has another name, and perhaps another purpose.
    let link = folder.path().join("link/seqera-ai");
    fs::create_dir(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&shared, &link).unwrap();
    private_folder(&link).unwrap_err();
    assert_eq!((mode(&own), mode(&shared)), (0o777, 0o775));
}

#[test]
fn root_creates_no_folder_in_that_of_another_user() {
    let folder = tempfile::tempdir().unwrap();
    if std::os::unix::fs::chown(folder.path(), Some(12_345), None).is_err() {
        return;
    }
    let error = private_folder(&folder.path().join("seqera-ai")).unwrap_err();
    assert!(error.to_string().contains("run without sudo"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_link_to_a_folder_is_followed_and_what_it_leads_to_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    private_folder(&link).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(check_folder(&link).is_err());
    close_folder(&link).unwrap();
    assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn what_is_set_aside_keeps_its_content_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let now = UNIX_EPOCH + std::time::Duration::from_secs(1_767_225_600);
    for (content, name) in [("1", "file.corrupt-1767225600"), ("2", "file.corrupt-1767225600-1")] {
        fs::write(&path, content).unwrap();
        let aside = set_aside(&path, now).unwrap();
        assert_eq!(aside, folder.path().join(name));
        assert!(is_aside(name));
        assert_eq!(fs::read_to_string(&aside).unwrap(), content);
    }
    assert!(!is_aside("refresh-token.my.corrupt-profile"));
}
