"""The blocking client: every call has a connection of its own.

A connection to a local socket costs a tenth of a millisecond. So there is nothing to be shared between threads, to
be found dead after fork() or after a restart of the agent, or to be kept alive while nothing happens.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Optional

from . import _place, _token, _way, _wire, errors
from ._call import Call
from ._token import Change, Status, Token
from ._way import Seconds

#: Before another try where the agent has no room for a connection (the backlog is full).
_NO_ROOM = 0.01

_turns = threading.BoundedSemaphore(_way.AT_ONCE)


def _after_fork() -> None:
    """In a child: the threads that hold turns are the parent's."""
    global _turns
    _turns = threading.BoundedSemaphore(_way.AT_ONCE)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Client:
    """Asks the agent, blocking. May be used by many threads at once, and after fork().

    Args:
        profile: the name of the account; without it a token of the environment comes first, then
            `SEQERA_PROFILE`, then the profile of `SEQERA_AUTH_DOMAIN` or of the configuration file, then the one of
            'seqera profile use', then `default`.
        authority: the OIDC issuer base URL that the profile must have; alone it means its profile.
        deadline: how long a call may take, in seconds, including the start of an agent.
        start_agent: whether to start an agent if none is listening. At the socket that `SEQERA_AGENT_SOCK` names,
            none is ever started.

    Example:
        >>> client = Client("work")
        >>> client.token(min_valid=300).header  # doctest: +SKIP
        'Bearer eyJ…'
    """

    def __init__(
        self,
        profile: Optional[str] = None,
        authority: Optional[str] = None,
        *,
        deadline: Seconds = _way.DEADLINE,
        start_agent: bool = True,
    ) -> None:
        self._options = _way.options(profile, authority, deadline, start_agent)

    def __repr__(self) -> str:
        return f"Client(profile={self._options.profile!r}, authority={self._options.authority!r})"

    def token(
        self,
        *,
        min_valid: Optional[Seconds] = None,
        rejected: Optional[str] = None,
        timeout: Optional[Seconds] = None,
    ) -> Token:
        """Get an access token. Waits for a renewal if one is needed.

        Args:
            min_valid: how long it shall at least remain valid, in seconds. A provider may grant less: see
                `Token.valid_for`.
            rejected: a token that the API has refused with 401. Only its hash goes to the agent, which gives
                another one.
            timeout: how long this call may take, in seconds; without it, the deadline of the client.

        Raises:
            NotSignedIn: somebody has to sign in; the hint says how.
            IssuerUnreachable: the provider does not answer, and no valid token is left.
            AgentError: any other reason; see `seqera_agent.errors`.
        """
        deadline = self._deadline(timeout)
        target = _way.subject(self._options, deadline, with_tokens=True)
        if isinstance(target, Token):
            return target
        message = _way.token_request(target, min_valid, rejected)
        answer = self._ask(target, "Tokens/GetAccessToken", message, deadline)
        return _token.token(_way.decoded(answer, _wire.ACCESS_TOKEN))

    def status(self, *, timeout: Optional[Seconds] = None) -> Status:
        """Say who is signed in, from the agent's memory. That nobody is, is a state and not an error.

        Raises:
            UnknownProfile: there is no such profile.
            AgentError: any other reason.
        """
        deadline = self._deadline(timeout)
        target = _way.subject(self._options, deadline, with_tokens=False)
        assert isinstance(target, _way.Target)  # noqa: S101
        answer = self._ask(target, "Sessions/Status", _way.who(target), deadline)
        return _token.status(_way.decoded(answer, _wire.SESSION_STATUS))

    def watch(self) -> Watch:
        """Follow the profile: its token now, then each new one and each sign-out.

        Example:
            >>> with Client("work").watch() as changes:  # doctest: +SKIP
            ...     for change in changes:
            ...         print("signed out" if change.token is None else change.token.expires_at)
        """
        return Watch(self._options)

    def _deadline(self, timeout: Optional[Seconds]) -> float:
        return time.monotonic() + (self._options.deadline if timeout is None else _way.in_seconds(timeout))

    def _ask(self, target: _way.Target, method: str, message: bytes, deadline: float) -> bytes:
        def connect(target: _way.Target) -> bytes:
            with _turn(deadline), _Connection(target, method, message, deadline) as connection:
                return connection.only(deadline)

        answer: bytes = _drive(_way.way(target, self._options.start_agent, deadline), connect, deadline)
        return answer


def _drive(way: Any, connect: Callable[[_way.Target], Any], deadline: float) -> Any:
    """Do what a way says, step by step."""
    step = next(way)
    outcome: Any
    while True:
        try:
            if isinstance(step, _way.Connect):
                outcome = connect(step.target)
            elif isinstance(step, _way.Sleep):
                time.sleep(step.seconds)
                outcome = None
            else:
                outcome = _way.find(step, deadline)
        except (errors.AgentError, _place.NobodyListens) as error:
            step = way.throw(error)
            continue
        try:
            step = way.send(outcome)
        except StopIteration as end:
            return end.value


