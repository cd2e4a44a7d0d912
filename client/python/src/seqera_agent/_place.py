"""Where the agent is: what `seqera agent socket` says, kept for the process. The rules of the places are the
command's; nothing here repeats them.

The threat, as in the command: another local user makes a folder or a socket where ours would be, and answers with
tokens of their own. So the folder must be this user's alone, and so must the process at the other end.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

from . import _environment, _program, errors
from ._program import distrusted

#: The variables that the answer of the command depends on.
_DECISIVE = (
    "HOME",
    "PATH",
    "SEQERA_AGENT_HOST_ID",
    "SEQERA_AGENT_SOCK",
    "SEQERA_AUTH_DOMAIN",
    "SEQERA_CLI_CONFIG_DIR",
    "SEQERA_PLATFORM_API_URL",
    "SEQERA_PROFILE",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
)

_CHOSEN = "SEQERA_AGENT_SOCK"


@dataclass(frozen=True)
class Meeting:
    """What the command says about this environment.

    Attributes:
        socket: where the agent listens, or would listen.
        config_tag: the mark of the configuration folder, which goes with every call; empty: any agent will do.
        profile: the profile that the environment names; empty: none.
        authority: the authority that environment and configuration file name; empty: none.
        mistake: what is wrong with what names the profile, for calls that name none themselves.
        is_chosen: true if `SEQERA_AGENT_SOCK` names the socket. No agent is ever started there.
    """

    socket: str
    config_tag: str = ""
    profile: str = ""
    authority: str = ""
    mistake: Optional[errors.AgentError] = None
    is_chosen: bool = False


_meetings: dict[tuple[str, ...], Meeting] = {}
_lock = threading.Lock()
_starting = threading.Lock()


def meeting(environ: Mapping[str, str], program: Optional[str], deadline: float) -> Meeting:
    """Say where to meet the agent.

    Raises:
        AgentError: the command's refusal, or that there is no command.
    """
    key = _key(environ)
    with _lock:
        known = _meetings.get(key)
    if known is None:
        known = _ask(environ, program, deadline)
        with _lock:
            known = _meetings.setdefault(key, known)
    return known


def _key(environ: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(environ.get(name, "") for name in _DECISIVE)


def _ask(environ: Mapping[str, str], program: Optional[str], deadline: float) -> Meeting:
    chosen = _environment.text(environ, _CHOSEN)
    if program is None:
        if not chosen:
            raise _program.missing(environ, "the command 'seqera' was not found, which knows where the agent is")
        return _without_command(environ, chosen)
    answer = run(program, ["agent", "socket"], environ, deadline)
    told = answer.get("mistake")
    mistake = errors.of_reason(told["reason"], told["message"], told.get("hint")) if told else None
    return Meeting(
        socket=str(answer["socket"]),
        config_tag=str(answer.get("config_tag") or ""),
        profile=str(answer.get("profile") or ""),
        authority=str(answer.get("authority") or ""),
        mistake=mistake,
        is_chosen=bool(chosen),
    )


def _without_command(environ: Mapping[str, str], chosen: str) -> Meeting:
    """A socket that is chosen is enough, as in a container that has nothing else."""
    if not Path(chosen).is_absolute():
        raise errors.of_reason("MISCONFIGURED", f"{_CHOSEN} must be an absolute path")
    profile = _environment.text(environ, "SEQERA_PROFILE")
    authority = _environment.text(environ, "SEQERA_AUTH_DOMAIN")
    if not profile:
        authority = authority or _environment.text(environ, "SEQERA_PLATFORM_API_URL")
    return Meeting(socket=chosen, profile=profile, authority=authority, is_chosen=True)


def ask_again(environ: Mapping[str, str], program: Optional[str], deadline: float) -> Meeting:
    """Ask the command again: an agent that was started since may listen elsewhere.

    Raises:
        AgentError: as for `meeting`.
    """
    known = _ask(environ, program, deadline)
    with _lock:
        _meetings[_key(environ)] = known
    return known


def start(environ: Mapping[str, str], program: Optional[str], deadline: float) -> Meeting:
    """Let the command start an agent, or find one that runs elsewhere.

    Raises:
        AgentError: why none could be started.
    """
    if program is None:
        raise nobody(None)
    # Many threads that find nobody need one start between them; the command itself bears several at once.
    with _starting:
        answer = run(program, ["agent", "start"], environ, deadline)
        known = meeting(environ, program, deadline)
        found = replace(known, socket=str(answer.get("socket") or known.socket))
        with _lock:
            _meetings[_key(environ)] = found
    return found


def run(program: str, words: list[str], environ: Mapping[str, str], deadline: float) -> dict[str, Any]:
    """Run a command that prints one object.

    Raises:
        AgentError: what the command said on standard error, or that it could not be run.
    """
    left = deadline - time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603
            [program, *words, "-o", "json"],
            env=_program.environment(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=max(left, 0.1),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise errors.timed_out() from None
    except OSError as error:
        raise errors.of_reason("NO_AGENT", f"cannot run {program}: {error.strerror}") from None
    if done.returncode:
        told = _environment.said(done.stderr)
        raise told or errors.not_understood(f"'seqera {' '.join(words)}' ended with status {done.returncode}")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise errors.not_understood(f"'seqera {' '.join(words)}' printed no object")
    return answer


def nobody(chosen: Optional[str]) -> errors.AgentError:
    """Make the error for a socket at which nobody listens."""
    if chosen:
        hint = f"{_CHOSEN} names it: start that agent, or unset the variable"
        return errors.of_reason("NO_AGENT", f"no agent listens at {chosen}", hint)
    return errors.of_reason("NO_AGENT", "no agent is running", "run 'seqera agent start'")


class NobodyListens(Exception):
    """Nobody listens there: an agent may be started."""


def dial(path: str) -> socket.socket:
    """Connect, without waiting, to a socket whose folder and whose other end are this user's.

    Raises:
        NobodyListens: there is no socket, or nobody behind it.
        BlockingIOError: the agent has no room for another connection right now.
        AgentError: the socket cannot be trusted, or not be reached.
    """
    if not hasattr(socket, "AF_UNIX"):
        hint = "run 'seqera token' instead"
        raise errors.of_reason("AGENT_UNREACHABLE", "Python has no local sockets on this system", hint)
    check_folder(Path(path).parent)
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except PermissionError as error:
        raise _sandboxed(path, error) from None
    except OSError as error:
        raise _missed(path, error) from None
    try:
        connection.setblocking(False)
        connection.connect(path)
        check_peer(connection, path)
    except BlockingIOError:
        connection.close()
        raise
    except OSError as error:
        connection.close()
        raise _missed(path, error) from None
    except BaseException:
        connection.close()
        raise
    _open.add(connection)
    return connection


def _missed(path: str, error: OSError) -> Exception:
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
        return NobodyListens()
    if error.errno == errno.EPERM:
        return _sandboxed(path, error)
    hint = "run 'seqera agent status' to see whether it runs"
    return errors.of_reason("AGENT_UNREACHABLE", f"cannot connect to {path}: {error.strerror}", hint)


def _sandboxed(path: str, error: OSError) -> errors.AgentError:
    """Make the error for a system call that a sandbox refuses, as those of coding assistants do."""
    hint = "outside it, run 'seqera token --write FILE --watch'; inside, set SEQERA_ACCESS_TOKEN_FILE to FILE"
    message = f"a sandbox refuses the connection to {path}: {error.strerror}"
    return errors.of_reason("SANDBOXED", message, hint)


def check_folder(folder: Path) -> None:
    """Make sure that a folder is real, this user's, and that nobody else may write to it."""
    try:
        found = folder.lstat()
    except PermissionError:
        # The runtime folder of another user, left over after `su`: our agent cannot be in there.
        raise NobodyListens from None
    except OSError as error:
        raise _missed(str(folder), error) from None
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        raise distrusted(folder, "it is a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        raise distrusted(folder, "it is not a folder")
    if found.st_uid != os.getuid():
        raise distrusted(folder, f"it belongs to another user (uid {found.st_uid})")
    if mode & 0o022:
        raise distrusted(folder, f"other users may write to it (mode {mode:04o})")


def check_peer(connection: socket.socket, path: str) -> None:
    """Make sure that the process at the other end runs as this user."""
    uid = peer_uid(connection)
    if uid != os.getuid():
        raise distrusted(path, f"it belongs to another user (uid {uid})")


def peer_uid(connection: socket.socket) -> int:
    """Ask the system whose process is at the other end."""
    if sys.platform == "linux":
        # struct ucred: pid, uid, gid (socket(7)).
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
        return int(struct.unpack("iII", packed)[1])
    # struct xucred of macOS and FreeBSD: version, uid, … ; SOL_LOCAL is 0 and LOCAL_PEERCRED 1.
    packed = connection.getsockopt(0, 1, 128)
    return int(struct.unpack_from("II", packed)[1])


_open: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _after_fork() -> None:
    """In a child: the parent's connections are not ours to speak on, and a lock may be held by a thread that is
    not here.
    """
    global _lock, _starting, _open
    _lock, _starting = threading.Lock(), threading.Lock()
    for connection in list(_open):
        connection.close()
    _open = weakref.WeakSet()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
