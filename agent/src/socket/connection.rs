//! One accepted connection: who is at the other end, and how long it may be silent.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::socket::activity::Activity;
use crate::socket::frames::Frames;
use crate::socket::limits::Silence;
use crate::socket::peers::{Caller, Peer};
use crate::socket::shares::Seat;
use crate::socket::system::{self, Stream};

impl Silence {
    /// When a connection has been silent for too long.
    fn end(self, activity: &Activity, frames: &Frames) -> Instant {
        let limit = if activity.any() { self.idle } else { self.first };
        let quiet = Instant::now() + limit.saturating_sub(activity.quiet_for());
        frames.unfinished_since().map_or(quiet, |since| quiet.min(since + self.unfinished))
    }
}

/// An accepted connection of this user. It has its seat until it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    caller: Caller,
    silence: Silence,
    frames: Frames,
    timer: Pin<Box<Sleep>>,
    /// Runs while the peer does not read what is sent to it.
    unread: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(super) fn new(
        stream: Stream,
        peer: Peer,
        silence: Silence,
        activity: Arc<Activity>,
        seat: Arc<Seat>,
    ) -> Self {
        let caller = Caller { peer, activity, seat };
        let timer = Box::pin(sleep(silence.first));
        Self { stream, caller, silence, frames: Frames::new(), timer, unread: None }
    }

    /// Who is at the other end.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Waits until the caller speaks, or has been silent for too long. Until then a connection costs next to nothing;
    /// what speaks HTTP/2 has 24 KiB of buffers from its beginning.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if nothing comes.
    pub(crate) async fn heard(&mut self) -> io::Result<()> {
        poll_fn(|cx| match system::poll_heard(&self.stream, cx) {
            Poll::Pending if self.poll_silent(cx).is_ready() => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            heard => heard,
        })
        .await?;
        self.caller.activity.hear();
        Ok(())
    }

    /// Ready once the connection has been silent for too long. The timer is moved only when it fires, or has to
    /// fire sooner.
    fn poll_silent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let end = self.silence.end(&self.caller.activity, &self.frames);
        if self.timer.deadline() > end {
            self.timer.as_mut().reset(end);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let end = self.silence.end(&self.caller.activity, &self.frames);
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(end);
        }
        Poll::Pending
    }

    /// Passes on what a write has come to, unless the peer has not read for too long.
    fn unless_unread<T>(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.unread = None;
            return sent;
        }
        let limit = self.silence.unread;
        let unread = self.unread.get_or_insert_with(|| Box::pin(sleep(limit)));
        unread.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.frames.follow(&buffer.filled()[before..]);
        if read.is_pending() && self.poll_silent(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_unread(cx, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.unless_unread(cx, sent)
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
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;
    use crate::socket::limits::Limits;
    use crate::socket::shares::{Admission, Shares};

    fn connection() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let peer = Peer { uid: 0, pid: Some(1), exe: None };
        let activity = Activity::new();
        let shares = Shares::new(Limits::of_descriptors(256));
        let Admission::Seat(seat) = shares.admit(peer.holder(), &activity) else { panic!("no seat") };
        (Connection::new(ours, peer, Silence::DEFAULT, activity, seat), theirs)
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
    async fn a_caller_is_heard_when_it_speaks_and_has_as_long_for_it_as_for_a_request() {
        let (mut silent, _theirs) = connection();
        let start = Instant::now();
        assert_eq!(silent.heard().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 5);
        assert!(!silent.caller.activity.heard());

        let (mut speaking, mut theirs) = connection();
        theirs.write_all(b"PRI").await.unwrap();
        speaking.heard().await.unwrap();
        assert!(speaking.caller.activity.heard() && !speaking.caller.activity.any());
        let mut read = [0; 3];
        speaking.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"PRI", "nothing of it is lost");
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

    #[tokio::test(start_paused = true)]
    async fn what_begins_to_arrive_has_to_be_whole_within_five_seconds_even_beside_an_open_stream() {
        let (mut connection, mut theirs) = connection();
        let _stream = connection.caller.activity.begin();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        // The head of a frame of 16 bytes, of which only some come.
        let begun = [&preface[..], &[0, 0, 16, 0, 0, 0, 0, 0, 1], b"some"].concat();
        theirs.write_all(&begun).await.unwrap();
        let mut read = vec![0; begun.len()];
        connection.read_exact(&mut read).await.unwrap();
        assert_eq!(seconds_until_cut(connection).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_for_half_a_minute_is_cut() {
        let (mut connection, _theirs) = connection();
        let start = Instant::now();
        let error = connection.write_all(&vec![0; 16 << 20]).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
    }
}
