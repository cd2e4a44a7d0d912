"""How a call reaches the agent: whose token is meant, when an agent is started, and when a call is repeated. Written
as generators that say what to do next, so that the blocking and the asynchronous client share it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Optional, Union

from . import _belonging, _environment, _place, _program, _token, _wire, errors

#: As long as the agent itself waits for a renewal if a call has no deadline (`tokens.proto`).
DEADLINE = 30.0

#: How much longer than the agent a caller waits, so that its answer arrives, which says what took so long.
GRACE = 0.5

#: Before a call is repeated; doubled each time up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0

#: Connections of this process at a time. The agent gives a process a share of what it can serve.
AT_ONCE = 32

#: How often one call starts an agent at most. One that was started may be stopped again before the call reaches it, by
#: whoever restarts it again and again.
MOST_STARTS = 5

#: Before a watch that has ended is begun again: about as long as an agent takes that is stopped with a renewal
#: under way. During the first of them none is started, so that 'seqera agent restart' is not overtaken.
WATCH_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
WATCH_WITHOUT_START = 5

Seconds = Union[float, timedelta]


@dataclass(frozen=True)
class Options:
    """What a client was made with."""

    profile: str
    authority: str
    deadline: float
    start_agent: bool


@dataclass(frozen=True)
class Target:
    """The agent and the account that a call is about."""

    meeting: _place.Meeting
    profile: str
    authority: str
    environ: dict[str, str]
    program: Optional[str]

    def metadata(self) -> dict[str, str]:
        """Return what goes with every call."""
        tag, request = self.meeting.config_tag, os.urandom(8).hex()
        return {"seqera-config-dir": tag, "seqera-request-id": request} if tag else {"seqera-request-id": request}


def in_seconds(value: Seconds) -> float:
    """Read a length of time."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def options(profile: Optional[str], authority: Optional[str], deadline: Seconds, start_agent: bool) -> Options:
    """Read the arguments of a client.

    Raises:
        ValueError: the deadline is no time to wait.
    """
    wait = in_seconds(deadline)
    if not 0 < wait < float("inf"):
        raise ValueError("a deadline has to be longer than nothing")
    return Options((profile or "").strip(), (authority or "").strip(), wait, start_agent)


def subject(chosen: Options, deadline: float, with_tokens: bool) -> Union[_token.Token, Target]:
    """Say whose token is meant. May run the command, and so may take a moment the first time.

    Raises:
        AgentError: what names it is wrong, or nobody knows where the agent is.
    """
    environ = _environment.of_process()
    program = _program.command(environ)
    profile, authority = chosen.profile, chosen.authority
    if not profile and not authority and with_tokens:
        given = _environment.given(environ, program)
        if given is not None:
            origin = _environment.exec_profile(environ, given)
            if origin is None:
                return _token.given(given, _belonging.endpoints(given, environ))
            # The endpoints that `seqera exec` has set are those of this authority, whose account the name may not have.
            profile, authority = origin, _environment.text(environ, "SEQERA_AUTH_DOMAIN")
    meeting = _place.meeting(environ, program, deadline)
    if not profile and not authority:
        if meeting.mistake is not None:
            raise meeting.mistake
        profile, authority = meeting.profile, meeting.authority
    return Target(meeting, profile, authority, environ, program)


def token_request(target: Target, min_valid: Optional[Seconds], rejected: Optional[str]) -> bytes:
    """Encode a GetAccessTokenRequest.

    Raises:
        ValueError: `min_valid` is negative.
    """
    least = 0.0 if min_valid is None else in_seconds(min_valid)
    if not 0 <= least < float("inf"):
        raise ValueError("min_valid must not be negative")
    parts = [
        _wire.text(1, target.profile),
        _wire.text(2, target.authority),
        b"" if min_valid is None else _wire.duration(3, least),
        _wire.text(4, _environment.sha256(rejected) if rejected else ""),
    ]
    return b"".join(parts)


def who(target: Target) -> bytes:
    """Encode a request that names profile and authority alone."""
    return _wire.text(1, target.profile) + _wire.text(2, target.authority)


@dataclass(frozen=True)
class Connect:
    """Connect to the agent of this target, make the call, and give its answer."""

    target: Target


@dataclass(frozen=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True)
class Find:
    """Run the command: start an agent, or ask again where it is. Gives the new target."""

    target: Target
    start: bool


Step = Union[Connect, Sleep, Find]


def way(target: Target, may_start: bool, deadline: float) -> Generator[Step, Any, Any]:
    """Make a call that may be made twice. Each step's outcome is sent, or thrown, into the generator."""
    may_start = may_start and not target.meeting.is_chosen
    # An agent that may not be started is looked for elsewhere, once.
    pause, asked, most = FIRST_PAUSE, 0, MOST_STARTS if may_start else 1
    while True:
        try:
            return (yield Connect(target))
        except _place.NobodyListens:
            chosen = target.meeting.socket if target.meeting.is_chosen else None
            if chosen or asked == most:
                raise _place.nobody(chosen) from None
        except errors.ConnectionLost:
            if time.monotonic() + pause >= deadline:
                raise
            yield Sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
            continue
        except errors.AgentError as error:
            # The agent of another folder listens where ours would: the command looks further.
            if error.reason != "OTHER_AGENT" or asked or not may_start:
                raise
        asked += 1
        before = target.meeting.socket
        target = yield Find(target, may_start)
        if not may_start and target.meeting.socket == before:
            raise _place.nobody(None)


def find(step: Find, deadline: float) -> Target:
    """Do what a `Find` says."""
    target = step.target
    if step.start:
        meeting = _place.start(target.environ, target.program, deadline)
    else:
        meeting = _place.ask_again(target.environ, target.program, deadline)
    return Target(meeting, target.profile, target.authority, target.environ, target.program)


class Following:
    """What a watch remembers from one connection to the next, so that it tells nothing twice."""

    def __init__(self) -> None:
        self.failures = 0
        self._last: object = None

    def take(self, message: bytes) -> Optional[_token.Change]:
        """Read an event; `None` if it says nothing new.

        Raises:
            NotUnderstood: it is none.
        """
        self.failures = 0
        change = _token.change(decoded(message, _wire.TOKEN_EVENT))
        if change is None:
            return None
        said = change.signed_out or (change.token and change.token.secret)
        if said == self._last:
            return None
        self._last = said
        return change

    def pause(self, error: errors.AgentError) -> float:
        """Say how long to wait before the watch is begun again.

        Raises:
            AgentError: there is no point in going on.
        """
        may_pass = isinstance(error, (errors.AgentUnreachable, errors.TimedOut)) or (
            isinstance(error, errors.NoAgent) and self.failures < WATCH_WITHOUT_START
        )
        if not may_pass or self.failures >= len(WATCH_PAUSES):
            raise error
        pause = WATCH_PAUSES[self.failures]
        self.failures += 1
        return pause

    @property
    def may_start(self) -> bool:
        """Whether an agent may be started: at first, and again after some time."""
        return self._last is None or self.failures >= WATCH_WITHOUT_START


def decoded(message: bytes, table: _wire.Table) -> dict[str, Any]:
    """Decode an answer.

    Raises:
        NotUnderstood: it is none.
    """
    try:
        return _wire.decode(message, table)
    except ValueError as error:
        raise errors.not_understood(str(error)) from None
