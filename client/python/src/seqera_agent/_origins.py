"""Which addresses a token may go to, and which answers mean that it was refused."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Optional
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from . import errors
from ._address import PORTS, OddAddress, Origin, address, is_safe
from ._token import Token

#: The hosts of Seqera Cloud, which are one account.
CLOUD = frozenset({("https", "cloud.seqera.io", 443), ("https", "api.cloud.seqera.io", 443)})


def _named(url: str) -> Optional[Origin]:
    """Return the origin of an address that was read before."""
    try:
        found = address(url)
    except OddAddress:
        # One that is in use, and would be refused today, goes by what every program reads.
        return origin(url)
    return found if is_safe(found) else None


def origin(url: str) -> Optional[Origin]:
    """Return scheme, host and port of an address (RFC 6454); `None` if it has none, or others could read along."""
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), (parts.hostname or "").lower().rstrip(".")
        port = parts.port or PORTS.get(scheme, 0)
    except ValueError:
        return None
    found = scheme, host, port
    return found if host and port and scheme in PORTS and is_safe(found) else None


def may_go(token: Token, url: str) -> bool:
    """Say whether a token may be sent to this address."""
    here = origin(url)
    named = (token.authority, token.api_url) if token.source is None else token._endpoints
    # A token of the environment without an address beside it is for Cloud, as every program takes it.
    own = CLOUD if named is None else {_named(url) for url in named if url}
    return here is not None and (here in own or (here in CLOUD and not CLOUD.isdisjoint(own)))


def proxy_of_environment(url: str) -> Optional[str]:
    """Return the proxy that variables or the system name for an address, if there is one."""
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return None if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]) else proxy


def check_way(url: str, proxy: Optional[str]) -> None:
    """Refuse to send a token to this machine by a proxy, which would get it in the clear.

    Raises:
        Misconfigured: that would happen.
    """
    if proxy and urlsplit(url).scheme.lower() == "http":
        message = "a token for this machine is not sent by way of a proxy, which would get it unencrypted"
        raise errors.of_reason("MISCONFIGURED", message, "set NO_PROXY=localhost,127.0.0.1,::1")


def is_refused(token: Token, status: int, date: Optional[str]) -> bool:
    """Say whether an answer means that the token is no longer good.

    403 means that the account may not do this, which another token would not change, unless the token had expired
    by the clock of whoever answers.
    """
    if status == 401:
        return True
    if status != 403 or token.expires_at is None or not date:
        return False
    try:
        return token.expires_at <= parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return False