class _turn:
    """One of the connections that this process may have at a time."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._turns = _turns

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=max(0.0, self._deadline - time.monotonic())):
            raise errors.timed_out()

    def __exit__(self, *_: object) -> None:
        self._turns.release()


class _Connection:
    """A connection with one call on it. `deadline` is for the connecting, and `None` has the call no end."""

    def __init__(
        self,
        target: _way.Target,
        method: str,
        message: bytes,
        deadline: float,
        lasting: bool = False,
    ) -> None:
        self._socket = _dial(target.meeting.socket, deadline)
        try:
            left = None if lasting else max(0.001, deadline - time.monotonic())
            self._call = Call(method, message, target.metadata(), left)
            self._send(deadline)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def only(self, deadline: float) -> bytes:
        """Wait for the one message of the call."""
        while not self._call.ended:
            if not self._more(deadline + _way.GRACE):
                raise errors.silent()
        if len(self._call.messages) != 1:
            raise errors.not_understood(f"{len(self._call.messages)} messages instead of one")
        return self._call.messages.pop()

    def begun(self, deadline: float) -> _Connection:
        """Wait until the first message is there, which the agent sends at once, or its refusal."""
        while not self._call.messages and not self._call.ended:
            if not self._more(deadline + _way.GRACE):
                raise errors.silent()
        return self

    def next(self, deadline: Optional[float]) -> Optional[bytes]:
        """Wait for the next message of the call; `None` if the time is over."""
        while not self._call.messages:
            if self._call.ended:
                raise errors.lost("the agent ended the watch")
            if not self._more(deadline):
                return None
        return self._call.messages.pop(0)

    def _more(self, deadline: Optional[float]) -> bool:
        """Read once; false if the time is over."""
        if not _ready(self._socket, deadline, reading=True):
            return False
        try:
            data = self._socket.recv(65536)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError as error:
            raise errors.lost(error.strerror or "it failed") from None
        self._call.receive(data)
        self._send(deadline)
        return True

    def _send(self, deadline: Optional[float]) -> None:
        data = memoryview(self._call.outgoing())
        while data:
            try:
                data = data[self._socket.send(data) :]
            except (BlockingIOError, InterruptedError):
                if not _ready(self._socket, deadline, reading=False):
                    raise errors.silent() from None
            except OSError as error:
                # The agent may have refused the call and hung up: what it said is still to be read.
                if isinstance(error, BrokenPipeError):
                    return
                raise errors.lost(error.strerror or "it failed") from None


def _dial(path: str, deadline: float) -> socket.socket:
    while True:
        try:
            return _place.dial(path)
        except BlockingIOError:
            if time.monotonic() + _NO_ROOM > deadline:
                raise errors.silent() from None
            time.sleep(_NO_ROOM)


def _ready(connection: socket.socket, deadline: Optional[float], reading: bool) -> bool:
    """Wait until a socket can be used. poll(2) takes descriptors of any number; select(2) does not."""
    if connection.fileno() < 0:
        raise errors.lost("it was closed here")
    waiting = select.poll()
    waiting.register(connection, select.POLLIN if reading else select.POLLOUT)
    left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
    return bool(waiting.poll(left))


class Watch(Iterator[Change]):
    """The state of one profile, then every change; for one thread. A slow reader gets only the newest.

    It is begun again by itself when the agent has gone and comes back. A token of the environment is the one thing
    that is told, and then the iteration ends.
    """

    def __init__(self, options: _way.Options) -> None:
        self._options = options
        self._following = _way.Following()
        self._connection: Optional[_Connection] = None
        self._is_over = False

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Change:
        return self.next()

    def next(self, timeout: Optional[Seconds] = None) -> Change:
        """Wait for the next change.

        Args:
            timeout: how long to wait, in seconds; without it, as long as it takes.

        Raises:
            TimedOut: there was none in time. The watch goes on.
            StopIteration: there is nothing more to come.
            AgentError: the agent refuses, or did not come back.
        """
        until = None if timeout is None else time.monotonic() + _way.in_seconds(timeout)
        while not self._is_over:
            try:
                change = self._step(until)
            except errors.AgentError as error:
                self._hang_up()
                self._pause(self._following.pause(error), until)
                continue
            if change is not None:
                return change
            if until is not None and time.monotonic() >= until:
                raise errors.timed_out()
        raise StopIteration

    def close(self) -> None:
        """End the watch."""
        self._is_over = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _pause(self, pause: float, until: Optional[float]) -> None:
        left = pause if until is None else min(pause, max(0.0, until - time.monotonic()))
        time.sleep(left)
        if until is not None and time.monotonic() >= until:
            raise errors.timed_out()

    def _step(self, until: Optional[float]) -> Optional[Change]:
        if self._connection is None:
            connection = self._connect(until)
            if isinstance(connection, Token):
                self._is_over = True
                return Change(token=connection)
            self._connection = connection
        message = self._connection.next(until)
        return None if message is None else self._following.take(message)

    def _connect(self, until: Optional[float]) -> _Connection | Token:
        deadline = time.monotonic() + self._options.deadline
        deadline = deadline if until is None else min(deadline, until)
        target = _way.subject(self._options, deadline, with_tokens=True)
        if isinstance(target, Token):
            return target
        may_start = self._options.start_agent and self._following.may_start

        def connect(target: _way.Target) -> _Connection:
            method, message = "Tokens/WatchAccessToken", _way.who(target)
            connection = _Connection(target, method, message, deadline, lasting=True)
            try:
                return connection.begun(deadline)
            except BaseException:
                connection.close()
                raise

        connection: _Connection = _drive(_way.way(target, may_start, deadline), connect, deadline)
        return connection
