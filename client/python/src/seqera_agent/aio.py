"""The same for asyncio: `await seqera_agent.aio.token()`, and `AsyncClient`.

What may take a moment besides the agent (running the command `seqera` for the first time, and to start an agent)
is done on a thread, so that the event loop goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Optional

from . import _place, _token, _way, _wire, errors
from ._call import Call
from ._token import Change, Status, Token
from ._way import Seconds

__all__ = ["AsyncClient", "AsyncWatch", "status", "token", "watch"]

#: Before another try where the agent has no room for a connection (the backlog is full).
_NO_ROOM = 0.01


class AsyncClient:
    """Asks the agent from coroutines. May be used by many tasks at once, and in any event loop.

    The arguments are those of `seqera_agent.Client`.

    Example:
        >>> async def orgs():
        ...     token = await AsyncClient("work").token(min_valid=300)
        ...     return token.header
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
        self._turns: Optional[asyncio.Semaphore] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def __repr__(self) -> str:
        return f"AsyncClient(profile={self._options.profile!r}, authority={self._options.authority!r})"

    async def token(
        self,
        *,
        min_valid: Optional[Seconds] = None,
        rejected: Optional[str] = None,
        timeout: Optional[Seconds] = None,
    ) -> Token:
        """Get an access token; as `seqera_agent.Client.token`.

        Raises:
            AgentError: as there.
        """
        deadline = self._deadline(timeout)
        target = await asyncio.to_thread(_way.subject, self._options, deadline, True)
        if isinstance(target, Token):
            return target
        message = _way.token_request(target, min_valid, rejected)
        answer = await self._ask(target, "Tokens/GetAccessToken", message, deadline)
        return _token.token(_way.decoded(answer, _wire.ACCESS_TOKEN))

    async def status(self, *, timeout: Optional[Seconds] = None) -> Status:
        """Say who is signed in; as `seqera_agent.Client.status`.

        Raises:
            AgentError: as there.
        """
        deadline = self._deadline(timeout)
        target = await asyncio.to_thread(_way.subject, self._options, deadline, False)
        assert isinstance(target, _way.Target)  # noqa: S101
        answer = await self._ask(target, "Sessions/Status", _way.who(target), deadline)
        return _token.status(_way.decoded(answer, _wire.SESSION_STATUS))

    def watch(self) -> AsyncWatch:
        """Follow the profile; as `seqera_agent.Client.watch`.

        Example:
            >>> async def follow():
            ...     async with AsyncClient("work").watch() as changes:
            ...         async for change in changes:
            ...             print("signed out" if change.token is None else change.token.expires_at)
        """
        return AsyncWatch(self._options)

    def _deadline(self, timeout: Optional[Seconds]) -> float:
        return time.monotonic() + (self._options.deadline if timeout is None else _way.in_seconds(timeout))

    def _turn(self) -> asyncio.Semaphore:
        # One for each event loop: a client may outlive the loop of one asyncio.run().
        loop = asyncio.get_running_loop()
        if self._turns is None or self._loop is not loop:
            self._turns, self._loop = asyncio.Semaphore(_way.AT_ONCE), loop
        return self._turns

    async def _ask(self, target: _way.Target, method: str, message: bytes, deadline: float) -> bytes:
        turns = self._turn()

        async def connect(target: _way.Target) -> bytes:
            async with turns:
                connection = await _Connection.open(target, method, message, deadline)
                try:
                    return await connection.only(deadline)
                finally:
                    connection.close()

        answer: bytes = await _drive(_way.way(target, self._options.start_agent, deadline), connect, deadline)
        return answer


async def _drive(way: Any, connect: Callable[[_way.Target], Awaitable[Any]], deadline: float) -> Any:
    """Do what a way says, step by step."""
    step = next(way)
    outcome: Any
    while True:
        try:
            if isinstance(step, _way.Connect):
                outcome = await connect(step.target)
            elif isinstance(step, _way.Sleep):
                await asyncio.sleep(step.seconds)
                outcome = None
            else:
                outcome = await asyncio.to_thread(_way.find, step, deadline)
        except (errors.AgentError, _place.NobodyListens) as error:
            step = way.throw(error)
            continue
        try:
            step = way.send(outcome)
        except StopIteration as end:
            return end.value


async def _within(work: Awaitable[Any], deadline: Optional[float]) -> Any:
    """Wait for something.

    Raises:
        asyncio.TimeoutError: the time is over.
    """
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    return await asyncio.wait_for(work, left)


