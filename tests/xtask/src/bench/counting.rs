//! Programs that are run for what they print, the counter of instructions among them.

use std::process::Command;

/// A program that counts the instructions of another one by one, whatever the neighbours do.
pub(super) const COUNTER: [&str; 3] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];

/// What `command`, which begins with [`COUNTER`], says at its end.
pub(super) fn counted(command: &mut Command) -> Option<u64> {
    let text = output(command)?;
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The output of a program, if it could be run and has succeeded.
pub(super) fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// The numbers of a text with one on each line.
pub(super) fn number_lines(text: &str) -> Vec<f64> {
    text.lines().filter_map(|line| line.parse().ok()).collect()
}
