//! The word to stop: given once, by a signal, a caller or idleness, and heard by all.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;

/// What has been said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    /// To stop serving here, so that another program goes on in this process.
    HandOver,
    Stop,
}

/// A handle to the word. All clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<watch::Sender<Said>>);

impl Stop {
    /// Nobody has said it yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::channel(Said::Nothing).0))
    }

    /// Says it. Later words change nothing.
    pub(crate) fn begin(&self, why: &str) {
        if self.0.send_replace(Said::Stop) != Said::Stop {
            tracing::info!(why, "stopping");
        }
    }

    /// Says that another program goes on in this process, unless it is to stop.
    pub(crate) fn hand_over(&self) {
        let handing_over = |said: &mut Said| {
            let is_first = *said == Said::Nothing;
            if is_first {
                *said = Said::HandOver;
            }
            is_first
        };
        if self.0.send_if_modified(handing_over) {
            tracing::info!("handing over to the new program");
        }
    }

    /// True while all that was said is that another program goes on.
    pub(crate) fn hands_over(&self) -> bool {
        *self.0.borrow() == Said::HandOver
    }

    /// Waits until somebody says one of both; at once where somebody has.
    pub(crate) async fn requested(&self) {
        // This handle holds the sender, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|said| *said != Said::Nothing).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// The signals that the agent listens to. From [`Signals::listen`] on they do not end the process.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    kinds: [tokio::signal::unix::Signal; 3],
}

#[cfg(unix)]
impl Signals {
    /// Takes SIGTERM, SIGINT and SIGHUP over.
    ///
    /// # Errors
    /// Where the system does not let it.
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [terminate, interrupt, hangup] = kinds.map(signal);
        Ok(Self { kinds: [terminate?, interrupt?, hangup?] })
    }

    /// SIGTERM and SIGINT say the word, and SIGHUP reloads. Ends with the word.
    pub(crate) async fn heard<F: Future<Output = ()>>(&mut self, stop: &Stop, reload: impl Fn() -> F) {
        let [terminate, interrupt, hangup] = &mut self.kinds;
        loop {
            tokio::select! {
                _ = terminate.recv() => return stop.begin("SIGTERM"),
                _ = interrupt.recv() => return stop.begin("SIGINT"),
                _ = hangup.recv() => reload().await,
            }
        }
    }
}

#[cfg(windows)]
impl Signals {
    /// Ctrl-C is taken over when it is waited for.
    ///
    /// # Errors
    /// None.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Ctrl-C says the word. Ends with it.
    pub(crate) async fn heard<F: Future<Output = ()>>(&mut self, stop: &Stop, _reload: impl Fn() -> F) {
        if tokio::signal::ctrl_c().await.is_ok() {
            return stop.begin("Ctrl-C");
        }
        std::future::pending().await
    }
}
