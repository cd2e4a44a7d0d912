//! What one program of this process leaves open for the next.

use std::fmt;
use std::str::FromStr;

/// The flag by which a program is told what it takes over. One that does not know it cannot.
#[cfg(unix)]
pub(super) const SUCCEEDS: &str = "--succeeds";

/// Numbers of descriptors and what there is to say about them, as an argument of the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handed {
    /// The listening socket.
    pub socket: Option<i32>,
    /// The file that is locked.
    pub lock: Option<i32>,
    /// A service manager made the socket.
    pub is_managed: bool,
    /// The program at this one's path was to take over, and the system did not start it: the number of its error.
    pub refused: Option<i32>,
}

impl fmt::Display for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = self.socket.map(|number| (if self.is_managed { "managed" } else { "socket" }, number));
        let all = socket.into_iter().chain(self.lock.map(|number| ("lock", number)));
        let all = all.chain(self.refused.map(|number| ("refused", number)));
        let words: Vec<_> = all.map(|(what, number)| format!("{what}:{number}")).collect();
        f.write_str(&words.join(","))
    }
}

impl FromStr for Handed {
    type Err = String;

    /// What a program does not know it must not run with: the one before it counts on it.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut handed = Self::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            let (what, number) = word.split_once(':').ok_or_else(|| format!("{word:?} has no number"))?;
            let number = number.parse().map_err(|_| format!("{word:?} has no number"))?;
            match what {
                "socket" => handed.socket = Some(number),
                "managed" => (handed.socket, handed.is_managed) = (Some(number), true),
                "lock" => handed.lock = Some(number),
                "refused" => handed.refused = Some(number),
                _ => return Err(format!("{what:?} cannot be taken over")),
            }
        }
        Ok(handed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_on_is_read_as_it_is_written_and_nothing_unknown_is_run_with() {
        for handed in [
            Handed { socket: Some(7), lock: Some(12), ..Handed::default() },
            Handed { socket: Some(3), is_managed: true, ..Handed::default() },
            Handed { lock: Some(4), refused: Some(26), ..Handed::default() },
            Handed::default(),
        ] {
            assert_eq!(handed.to_string().parse(), Ok(handed));
        }
        for wrong in ["socket", "socket:", "socket:x", "tokens:7", "socket:7,tokens:8"] {
            assert!(wrong.parse::<Handed>().is_err(), "{wrong}");
        }
    }
}