class _Connection:
    """A connection with one call on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        self._reader = reader
        self._writer = writer
        self._call = call

    @classmethod
    async def open(
        cls,
        target: _way.Target,
        method: str,
        message: bytes,
        deadline: float,
        lasting: bool = False,
    ) -> _Connection:
        while True:
            try:
                dialed = _place.dial(target.meeting.socket)
                break
            except BlockingIOError:
                if time.monotonic() + _NO_ROOM > deadline:
                    raise errors.silent() from None
                await asyncio.sleep(_NO_ROOM)
        try:
            reader, writer = await asyncio.open_unix_connection(sock=dialed)
        except BaseException:
            dialed.close()
            raise
        left = None if lasting else max(0.001, deadline - time.monotonic())
        connection = cls(reader, writer, Call(method, message, target.metadata(), left))
        writer.write(connection._call.outgoing())
        return connection

    def close(self) -> None:
        self._writer.close()

    async def only(self, deadline: float) -> bytes:
        """Wait for the one message of the call."""
        while not self._call.ended:
            await self._more_in_time(deadline)
        if len(self._call.messages) != 1:
            raise errors.not_understood(f"{len(self._call.messages)} messages instead of one")
        return self._call.messages.pop()

    async def begun(self, deadline: float) -> _Connection:
        """Wait until the first message is there, which the agent sends at once, or its refusal."""
        while not self._call.messages and not self._call.ended:
            await self._more_in_time(deadline)
        return self

    async def next(self, deadline: Optional[float]) -> Optional[bytes]:
        """Wait for the next message of the call; `None` if the time is over."""
        while not self._call.messages:
            if self._call.ended:
                raise errors.lost("the agent ended the watch")
            try:
                await self._more(deadline)
            except asyncio.TimeoutError:
                return None
        return self._call.messages.pop(0)

    async def _more_in_time(self, deadline: float) -> None:
        try:
            await self._more(deadline + _way.GRACE)
        except asyncio.TimeoutError:
            raise errors.silent() from None

    async def _more(self, deadline: Optional[float]) -> None:
        try:
            data = await _within(self._reader.read(65536), deadline)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise asyncio.TimeoutError from None
            raise errors.lost(error.strerror or "it failed") from None
        self._call.receive(data)
        answer = self._call.outgoing()
        if answer:
            self._writer.write(answer)


class AsyncWatch(AsyncIterator[Change]):
    """The state of one profile, then every change; for one task. As `seqera_agent.Watch`."""

    def __init__(self, options: _way.Options) -> None:
        self._options = options
        self._following = _way.Following()
        self._connection: Optional[_Connection] = None
        self._is_over = False

    async def __aenter__(self) -> AsyncWatch:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncWatch:
        return self

    async def __anext__(self) -> Change:
        return await self.next()

    async def next(self, timeout: Optional[Seconds] = None) -> Change:
        """Wait for the next change; as `seqera_agent.Watch.next`.

        Raises:
            StopAsyncIteration: there is nothing more to come.
            AgentError: as there.
        """
        until = None if timeout is None else time.monotonic() + _way.in_seconds(timeout)
        while not self._is_over:
            try:
                change = await self._step(until)
            except errors.AgentError as error:
                self._hang_up()
                await self._pause(self._following.pause(error), until)
                continue
            if change is not None:
                return change
            if until is not None and time.monotonic() >= until:
                raise errors.timed_out()
        raise StopAsyncIteration

    def close(self) -> None:
        """End the watch."""
        self._is_over = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _pause(self, pause: float, until: Optional[float]) -> None:
        left = pause if until is None else min(pause, max(0.0, until - time.monotonic()))
        await asyncio.sleep(left)
        if until is not None and time.monotonic() >= until:
            raise errors.timed_out()

    async def _step(self, until: Optional[float]) -> Optional[Change]:
        if self._connection is None:
            connection = await self._connect(until)
            if isinstance(connection, Token):
                self._is_over = True
                return Change(token=connection)
            self._connection = connection
        message = await self._connection.next(until)
        return None if message is None else self._following.take(message)

    async def _connect(self, until: Optional[float]) -> _Connection | Token:
        deadline = time.monotonic() + self._options.deadline
        deadline = deadline if until is None else min(deadline, until)
        target = await asyncio.to_thread(_way.subject, self._options, deadline, True)
        if isinstance(target, Token):
            return target
        may_start = self._options.start_agent and self._following.may_start

        async def connect(target: _way.Target) -> _Connection:
            method, message = "Tokens/WatchAccessToken", _way.who(target)
            connection = await _Connection.open(target, method, message, deadline, lasting=True)
            try:
                return await connection.begun(deadline)
            except BaseException:
                connection.close()
                raise

        connection: _Connection = await _drive(_way.way(target, may_start, deadline), connect, deadline)
        return connection


async def token(
    profile: Optional[str] = None,
    authority: Optional[str] = None,
    *,
    min_valid: Optional[Seconds] = None,
    rejected: Optional[str] = None,
    timeout: Optional[Seconds] = None,
) -> Token:
    """Get an access token; as `seqera_agent.token`.

    Raises:
        AgentError: as there.
    """
    client = AsyncClient(profile, authority)
    return await client.token(min_valid=min_valid, rejected=rejected, timeout=timeout)


async def status(profile: Optional[str] = None, authority: Optional[str] = None) -> Status:
    """Say who is signed in; as `seqera_agent.status`.

    Raises:
        AgentError: as there.
    """
    return await AsyncClient(profile, authority).status()


def watch(profile: Optional[str] = None, authority: Optional[str] = None) -> AsyncWatch:
    """Follow a profile; as `seqera_agent.watch`."""
    return AsyncClient(profile, authority).watch()
