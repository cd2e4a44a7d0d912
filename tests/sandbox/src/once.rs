//! Values that can be fetched once: sign-ins in progress, links in mails, ephemeral addresses.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::keys::{TOKEN_BYTES, random_text};

/// Values under random names. Each is there until it is taken or expires.
#[derive(Debug)]
pub(crate) struct Once<T> {
    /// A std lock, because it is held for a few map operations and never across an await.
    kept: Mutex<HashMap<String, (T, DateTime<Utc>)>>,
}

impl<T> Once<T> {
    pub(crate) fn new() -> Self {
        Self { kept: Mutex::new(HashMap::new()) }
    }

    /// Keeps a value until `expires` and returns its name.
    pub(crate) fn put(&self, value: T, expires: DateTime<Utc>, now: DateTime<Utc>) -> String {
        let name = random_text(TOKEN_BYTES);
        self.put_as(name.clone(), value, expires, now);
        name
    }

    /// The same, under a name that was made up before.
    pub(crate) fn put_as(&self, name: String, value: T, expires: DateTime<Utc>, now: DateTime<Utc>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (_, expires)| now < *expires);
        kept.insert(name, (value, expires));
    }

    /// Takes the value out, unless it is gone or has expired.
    pub(crate) fn take(&self, name: &str, now: DateTime<Utc>) -> Option<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(name).filter(|(_, expires)| now < *expires).map(|(value, _)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_can_be_taken_once_and_in_time_only() {
        let (now, hour) = (DateTime::UNIX_EPOCH, chrono::TimeDelta::hours(1));
        let once = Once::new();
        let first = once.put("first", now + hour, now);
        let second = once.put("second", now + hour, now);
        assert_eq!((once.take(&first, now), once.take(&first, now)), (Some("first"), None));
        assert_eq!(once.take(&second, now + hour), None);
    }
}
