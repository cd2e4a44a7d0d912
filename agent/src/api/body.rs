//! The body of a request as it arrives: not longer than one message, since no method of the contract takes
//! more than one, and whole in time. Answering may take as long as it does.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use seqera_agent_proto::MAX_MESSAGE_BYTES;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;

use crate::error::{AgentError, ErrorKind};
use crate::socket::limits::WHOLE;
use crate::socket::shares::{Receiving, Seat};

/// The flag and the length before each message (gRPC over HTTP/2, "Length-Prefixed-Message").
const MESSAGE_PREFIX: usize = 5;

/// Limits the body of a request whose headers have just come over a connection. The error is what the caller is
/// answered.
pub(super) fn received(body: Body, seat: Option<Arc<Seat>>) -> Body {
    let until = Instant::now() + WHOLE;
    let limited =
        Limited::new(Timely { body, until, seat, waiting: None }, MAX_MESSAGE_BYTES + MESSAGE_PREFIX);
    Body::new(limited.map_err(|error| match error.downcast::<Status>() {
        Ok(status) => *status,
        Err(error) if error.is::<LengthLimitError>() => {
            refused(format!("the request is longer than {MAX_MESSAGE_BYTES} bytes"))
        }
        Err(error) => Status::from_error(error),
    }))
}

fn refused(why: String) -> Status {
    AgentError::new(ErrorKind::BadRequest, why, "").into()
}

fn late() -> Status {
    refused(format!("the request did not arrive whole within {} s", WHOLE.as_secs()))
}

/// A body that has to arrive whole until a certain time, with its trailers.
struct Timely {
    body: Body,
    until: Instant,
    seat: Option<Arc<Seat>>,
    /// Set once the body has to be waited for. Most requests have arrived by then.
    waiting: Option<(Pin<Box<Sleep>>, Option<Receiving>)>,
}

impl HttpBody for Timely {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let until = self.until;
        match Pin::new(&mut self.body).poll_frame(cx) {
            // Frames that keep coming are no progress either; empty ones could for ever.
            Poll::Ready(Some(Ok(_))) if Instant::now() >= until => return Poll::Ready(Some(Err(late()))),
            Poll::Pending => {}
            ready => return ready,
        }
        if self.waiting.is_none() {
            self.waiting = Some((Box::pin(sleep_until(until)), self.seat.as_ref().map(Seat::receive)));
        }
        let Some((timer, _)) = &mut self.waiting else { return Poll::Pending };
        timer.as_mut().poll(cx).map(|()| Some(Err(late())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    /// A body of these frames, one after each pause; it ends only if `ends`.
    fn body(frames: Vec<(u64, Frame<Bytes>)>, ends: bool) -> Body {
        let frames = stream::unfold(frames.into_iter(), move |mut frames| async move {
            match frames.next() {
                Some((pause, frame)) => {
                    tokio::time::sleep(Duration::from_secs(pause)).await;
                    Some((Ok::<_, Status>(frame), frames))
                }
                None if ends => None,
                None => std::future::pending().await,
            }
        });
        Body::new(StreamBody::new(frames))
    }

    fn data(length: usize) -> Frame<Bytes> {
        Frame::data(vec![0; length].into())
    }

    /// Reads a body to its end; returns its length or the refusal, and how many seconds that took.
    async fn read(body: Body) -> (Result<usize, String>, u64) {
        let start = Instant::now();
        let read = received(body, None).collect().await;
        let read = read.map(|whole| whole.to_bytes().len()).map_err(|status| status.message().to_owned());
        (read, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_five_seconds_for_all_of_it() {
        let late = Err("the request did not arrive whole within 5 s".to_owned());
        let trailers = || Frame::trailers(tonic::codegen::http::HeaderMap::new());
        assert_eq!(read(body(vec![(2, data(7)), (2, trailers())], true)).await, (Ok(7), 4));
        assert_eq!(read(body(vec![], false)).await, (late.clone(), 5), "nothing comes");
        assert_eq!(read(body(vec![(0, data(7))], false)).await, (late.clone(), 5), "no end comes");
        assert_eq!(read(body(vec![(0, data(7)), (6, trailers())], true)).await, (late.clone(), 5));
        let trickle = (0..100).map(|_| (1, data(1))).collect();
        assert_eq!(read(body(trickle, true)).await, (late.clone(), 5), "a trickle");
        let empty = (0..100).map(|_| (1, data(0))).collect();
        assert_eq!(read(body(empty, true)).await, (late, 5), "empty frames");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_room_for_one_message() {
        let most = MAX_MESSAGE_BYTES + MESSAGE_PREFIX;
        assert_eq!(read(body(vec![(0, data(most))], true)).await.0, Ok(most));
        let refused = read(body(vec![(0, data(most)), (0, data(1))], true)).await.0.unwrap_err();
        assert_eq!(refused, "the request is longer than 65536 bytes");
    }
}
