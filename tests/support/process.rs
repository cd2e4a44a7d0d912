//! The programs that a test starts. Their output can be read while they run, every wait has a limit, and none
//! outlives the test.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::wait::{eventually, within};

/// More than any command needs, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// How long others may keep a program's output open after it has ended.
const OUTPUT_LIMIT: Duration = Duration::from_secs(5);

/// A program that is about to be started.
#[derive(Debug)]
pub struct Invocation {
    command: Command,
    stdin: Option<Vec<u8>>,
    typed: bool,
    limit: Duration,
}

impl Invocation {
    /// Wraps a command. Its streams are set here.
    pub fn new(command: Command) -> Self {
        Self { command, stdin: None, typed: false, limit: LIMIT }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes a variable.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// The text of its standard input, which is otherwise empty.
    #[must_use]
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.as_bytes().to_vec());
        self
    }

    /// Keeps standard input open for [`Running::write`].
    #[must_use]
    pub fn typed(mut self) -> Self {
        self.typed = true;
        self.stdin("")
    }

    /// How long the program, or a wait for its output, may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Changes the command in ways that this type does not offer.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Runs the program to its end.
    #[track_caller]
    pub fn run(self) -> Run {
        let limit = self.limit;
        self.start().finish(limit)
    }

    /// Starts the program.
    #[track_caller]
    pub fn start(self) -> Running {
        let Self { mut command, stdin, typed, limit } = self;
        let name = format!("{command:?}");
        let input = if stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(&mut command).unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let mut input = child.stdin.take();
        if let (Some(text), Some(pipe)) = (stdin, &mut input) {
            // A program that does not read its input may close the pipe.
            let _ = pipe.write_all(&text);
        }
        let input = input.filter(|_| typed);
        let stdout = Stream::read(child.stdout.take().expect("standard output is a pipe"));
        let stderr = Stream::read(child.stderr.take().expect("standard error is a pipe"));
        Running { child, input, stdout, stderr, name, limit }
    }
}

/// Starts a program, perhaps one that the test has just written. A child that another test starts at the same moment
/// has the file open, too, until it becomes its own program (`ETXTBSY`).
fn spawn(command: &mut Command) -> io::Result<Child> {
    let is_busy = |started: &io::Result<Child>| {
        started.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ExecutableFileBusy)
    };
    let started = within(LIMIT, || Some(command.spawn()).filter(|started| !is_busy(started)));
    started.unwrap_or_else(|| Err(io::ErrorKind::ExecutableFileBusy.into()))
}

/// A program that was started. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    stdout: Stream,
    stderr: Stream,
    name: String,
    limit: Duration,
}

impl Running {
    /// Writes to its standard input, which must have been kept open.
    #[track_caller]
    pub fn write(&mut self, text: &str) {
        let input = self.input.as_mut().expect("standard input was kept open");
        input.write_all(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Waits until `found` returns something for one of the two outputs.
    ///
    /// # Panics
    ///
    /// With the output so far, if the program ends or time runs out first.
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut found: impl FnMut(&str) -> Option<T>) -> T {
        let value = within(self.limit, || {
            let ended = !self.is_running() && self.stdout.ended() && self.stderr.ended();
            let value = found(&self.stdout.text()).or_else(|| found(&self.stderr.text()));
            (value.is_some() || ended).then_some(value)
        });
        value.flatten().unwrap_or_else(|| {
            panic!("{}: no {what} in\n{}{}", self.name, self.stdout.text(), self.stderr.text())
        })
    }

    /// Kills it with SIGKILL and waits until it has ended.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it has ended and its output is closed, which nobody else may keep open.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Run {
        let status = within(limit, || self.child.try_wait().expect("a child can be waited for"));
        let Some(status) = status else {
            panic!("{} runs longer than {limit:?}\n{}{}", self.name, self.stdout(), self.stderr())
        };
        let what = format!("{}: its output is closed by everybody", self.name);
        eventually(OUTPUT_LIMIT, &what, || (self.stdout.ended() && self.stderr.ended()).then_some(()));
        Run {
            code: status.code(),
            stdout: self.stdout(),
            stderr: self.stderr(),
            command: std::mem::take(&mut self.name),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Run {
    /// The exit code. `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    command: String,
}

impl Run {
    /// One whose end was waited for elsewhere.
    pub(crate) fn new(code: Option<i32>, stdout: String, stderr: String, command: String) -> Self {
        Self { code, stdout, stderr, command }
    }

    /// Asserts that the program succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.fails_with(0)
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn fails_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}{}", self.command, self.stdout, self.stderr);
        self
    }

    /// Standard output without the final line break.
    pub fn line(&self) -> &str {
        self.stdout.trim_end_matches('\n')
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        parse(&self.stdout, &self.command)
    }

    /// The single JSON object that a failure prints under `-o json`.
    #[track_caller]
    pub fn error_json(&self) -> Value {
        assert_eq!(self.stdout, "", "a failure prints nothing on standard output: {}", self.command);
        parse(&self.stderr, &self.command)["error"].clone()
    }
}

#[track_caller]
fn parse(text: &str, command: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{command}: {error} in {text:?}"))
}

/// One output of a program, read by a thread.
#[derive(Debug, Clone)]
struct Stream(Arc<Mutex<Output>>);

#[derive(Debug, Default)]
struct Output {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stream {
    fn read(mut pipe: impl Read + Send + 'static) -> Self {
        let stream = Self(Arc::default());
        let output = Arc::clone(&stream.0);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                lock(&output).bytes.extend_from_slice(&buffer[..count]);
            }
            lock(&output).ended = true;
        });
        stream
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.0).bytes).into_owned()
    }

    fn ended(&self) -> bool {
        lock(&self.0).ended
    }
}

fn lock(output: &Mutex<Output>) -> std::sync::MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}
