//! Answers that a client does not take: it opens no window for them (RFC 9113, section 5.2), so that nothing is
//! written, and no limit on writing ever sees it. HTTP/2 itself has no limit on how long it may do so.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use tonic::body::Body;

use crate::lock::lock;
use crate::socket::limits::Silence;

/// The answers of one connection that lie ready.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    ready: Mutex<Ready>,
    first: Notify,
}

#[derive(Debug, Default)]
struct Ready {
    /// Since when, by the numbers of the answers.
    since: BTreeMap<u64, Instant>,
    last: u64,
}

impl Untaken {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Follows an answer: whoever has room for more of it asks for it.
    pub(super) fn answer(self: &Arc<Self>, body: Body) -> Body {
        let mut ready = lock(&self.ready);
        ready.last += 1;
        let number = ready.last;
        drop(ready);
        self.lies_ready(number);
        Body::new(Answer { body, number, of: Arc::clone(self) })
    }

    /// Completes when something has not been taken for as long as nobody needs who reads.
    pub(super) async fn neglected(&self) {
        loop {
            let first = self.first.notified();
            let oldest = lock(&self.ready).since.values().min().copied();
            let Some(end) = oldest.map(|since| since + Silence::DEFAULT.unread) else {
                first.await;
                continue;
            };
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }

    fn lies_ready(&self, number: u64) {
        let mut ready = lock(&self.ready);
        let is_first = ready.since.is_empty();
        ready.since.insert(number, Instant::now());
        drop(ready);
        if is_first {
            self.first.notify_one();
        }
    }

    fn is_taken(&self, number: u64) {
        lock(&self.ready).since.remove(&number);
    }
}

/// The body of an answer. It is asked for its next part only while the client has room for one.
struct Answer {
    body: Body,
    number: u64,
    of: Arc<Untaken>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let part = Pin::new(&mut self.body).poll_frame(cx);
        match part {
            Poll::Ready(Some(_)) => self.of.lies_ready(self.number),
            // It is the client who waits.
            Poll::Pending | Poll::Ready(None) => self.of.is_taken(self.number),
        }
        part
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.of.is_taken(self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// A body that gives so many parts and then waits for ever.
    fn lasting(parts: usize) -> Body {
        let part = || Ok::<_, Status>(Frame::data(Bytes::from_static(b"part")));
        let parts = stream::iter(0..parts).map(move |_| part());
        Body::new(StreamBody::new(parts.chain(stream::pending())))
    }

    /// Seconds until the connection is cut; `None`: it is not within a day.
    async fn cut_after(untaken: &Untaken) -> Option<u64> {
        let (start, day) = (Instant::now(), std::time::Duration::from_secs(24 * 3600));
        tokio::time::timeout(day, untaken.neglected()).await.ok().map(|()| start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_or_only_begins_to_take_is_noticed_after_half_a_minute() {
        let untaken = Untaken::new();
        let mut body = untaken.answer(lasting(2));
        assert_eq!(cut_after(&untaken).await, Some(30));
        body.frame().await.unwrap().unwrap();
        assert_eq!(cut_after(&untaken).await, Some(30), "from the last part");
        drop(body);
        assert_eq!(cut_after(&untaken).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_taken_all_there_is_may_wait_for_more_as_long_as_it_likes() {
        let untaken = Untaken::new();
        let mut body = untaken.answer(lasting(1));
        body.frame().await.unwrap().unwrap();
        assert!(futures_util::FutureExt::now_or_never(body.frame()).is_none());
        assert_eq!(cut_after(&untaken).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn others_that_are_taken_at_once_do_not_hide_one_that_is_not() {
        let untaken = Untaken::new();
        let _neglected = untaken.answer(lasting(1));
        let busy = async {
            loop {
                drop(untaken.answer(lasting(1)).collect());
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            after = cut_after(&untaken) => assert_eq!(after, Some(30)),
            () = busy => {}
        }
    }
}
