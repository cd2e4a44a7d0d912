"""Tokens that are in the environment already: used as they are, in the order that `seqera --help` documents."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Optional

from . import _files, _program, errors
from ._address import address

FILE = "SEQERA_ACCESS_TOKEN_FILE"
VARIABLES = ("SEQERA_ACCESS_TOKEN", "TOWER_ACCESS_TOKEN")

#: A token as it is usually kept (RFC 6750, section 2.1). Anything else is for the command to make sense of, which
#: also knows quotation marks, `export NAME=…` and other encodings.
_PLAIN = re.compile(r"[A-Za-z0-9._~+/-]+=*")

_LONGEST = 48 * 1024
_LARGEST = 64 * 1024

#: How the second line of a file begins that `seqera token --write` keeps fresh.
_MARK = "# seqera token file"

#: How long the command may take that makes sense of a value: it asks nobody.
_PATIENCE = 30


@dataclass
class Given:
    """A token of the environment, the variable that it comes from, and what stands beside it."""

    secret: str = field(repr=False)
    source: str
    authority: str = ""
    api_url: str = ""
    workspace_id: int = 0
    profile: str = ""
    expires: Optional[float] = None
    #: The addresses beside it are all that count, even if there are none.
    is_marked: bool = False


def text(environ: Mapping[str, str], name: str) -> str:
    """Return a variable without the blanks that copying leaves around it; empty counts as not set."""
    return environ.get(name, "").strip().strip("\0\ufeff\u200b").strip()


def given(environ: Mapping[str, str], command: Optional[str]) -> Optional[Given]:
    """Find the token that is used instead of a session.

    Raises:
        BadRequest: what is there is no token, or the file cannot be read. Never looked past: that would be
            another account.
        LoginExpired: the token in the file has expired.
    """
    path = text(environ, FILE)
    if path:
        return _of_file(path, environ, command)
    for name in VARIABLES:
        value = text(environ, name)
        if not value:
            continue
        if not _is_plain(value):
            return _by_command(name, environ, command)
        return Given(value, name)
    return None


def exec_profile(environ: Mapping[str, str], token: Given) -> Optional[str]:
    """Name the profile that `seqera exec` has taken this token from: asking again gives a fresh one."""
    profile, _, digest = text(environ, "SEQERA_EXEC_TOKEN").rpartition(":")
    is_its = token.source in VARIABLES and digest == sha256(token.secret)
    return profile if is_its and profile else None


def sha256(secret: str) -> str:
    """Hash a token, as the agent compares them."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_plain(value: str) -> bool:
    return len(value) <= _LONGEST and value.lower() != "bearer" and _PLAIN.fullmatch(value) is not None


def _of_file(path: str, environ: Mapping[str, str], command: Optional[str]) -> Given:
    keep = f"'seqera token --write {path} --watch' keeps it fresh, where the agent can be reached"
    hint = f"{FILE} names it: {keep}; or unset the variable"
    try:
        lines = _files.text(_files.read(Path(path), _LARGEST, own=False)).splitlines()
    except (OSError, ValueError, _files.NoFile) as error:
        why = "it is not text" if isinstance(error, ValueError) else getattr(error, "strerror", None) or error
        raise errors.of_reason("BAD_REQUEST", f"{path}: {why}", hint) from None
    first = lines[0].strip() if lines else ""
    is_marked = len(lines) > 1 and lines[1].startswith(_MARK)
    if _is_plain(first) and (is_marked or len(lines) == 1):
        token = Given(first, FILE)
    else:
        token = _by_command(FILE, environ, command, f"{path} holds no token in a form that is known here", hint)
    token.is_marked = is_marked
    for line in lines[2:] if is_marked else ():
        name, _, value = line.partition("=")
        _take(token, name.strip(), value.strip(), path, hint)
    if token.expires is not None and token.expires <= time.time():
        raise errors.of_reason("LOGIN_EXPIRED", f"the token in {path} has expired", keep)
    return token


def _take(token: Given, name: str, value: str, path: str, hint: str) -> None:
    try:
        if name in ("authority", "api") and value:
            address(value)
        if name == "authority":
            token.authority = value
        elif name == "api":
            token.api_url = value
        elif name == "profile":
            token.profile = value
        elif name == "workspace":
            token.workspace_id = int(value)
        elif name == "expires" and value:
            token.expires = moment(value)
    except ValueError:
        message = f"{path} holds a value of '{name}' that makes no sense"
        raise errors.of_reason("BAD_REQUEST", message, hint) from None


def moment(value: str) -> float:
    """Read a time of RFC 3339 in UTC."""
    return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()


def _by_command(
    name: str,
    environ: Mapping[str, str],
    command: Optional[str],
    message: Optional[str] = None,
    hint: str = "set it to the token alone, or unset it",
) -> Given:
    """Let `seqera token` read the variable, which has all the rules for it."""
    unknown = errors.of_reason("BAD_REQUEST", message or f"{name} holds something else than a token", hint)
    if command is None:
        raise unknown
    # Without the mark of `exec`, the command uses the token as it is and asks nobody.
    env = {key: value for key, value in _program.environment(environ).items() if key != "SEQERA_EXEC_TOKEN"}
    try:
        run = subprocess.run(  # noqa: S603
            [command, "token", "-o", "json"], env=env, capture_output=True, timeout=_PATIENCE, check=False
        )
        if run.returncode:
            raise said(run.stderr) or unknown
        answer = json.loads(run.stdout)
        return Given(answer["access_token"], answer.get("source") or name, answer.get("authority") or "")
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        raise unknown from None


def said(printed: bytes) -> Optional[errors.AgentError]:
    """Read the object that a command prints where it fails."""
    for line in printed.decode("utf-8", "replace").splitlines():
        try:
            error = json.loads(line)["error"]
            return errors.of_reason(error["reason"], error["message"], error.get("hint"))
        except (ValueError, KeyError, TypeError):
            continue
    return None


def of_process() -> dict[str, str]:
    """Return the environment as it is now."""
    return dict(os.environ)
