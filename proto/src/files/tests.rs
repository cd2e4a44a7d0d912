use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const LIMIT: u64 = 1 << 20;

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("files-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn refused(path: &Path, writer: Writer) -> String {
    let error = read(path, LIMIT, writer).unwrap_err();
    let text = sentence(path, &error);
    let shown = path.display().to_string();
    text.strip_prefix(&shown).unwrap_or_else(|| panic!("the path is missing: {text}")).trim().to_owned()
}

#[test]
fn what_is_no_file_is_named_and_never_waited_for() {
    let folder = Folder::new();
    let pipe = folder.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _listener = UnixListener::bind(folder.path("socket")).unwrap();
    symlink("/dev/zero", folder.path("endless")).unwrap();
    for (name, what) in [
        ("pipe", "is a named pipe, not a file"),
        ("socket", "is a socket, not a file"),
        ("endless", "is a device, not a file"),
        ("", "is a folder, not a file"),
    ] {
        assert_eq!(refused(&folder.path(name), Writer::Person), what);
    }
    symlink(&pipe, folder.path("link")).unwrap();
    assert_eq!(refused(&folder.path("link"), Writer::Site), "is a named pipe, not a file");
}

#[test]
fn a_file_beyond_the_limit_is_not_read_at_all() {
    let folder = Folder::new();
    let path = folder.path("large");
    File::create(&path).unwrap().set_len(1 << 30).unwrap();
    assert_eq!(refused(&path, Writer::Person), "has 1073741824 bytes; 1048576 are the limit");
    File::create(&path).unwrap().set_len(LIMIT).unwrap();
    assert_eq!(read(&path, LIMIT, Writer::Person).unwrap().len() as u64, LIMIT);
}

#[test]
fn a_link_counts_only_where_people_or_sites_write() {
    let folder = Folder::new();
    fs::write(folder.path("real"), "text").unwrap();
    let link = folder.path("link");
    symlink(folder.path("real"), &link).unwrap();
    for writer in [Writer::Person, Writer::Site] {
        assert_eq!(read(&link, LIMIT, writer).unwrap(), b"text");
    }
    assert_eq!(refused(&link, Writer::Program), "is a symbolic link, and is not followed");
    assert_eq!(read(&folder.path("real"), LIMIT, Writer::Program).unwrap(), b"text");
}

#[test]
fn another_users_file_is_refused_unless_the_person_named_it_for_the_site() {
    let folder = Folder::new();
    let path = folder.path("theirs");
    fs::write(&path, "text").unwrap();
    if chown(&path, Some(1001), None).is_err() {
        return;
    }
    for writer in [Writer::Program, Writer::Person] {
        assert_eq!(refused(&path, writer), "belongs to uid 1001, neither to you nor to root");
    }
    assert_eq!(read(&path, LIMIT, Writer::Site).unwrap(), b"text");
}

#[test]
fn a_missing_file_keeps_the_systems_own_error() {
    let folder = Folder::new();
    let error = read(&folder.path("none"), LIMIT, Writer::Program).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(sentence(Path::new("/x"), &error).starts_with("/x: "));
}

