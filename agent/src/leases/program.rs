//! The processes that leases are tied to: identifies a process, and waits until it has ended. The system
//! notifies us of the end, so that the agent does not wake up while programs run for days.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::storage::record::Program;

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "program/linux.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "program/macos.rs"]
mod system;
#[cfg(windows)]
#[path = "program/windows.rs"]
mod system;

/// How often we check if the system cannot notify us: on a kernel before 5.3, or without a free descriptor.
const LOOK: Duration = Duration::from_secs(5);

/// The processes of this host.
#[async_trait]
pub(crate) trait Programs: Send + Sync {
    /// Identifies the process that has this pid now.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such process; other kinds if the system does not tell.
    fn identify(&self, pid: u32) -> io::Result<Program>;
    /// Returns once that very process has ended.
    async fn ended(&self, program: &Program);
}

/// The processes that the operating system reports.
#[derive(Debug, Default)]
pub(crate) struct SystemPrograms;

#[async_trait]
impl Programs for SystemPrograms {
    fn identify(&self, pid: u32) -> io::Result<Program> {
        system::started(pid).map(|started| Program { pid, started })
    }

    async fn ended(&self, program: &Program) {
        // Open first and compare then: an open descriptor never refers to another process.
        let watch = system::watch(program.pid);
        if !self.lives(program) {
            return;
        }
        if let Ok(watch) = watch
            && watch.ended().await.is_ok()
        {
            return;
        }
        tracing::warn!(pid = program.pid, "this process is looked at every few seconds");
        while self.lives(program) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The same, with at most so many descriptors open at a time. Beyond them programs are looked at now and then.
#[derive(Debug)]
pub(crate) struct WatchedPrograms(Semaphore);

impl WatchedPrograms {
    pub(crate) fn new(descriptors: usize) -> Self {
        Self(Semaphore::new(descriptors))
    }
}

#[async_trait]
impl Programs for WatchedPrograms {
    fn identify(&self, pid: u32) -> io::Result<Program> {
        SystemPrograms.identify(pid)
    }

    async fn ended(&self, program: &Program) {
        loop {
            if let Ok(_descriptor) = self.0.try_acquire() {
                return SystemPrograms.ended(program).await;
            }
            if !SystemPrograms.lives(program) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl SystemPrograms {
    /// If the system does not tell, perhaps for lack of descriptors, the process counts as alive.
    fn lives(&self, program: &Program) -> bool {
        match self.identify(program.pid) {
            Ok(now) => now == *program,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use tokio::time::timeout;

    use super::*;

    /// A process that runs until its standard input is closed.
    fn child() -> Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_told_and_not_before() {
        let mut child = child();
        let program = SystemPrograms.identify(child.id()).unwrap();
        let mut end = Box::pin(SystemPrograms.ended(&program));
        assert!(timeout(Duration::from_millis(50), &mut end).await.is_err());
        drop(child.stdin.take());
        timeout(LOOK, end).await.unwrap();
        child.wait().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_descriptor_to_spare_a_program_is_looked_at_until_it_has_ended() {
        let mut child = child();
        let programs = WatchedPrograms::new(0);
        let program = programs.identify(child.id()).unwrap();
        let mut end = Box::pin(programs.ended(&program));
        assert!(timeout(LOOK * 10, &mut end).await.is_err());
        child.kill().unwrap();
        child.wait().unwrap();
        timeout(LOOK * 2, end).await.unwrap();
    }

    #[tokio::test]
    async fn a_process_that_has_ended_and_one_that_has_its_number_now_are_over_at_once() {
        let mut child = child();
        let program = SystemPrograms.identify(child.id()).unwrap();
        let earlier = Program { started: "before".into(), ..program.clone() };
        timeout(LOOK, SystemPrograms.ended(&earlier)).await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        timeout(LOOK, SystemPrograms.ended(&program)).await.unwrap();
        assert_eq!(SystemPrograms.identify(program.pid).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
