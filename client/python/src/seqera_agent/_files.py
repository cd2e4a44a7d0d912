"""Reads files as the command does (`proto/src/files.rs`).

A name says nothing about what is behind it: a named pipe blocks whoever opens it, a device has no end, and a file of
another user says what that user wants.
"""

from __future__ import annotations

import os
import platform
import stat
from pathlib import Path


class NoFile(Exception):
    """Why what is at the path is not read; completes a sentence that begins with the path."""


def is_open(mode: int) -> bool:
    """Say whether everybody may write there.

    Not in WSL, nor in containers on it: disks of Windows show all that they hold like that.
    """
    return os.name == "posix" and bool(mode & stat.S_IWOTH) and "microsoft" not in platform.release().lower()


def read(path: Path, limit: int, *, own: bool) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    `own`: it belongs to this user or to root, and not everybody may write to it. Else it may be of any other owner, as
    in a container, but not there by the right that everybody has in a folder such as `/tmp`.
    """
    flags = ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")
    # None of them is there on every system.
    number = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in flags))
    with open(number, "rb") as file:  # noqa: PTH123
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise NoFile("it is no file")
        if own and os.name == "posix" and found.st_uid not in (0, os.getuid()):
            raise NoFile(f"it belongs to uid {found.st_uid}, neither to you nor to root")
        if own and is_open(found.st_mode):
            raise NoFile(f"everybody may write to it (mode {stat.S_IMODE(found.st_mode):04o})")
        if not own and os.name == "posix":
            _check_not_planted(path, found)
        content = file.read(limit + 1)
    if len(content) > limit:
        raise NoFile(f"it has more than {limit} bytes")
    return content


def _check_not_planted(path: Path, opened: os.stat_result) -> None:
    """Any user can take a name in a folder of all, or one on the way to the file. A mount there is of another device,
    and root's word.
    """
    whole = Path.cwd() / path
    made = [(name, name.lstat()) for name in (whole, *whole.parents)]
    try:
        real = path.resolve(strict=True)
        made += [(name, name.lstat()) for name in (real, *real.parents)] + [(real, opened)]
    except OSError:
        # It has no name any more, as the file of a shell's here-document behind `/dev/fd/3`.
        if opened.st_uid not in (0, os.getuid()):
            raise NoFile(f"it belongs to uid {opened.st_uid}, and has no name any more") from None
    for name, found in made:
        folder = name.parent.stat()
        is_of_all = folder.st_mode & stat.S_IWOTH and folder.st_dev == found.st_dev
        if is_of_all and found.st_uid not in (0, os.getuid()):
            raise NoFile(
                f"it may have been put there by uid {found.st_uid}, for everybody may write to a folder on the way"
            )


def text(content: bytes) -> str:
    """Return what the bytes say: UTF-8, or UTF-16 as Windows writes it, without a byte order mark."""
    is_wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return content.decode("utf-16" if is_wide else "utf-8-sig")
