//! The files that SciToolkit programs have left in `~/.scitoolkit`: the documented token file, and older
//! files from the time when each toolkit had a separate token.
//!
//! The documentation does not name the older files, so their content decides:
//! | file | source | counts as a per-toolkit token if |
//! |---|---|---|
//! | `~/.scitoolkit/token` | documented | it holds `stk_…` that is not `stk_user_…` |
//! | `~/.scitoolkit/<any name>` | inferred | its only word is such a token |
//! | `~/.scitoolkit/tokens/<any name>` | inferred | its only word is such a token |
//!
//! Files with any other content are neither reported nor touched. Symbolic links are not followed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use seqera_agent_proto::place::Places;

use crate::providers::known;
use crate::providers::scitoolkit::{self, Prefix};
use crate::storage::durable;
use crate::storage::timed::Place;
use crate::storage::token_file::{self, TokenFile};

/// What kind of token a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// A per-user token that another program has written.
    User,
    /// A per-toolkit token.
    Toolkit,
    /// A token that this agent has written.
    Ours,
}

/// A file with a token in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub path: PathBuf,
    pub holds: Holds,
    /// Other users can read the file, or list its folder.
    pub open_to_others: bool,
}

/// One user's `~/.scitoolkit`. The methods block on the file system.
pub(crate) struct TokenFiles {
    folder: PathBuf,
    documented: TokenFile,
}

impl TokenFiles {
    /// `home` is the user's home folder. Reads nothing yet.
    pub(crate) fn new(home: &Path, places: &Places) -> Self {
        Self { folder: token_file::folder(home), documented: TokenFile::new(home, places) }
    }

    /// Lists the files with tokens, sorted by path. A file that cannot be read is left out.
    pub(crate) fn find(&self) -> Vec<Found> {
        let paths: BTreeSet<_> = [self.folder.clone(), self.folder.join("tokens")]
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .collect();
        paths.into_iter().filter_map(|path| self.look(path)).collect()
    }

    fn look(&self, path: PathBuf) -> Option<Found> {
        let prefix = prefix_of(&path)?;
        let holds = match prefix {
            Prefix::Toolkit => Holds::Toolkit,
            Prefix::Unknown => return None,
            // No documented program reads a per-user token from another file.
            Prefix::User | Prefix::RetiredUser if path != self.folder.join("token") => return None,
            Prefix::User | Prefix::RetiredUser if self.is_ours() => Holds::Ours,
            Prefix::User | Prefix::RetiredUser => Holds::User,
        };
        let open_to_others = [path.as_path(), &self.folder].into_iter().any(durable::is_open_to_others);
        Some(Found { path, holds, open_to_others })
    }

    fn is_ours(&self) -> bool {
        let own = known::own_profile(&scitoolkit::ID);
        own.is_some_and(|own| self.documented.load(&own).is_ok_and(|stored| stored.is_some()))
    }

    /// Reads the per-user token that another program has left. Returns `None` if there is no token, or it is
    /// ours.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn of_another_program(&self) -> io::Result<Option<zeroize::Zeroizing<String>>> {
        let path = self.folder.join("token");
        let is_users = matches!(prefix_of(&path), Some(Prefix::User | Prefix::RetiredUser));
        if is_users && !self.is_ours() { token_file::read(&path) } else { Ok(None) }
    }

    /// Removes the files with per-toolkit tokens, after a fresh look at each. Returns the paths of the
    /// removed files, and the other paths with the reason why they could not be removed.
    pub(crate) fn clean(&self) -> (Vec<PathBuf>, Vec<String>) {
        let (mut removed, mut problems) = (Vec::new(), Vec::new());
        for found in self.find().into_iter().filter(|found| found.holds == Holds::Toolkit) {
            match durable::remove(&found.path) {
                Ok(_) => removed.push(found.path),
                Err(error) => problems.push(format!("{}: {error}", found.path.display())),
            }
        }
        (removed, problems)
    }
}

/// The kind of token that a regular file holds as its only word.
fn prefix_of(path: &Path) -> Option<Prefix> {
    let text = token_file::read(path).ok().flatten()?;
    Some(Prefix::of(text.trim()))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::testing::test_places::TestPlaces;

    fn set_up(files: &[(&str, &str)]) -> (tempfile::TempDir, TokenFiles) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".scitoolkit");
        fs::create_dir_all(folder.join("tokens")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let files = TokenFiles::new(home.path(), TestPlaces::new().places());
        (home, files)
    }

    fn names(files: &TokenFiles) -> Vec<(String, Holds)> {
        let name = |found: &Found| found.path.strip_prefix(&files.folder).unwrap().display().to_string();
        files.find().iter().map(|found| (name(found), found.holds)).collect()
    }

    #[test]
    fn the_content_decides_what_a_file_is() {
        let (_home, files) = set_up(&[
            ("token", "sct_user_a\n"),
            ("mytool.token", "stk_a"),
            ("tokens/other", " stk_b\r\n"),
            ("token.bak", "stk_user_c"),
            ("notes", "stk_ is the prefix"),
            ("config.json", "{\"token\": \"stk_d\"}"),
            ("empty", ""),
        ]);
        let expected =
            [("mytool.token", Holds::Toolkit), ("token", Holds::User), ("tokens/other", Holds::Toolkit)];
        assert_eq!(names(&files), expected.map(|(name, holds)| (name.to_owned(), holds)));
    }

    #[test]
    fn only_per_toolkit_files_are_removed() {
        let (home, files) = set_up(&[("token", "stk_user_a"), ("old", "stk_a"), ("notes", "mine")]);
        let outside = home.path().join("outside");
        fs::write(&outside, "stk_linked").unwrap();
        symlink(&outside, files.folder.join("link")).unwrap();
        assert_eq!(files.clean(), (vec![files.folder.join("old")], Vec::new()));
        assert_eq!(files.clean(), (Vec::new(), Vec::new()));
        for kept in
            [outside, files.folder.join("token"), files.folder.join("notes"), files.folder.join("link")]
        {
            assert!(kept.exists(), "{}", kept.display());
        }
    }

    #[test]
    fn a_per_toolkit_token_in_the_documented_file_is_one_all_the_same() {
        let (_home, files) = set_up(&[("token", "stk_a")]);
        assert_eq!(names(&files), [("token".to_owned(), Holds::Toolkit)]);
        assert_eq!(files.of_another_program().unwrap(), None);
    }

    #[test]
    fn files_and_folders_that_are_open_to_others_are_told() {
        let (_home, files) = set_up(&[("token", "stk_user_a")]);
        assert!(!files.find()[0].open_to_others);
        fs::set_permissions(files.folder.join("token"), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(files.find()[0].open_to_others);
        assert_eq!(files.of_another_program().unwrap().unwrap().trim(), "stk_user_a");
    }

    #[test]
    fn without_the_folder_there_is_nothing() {
        let home = tempfile::tempdir().unwrap();
        let files = TokenFiles::new(home.path(), TestPlaces::new().places());
        assert!(files.find().is_empty() && files.of_another_program().unwrap().is_none());
    }
}
