//! The variables that an agent reads when it starts, and the values that they can have.

use crate::screen::failure::Failure;
use crate::settings::env::Env;

pub(crate) const STORE: &str = "SEQERA_CREDENTIAL_STORE";
pub(crate) const LEVEL: &str = "SEQERA_LOG_LEVEL";
pub(crate) const IDLE: &str = "SEQERA_AGENT_IDLE_EXIT";
pub(crate) const HOST: &str = "SEQERA_AGENT_HOST_ID";
pub(crate) const FILE: &str = "SEQERA_LOG_FILE";

/// Refuses a value that no agent would start with, whether one runs or not.
///
/// # Errors
/// Names the variable and its values.
pub(crate) fn check(env: &Env) -> Result<(), Failure> {
    let one_of = |name: &str, all: &[&str]| match env.of_agent(name) {
        Some(given) if !all.contains(&given.to_ascii_lowercase().as_str()) => {
            let (last, first) = all.split_last().unwrap_or((&"", &[]));
            let hint = format!("use {} or {last}, or unset it", first.join(", "));
            Err(Failure::usage(format!("{name} is '{given}'"), Some(&hint)))
        }
        _ => Ok(()),
    };
    one_of(STORE, &["auto", "keychain", "file", "memory"])?;
    one_of(LEVEL, &["off", "error", "warn", "info", "debug", "trace"])?;
    match env.of_agent(IDLE) {
        Some(given) if given.parse::<i64>().is_err() => {
            let hint = "use a whole number of seconds, or unset it";
            Err(Failure::usage(format!("{IDLE} is '{given}'"), Some(hint)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_no_agent_would_start_with_is_an_error_that_names_the_variable_and_its_values() {
        let failure = check(&Env::of(&[(STORE, "foo")])).unwrap_err();
        assert_eq!((failure.exit, failure.message.as_str()), (2, "SEQERA_CREDENTIAL_STORE is 'foo'"));
        assert_eq!(failure.hint.text(), Some("use auto, keychain, file or memory, or unset it"));
        assert!(check(&Env::of(&[(LEVEL, "loud")])).unwrap_err().message.contains(LEVEL));
        assert!(check(&Env::of(&[(IDLE, "soon")])).unwrap_err().message.contains(IDLE));
        assert!(check(&Env::of(&[(STORE, ""), (LEVEL, "DEBUG"), (IDLE, "0")])).is_ok());
    }
}
