//! The file that a token is written to, in a folder that is opened once: whatever takes the place of the folder or of
//! the file later, no token goes there.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use seqera_client::Token;
use seqera_client::proto::files;
use seqera_client::proto::values::token_file::{MARK, TokenFile};
use zeroize::Zeroizing;

use self::system::{Folder, Identity};
use crate::screen::failure::Failure;
use crate::screen::time::now;

#[cfg(unix)]
#[path = "file/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "file/windows.rs"]
mod system;

/// A larger file is none of ours.
const LARGEST: u64 = 64 * 1024;

/// How many names are tried for a new file. One is enough unless the source of random numbers is broken.
const NAMES: usize = 4;

/// The file. Dropping this removes it.
pub(in super::super) struct Kept {
    path: PathBuf,
    folder: Folder,
    name: OsString,
    /// What identifies the file that was written last. Another one that stands there now belongs to another command.
    /// It stays open where its number could be given to another file.
    written: Option<(Identity, Option<File>)>,
    /// What has to be in it, whose it is, and whether it is there.
    wanted: Option<Zeroizing<String>>,
    profile: String,
    authority: String,
    is_written: bool,
    expires: Option<SystemTime>,
    /// It stays when this command ends.
    is_left: bool,
}

/// Why no token is written.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What stands there is not this command's; completes a sentence that begins with the path.
    Foreign(String),
    /// It holds the token of this profile.
    Profile(String),
    /// What is wrong with the folder.
    Folder(String),
    System(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl Kept {
    /// A file that is not there, or is one of ours, in a folder where nobody else can put another.
    pub(in super::super) fn at(path: &Path) -> Result<Self, Failure> {
        let nameless = || Failure::usage(format!("{} names no file", path.display()), None);
        let path = std::path::absolute(path).map_err(|_| nameless())?;
        let name = path.file_name().ok_or_else(nameless)?.to_owned();
        let folder = path.parent().unwrap_or(Path::new("/"));
        let folder = Folder::open(folder).map_err(|error| {
            let what = format!("cannot write into {}: {error}", folder.display());
            Failure::usage(what, Some("the folder has to be there: mkdir -m 700 makes it"))
        })?;
        let file = Self {
            path,
            folder,
            name,
            written: None,
            wanted: None,
            profile: String::new(),
            authority: String::new(),
            is_written: false,
            expires: None,
            is_left: false,
        };
        file.check().map_err(|trouble| file.failure(&trouble))?;
        Ok(file)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_on_disk(&self) -> bool {
        self.folder.is_on_disk()
    }

    /// Leaves the file where it is when this command ends.
    pub(super) fn leave(&mut self) {
        self.is_left = true;
    }

    pub(super) fn failure(&self, trouble: &Trouble) -> Failure {
        let shown = self.path.display();
        match trouble {
            Trouble::Foreign(why) => Failure::usage(
                format!("{shown} is left alone: {why}"),
                Some("name another file, or remove it"),
            ),
            Trouble::Profile(other) => Failure::usage(
                format!("{shown} is left alone: it holds the token of profile '{other}'"),
                Some(
                    "name another file; or end the 'seqera token --write' that keeps this one, and remove it",
                ),
            ),
            Trouble::Folder(fault) => Failure::usage(
                format!("a token is not written into {}: {fault}", self.folder.path.display()),
                Some("name a file in a folder of your own"),
            ),
            Trouble::System(error) => Failure::system(&format!("cannot write {shown}"), error),
        }
    }

    /// Looks at the folder, and at what stands there: it has to be empty, as `mktemp` makes it, or to hold a token of
    /// this profile. Its own file holds what it may, since a profile can get another name.
    fn check(&self) -> Result<(), Trouble> {
        if let Some(fault) = self.folder.fault()? {
            return Err(Trouble::Folder(fault));
        }
        let text = match self.folder.read(&self.name, LARGEST) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if files::is_refused(&error) => return Err(Trouble::Foreign(format!("it {error}"))),
            text => Zeroizing::new(text?),
        };
        let second = text.split(|byte| *byte == b'\n').nth(1);
        let ours = text.is_empty() || second.is_some_and(|line| line.starts_with(MARK.as_bytes()));
        if !ours {
            return Err(Trouble::Foreign("it is there, and was not written by this command".to_owned()));
        }
        let other = TokenFile::of(&text).ok().map(|mut file| {
            drop(Zeroizing::new(std::mem::take(&mut file.token)));
            file.profile
        });
        // Before the first token nobody knows whose it will be.
        match other.filter(|other| !other.is_empty() && !self.profile.is_empty() && *other != self.profile) {
            Some(other) if !self.is_own() => Err(Trouble::Profile(other)),
            _ => Ok(()),
        }
    }

    /// Writes a token, or keeps the former one if that fails.
    pub(super) fn put(&mut self, token: &Token) -> Result<(), Trouble> {
        let whole =
            |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs());
        let content = TokenFile {
            token: token.secret().to_owned(),
            is_marked: true,
            authority: token.authority.clone(),
            api: token.api_url.clone(),
            workspace: token.workspace_id,
            profile: token.profile.clone(),
            expires: token.expires_at.and_then(whole),
        };
        self.wanted = Some(Zeroizing::new(content.text()));
        self.profile.clone_from(&content.profile);
        self.authority.clone_from(&content.authority);
        drop(Zeroizing::new(content.token));
        self.expires = token.expires_at;
        self.write()
    }

    /// The authority of the tokens that it has held; empty: none yet.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn holds(&self, token: &Token) -> bool {
        let first = self.wanted.as_ref().and_then(|text| text.lines().next());
        self.is_written && first == Some(token.secret())
    }

    /// Renames a new file into the place, so that a reader finds the old one or the new one.
    fn write(&mut self) -> Result<(), Trouble> {
        self.is_written = false;
        let Some(text) = self.wanted.as_ref() else { return Ok(()) };
        self.check()?;
        let (new, mut file) = self.create()?;
        let written = file.write_all(text.as_bytes()).and_then(|()| {
            let written = (system::identity(&file)?, system::held(file));
            self.folder.rename(&new, &self.name)?;
            Ok(written)
        });
        let written = written.inspect_err(|_| {
            let _ = self.folder.remove(&new);
        })?;
        (self.written, self.is_written) = (Some(written), true);
        Ok(())
    }

    /// A private file of a name that nobody can guess: in a folder such as `/tmp` others could take the name before.
    fn create(&self) -> io::Result<(OsString, File)> {
        let mut taken = io::Error::from(ErrorKind::AlreadyExists);
        for _ in 0..NAMES {
            let random = getrandom::u64().map_err(|_| io::Error::other("there are no random numbers"))?;
            let name = OsString::from(format!(".token-{random:016x}.new"));
            match self.folder.create(&name) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => taken = error,
                made => return Ok((name, made?)),
            }
        }
        Err(taken)
    }

    /// What is due by the clock: a token that has expired goes, one that could not be written is tried again, and a
    /// file that was removed comes back. An error is one that was not there before.
    pub(super) fn look(&mut self) -> Result<(), Trouble> {
        if self.expires.is_some_and(|end| end <= now()) {
            self.empty();
            return Ok(());
        }
        if !self.is_written {
            // The warning was given when this failed first.
            let _ = self.write();
            return Ok(());
        }
        let looked = match self.folder.identity(&self.name) {
            Err(error) if error.kind() == ErrorKind::NotFound => return self.write(),
            _ if self.is_own() && self.folder.fault()?.is_none() => Ok(()),
            // One of the same profile does as well.
            _ => self.check(),
        };
        looked.inspect_err(|_| self.is_written = false)
    }

    /// There is no token any more. True if a file was removed.
    pub(super) fn empty(&mut self) -> bool {
        self.wanted = None;
        self.remove()
    }

    /// Removes the file unless another command has put its own there. True if something was removed.
    fn remove(&mut self) -> bool {
        self.is_written = false;
        let is_own = self.is_own();
        self.written = None;
        is_own && self.folder.remove(&self.name).is_ok()
    }

    /// True if the file that was written last is still there.
    fn is_own(&self) -> bool {
        let found = self.folder.identity(&self.name);
        self.written.as_ref().is_some_and(|(written, _)| found.is_ok_and(|found| found == *written))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.is_left {
            self.remove();
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
