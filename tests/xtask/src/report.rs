//! What is printed while a task runs: steps, progress, and the table at the end.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use seqera_tests::wait::Stopwatch;

/// Prints the heading of a numbered step.
pub(crate) fn step(number: usize, of: usize, title: &str) {
    println!("\n[{number}/{of}] {title}");
}

/// Prints a line below a step.
pub(crate) fn line(text: &str) {
    println!("      {text}");
}

/// Does something that may take longer than a second, and shows progress meanwhile.
pub(crate) fn waiting<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let progress = Progress::start(what);
    let watch = Stopwatch::start();
    let value = work();
    drop(progress);
    println!("      {what}: {}", seconds(watch.elapsed()));
    value
}

/// Counts seconds, but only on a terminal: a log gets just the final line.
struct Progress(Option<(SyncSender<()>, JoinHandle<()>)>);

impl Progress {
    fn start(what: &str) -> Self {
        if !std::io::stdout().is_terminal() {
            return Self(None);
        }
        let (stop, stopped) = sync_channel::<()>(0);
        let what = what.to_owned();
        let ticker = std::thread::spawn(move || {
            for second in 1.. {
                if stopped.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
                print!("\r      {what} … {second} s");
                let _ = std::io::stdout().flush();
            }
            // Back to the start of the line, and clear it.
            print!("\r\x1b[K");
        });
        Self(Some((stop, ticker)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some((stop, ticker)) = self.0.take() else { return };
        drop(stop);
        let _ = ticker.join();
    }
}

/// Two aligned columns.
pub(crate) fn table(rows: &[(String, String)]) {
    let width = rows.iter().map(|(left, _)| left.chars().count()).max().unwrap_or(0);
    for (left, right) in rows {
        println!("  {left:width$}   {right}");
    }
}

/// A duration for people.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