#[test]
fn in_a_folder_that_is_open_only_a_file_is_read_whatever_the_path_leads_to() {
    let folder = Folder::new();
    fs::create_dir(folder.path("here")).unwrap();
    let open = File::open(folder.path("here")).unwrap();
    let in_it = |name: &str| read_in(std::os::fd::AsFd::as_fd(&open), name.as_ref(), 8, Writer::Program);
    fs::write(folder.path("here/file"), "ours").unwrap();
    fs::write(folder.path("here/large"), "nine byte").unwrap();
    symlink("file", folder.path("here/link")).unwrap();
    fs::create_dir(folder.path("here/folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.path("here/pipe")).status().unwrap().success());
    let _listener = UnixListener::bind(folder.path("here/socket")).unwrap();
    for (name, what) in [
        ("link", "is a symbolic link, not a file"),
        ("folder", "is a folder, not a file"),
        ("pipe", "is a named pipe, not a file"),
        ("socket", "is a socket, not a file"),
        ("large", "has 9 bytes; 8 are the limit"),
    ] {
        let error = in_it(name).unwrap_err();
        assert!(is_refused(&error) && error.to_string() == what, "{name}: {error}");
    }
    assert_eq!(in_it("none").unwrap_err().kind(), io::ErrorKind::NotFound);
    fs::rename(folder.path("here"), folder.path("there")).unwrap();
    fs::create_dir(folder.path("here")).unwrap();
    fs::write(folder.path("here/file"), "theirs").unwrap();
    assert_eq!(in_it("file").unwrap(), b"ours");
}

#[test]
fn what_a_person_writes_is_not_read_where_everybody_can_write_it_too() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.path("config.json");
    fs::write(&path, "x").unwrap();
    symlink(&path, folder.path("link")).unwrap();
    for (mode, is_read) in [(0o600, true), (0o664, true), (0o640, true), (0o666, false), (0o602, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for name in ["config.json", "link"] {
            let path = folder.path(name);
            if is_read {
                assert_eq!(read(&path, LIMIT, Writer::Person).unwrap(), b"x");
            } else {
                let expected =
                    format!("can be changed by everybody (mode {mode:04o}); chmod o-w keeps others out");
                assert_eq!(refused(&path, Writer::Person), expected);
            }
        }
        assert!(read(&path, LIMIT, Writer::Site).is_ok(), "a mounted token file is whoever's it is");
    }
}

#[test]
fn what_says_whom_to_trust_may_be_a_link_and_anybodys_but_not_everybodys() {
    let folder = Folder::new();
    let (file, link) = (folder.path("ca.pem"), folder.path("link"));
    fs::write(&file, "x").unwrap();
    symlink(&file, &link).unwrap();
    let _ = chown(&file, Some(1001), None);
    assert_eq!(read_trusted(&link, LIMIT).unwrap(), b"x");
    mode(&file, 0o666);
    let refused = read_trusted(&link, LIMIT).unwrap_err();
    assert!(refused.to_string().contains("can be changed by everybody (mode 0666)"), "{refused}");

    let shared = folder.path("shared");
    fs::create_dir(&shared).unwrap();
    mode(&shared, 0o1777);
    let planted = shared.join("ca.pem");
    fs::write(&planted, "x").unwrap();
    assert!(read_trusted(&planted, LIMIT).is_ok(), "our own");
    if chown(&planted, Some(1001), None).is_ok() {
        let refused = read_trusted(&planted, LIMIT).unwrap_err();
        assert!(refused.to_string().starts_with("may have been put there by uid 1001"), "{refused}");
    }
}

#[test]
fn a_file_that_anybody_could_have_put_there_is_known_by_its_owner_and_the_way_to_it() {
    let folder = Folder::new();
    let (shared, theirs) = (folder.path("shared"), folder.path("theirs"));
    for made in [&shared, &theirs] {
        fs::create_dir(made).unwrap();
    }
    mode(&shared, 0o1777);
    let file = |path: PathBuf, owner: u32| {
        fs::write(&path, "x").unwrap();
        chown(&path, Some(owner), None).is_ok().then_some(path)
    };
    let planter = |path: &Path| match check_not_planted(path, &open(path, Writer::Site).unwrap()) {
        Ok(()) => None,
        Err(error) => Some(error.to_string()),
    };
    let ours = shared.join("ours");
    fs::write(&ours, "x").unwrap();
    assert_eq!(planter(&ours), None);
    // Behind `/dev/fd/3` a shell has a file that has no name any more.
    let gone = shared.join("gone");
    fs::write(&gone, "x").unwrap();
    let held = File::open(&gone).unwrap();
    fs::remove_file(&gone).unwrap();
    let held = PathBuf::from(format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&held)));
    assert_eq!(planter(&held), None);
    // A link of ours into the folder of all, and one of theirs out of it.
    let (Some(planted), Some(elsewhere)) = (file(shared.join("t"), 1001), file(theirs.join("t"), 1001))
    else {
        return;
    };
    let (to_planted, from_shared) = (folder.path("link"), shared.join("link"));
    symlink(&planted, &to_planted).unwrap();
    symlink(&ours, &from_shared).unwrap();
    std::os::unix::fs::lchown(&from_shared, Some(1001), None).unwrap();
    fs::create_dir(shared.join("d")).unwrap();
    let within = file(shared.join("d/t"), 1001).unwrap();
    chown(shared.join("d"), Some(1001), None).unwrap();
    for path in [&planted, &to_planted, &from_shared, &within] {
        let said = planter(path).unwrap_or_default();
        assert!(said.starts_with("may have been put there by uid 1001, "), "{}: {said}", path.display());
    }
    // Whoever may write here has allowed it, as where a folder is mounted into a container.
    assert_eq!(planter(&elsewhere), None);
    chown(&planted, Some(0), None).unwrap();
    assert_eq!(planter(&planted), None);
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}
