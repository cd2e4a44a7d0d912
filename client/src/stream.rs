//! Answers that arrive one after the other.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use prost::Message;
use seqera_agent_proto::v1::{self, SessionState, token_event};
use tonic::Streaming;

use crate::error::Error;
use crate::reply::decoded;
use crate::token::Token;

/// The events of a call such as a login or a sign-out. Dropping this ends the call, and a login ends when its
/// last caller has gone.
pub struct Events<T> {
    answers: Streaming<Bytes>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Message + Default> Events<T> {
    pub(crate) fn of(answers: Streaming<Bytes>) -> Self {
        Self { answers, kind: PhantomData }
    }

    /// Waits for the next event; `None` after the last one.
    ///
    /// # Errors
    /// Whatever ended the call before its last event, such as the reason why a login failed.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        self.answers.message().await?.map(decoded).transpose()
    }
}

impl<T> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

/// What happened to the watched profile.
#[derive(Debug)]
pub enum Change {
    /// The token to use from now on.
    Token(Box<Token>),
    /// There is no token now; the state says why.
    SignedOut(SessionState),
}

/// The state of one profile, then every change. A slow reader gets only the newest state.
pub struct Watch(pub(crate) Events<v1::TokenEvent>);

impl Watch {
    /// Waits for the next change; `None` when the agent ends the watch.
    ///
    /// # Errors
    /// [`Error::Lost`] when the agent stops. The caller can then watch again.
    pub async fn next(&mut self) -> Result<Option<Change>, Error> {
        while let Some(event) = self.0.next().await? {
            match event.event {
                Some(token_event::Event::Token(token)) => {
                    return Ok(Some(Change::Token(Box::new(token.into()))));
                }
                Some(token_event::Event::SignedOut(state)) => {
                    let state = SessionState::try_from(state).unwrap_or_default();
                    return Ok(Some(Change::SignedOut(state)));
                }
                // An event of a later version.
                None => {}
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
