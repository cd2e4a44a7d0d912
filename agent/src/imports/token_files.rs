//! What programs of SciToolkit have left in `~/.scitoolkit`: the documented token file, and those of the time
//! when each toolkit had a token of its own.
//!
//! The documentation does not name the older files, so that their content decides:
//! | file | looked at | taken for a per-toolkit token where |
//! |---|---|---|
//! | `~/.scitoolkit/token` | documented | it holds `stk_…` that is not `stk_user_…` |
//! | `~/.scitoolkit/<any name>` | inferred | its one word is such a token |
//! | `~/.scitoolkit/tokens/<any name>` | inferred | its one word is such a token |
//!
//! Whatever holds something else is neither told nor touched. Links are not followed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use seqera_agent_proto::place::Places;

use crate::providers::known;
use crate::providers::scitoolkit::{self, Prefix};
use crate::storage::durable;
use crate::storage::timed::Place;
use crate::storage::token_file::{self, TokenFile};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// A token for a person that another program has put there.
    User,
    /// A token for one toolkit.
    Toolkit,
    /// What this agent has put there.
    Ours,
}

/// A file with a token in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub holds: Holds,
    /// Others may read it, or look into its folder.
    pub open_to_others: bool,
}

/// The folder of one user. Its methods block on the file system.
pub(crate) struct TokenFiles {
    folder: PathBuf,
    documented: TokenFile,
}

impl TokenFiles {
    /// Of a home folder. Touches nothing yet.
    pub(crate) fn new(home: &Path, places: &Places) -> Self {
        Self { folder: token_file::folder(home), documented: TokenFile::new(home, places) }
    }

    /// The files with tokens, sorted. What cannot be read is left out.
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
            // One elsewhere is of no use to any program that is documented.
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

    /// The per-user token that another program has left; `None` where there is none, or it is ours.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn of_another_program(&self) -> io::Result<Option<zeroize::Zeroizing<String>>> {
        let path = self.folder.join("token");
        let is_users = matches!(prefix_of(&path), Some(Prefix::User | Prefix::RetiredUser));
        if is_users && !self.is_ours() { token_file::read(&path) } else { Ok(None) }
    }

    /// Removes the files with per-toolkit tokens: their paths, and what could not be removed, with the reason.
    /// Each is looked at once more before.
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

/// What the one word of a regular file is.
fn prefix_of(path: &Path) -> Option<Prefix> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
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
