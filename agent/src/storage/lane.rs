//! One thread for calls that may hang. It makes them in order, each with a time limit.
//!
//! A frozen keychain daemon or a dead network file system blocks its caller for ever, and nothing can cancel a
//! blocked system call. So the calls get a dedicated thread, started when needed and never joined: it cannot hold up
//! the runtime or the exit of the process. It ends when it has had nothing to do for a while.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::lock::lock;

/// The length of the queue. Each profile has one writing call at a time, so a full queue means a stall.
const WAITING: usize = 256;

/// How long the thread waits for another call before it ends. Calls come in groups: at a sign-in, or a renewal.
const REST: Duration = Duration::from_secs(10);

/// A call and its number; numbers rise in the order of the queue.
type Job = (u64, Box<dyn FnOnce() + Send>);

/// Why a call gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stall {
    /// The call was not made, because an earlier one is overdue.
    Behind,
    /// The call took too long, or waited too long for its turn. If it has begun, it may still finish.
    Late,
    /// The thread could not be started, the queue is full, or the call panicked.
    Broken,
}

/// The thread, its queue of calls, and its progress.
pub(crate) struct Lane {
    name: &'static str,
    queue: Arc<Mutex<Queue>>,
    /// Number of the last call that has finished.
    finished: Arc<AtomicU64>,
    /// Highest number of a call whose caller gave up.
    given_up: AtomicU64,
    /// Calls are made on the caller's thread, because a paused clock would run ahead of another thread.
    #[cfg(test)]
    inline: bool,
}

#[derive(Default)]
struct Queue {
    last: u64,
    /// To the thread; `None` while there is none.
    jobs: Option<SyncSender<Job>>,
}

impl Lane {
    /// Creates a lane whose thread will have this name. A call starts the thread.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            queue: Arc::default(),
            finished: Arc::new(AtomicU64::new(0)),
            given_up: AtomicU64::new(0),
            #[cfg(test)]
            inline: false,
        }
    }

    /// Creates a lane without a thread, for tests under a paused clock.
    #[cfg(test)]
    pub(crate) fn inline(name: &'static str) -> Self {
        Self { inline: true, ..Self::new(name) }
    }

    /// Makes `call` on the thread and waits for its answer, at most for `limit`. If the caller gives up before
    /// the call's turn comes, it is never made.
    ///
    /// # Errors
    /// [`Stall`] says why there is no answer. Only after [`Stall::Late`] may the call still have an effect.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stall> {
        #[cfg(test)]
        if self.inline {
            return Ok(call());
        }
        if self.is_overdue() {
            return Err(Stall::Behind);
        }
        let (reply, answer) = oneshot::channel();
        let job = move || {
            if !reply.is_closed() {
                let _ = reply.send(call());
            }
        };
        let number = self.push(Box::new(job)).ok_or(Stall::Broken)?;
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|_| Stall::Broken),
            Err(_) => {
                self.given_up.fetch_max(number, Ordering::SeqCst);
                Err(Stall::Late)
            }
        }
    }

    /// Queues a call that nobody waits for.
    pub(crate) fn post(&self, call: impl FnOnce() + Send + 'static) {
        self.push(Box::new(call));
    }

    /// True while a call whose caller gave up has not finished.
    fn is_overdue(&self) -> bool {
        self.given_up.load(Ordering::SeqCst) > self.finished.load(Ordering::SeqCst)
    }

    /// Queues the call and returns its number; `None` if the queue is full or the thread cannot be started.
    fn push(&self, call: Box<dyn FnOnce() + Send>) -> Option<u64> {
        let mut queue = lock(&self.queue);
        if queue.jobs.is_none() {
            queue.jobs = self.start();
        }
        let number = queue.last + 1;
        queue.jobs.as_ref()?.try_send((number, call)).ok()?;
        queue.last = number;
        Some(number)
    }

    fn start(&self) -> Option<SyncSender<Job>> {
        let (jobs, calls) = sync_channel(WAITING);
        let (finished, queue) = (Arc::clone(&self.finished), Arc::downgrade(&self.queue));
        let thread = std::thread::Builder::new().name(self.name.to_owned());
        match thread.spawn(move || work(&calls, &finished, &queue)) {
            Ok(_) => Some(jobs),
            Err(error) => {
                tracing::error!(thread = self.name, %error, "no thread could be started");
                None
            }
        }
    }
}

