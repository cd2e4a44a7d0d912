//! The answer of a call, before it has come. All calls share one way to the agent in a box: compiled into
//! every call, it would make the command some kilobytes larger for each.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use prost::Message;
use tonic::{Status, Streaming};

use crate::error::Error;

/// What comes of a call: its first answer, where it was waited for, and the stream of all others.
pub(crate) type Answers = (Option<Bytes>, Streaming<Bytes>);

/// A call under way.
pub(crate) type Way<'a> = Pin<Box<dyn Future<Output = Result<Answers, Error>> + Send + 'a>>;

/// One answer to come. Nothing is asked before it is awaited; dropping it ends the call.
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

/// The message, unless the agent speaks another contract.
pub(crate) fn decoded<R: Message + Default>(answer: Bytes) -> Result<R, Error> {
    R::decode(answer).map_err(|error| Status::internal(error.to_string()).into())
}
