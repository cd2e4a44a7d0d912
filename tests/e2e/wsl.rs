//! Linux inside Windows (WSL 2), as far as it shows: a variable, no message bus, no service manager, no runtime folder,
//! and a browser of Windows that is started by programs of Windows. Fakes of those write down what they were given.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use seqera_tests::browser::{authorization_url, sign_in};
use seqera_tests::sandbox::ADA;
use seqera_tests::{Home, Invocation, Sandbox, binaries, eventually};

const LIMIT: Duration = Duration::from_secs(20);

struct Distribution {
    home: Home,
    sandbox: Sandbox,
}

impl Distribution {
    fn new() -> Self {
        Self { home: Home::new().with("WSL_DISTRO_NAME", "Ubuntu"), sandbox: Sandbox::calm() }
    }

    /// Installs a program that writes its arguments into a file, which is named.
    fn install(&mut self, program: &str) -> PathBuf {
        let folder = self.home.root().join("of windows");
        std::fs::create_dir_all(&folder).expect("the home can be written");
        let (path, seen) = (folder.join(program), folder.join(format!("{program}.seen")));
        // Named only once it is whole. The exit code is that of `explorer.exe`, whatever it has opened.
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >'{0}.part'\nmv '{0}.part' '{0}'\nexit 1\n",
            seen.display()
        );
        std::fs::write(&path, script).expect("the home can be written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("it is ours");
        let name = std::ffi::OsStr::new("PATH");
        let before = self.home.environment().get(name).cloned().unwrap_or_default();
        if !std::env::split_paths(&before).any(|known| known == folder) {
            let all = std::env::split_paths(&before).chain([folder]);
            self.home.set("PATH", std::env::join_paths(all).expect("no colons"));
        }
        seen
    }

    fn login(&self) -> Invocation {
        self.home
            .seqera(&format!("login --profile work --authority {}", self.sandbox.authority))
            .without_env("XDG_RUNTIME_DIR")
    }

    /// Signs in, and returns what the fake was given.
    fn login_by(&self, seen: &PathBuf) -> Vec<String> {
        let login = self.login().start();
        let given = eventually(LIMIT, "a browser that is started", || std::fs::read_to_string(seen).ok());
        let page = given.lines().last().expect("an address").to_owned();
        assert!(sign_in(&page, ADA).body.contains("Signed in"));
        let told = login.finish(LIMIT).ok();
        assert!(told.stdout.contains(ADA) && told.stderr.contains("Opening browser"), "{told:?}");
        given.lines().map(str::to_owned).collect()
    }
}

#[test]
fn wslview_gets_the_whole_address_and_nobody_else_is_asked() {
    let mut wsl = Distribution::new();
    let seen = wsl.install("wslview");
    let others = [wsl.install("rundll32.exe"), wsl.install("explorer.exe"), wsl.install("xdg-open")];
    let given = wsl.login_by(&seen);
    assert_eq!(given.len(), 1, "{given:?}");
    assert!(others.iter().all(|other| !other.exists()));
}

#[test]
fn without_it_windows_opens_the_address_by_its_protocol_since_explorer_takes_a_query_for_a_file() {
    let mut wsl = Distribution::new();
    let (seen, explorer) = (wsl.install("rundll32.exe"), wsl.install("explorer.exe"));
    let given = wsl.login_by(&seen);
    assert_eq!(given[0], "url.dll,FileProtocolHandler");
    assert_eq!(given.len(), 2, "{given:?}");
    assert!(!explorer.exists());
}

#[test]
fn explorer_is_the_last_of_windows() {
    let mut wsl = Distribution::new();
    let (seen, linux) = (wsl.install("explorer.exe"), wsl.install("xdg-open"));
    assert_eq!(wsl.login_by(&seen).len(), 1);
    assert!(!linux.exists());
}

#[test]
fn without_any_browser_the_printed_address_is_enough_and_no_bus_or_service_manager_is_missed() {
    let wsl = Distribution::new();
    // This machine may have one.
    let own = binaries().client.parent().expect("a program lies in a folder");
    let mut login = wsl.login().env("PATH", own).start();
    let url = login.until("authorization URL", authorization_url);
    login.until("word that there is no browser", |told| {
        told.contains("no browser could be started").then_some(())
    });
    login.until("what to do", |told| told.contains("cannot come back to WSL").then_some(()));
    assert!(sign_in(&url, ADA).body.contains("Signed in"));
    login.finish(LIMIT).ok();
    // There is no bus for a keychain, so the file is it.
    assert!(wsl.home.config_dir().join("refresh-token.work").is_file());
    let doctor = wsl.home.seqera("agent doctor").without_env("XDG_RUNTIME_DIR");
    let told = doctor.env("SEQERA_AUTH_DOMAIN", &wsl.sandbox.authority).run().ok();
    assert!(!told.stdout.contains("at your last logout"), "{}", told.stdout);
}
