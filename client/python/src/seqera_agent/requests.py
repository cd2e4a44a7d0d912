"""A session's token for `requests`:

    import requests
    from seqera_agent.requests import SeqeraAuth

    with requests.Session() as session:
        session.auth = SeqeraAuth("work")
        orgs = session.get("https://api.cloud.seqera.io/orgs").json()

It needs `pip install seqera-agent[requests]`.
"""

from __future__ import annotations

from typing import Any, Optional

import requests
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar

from ._client import Client
from ._origins import check_way, is_refused, may_go
from ._token import Token
from .errors import AgentError

__all__ = ["SeqeraAuth"]


class SeqeraAuth(AuthBase):
    """Puts a fresh token into requests to the profile's own origins, and into no others.

    A token that is refused with 401 is renewed, and the request repeated, once. What is sent elsewhere, after a
    redirect as well, goes without a token. For many threads.

    Args:
        profile: the name of the account; see `seqera_agent.Client` for what is meant without one.
        client: a client to use instead, for one with other options.
    """

    def __init__(self, profile: Optional[str] = None, *, client: Optional[Client] = None) -> None:
        self._client = Client(profile) if client is None else client

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        exchange = _Exchange(self._client, request)
        exchange.put(request)
        request.register_hook("response", exchange.answered)
        return request


class _Exchange:
    """One request, with whatever it is redirected to."""

    def __init__(self, client: Client, request: requests.PreparedRequest) -> None:
        self._client = client
        self._token: Token = client.token()
        self._is_over = False
        tell = getattr(request.body, "tell", None)
        try:
            self._start: Optional[int] = tell() if tell else None
        except (OSError, ValueError):
            self._start = None

    def put(self, request: requests.PreparedRequest) -> bool:
        may = may_go(self._token, request.url or "")
        if may:
            url = request.url or ""
            proxies = requests.utils.get_environ_proxies(url, None)
            check_way(url, requests.utils.select_proxy(url, proxies))
            request.headers["Authorization"] = self._token.header
        return may

    def answered(self, response: requests.Response, **how: Any) -> requests.Response:
        """Called for each answer, those of redirects included."""
        sent = response.request.headers.get("Authorization")
        if self._is_over or not is_refused(self._token, response.status_code, response.headers.get("Date")):
            return response
        if not may_go(self._token, response.request.url or "") or not self._rewind(response.request):
            return response
        if sent == self._token.header and not self._renew():
            return response
        # A redirect that led away and back here has lost its token on the way: then it gets the one at hand.
        return self._again(response, how)

    def _renew(self) -> bool:
        self._is_over = True
        if self._token.source is not None:
            return False
        try:
            renewed = self._client.token(rejected=self._token.secret)
        except AgentError:
            return False
        is_other = renewed.secret != self._token.secret
        self._token = renewed
        return is_other

    def _rewind(self, request: requests.PreparedRequest) -> bool:
        """Make sure that the body can be sent again."""
        if request.body is None or isinstance(request.body, (bytes, str)):
            return True
        seek = getattr(request.body, "seek", None)
        if self._start is None or seek is None:
            return False
        try:
            seek(self._start)
        except (OSError, ValueError):
            return False
        return True

    def _again(self, response: requests.Response, how: dict[str, Any]) -> requests.Response:
        # The connection goes back to the pool once its answer has been read.
        _ = response.content
        response.close()
        request: Any = response.request.copy()
        extract_cookies_to_jar(request._cookies, response.request, response.raw)
        request.prepare_cookies(request._cookies)
        self.put(request)
        adapter: Any = response.connection
        again: requests.Response = adapter.send(request, **how)
        again.history.append(response)
        again.request = request
        # Without this, the answer to what was sent with the token at hand would not be looked at again.
        return again if self._is_over else self.answered(again, **how)
