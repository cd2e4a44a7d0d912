//! What a client has to know about a method: its path, and its messages.

use std::marker::PhantomData;

/// A method with one answer.
pub struct Method<M, R> {
    /// `/package.Service/Method` (gRPC over HTTP/2, "Requests").
    pub path: &'static str,
    messages: PhantomData<fn(M) -> R>,
}

/// A method that answers with a stream.
pub struct Streamed<M, R> {
    /// See [`Method::path`].
    pub path: &'static str,
    messages: PhantomData<fn(M) -> R>,
}

impl<M, R> Method<M, R> {
    /// The method at a path.
    pub const fn new(path: &'static str) -> Self {
        Self { path, messages: PhantomData }
    }
}

impl<M, R> Streamed<M, R> {
    /// The method at a path.
    pub const fn new(path: &'static str) -> Self {
        Self { path, messages: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use crate::methods::{sessions, tokens};

    #[test]
    fn a_method_is_named_after_its_service() {
        assert_eq!(tokens::GET_ACCESS_TOKEN.path, "/seqera.agent.v1.Tokens/GetAccessToken");
        assert_eq!(sessions::LOGIN.path, "/seqera.agent.v1.Sessions/Login");
    }
}
