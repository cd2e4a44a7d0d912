//! A Windows of a test's own: the programs for Windows, installed into a Wine prefix, and what they print.
//!
//! A process that Wine starts keeps the standard error of the one that started it, whatever Windows was asked for.
//! So an agent would hold a pipe open, and everything here writes to files instead.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::process::Run;
use crate::reaper::Reaper;
use crate::wait::within;
use crate::{binaries, skip};

/// For whom the programs are built.
pub const TARGET: &str = "x86_64-pc-windows-gnu";
/// What has to be installed.
pub const REMEDY: &str =
    "apt-get install wine64 gcc-mingw-w64-x86-64; rustup target add x86_64-pc-windows-gnu";
/// Debian's wrapper `wine` wants the half for 32 bits as well.
pub const WINE: &str = "/usr/lib/wine/wine64";

const SERVER: &str = "/usr/lib/wine/wineserver64";
/// What compiles and links for Windows.
pub const COMPILER: &str = "x86_64-w64-mingw32-gcc";

/// Folders of a user may have such names, and so may those of programs.
const PROGRAMS: &str = "drive_c/Program Files/Séquéra Prüfstand";
const CONFIG: (&str, &str) =
    (r"C:\users\Public\Köln Süd & Söhne\seqera", "drive_c/users/Public/Köln Süd & Söhne/seqera");

/// A program takes half a second to start, on a busy machine ten times that.
const LIMIT: Duration = Duration::from_secs(90);
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// For what takes less than a second.
const END_LIMIT: Duration = Duration::from_secs(20);

/// A prefix with both programs. Everything that runs in it ends with it.
#[derive(Debug)]
pub struct Wine {
    root: PathBuf,
    server: Child,
    count: AtomicU32,
    _reaper: Reaper,
}

impl Wine {
    /// Makes one. Skips the running test if something is missing.
    ///
    /// # Panics
    ///
    /// If the programs do not build, or Wine does not start.
    #[track_caller]
    pub fn start() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !skip::have(&[COMPILER], REMEDY) {
            return None;
        }
        if let Some(missing) = [WINE, SERVER].into_iter().find(|path| !Path::new(path).is_file()) {
            skip(&format!("{missing} missing ({REMEDY})"));
            return None;
        }
        if !has_target() {
            skip(&format!("Rust's libraries for {TARGET} missing ({REMEDY})"));
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("seqera-wine-{}-{number}", std::process::id()));
        fs::create_dir_all(root.join("prefix")).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
        let mut reaper = Reaper::new(&root, &binaries().agent);
        // In the foreground, so that it is a child of this process, and for as long as it is not ended.
        let mut server = Command::new(SERVER);
        within_prefix(&mut server, &root).args(["-f", "-p"]).stdin(Stdio::null());
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("wineserver starts");
        reaper.adopt(server.id());
        let wine = Self { root, server, count: AtomicU32::new(0), _reaper: reaper };
        wine.program(Path::new("wineboot"), &["-i"]).start().finish(BOOT_LIMIT);
        install(&wine.folder());
        Some(wine)
    }

    /// The folder of this system in which the programs are.
    pub fn folder(&self) -> PathBuf {
        self.root.join("prefix").join(PROGRAMS)
    }

    /// The configuration folder that [`Invocation::elsewhere`] chooses, as this system sees it.
    pub fn other_config(&self) -> PathBuf {
        self.root.join("prefix").join(CONFIG.1)
    }

    /// The drive `C:`.
    pub fn drive(&self) -> PathBuf {
        self.root.join("prefix/drive_c")
    }

    /// `seqera` with these arguments, separated by spaces.
    pub fn seqera(&self, args: &str) -> Invocation {
        let args: Vec<&str> = args.split_whitespace().collect();
        self.program(&self.folder().join("seqera.exe"), &args)
    }

    /// Any program of Windows.
    pub fn program(&self, program: &Path, args: &[&str]) -> Invocation {
        let mut command = Command::new(WINE);
        within_prefix(&mut command, &self.root).arg(program).args(args);
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        Invocation { command, output: self.root.join(format!("out-{number}")), stdin: None, keeps: false }
    }

    /// What somebody else sees: `peers/wine/outside.c` tells what it can be asked.
    #[track_caller]
    pub fn outside(&self, args: &[&str]) -> Run {
        self.program(&self.folder().join("outside.exe"), args).run()
    }

    /// Runs the unit tests of a package whose names contain `filter`.
    ///
    /// # Panics
    ///
    /// If they do not build.
    #[track_caller]
    pub fn unit_tests(&self, package: &str, filter: &str) -> Run {
        let args =
            ["test", "--no-run", "--lib", "--message-format=json-render-diagnostics", "--target", TARGET];
        let built = binaries::run_cargo(&[&args[..], &["-p", package]].concat());
        let program = built.into_iter().next().expect("cargo names the program that it built");
        // Beside the library that Wine lacks.
        let copy = self.folder().join("unit tests.exe");
        fs::copy(&program, &copy).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        self.program(&copy, &[filter]).run()
    }

    /// Ends everything that runs, so that the registry is in its files.
    pub fn shut_down(&mut self) {
        let mut stop = Command::new(SERVER);
        let _ = within_prefix(&mut stop, &self.root).arg("-k").status();
        // Now and then it goes on waiting for a process that has ended.
        if within(END_LIMIT, || self.server.try_wait().ok().flatten()).is_none() {
            let _ = self.server.kill();
            let _ = self.server.wait();
        }
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Gives a command the environment of a prefix and nothing else.
fn within_prefix<'a>(command: &'a mut Command, root: &Path) -> &'a mut Command {
    let own = [("HOME", root.to_owned()), ("WINEPREFIX", root.join("prefix"))];
    // Names of files are UTF-8 by the locale, and Wine looks for its server by the variable.
    let fixed =
        [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"), ("WINEDEBUG", "-all"), ("WINESERVER", SERVER)];
    // Wine asks to download what no program here uses.
    let fixed = fixed.into_iter().chain([("WINEDLLOVERRIDES", "mscoree,mshtml=")]);
    command.env_clear().envs(own).envs(fixed).current_dir(root)
}

