//! What is looked after while the agent serves: that its socket and its lock are where others look for them, that its
//! program is still the one that was installed, and that somebody still needs it. An agent that nobody uses should not
//! wake up for that, so the kernel is asked to tell when a file goes. Only where it cannot tell everything is anything
//! looked at again and again.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::process::config::{Config, Flags};
use crate::process::instance::{Instance, STOPPING_LIMIT, Standing, lock_path};
use crate::process::memory;
use crate::process::successor::{self, Program, Successors, Unfinished, When};
use crate::process::watch::Watch;
use crate::socket::activity::Activity;
use crate::socket::bind::Socket;

/// The least time between two looks that nothing has asked for, and the most where the kernel does not tell what has
/// gone. Shorter than a starting agent waits for the lock, so that one that meets a removed socket sees it come back.
const ROUND: Duration = Duration::from_secs(15);
const _: () = assert!(ROUND.as_secs() < STOPPING_LIMIT.as_secs());
/// The most time between two looks while there is something to lose: a network file system tells nothing of what
/// other hosts do.
const LONGEST_ROUND: Duration = Duration::from_secs(60);
/// The same where the kernel tells of every file that goes.
const LONGEST_TOLD: Duration = Duration::from_secs(600);

/// The core as the process sees it.
#[async_trait]
pub(crate) trait Core: Send + Sync {
    /// True while nothing would be lost if the agent exited: no sessions, leases or pending revocations.
    fn idle(&self) -> bool;
    /// Completes when the core has next looked at the clock of its sessions, which it does when one is due, and from
    /// time to time otherwise.
    async fn round(&self);
    /// What would be broken off or lost if another program went on now.
    fn unfinished(&self) -> Unfinished;
    /// Reads the configuration again.
    async fn reload(&self);
    /// Starts no renewal any more, waits for the running ones, ends the streams.
    async fn drain(&self, limit: Duration);
}

/// Why the house is kept no longer.
#[derive(Debug)]
pub(super) enum Over {
    /// Nobody needs this agent, or it is not the owner any more.
    Unneeded,
    /// This program goes on.
    Followed(Arc<Program>),
}

pub(super) struct House<'a> {
    socket: Socket,
    /// Told where the socket is.
    path: watch::Sender<PathBuf>,
    pub(super) instance: &'a mut Instance,
    lock: PathBuf,
    successors: Successors,
    /// When a new program that waits for a quiet moment is looked at again.
    wait: Option<Duration>,
    /// True if no other host can have the files in use.
    local: bool,
    idle_exit: Option<Duration>,
    /// True if a debugger may be at work.
    debugged: bool,
    /// True while the socket has gone and could not be bound again.
    unbound: bool,
}

impl<'a> House<'a> {
    pub(super) fn new(
        config: &Config,
        socket: Socket,
        path: watch::Sender<PathBuf>,
        instance: &'a mut Instance,
        successors: Successors,
    ) -> Self {
        Self {
            socket,
            path,
            instance,
            lock: lock_path(&config.places),
            successors,
            wait: None,
            local: config.places.is_local(),
            idle_exit: config.idle_exit.value,
            debugged: config.flags.dumpable,
            unbound: false,
        }
    }

    /// Ends when the agent has nothing to keep and nobody has called for long enough, or when the sessions are
    /// another agent's.
    pub(super) async fn keep(&mut self, activity: &Activity, core: &dyn Core) -> Over {
        loop {
            self.pause(activity, core).await;
            if let Standing::Lost(why) = self.instance.look_after().await {
                tracing::error!(why, "this agent stops: two owners would end each other's sessions");
                return Over::Unneeded;
            }
            self.look_after_socket().await;
            if self.idle_exit.is_some_and(|limit| activity.quiet_for() >= limit) && core.idle() {
                return Over::Unneeded;
            }
            if let Some(program) = self.follow(activity, core).await {
                return Over::Followed(program);
            }
        }
    }

