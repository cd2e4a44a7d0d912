//! Opens files to read them. A name says nothing about what is behind it: a named pipe blocks whoever opens it
//! until somebody writes, a device has no end, and a file of another user has that user's content. So a file is
//! opened without waiting, looked at once it is open, and read up to a limit.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

#[cfg(unix)]
#[path = "files/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "files/windows.rs"]
mod system;

#[cfg(unix)]
pub use system::{WITHOUT_FOLLOWING, WITHOUT_WAITING};

/// Who writes a file, and so what may be in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The agent, or a program that writes as the agent does. None of them makes links, so a link was put
    /// there by somebody else and is not followed. The file belongs to this user or to root.
    Program,
    /// The person. Links are followed: stow, Nix and Kubernetes put configuration in its place by links. The
    /// file belongs to this user or to root.
    Person,
    /// Whoever looks after the machine or its software, in a file that the person named. Like
    /// [`Writer::Person`], but of any owner: on clusters shared software belongs to an account of its own, and
    /// in a container the files of the host's root belong to nobody.
    Site,
}

/// Why a file is not read. The text completes a sentence that begins with the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Something other than a regular file, with its article: "a named pipe".
    NotAFile(&'static str),
    /// A symbolic link where only a file is expected.
    Link,
    /// Another user's file.
    Foreign {
        /// The user id of its owner.
        owner: u32,
    },
    /// A file that everybody may change.
    Open {
        /// Its permissions.
        mode: u32,
    },
    /// Somebody else may have put it there, by the right that everybody has in a folder such as `/tmp`.
    Planted {
        /// The user id of the owner of the file, or of a folder or link on the way to it.
        owner: u32,
    },
    /// A file that is larger than its use explains.
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The largest size that is read.
        limit: u64,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFile(what) => write!(f, "is {what}, not a file"),
            Self::Link => f.write_str("is a symbolic link, and is not followed"),
            Self::Foreign { owner } => write!(f, "belongs to uid {owner}, neither to you nor to root"),
            Self::Open { mode } => {
                write!(f, "can be changed by everybody (mode {mode:04o}); chmod o-w keeps others out")
            }
            Self::Planted { owner } => {
                write!(
                    f,
                    "may have been put there by uid {owner}, for everybody may write to a folder on the way"
                )
            }
            Self::TooLarge { bytes, limit } => write!(f, "has {bytes} bytes; {limit} are the limit"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        let kind = match refused {
            Refused::NotAFile(_) | Refused::Link => io::ErrorKind::InvalidInput,
            Refused::Foreign { .. } | Refused::Open { .. } | Refused::Planted { .. } => {
                io::ErrorKind::PermissionDenied
            }
            Refused::TooLarge { .. } => io::ErrorKind::FileTooLarge,
        };
        Self::new(kind, refused)
    }
}

/// True if the error says [`Refused`]: nothing failed, and another attempt changes nothing.
pub fn is_refused(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Refused>())
}

/// A sentence with the path and what is wrong there.
pub fn sentence(path: &Path, error: &io::Error) -> String {
    let colon = if is_refused(error) { "" } else { ":" };
    format!("{}{colon} {error}", path.display())
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// [`Refused`] inside the error if something else is at the path; any error of the file system, "not found"
/// included.
pub fn read(path: &Path, limit: u64, writer: Writer) -> io::Result<Vec<u8>> {
    whole(open(path, writer)?, limit)
}

/// Reads a file of any owner that says whom to trust, such as one of certificate authorities.
///
/// # Errors
/// As [`read`]; [`Refused::Open`] and [`Refused::Planted`] where everybody could have written it, or put it there.
pub fn read_trusted(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path, Writer::Site)?;
    if let Some(mode) = system::open_to_all(&file.metadata()?) {
        return Err(Refused::Open { mode }.into());
    }
    check_not_planted(path, &file)?;
    whole(file, limit)
}

/// Reads a file in a folder that is open, wherever the folder's path leads by now. No link is followed.
///
/// # Errors
/// As [`read`].
#[cfg(unix)]
pub fn read_in(
    folder: std::os::fd::BorrowedFd<'_>,
    name: &std::ffi::OsStr,
    limit: u64,
    writer: Writer,
) -> io::Result<Vec<u8>> {
    // As in `open`: a look before, since opening a device can do something, and the one that counts after.
    if let Some(what) = system::other_in(folder, name)? {
        return Err(Refused::NotAFile(what).into());
    }
    let file = system::open_in(folder, name)?;
    check(&file.metadata()?, writer)?;
    whole(file, limit)
}

/// Looks whether the file that was opened at this path is there by the word of somebody who may take any name in a
/// folder of all. It may be of any other owner: in a container the numbers of users are others, and what is mounted
/// there was put by whoever looks after it.
///
/// # Errors
/// [`Refused::Planted`] inside the error; what the system says.
#[cfg(unix)]
pub fn check_not_planted(path: &Path, opened: &File) -> io::Result<()> {
    match system::planter(path, &opened.metadata()?)? {
        Some(owner) => Err(Refused::Planted { owner }.into()),
        None => Ok(()),
    }
}

/// There is no folder of all.
///
/// # Errors
/// None.
#[cfg(windows)]
pub fn check_not_planted(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
}

/// What is in a file that was opened and looked at.
///
/// # Errors
/// [`Refused::TooLarge`] inside the error, and any error of the file system.
pub fn whole(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    if size > limit {
        return Err(Refused::TooLarge { bytes: size, limit }.into());
    }
    // One byte of room for noticing the end: a buffer that grows would leave copies of a secret behind.
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    file.take(limit + 1).read_to_end(&mut content)?;
    // Somebody may be writing to it.
    let bytes = content.len() as u64;
    if bytes > limit { Err(Refused::TooLarge { bytes, limit }.into()) } else { Ok(content) }
}

/// Opens a regular file for reading.
///
/// # Errors
/// As [`read`].
pub fn open(path: &Path, writer: Writer) -> io::Result<File> {
    let follow = writer != Writer::Program;
    // Opening a device can do something by itself, so it is looked at first. What counts is the second look:
    // the path can lead elsewhere by the time of the opening.
    check(&if follow { path.metadata() } else { path.symlink_metadata() }?, writer)?;
    let file = system::open(path, follow)?;
    check(&file.metadata()?, writer)?;
    Ok(file)
}

/// Looks at what was found or opened.
///
/// # Errors
/// What else it is than a regular file that may be read.
pub fn check(found: &Metadata, writer: Writer) -> Result<(), Refused> {
    let kind = found.file_type();
    if kind.is_symlink() {
        return Err(Refused::Link);
    }
    if !kind.is_file() {
        return Err(Refused::NotAFile(if kind.is_dir() { "a folder" } else { system::what(kind) }));
    }
    if writer == Writer::Site {
        return Ok(());
    }
    check_owner(found)?;
    match system::open_to_all(found) {
        // What a person writes says where tokens go and which programs run.
        Some(mode) if writer == Writer::Person => Err(Refused::Open { mode }),
        _ => Ok(()),
    }
}

/// Looks at whose it is, whatever it is.
///
/// # Errors
/// The owner, if that is neither this user nor root.
pub fn check_owner(found: &Metadata) -> Result<(), Refused> {
    match system::stranger(found) {
        Some(owner) => Err(Refused::Foreign { owner }),
        None => Ok(()),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
