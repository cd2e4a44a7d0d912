"""A session's token for `httpx`:

    import httpx
    from seqera_agent.httpx import SeqeraAuth

    with httpx.Client(auth=SeqeraAuth("work")) as client:
        orgs = client.get("https://api.cloud.seqera.io/orgs").json()

The same object serves `httpx.AsyncClient`, with asyncio and with trio.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Optional

import anyio.to_thread
import httpx

from ._client import Client
from ._origins import check_way, is_refused, may_go, proxy_of_environment
from ._token import Token
from .errors import AgentError

__all__ = ["SeqeraAuth"]


class SeqeraAuth(httpx.Auth):
    """Puts a fresh token into requests to the profile's own origins, and into no others.

    A token that is refused with 401 is renewed, and the request repeated, once. What is sent elsewhere, after a
    redirect as well, goes without a token. For many threads and tasks.

    Args:
        profile: the name of the account; see `seqera_agent.Client` for what is meant without one.
        client: a client to use instead, for one with other options.
    """

    def __init__(self, profile: Optional[str] = None, *, client: Optional[Client] = None) -> None:
        self._client = Client(profile) if client is None else client

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Called by `httpx.Client`."""
        exchange = _Exchange(self._client.token())
        response = yield exchange.put(request)
        while (again := exchange.next(response)) is not None:
            if exchange.wants_new and not exchange.take(self._renewed(exchange.token)):
                return
            # The connection goes back to the pool once its answer has been read.
            response.read()
            response = yield exchange.put(again)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Called by `httpx.AsyncClient`. The agent is asked on a thread, whichever library runs the event loop."""
        exchange = _Exchange(await anyio.to_thread.run_sync(self._client.token))
        response = yield exchange.put(request)
        while (again := exchange.next(response)) is not None:
            if exchange.wants_new:
                renewed = await anyio.to_thread.run_sync(self._renewed, exchange.token)
                if not exchange.take(renewed):
                    return
            await response.aread()
            response = yield exchange.put(again)

    def _renewed(self, token: Token) -> Optional[Token]:
        try:
            return self._client.token(rejected=token.secret)
        except AgentError:
            return None


class _Exchange:
    """One request, with whatever it is redirected to."""

    def __init__(self, token: Token) -> None:
        self.token = token
        self.wants_new = False
        self._is_over = False

    def put(self, request: httpx.Request) -> httpx.Request:
        url = str(request.url)
        if may_go(self.token, url):
            check_way(url, proxy_of_environment(url))
            request.headers["Authorization"] = self.token.header
        return request

    def take(self, renewed: Optional[Token]) -> bool:
        """Take the new token, if it is one."""
        if renewed is None or renewed.secret == self.token.secret:
            return False
        self.token = renewed
        return True

    def next(self, response: httpx.Response) -> Optional[httpx.Request]:
        """Return the request to send again; `None`: the answer stands."""
        request = response.request
        if self._is_over or not is_refused(self.token, response.status_code, response.headers.get("Date")):
            return None
        if not may_go(self.token, str(request.url)) or not _is_whole(request):
            return None
        # A redirect that led away and back here has lost its token on the way: then it gets the one at hand.
        self.wants_new = request.headers.get("Authorization") == self.token.header
        if self.wants_new:
            self._is_over = True
            if self.token.source is not None:
                return None
        return request


def _is_whole(request: httpx.Request) -> bool:
    """Say whether the body can be sent again: one that is read from a file or a generator cannot."""
    try:
        _ = request.content
    except httpx.RequestNotRead:
        # That of a redirect has not been read, though it is all there.
        if not isinstance(request.stream, httpx.ByteStream):
            return False
        request.read()
    return True
