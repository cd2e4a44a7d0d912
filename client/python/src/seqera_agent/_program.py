"""The command `seqera`: which one is run, and with what. It runs as this user and is given the environment, so nobody
else may have put it there. The rules are those of the command itself for the programs that it starts.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Optional

from . import errors

_NAME = "seqera.exe" if os.name == "nt" else "seqera"

#: More than the kernel follows (`ELOOP`).
_MOST_STEPS = 400


def command(environ: Mapping[str, str]) -> Optional[str]:
    """Find the first `seqera` on `PATH` that may be run, by its real path.

    Relative folders are passed over: they would mean another program in every folder.
    """
    found = (path for path in _candidates(environ) if _why_not(path) is None)
    path = next(found, None)
    return None if path is None else os.path.realpath(path)


def missing(environ: Mapping[str, str], message: str) -> errors.AgentError:
    """Make the error where there is no command: why the first one that is there may not be run, else the message."""
    for path in _candidates(environ):
        why = _why_not(path)
        if why is not None:
            return distrusted(*why)
    hint = "install seqera in a folder of PATH, or set SEQERA_AGENT_SOCK to an agent's socket"
    return errors.of_reason("NO_AGENT", message, hint)


def distrusted(path: object, why: str) -> errors.AgentError:
    """Make the error for what another user could have put there."""
    return errors.of_reason(
        "DISTRUSTED",
        f"{path} is not safe to use: {why}",
        "nobody else may own it or write to it: remove it, or correct owner and mode",
    )


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for the command.

    It may be a script whose interpreter is looked for on `PATH` (`#!/usr/bin/env node`), and one in the current folder
    could be anybody's.
    """
    given = dict(environ)
    path = os.pathsep.join(folder for folder in _folders(environ) if not _is_open(folder))
    if path:
        given["PATH"] = path
    else:
        given.pop("PATH", None)
    return given


def _folders(environ: Mapping[str, str]) -> Iterator[str]:
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    return (folder for folder in folders if Path(folder).is_absolute())


def _is_open(folder: str) -> bool:
    try:
        return os.name != "nt" and bool(Path(folder).stat().st_mode & stat.S_IWOTH)
    except OSError:
        return False


def _candidates(environ: Mapping[str, str]) -> Iterator[str]:
    files = (str(Path(folder) / _NAME) for folder in _folders(environ))
    # In this order: a folder of somebody else's, left over in PATH after `su`, is passed over, as a shell does.
    return (path for path in files if os.access(path, os.X_OK) and Path(path).is_file())


def _why_not(path: str) -> Optional[tuple[str, str]]:
    """Say what of a program, its folders and the way to it others could change, and why."""
    if os.name == "nt":
        return None
    real = os.path.realpath(path)
    try:
        owners = {0, os.getuid(), Path(sys.executable).stat().st_uid}
        for part in (real, str(Path(path).parent), str(Path(real).parent)):
            found = Path(part).stat()
            why = _stranger(found, owners) or _open_to_all(found)
            if why:
                return part, why
        return _on_the_way(path, owners)
    except OSError as error:
        return path, error.strerror or "it cannot be looked at"


def _on_the_way(path: str, owners: set[int]) -> Optional[tuple[str, str]]:
    """Look at each folder from the root on, and each link: another program can lie there a moment later."""
    left = list(reversed(Path(path).parts))
    place = Path()
    for _ in range(_MOST_STEPS):
        if not left:
            return None
        part = left.pop()
        place = place.parent if part == ".." else place / part
        found = place.lstat()
        is_link = stat.S_ISLNK(found.st_mode)
        is_own = not is_link and found.st_mode & stat.S_ISVTX
        why = None if is_own else _stranger(found, owners) if is_link else _open_to_all(found)
        if why:
            return str(place), why
        if is_link:
            left.extend(reversed(place.readlink().parts))
            place = place.parent
    return path, "it leads round and round"


def _stranger(found: os.stat_result, owners: set[int]) -> Optional[str]:
    return None if found.st_uid in owners else f"it belongs to another user (uid {found.st_uid})"


def _open_to_all(found: os.stat_result) -> Optional[str]:
    mode = stat.S_IMODE(found.st_mode)
    return f"everybody may write to it (mode {mode:04o})" if mode & stat.S_IWOTH else None
