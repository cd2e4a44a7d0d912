//! `seqera agent logs`: shows the end of the agent's log, and follows it if asked to.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use seqera_client::proto::files::{self, Writer};
use seqera_client::{Client, Error, Options};
use serde_json::json;
use tokio::time::interval;

use crate::screen::failure::{Failure, Hint};
use crate::screen::terminal::output_is_read;
use crate::settings::context::{Context, wait};

/// The agent's own logs are smaller. A log that the person keeps may have any size, and only its end is shown.
const MOST: u64 = 8 << 20;

/// The time between two reads of the file. A person does not notice the delay, and the file system hardly
/// notices the reads.
const LOOK: Duration = Duration::from_millis(250);

/// Show the agent's log
///
/// What the agent did, without secrets; times are UTC. Works while no agent runs, too.
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = "\
Examples:
  seqera agent logs -n 20
  seqera agent logs --follow")]
pub(crate) struct Logs {
    /// Follow what is written from now on, until Ctrl-C or until nobody reads it any more
    #[arg(long, short)]
    follow: bool,
    /// How many of the last lines to show
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    lines: usize,
}

pub(super) fn run(context: &Context, args: Logs) -> Result<(), Failure> {
    let path = file(context)?;
    let unread = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => nothing_yet(&path),
        _ if files::is_refused(&error) => no_file(&path, &error),
        _ => Failure::system(&format!("cannot read {}", path.display()), &error),
    };
    let mut log = Log::open(&path).map_err(unread)?;
    let last = last_lines(&earlier(&path), &log.more().map_err(unread)?, args.lines);
    match context.screen.json {
        true => context.screen.object(&json!({"file": path, "lines": last}))?,
        false => last.iter().try_for_each(|line| context.screen.say(line))?,
    }
    match args.follow {
        true => wait(follow(context, log)),
        false => Ok(()),
    }
}

/// The file of the running agent, or the one that an agent started from here would write.
fn file(context: &Context) -> Result<PathBuf, Failure> {
    let client = Client::new(Options { start_agent: false, ..context.options()? });
    match wait(async { Ok(client.info().await) })? {
        Ok(info) if info.log.is_empty() => Err(to_journal(info.pid)),
        Ok(info) => Ok(PathBuf::from(info.log)),
        Err(Error::NoAgent | Error::NobodyAtChosen(_)) => context.env.log_file(&context.options()?.places),
        Err(error) => Err(error.into()),
    }
}

fn to_journal(pid: u32) -> Failure {
    Failure {
        reason: "NO_LOG_FILE".into(),
        message: format!(
            "agent {pid} writes its log to the journal, or to the terminal where it was started"
        ),
        hint: Hint::Words("run 'journalctl --user --unit seqera-agent'".into()),
        exit: 1,
    }
}

fn nothing_yet(path: &Path) -> Failure {
    Failure {
        reason: "NO_LOG_FILE".into(),
        message: format!("there is no log at {}", path.display()),
        hint: Hint::Words("an agent writes it: run 'seqera agent start'".into()),
        exit: 1,
    }
}

fn no_file(path: &Path, error: &std::io::Error) -> Failure {
    Failure {
        reason: "NO_LOG_FILE".into(),
        message: format!("the log cannot be read back: {}", files::sentence(path, error)),
        hint: Hint::Words("SEQERA_LOG_FILE, if it is set, says where the next agent writes its log".into()),
        exit: 1,
    }
}

/// The text of the previous log file, if the log has been rotated.
fn earlier(path: &Path) -> String {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    files::read(Path::new(&name), MOST, Writer::Person)
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .unwrap_or_default()
}

fn last_lines(earlier: &str, text: &str, most: usize) -> Vec<String> {
    let mut last = VecDeque::new();
    for line in earlier.lines().chain(text.lines()) {
        last.push_back(line);
        if last.len() > most {
            last.pop_front();
        }
    }
    last.into_iter().map(str::to_owned).collect()
}