    /// The program that goes on from here, if there is a new one and the moment is quiet.
    async fn follow(&mut self, activity: &Activity, core: &dyn Core) -> Option<Arc<Program>> {
        self.wait = None;
        let Some((program, since)) = self.successors.look().await else {
            self.wait = self.successors.next_look();
            return None;
        };
        match successor::when(&core.unfinished(), activity.unasked_for(), since.elapsed()) {
            When::Now => {
                self.successors.put_off(None);
                Some(program)
            }
            When::Later(wait, why) => {
                self.successors.put_off(why.as_deref());
                self.wait = Some(wait);
                None
            }
        }
    }

    /// Hands over to another program in this process. What was begun has ended, and nobody is served any more. Returns
    /// only where that fails.
    #[cfg(unix)]
    pub(super) async fn hand_over(&self, program: &Program, flags: Flags) -> std::io::Error {
        let (socket, lock) = (self.socket.to_hand_on(), self.instance.lock_to_hand_on().await);
        successor::start(program, flags, socket, lock)
    }

    /// Nothing takes the place of a program here.
    #[cfg(windows)]
    pub(super) async fn hand_over(&self, _: &Program, _: Flags) -> std::io::Error {
        std::io::ErrorKind::Unsupported.into()
    }

    /// Accepts no more callers: they wait for the next program.
    pub(super) async fn settle(&self) {
        self.socket.settle().await;
    }

    /// Waits until it is time to look.
    async fn pause(&self, activity: &Activity, core: &dyn Core) {
        // With the folders: `run/<host id>` in that of the configuration.
        let folders = self.lock.ancestors().skip(1).take(3);
        let files = [self.socket.path(), &self.lock, self.instance.agent_json()];
        let program = self.successors.watched();
        let watch = Watch::on(files.into_iter().chain(folders).chain(program));
        let removed = async {
            match &watch {
                Ok(watch) => watch.removed().await,
                Err(_) => sleep(ROUND).await,
            }
        };
        // Perhaps it went before the watch began, and perhaps there is no place for another one yet.
        if !self.socket.in_place() {
            return if self.unbound {
                sleep(ROUND).await
            };
        }
        // The same of the program.
        if self.successors.has_changed().await {
            return;
        }
        let again = async {
            match self.wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = removed => {}
            () = again => {}
            () = self.calm(activity, core, watch.is_ok() && self.local) => {}
        }
    }

    /// The time between two looks while no file goes; `told` if nothing can go without the kernel's word. Without
    /// anything to keep, nothing is looked at until somebody calls or it is time to exit.
    async fn calm(&self, activity: &Activity, core: &dyn Core, told: bool) {
        let longest = if told { LONGEST_TOLD } else { LONGEST_ROUND };
        let most = self.idle_exit.map_or(longest, |limit| limit.min(longest));
        let mut begun = pin!(activity.begun());
        if core.idle() {
            match self.idle_exit.map(|limit| limit.saturating_sub(activity.quiet_for())) {
                None => begun.as_mut().await,
                Some(left) if timeout(left, begun.as_mut()).await.is_err() => return,
                Some(_) => {}
            }
        } else if told {
            // A session ends by a call or in a round; a lease, and what is to be revoked, outside of both.
            let ended = async {
                while !core.idle() {
                    let _ = timeout(most, self.round(activity, core)).await;
                }
            };
            tokio::select! {
                () = begun.as_mut() => {}
                () = ended => return,
            }
        }
        let started = Instant::now();
        let rounds = async {
            while started.elapsed() < ROUND {
                self.round(activity, core).await;
            }
        };
        let _ = timeout(most, rounds).await;
    }

    /// Waits until the sessions have been looked at. The process is awake then in any case.
    async fn round(&self, activity: &Activity, core: &dyn Core) {
        core.round().await;
        if self.debugged {
            return;
        }
        // Whoever has just called, or has just had the agent started, would have to wait for every page again.
        while activity.unasked_for() < memory::SETTLED {
            sleep(memory::SETTLED.saturating_sub(activity.unasked_for())).await;
        }
        memory::let_go_of_much();
    }

    async fn look_after_socket(&mut self) {
        let ensured = self.socket.ensure().await;
        self.unbound = ensured.is_err();
        match ensured {
            Ok(false) => {}
            Ok(true) => {
                self.instance.announce(self.socket.path()).await;
                self.path.send_replace(self.socket.path().to_owned());
            }
            Err(error) => tracing::error!(%error, "the socket has disappeared and cannot be bound again"),
        }
    }
}
