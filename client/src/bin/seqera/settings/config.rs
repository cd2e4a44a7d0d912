//! Reads `config.json` for the command.

use std::path::Path;

pub(crate) use seqera_client::proto::configuration::Configuration as Config;
use seqera_client::proto::reason::Reason;

use crate::screen::failure::Failure;

/// Reads `config.json` in `folder`. Here a mistake in the file is an error, since it may concern the very
/// value that the person wants to set.
pub(crate) fn read(folder: &Path) -> Result<Config, Failure> {
    let config = Config::read(folder).map_err(unusable)?;
    match config.mistakes.first() {
        Some(mistake) => Err(unusable(mistake.clone())),
        None => Ok(config),
    }
}

fn unusable(message: String) -> Failure {
    let hint = "correct the file or move it away; seqera never writes to it";
    Failure::new(Reason::Misconfigured, message, Some(hint))
}

/// A configuration file with this text, for tests.
#[cfg(test)]
pub(crate) fn of(text: &str) -> Config {
    Config::parse(text, "/c/config.json".into()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corrupt_file_and_a_value_of_another_kind_are_the_callers_to_correct() {
        let folder = tempfile::tempdir().unwrap();
        for (text, said) in
            [("{\n  \"authDomain\": x\n}", ":2:17: expected value"), (r#"{"authDomain": 5}"#, "'authDomain'")]
        {
            std::fs::write(folder.path().join("config.json"), text).unwrap();
            let failure = read(folder.path()).unwrap_err();
            assert_eq!((failure.exit, failure.reason.as_str()), (2, "MISCONFIGURED"));
            assert!(failure.message.contains(said), "{}", failure.message);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_or_too_large_for_one_is_named_and_neither_waited_for_nor_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let refused = |said: &str| {
            let failure = read(folder.path()).unwrap_err();
            assert_eq!((failure.exit, failure.message), (2, format!("{} {said}", path.display())));
            std::fs::remove_file(&path).unwrap();
        };
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        refused("is a named pipe, not a file");
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        refused("is a device, not a file");
        std::fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
        refused("has 1073741824 bytes; 1048576 are the limit");
        // As stow, Nix and Kubernetes do it.
        std::fs::write(folder.path().join("real"), r#"{"authDomain": "https://a.test"}"#).unwrap();
        std::os::unix::fs::symlink("real", &path).unwrap();
        assert_eq!(read(folder.path()).unwrap().text("authDomain"), Some("https://a.test"));
    }

    #[test]
    fn a_missing_file_and_an_empty_one_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap().text("authDomain"), None);
        std::fs::write(folder.path().join("config.json"), "").unwrap();
        assert_eq!(read(folder.path()).unwrap().text("authDomain"), None);
    }
}