fn work(calls: &Receiver<Job>, finished: &AtomicU64, queue: &Weak<Mutex<Queue>>) {
    while let Some((number, call)) = next(calls, queue) {
        // A panic in a library must not end the thread: the callers in the queue would never get an answer.
        let _ = catch_unwind(AssertUnwindSafe(call));
        finished.store(number, Ordering::SeqCst);
    }
}

/// The next call; `None` if there has been none for [`REST`], or if the lane has gone.
fn next(calls: &Receiver<Job>, queue: &Weak<Mutex<Queue>>) -> Option<Job> {
    match calls.recv_timeout(REST) {
        Ok(job) => Some(job),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => {
            let queue = queue.upgrade()?;
            let mut queue = lock(&queue);
            // One may have come in between. Under the lock none can, and the next one starts another thread.
            let late = calls.try_recv().ok();
            if late.is_none() {
                queue.jobs = None;
            }
            late
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    /// Blocks the thread of `lane`, lets the caller give up, and returns the sender that frees the thread.
    async fn stall(lane: &Lane) -> SyncSender<()> {
        let (free, blocked) = sync_channel::<()>(1);
        let (begun, begins) = sync_channel::<()>(1);
        let mut call = Box::pin(lane.run(LIMIT, move || {
            begun.send(()).unwrap();
            blocked.recv().is_ok()
        }));
        assert!(crate::storage::fake::is_pending(&mut call).await);
        begins.recv().unwrap();
        // Nothing else is due, so the paused clock jumps to the limit.
        tokio::time::pause();
        assert_eq!(call.await, Err(Stall::Late));
        tokio::time::resume();
        free
    }

    #[tokio::test]
    async fn calls_are_made_in_order() {
        let lane = Arc::new(Lane::new("test"));
        let made = Arc::new(Mutex::new(Vec::new()));
        let calls = (0..50).map(|n| {
            let made = made.clone();
            lane.run(LIMIT, move || lock(&made).push(n))
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
        assert_eq!(*lock(&made), (0..50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn while_a_call_is_overdue_the_others_fail_at_once_and_then_work_again() {
        let lane = Lane::new("test");
        let free = stall(&lane).await;
        assert_eq!(lane.run(LIMIT, || ()).await, Err(Stall::Behind));
        let (done, freed) = oneshot::channel();
        lane.post(move || done.send(()).unwrap());
        free.send(()).unwrap();
        freed.await.unwrap();
        // The posted call has begun, so the overdue one has ended.
        assert_eq!(lane.run(LIMIT, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_call_that_was_given_up_before_its_turn_is_never_made() {
        let lane = Lane::new("test");
        let (free, blocked) = sync_channel::<()>(1);
        lane.post(move || blocked.recv().unwrap());
        tokio::time::pause();
        let made = Arc::new(AtomicU64::new(0));
        let count = made.clone();
        let answer = lane.run(LIMIT, move || count.fetch_add(1, Ordering::SeqCst)).await;
        assert_eq!(answer, Err(Stall::Late));
        tokio::time::resume();
        let (done, behind) = oneshot::channel();
        lane.post(move || done.send(()).unwrap());
        free.send(()).unwrap();
        behind.await.unwrap();
        assert_eq!(made.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_panic_ends_the_call_and_not_the_thread() {
        let lane = Lane::new("test");
        let answer: Result<(), Stall> = lane.run(LIMIT, || panic!("expected by this test")).await;
        assert_eq!(answer, Err(Stall::Broken));
        assert_eq!(lane.run(LIMIT, || 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_thread_that_has_nothing_to_do_ends_and_the_next_call_starts_another() {
        let lane = Lane::new("test");
        let thread = || std::thread::current().id();
        let first = lane.run(LIMIT, thread).await.unwrap();
        assert_eq!(lane.run(LIMIT, thread).await, Ok(first));
        let ended = async {
            while lock(&lane.queue).jobs.is_some() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(3 * REST, ended).await.unwrap();
        assert_ne!(lane.run(LIMIT, thread).await, Ok(first));
    }
}