async fn follow(context: &Context, mut log: Log) -> Result<(), Failure> {
    let unread = |error: std::io::Error| Failure::system("cannot continue reading the log", &error);
    let mut looks = interval(LOOK);
    let mut begun = String::new();
    while output_is_read() {
        looks.tick().await;
        begun += &log.more().map_err(unread)?;
        // The agent may be in the middle of a line.
        while let Some((line, rest)) = begun.split_once('\n') {
            if !context.screen.follow(line)? {
                return Ok(());
            }
            begun = rest.to_owned();
        }
    }
    Ok(())
}

/// A log file, and how far it has been read.
struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = files::open(path, Writer::Person)?;
        let before = file.metadata()?.len().saturating_sub(MOST);
        file.seek(SeekFrom::Start(before))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Reads what has been written since the last call: to this file, and to a new one that has replaced it.
    fn more(&mut self) -> std::io::Result<String> {
        let mut text = Vec::new();
        self.file.by_ref().take(MOST).read_to_end(&mut text)?;
        let now = match self.path.metadata() {
            Ok(meta) => meta,
            // The log is just being rotated; the next call finds the new file.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(String::from_utf8_lossy(&text).into());
            }
            Err(error) => return Err(error),
        };
        if text.len() as u64 == MOST {
            // There may be more in this file; the next call reads on.
            return Ok(String::from_utf8_lossy(&text).into());
        }
        let replaced = !is_same(&now, &self.file.metadata()?);
        if replaced {
            self.file = files::open(&self.path, Writer::Person)?;
        } else if now.len() < self.file.stream_position()? {
            self.file.seek(SeekFrom::Start(0))?;
        }
        self.file.by_ref().take(MOST).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Windows has no inode numbers to compare, but a new file has another time of creation.
#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.created().ok() == b.created().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{OpenOptions, rename, write};
    use std::io::Write;

    use super::*;

    #[test]
    fn the_last_lines_reach_back_into_the_file_that_was_put_away() {
        assert_eq!(last_lines("a\nb\n", "c\nd\n", 3), ["b", "c", "d"]);
        assert_eq!(last_lines("a\n", "", 5), ["a"]);
        assert!(last_lines("a\n", "b\n", 0).is_empty());
    }

    #[test]
    fn what_is_written_is_followed_into_the_next_file_and_nothing_is_told_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.log");
        write(&path, "one\n").unwrap();
        let mut log = Log::open(&path).unwrap();
        assert_eq!(log.more().unwrap(), "one\n");
        assert_eq!(log.more().unwrap(), "");
        let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
        writer.write_all(b"two\n").unwrap();
        rename(&path, folder.path().join("agent.log.1")).unwrap();
        assert_eq!(log.more().unwrap(), "two\n", "the new file is not there yet");
        write(&path, "three\n").unwrap();
        assert_eq!(log.more().unwrap(), "three\n");
    }

    #[test]
    fn of_a_huge_log_only_the_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.log");
        File::create(&path).unwrap().set_len(1 << 30).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\nlast\n").unwrap();
        let text = Log::open(&path).unwrap().more().unwrap();
        assert_eq!((text.len() as u64, text.lines().last()), (MOST, Some("last")));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_named_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for (path, what) in [(pipe.as_path(), "a named pipe"), (Path::new("/dev/zero"), "a device")] {
            let said = no_file(path, &Log::open(path).err().expect("it is no file")).message;
            assert!(said.ends_with(&format!("{} is {what}, not a file", path.display())), "{said}");
        }
    }

    #[test]
    fn a_log_that_was_emptied_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.log");
        write(&path, "a long line\n").unwrap();
        let mut log = Log::open(&path).unwrap();
        log.more().unwrap();
        File::create(&path).unwrap();
        assert_eq!(log.more().unwrap(), "");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"new\n").unwrap();
        assert_eq!(log.more().unwrap(), "new\n");
    }
}
