//! One accepted connection: who is at the other end, and how long it may be silent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};
use tonic::transport::server::Connected;

use crate::socket::activity::Activity;
use crate::socket::peers::{Caller, Peer};
use crate::socket::system::Stream;

/// How long a connection may be silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silence {
    /// The limit before the first request.
    pub first: Duration,
    /// The limit between two requests, while none runs.
    pub idle: Duration,
}

impl Silence {
    /// A request from a local program arrives within milliseconds; 5 s are enough on a loaded machine. A
    /// client that sends another request within 5 min can reuse its connection.
    pub(crate) const DEFAULT: Self = Self { first: Duration::from_secs(5), idle: Duration::from_secs(300) };

    /// How much longer a connection may be silent, or `None` if it has been silent for too long.
    fn left(self, activity: &Activity) -> Option<Duration> {
        let limit = if activity.any() { self.idle } else { self.first };
        limit.checked_sub(activity.quiet_for()).filter(|left| !left.is_zero())
    }
}

/// An accepted connection of this user. It counts against the limit until it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    caller: Caller,
    silence: Silence,
    timer: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: Peer, silence: Silence, place: OwnedSemaphorePermit) -> Self {
        let caller = Caller { peer, activity: Activity::new() };
        Self { stream, caller, silence, timer: Box::pin(sleep(silence.first)), _place: place }
    }

    /// Ready once the connection has been silent for too long. The timer is reset only when it fires.
    fn poll_silent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let Some(left) = self.silence.left(&self.caller.activity) else { return Poll::Ready(()) };
            self.timer.as_mut().reset(Instant::now() + left);
        }
        Poll::Pending
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() && self.poll_silent(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;
    use tokio::sync::Semaphore;

    use super::*;

    fn connection() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let peer = Peer { uid: 0, pid: None, exe: None };
        (Connection::new(ours, peer, Silence::DEFAULT, place), theirs)
    }

    /// Seconds until the connection is closed. The clock is paused, so time jumps to the next timer.
    async fn seconds_until_cut(mut connection: Connection) -> u64 {
        let start = Instant::now();
        let error = connection.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        start.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_is_cut_after_five_seconds() {
        let (connection, _theirs) = connection();
        assert_eq!(seconds_until_cut(connection).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_calls_have_ended_is_cut_after_five_minutes() {
        let (connection, _theirs) = connection();
        drop(connection.caller.activity.begin());
        assert_eq!(seconds_until_cut(connection).await, 300);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_an_open_stream_is_never_cut() {
        let (connection, _theirs) = connection();
        let stream = connection.caller.activity.begin();
        let cut = tokio::spawn(seconds_until_cut(connection));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(!cut.is_finished());
        drop(stream);
        assert!(cut.await.unwrap() >= 3900);
    }
}
