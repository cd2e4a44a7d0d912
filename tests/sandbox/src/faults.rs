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

/// One failure. Only the first fault in the list that covers a call is applied to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Which calls it applies to.
    pub on: Target,
    /// How many calls it applies to. Zero means all calls until the faults are cleared.
    #[serde(default = "once")]
    pub times: u32,
    /// The request takes effect before the answer is spoilt. A refresh token, for example, is replaced
    /// without the client learning its successor.
    #[serde(default)]
    pub after: bool,
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: Kind,
}

impl Fault {
    /// Reads a fault and refuses unknown fields, which serde cannot do together with `flatten`.
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
    /// Another answer. A string is sent as it is, any other body as JSON.
    Status {
        /// The HTTP status.
        code: u16,
        /// The body. If left out, it is empty.
        #[serde(default)]
        body: Option<Value>,
        /// More header fields.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// The connection is reset, without an answer.
    Reset,
    /// The answer comes later. With `after`, the request takes effect at once.
    Delay {
        /// How much later, in milliseconds.
        ms: u64,
    },
    /// No answer until the faults are cleared. Then it comes as if nothing had happened.
    Hang,
    /// The answer starts well and then never ends; it goes on at 20 KiB a second.
    EndlessBody,
    /// A 200 with a useless body.
    Garbage {
        /// The body, sent as it is.
        body: String,
        /// The media type.
        #[serde(default = "html")]
        content_type: String,
    },
    /// A redirect.
    Redirect {
        /// Where the client is redirected.
        location: String,
        /// The HTTP status.
        #[serde(default = "temporary_redirect")]
        code: u16,
    },
    /// The real answer, which must be a JSON object, with changes at its top level. The request takes effect.
    Patch {
        /// Members to add or replace.
        #[serde(default)]
        set: Map<String, Value>,
        /// Members to remove.
        #[serde(default)]
        remove: Vec<String>,
        /// Changes to the ID token, which is then signed again.
        #[serde(default)]
        id_token: Option<IdTokenFault>,
    },
    /// The real answer, but the connection closes after some bytes of the body. The request takes effect.
    Truncate {
        /// How many bytes of the body are sent.
        bytes: usize,
    },
    /// An answer padded with white space to a given size. It is still valid JSON: the real answer with
    /// `after`, otherwise `{}`.
    Oversize {
        /// The size of the body in bytes.
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
    /// When it expires, in seconds after its issue. A negative number means that it has expired.
    pub exp_offset: Option<i64>,
    /// The signature does not match.
    pub bad_signature: bool,
    /// Not signed at all (`alg` is `none`).
    pub alg_none: bool,
}

fn html() -> String {
    "text/html".into()
}

fn temporary_redirect() -> u16 {
    307
}

/// A fault that applies to a call, and a signal that tells when the faults are cleared.
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

    /// Removes all faults and lets hanging calls go on.
    pub(crate) fn clear(&self) {
        let mut queue = self.queue();
        queue.clear();
        self.cleared.send_replace(());
    }

    /// The fault that applies to this call. The watch is taken under the lock, so that no clearing is missed.
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