fn has_target() -> bool {
    let rustc = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let folder = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    folder.is_ok_and(|folder| Path::new(&folder).is_dir())
}

/// Builds the programs once per process, and copies them into `folder`, which is made.
fn install(folder: &Path) {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT
        .get_or_init(|| binaries::build(&["--target", TARGET, "-p", "seqera-agent", "-p", "seqera-client"]));
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for name in ["seqera.exe", "seqera-agent.exe"] {
        fs::copy(built.join(name), folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let sources = binaries::workspace().join("tests/peers/wine");
    for (source, program, flag) in
        [("bcryptprimitives.c", "bcryptprimitives.dll", "-shared"), ("outside.c", "outside.exe", "-Wall")]
    {
        let mut compiler = Command::new(COMPILER);
        compiler
            .args([flag, "-O1", "-o"])
            .arg(folder.join(program))
            .arg(sources.join(source))
            .arg("-ladvapi32");
        assert!(compiler.status().expect("mingw can be started").success(), "{source} does not build");
    }
}

/// A program of Windows that is about to be started.
#[derive(Debug)]
pub struct Invocation {
    command: Command,
    output: PathBuf,
    stdin: Option<String>,
    keeps: bool,
}

impl Invocation {
    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Chooses a configuration folder with blanks, umlauts and an ampersand in its path.
    #[must_use]
    pub fn elsewhere(self) -> Self {
        self.env("SEQERA_CLI_CONFIG_DIR", CONFIG.0)
    }

    /// Adds one argument, blanks and all.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    /// The text of its standard input, which is otherwise empty.
    #[must_use]
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// Keeps standard input open until the program is dropped.
    #[must_use]
    pub fn held_open(mut self) -> Self {
        self.keeps = true;
        self.stdin("")
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Run {
        self.start().finish(LIMIT)
    }

    /// Starts it.
    #[track_caller]
    pub fn start(self) -> Running {
        let Self { mut command, output, stdin, keeps } = self;
        let name = format!("{command:?}");
        let file = |kind: &str| {
            let path = output.with_extension(kind);
            File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let input = if stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        let started = command.stdin(input).stdout(file("stdout")).stderr(file("stderr")).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let mut input = child.stdin.take();
        if let (Some(text), Some(pipe)) = (stdin, &mut input) {
            // A program that does not read its input may close the pipe.
            let _ = pipe.write_all(text.as_bytes());
        }
        Running { child, _input: input.filter(|_| keeps), output, name }
    }
}

/// A program of Windows that was started. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    _input: Option<ChildStdin>,
    output: PathBuf,
    name: String,
}

impl Running {
    fn read(&self, kind: &str) -> String {
        let bytes = fs::read(self.output.with_extension(kind)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
    }

    /// Waits until `found` returns something for one of the two outputs.
    ///
    /// # Panics
    ///
    /// With the output so far, if the program ends or time runs out first.
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut found: impl FnMut(&str) -> Option<T>) -> T {
        let value = within(LIMIT, || {
            let ended = self.child.try_wait().expect("a child can be waited for").is_some();
            let value = found(&self.read("stdout")).or_else(|| found(&self.read("stderr")));
            (value.is_some() || ended).then_some(value)
        });
        value.flatten().unwrap_or_else(|| {
            panic!("{}: no {what} in\n{}{}", self.name, self.read("stdout"), self.read("stderr"))
        })
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Run {
        let status = within(limit, || self.child.try_wait().expect("a child can be waited for"));
        let (stdout, stderr) = (self.read("stdout"), self.read("stderr"));
        let Some(status) = status else {
            panic!("{} runs longer than {limit:?}\n{stdout}{stderr}", self.name)
        };
        Run::new(status.code(), stdout, stderr, std::mem::take(&mut self.name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
