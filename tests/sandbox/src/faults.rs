//! Scripted failures: what goes wrong with the next calls.

pub(crate) mod call;
pub(crate) mod stats;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

use call::{Call, Target};

/// One failure. The first in the list that covers a call is applied to it, and no other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Which calls it meets.
    pub on: Target,
    /// How many calls it meets. Zero: all, until the faults are cleared.
    #[serde(default = "once")]
    pub times: u32,
    /// The request takes effect first, and only then the answer is spoilt. So a refresh token is replaced
    /// and nobody learns by what.
    #[serde(default)]
    pub after: bool,
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: Kind,
}

impl Fault {
    /// Reads a fault and refuses a member that means nothing, which serde cannot do beside `flatten`.
    pub(crate) fn parse(given: Value) -> serde_json::Result<Self> {
        let fault: Self = Self::deserialize(&given)?;
        let understood = serde_json::to_value(&fault)?;
        let unknown =
            given.as_object().and_then(|given| given.keys().find(|key| understood.get(key).is_none()));
        match unknown {
            Some(key) => Err(serde_json::Error::custom(format_args!("unknown member {key:?} in {given}"))),
            None => Ok(fault),
        }
    }
}

fn once() -> u32 {
    1
}

/// What goes wrong. In JSON the field `kind` names it: `{"on": "refresh", "kind": "status", "code": 503}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Another answer. A body that is a string is sent as it is, any other as JSON.
    Status {
        /// The HTTP status.
        code: u16,
        /// The body; left out, it is empty.
        #[serde(default)]
        body: Option<Value>,
        /// Further header fields.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// The connection is reset and no answer comes.
    Reset,
    /// The answer comes later. With `after` the request takes effect at once.
    Delay {
        /// How much later, in milliseconds.
        ms: u64,
    },
    /// Nothing comes until the faults are cleared; then the answer comes as if nothing had been.
    Hang,
    /// The answer begins well and goes on, 20 KiB a second, for ever.
    EndlessBody,
    /// A 200 with a body of no use.
    Garbage {
        /// Sent as it is.
        body: String,
        /// Its media type.
        #[serde(default = "html")]
        content_type: String,
    },
    /// A redirect.
    Redirect {
        /// The address that the client is sent to.
        location: String,
        /// The HTTP status.
        #[serde(default = "temporary_redirect")]
        code: u16,
    },
    /// The true answer, a JSON object, with changes at its top level. The request takes effect.
    Patch {
        /// Members to put in or replace.
        #[serde(default)]
        set: Map<String, Value>,
        /// Members to leave out.
        #[serde(default)]
        remove: Vec<String>,
        /// Changes inside the ID token, which is signed again.
        #[serde(default)]
        id_token: Option<IdTokenFault>,
    },
    /// The true answer, whose connection closes after so many bytes of the body. The request takes effect.
    Truncate {
        /// Bytes of the body that are sent.
        bytes: usize,
    },
    /// An answer blown up with white space to so many bytes. It is good JSON otherwise: with `after` the
    /// true answer, else `{}`.
    Oversize {
        /// Bytes of the body.
        bytes: usize,
    },
}

/// What is wrong with an ID token.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdTokenFault {
    /// Another subject.
    pub sub: Option<String>,
    /// Another issuer.
    pub iss: Option<String>,
    /// Another audience.
    pub aud: Option<String>,
    /// Another nonce.
    pub nonce: Option<String>,
    /// The end of its life, in seconds from its beginning; below zero it is over.
    pub exp_offset: Option<i64>,
    /// The signature does not fit.
    pub bad_signature: bool,
    /// Not signed at all.
    pub alg_none: bool,
}

fn html() -> String {
    "text/html".into()
}

fn temporary_redirect() -> u16 {
    307
}

/// A fault that has found its call, and a signal that it has been cleared.
pub(crate) struct Met {
    pub(crate) fault: Fault,
    pub(crate) cleared: watch::Receiver<()>,
}

/// The faults that are still to come, in order.
#[derive(Debug)]
pub(crate) struct Faults {
    queue: Mutex<Vec<Fault>>,
    cleared: watch::Sender<()>,
}

impl Faults {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::default(), cleared: watch::Sender::new(()) }
    }

    pub(crate) fn add(&self, faults: Vec<Fault>) {
        self.queue().extend(faults);
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.queue().clone()
    }

    /// Forgets all faults and lets hanging calls go on.
    pub(crate) fn clear(&self) {
        let mut queue = self.queue();
        queue.clear();
        self.cleared.send_replace(());
    }

    /// The fault that this call meets. The watch is taken under the lock, so that no clearing is missed.
    pub(crate) fn meet(&self, call: Call) -> Option<Met> {
        let mut queue = self.queue();
        let position = queue.iter().position(|fault| fault.on.covers(call))?;
        let cleared = self.cleared.subscribe();
        let fault = queue[position].clone();
        match fault.times {
            0 => {}
            1 => drop(queue.remove(position)),
            _ => queue[position].times -= 1,
        }
        Some(Met { fault, cleared })
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
