//! How much there is of everything that callers use up, and how much of it one process gets. All of it follows
//! from the number of descriptors that the agent may open.

use std::time::Duration;

/// Descriptors that are kept free for files, keychain, HTTP, timers and the service manager.
const RESERVED_DESCRIPTORS: usize = 64;
/// More processes than any user runs at the same time on a login node.
const MOST_CONNECTIONS: usize = 4096;
/// The connections that are kept without a running call, for those who may call again. Each costs 30 KiB, and what an
/// allocator notes of them it keeps for ever.
const MOST_IDLE: usize = 512;
/// The requests that may be waited for in the middle. A program of this machine sends its request in one piece.
const MOST_UNFINISHED: usize = 128;
/// More programs than one user has that want to be told of each new token.
const MOST_LASTING: usize = 512;
/// The calls that run at a time. Each costs some kilobytes.
const MOST_CALLS: usize = 8192;
/// A person signs in to a few profiles, and scripts to some more.
const MOST_LOGINS: usize = 32;
/// The descriptors that a login takes: two listeners, a browser's connections and the provider's.
const DESCRIPTORS_OF_A_LOGIN: usize = 4;
/// The programs with leases whose end is awaited by a descriptor.
const MOST_PROGRAMS: usize = 1024;
/// Below this a share would refuse what one ordinary program does.
const SMALLEST_SHARE: usize = 4;

/// A request comes from a program on this machine, so it arrives within milliseconds. This is enough on a
/// loaded one.
pub(crate) const WHOLE: Duration = Duration::from_secs(5);

/// What may be held at a time, by all callers or by one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Open connections.
    pub connections: usize,
    /// Running calls.
    pub calls: usize,
    /// Running calls of the kind that lasts: watchers, and callers of a login.
    pub lasting: usize,
    /// Logins under way.
    pub logins: usize,
}

/// The limits of one agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For all callers together.
    pub total: Allowance,
    /// Connections without a running call; of more than these the oldest go.
    pub idle: usize,
    /// Requests that have begun to arrive and have to be waited for; of more than these the oldest go.
    pub unfinished: usize,
    /// For one process.
    pub process: Allowance,
    /// For the processes of which only the user is known, as from another namespace of pids, together.
    pub unknown: Allowance,
    /// The programs with leases whose end is awaited by a descriptor.
    pub programs: usize,
    /// How long a connection may be silent.
    pub silence: Silence,
}

impl Limits {
    /// The limits of a process that may open this many descriptors. Connections get five eighths of what is not
    /// reserved, logins a quarter, and programs the rest.
    pub(crate) fn of_descriptors(descriptors: usize) -> Self {
        let free = descriptors.saturating_sub(RESERVED_DESCRIPTORS);
        let connections = (free / 8 * 5).clamp(1, MOST_CONNECTIONS);
        let total = Allowance {
            connections,
            calls: MOST_CALLS,
            // The rest of the connections is for calls that end by themselves, such as that of `seqera token`.
            lasting: (connections / 4 * 3).clamp(1, MOST_LASTING),
            logins: (free / 4 / DESCRIPTORS_OF_A_LOGIN).clamp(1, MOST_LOGINS),
        };
        Self {
            total,
            idle: connections.div_ceil(2).min(MOST_IDLE),
            unfinished: connections.div_ceil(4).min(MOST_UNFINISHED),
            process: total.part(4),
            unknown: total.part(2),
            programs: (free / 8).min(MOST_PROGRAMS),
            silence: Silence::DEFAULT,
        }
    }
}

impl Allowance {
    fn part(self, divisor: usize) -> Self {
        let part = |whole: usize| (whole / divisor).max(SMALLEST_SHARE).min(whole);
        Self {
            connections: part(self.connections),
            calls: part(self.calls),
            lasting: part(self.lasting),
            logins: part(self.logins),
        }
    }
}

/// How long a connection may be silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silence {
    /// The limit before the first request.
    pub first: Duration,
    /// The limit between two requests, while none runs.
    pub idle: Duration,
    /// The limit for what has begun to arrive: a frame, or a block of headers.
    pub unfinished: Duration,
    /// The limit for a peer that does not read.
    pub unread: Duration,
}

impl Silence {
    /// A client that sends another request within 5 min can reuse its connection. Whoever does not read for
    /// half a minute has stopped, or never meant to.
    pub(crate) const DEFAULT: Self = Self {
        first: WHOLE,
        idle: Duration::from_secs(300),
        unfinished: WHOLE,
        unread: Duration::from_secs(30),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_descriptors_allow_the_parts_never_exceed_them() {
        for descriptors in [0, 64, 65, 128, 256, 1024, 4096, 1 << 20, usize::MAX] {
            let Limits { total, process, unknown, programs, .. } = Limits::of_descriptors(descriptors);
            let held = total.connections + total.logins * DESCRIPTORS_OF_A_LOGIN + programs;
            assert!(descriptors < 128 || held <= descriptors - RESERVED_DESCRIPTORS, "{descriptors}: {held}");
            for part in [process, unknown] {
                assert!(part.connections >= 1 && part.connections <= total.connections);
                assert!(part.lasting >= 1 && part.lasting <= total.lasting);
                assert!(part.logins >= 1 && part.logins <= total.logins);
            }
        }
    }

    #[test]
    fn one_process_leaves_room_where_descriptors_are_few_and_where_they_are_many() {
        let few = Limits::of_descriptors(256);
        assert_eq!((few.total.connections, few.process.connections, few.total.lasting), (120, 30, 90));
        assert_eq!((few.total.logins, few.process.logins, few.programs), (12, 4, 24));
        let many = Limits::of_descriptors(1 << 20);
        assert_eq!((many.total.connections, many.process.connections, many.total.lasting), (4096, 1024, 512));
        assert_eq!((many.total.logins, many.process.logins, many.programs), (32, 8, 1024));
    }
}
