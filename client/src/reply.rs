//! The answer to a call that is still under way. All calls share one boxed future: compiled into each of
//! them, it would make the command some kilobytes larger per call.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use prost::Message;
use tonic::{Status, Streaming};

use crate::error::Error;

/// The result of a call: its first answer, if the call waited for one, and the stream of the others.
pub(crate) type Answers = (Option<Bytes>, Streaming<Bytes>);

/// A call under way.
pub(crate) type Way<'a> = Pin<Box<dyn Future<Output = Result<Answers, Error>> + Send + 'a>>;

/// The single answer to a call. The call is made when this is awaited, and ends when it is dropped.
#[must_use = "a call is made when its reply is awaited"]
pub struct Reply<'a, R> {
    way: Way<'a>,
    kind: PhantomData<fn() -> R>,
}

impl<'a, R> Reply<'a, R> {
    pub(crate) fn of(way: Way<'a>) -> Self {
        Self { way, kind: PhantomData }
    }
}

impl<R: Message + Default> Future for Reply<'_, R> {
    type Output = Result<R, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.way.as_mut().poll(cx)).and_then(first).and_then(decoded))
    }
}

impl<R> fmt::Debug for Reply<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

fn first((first, _): Answers) -> Result<Bytes, Error> {
    first.ok_or_else(|| Status::internal("an answer without a message").into())
}

/// Decodes an answer. Fails if the agent speaks another contract.
pub(crate) fn decoded<R: Message + Default>(answer: Bytes) -> Result<R, Error> {
    R::decode(answer).map_err(|error| Status::internal(error.to_string()).into())
}
