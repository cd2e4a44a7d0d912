//! Which coding assistants have asked for tokens, by their own word, for `agent status`. Nothing is decided by it.

use std::sync::{Mutex, PoisonError};

use crate::clock::{Moment, unix};

/// How many names are kept: whoever makes names up pushes out nothing but older names.
const MOST: usize = 16;

/// One assistant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asker {
    /// As [`seqera_agent_proto::assistant::cleaned`] leaves it.
    pub name: String,
    /// How many calls for a token it has made.
    pub calls: u32,
    /// When it made the last one, in Unix time.
    pub last: u64,
}

/// The assistants since the start of this agent, the latest first.
#[derive(Debug, Default)]
pub(crate) struct Askers(Mutex<Vec<Asker>>);

impl Askers {
    /// Counts a call; an empty name is nobody.
    pub(crate) fn note(&self, name: &str, now: Moment) {
        if name.is_empty() {
            return;
        }
        // No code that can panic runs under this lock.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().position(|asker| asker.name == name).map(|at| all.remove(at));
        let calls = known.map_or(0, |asker| asker.calls).saturating_add(1);
        all.insert(0, Asker { name: name.to_owned(), calls, last: unix(now) });
        all.truncate(MOST);
    }

    pub(crate) fn list(&self) -> Vec<Asker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_latest_comes_first_and_only_so_many_are_kept() {
        let askers = Askers::default();
        let at =
            |second: u64| Moment { wall: UNIX_EPOCH + Duration::from_secs(second), mono: Duration::ZERO };
        for (second, name) in ["codex", "claude-code", "", "codex"].into_iter().enumerate() {
            askers.note(name, at(u64::try_from(second).unwrap()));
        }
        let seen: Vec<_> = askers.list().into_iter().map(|one| (one.name, one.calls, one.last)).collect();
        assert_eq!(seen, [("codex".to_owned(), 2, 3), ("claude-code".to_owned(), 1, 1)]);
        for number in 0..100 {
            askers.note(&number.to_string(), at(9));
        }
        assert_eq!((askers.list().len(), askers.list()[0].name.as_str()), (MOST, "99"));
    }
}
