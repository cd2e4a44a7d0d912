"""Fresh Seqera access tokens from the local credential agent.

    import seqera_agent

    headers = {"Authorization": seqera_agent.token().header}

The agent keeps the refresh tokens and renews the access tokens; this library asks it, starts it if it does not run,
and keeps nothing. Ask whenever a token is needed: it takes a millisecond, and the token is fresh.

`seqera_agent.aio` is the same for asyncio. `seqera_agent.httpx` and `seqera_agent.requests` put the token into
requests to the profile's own origins. `seqera_agent.errors` lists what can go wrong.
"""

from __future__ import annotations

from typing import Optional

from . import aio, errors
from ._client import Client, Watch
from ._token import Account, Change, Status, Token
from ._way import Seconds
from .aio import AsyncClient, AsyncWatch
from .errors import AgentError

__version__ = "0.1.0"

__all__ = [
    "Account",
    "AgentError",
    "AsyncClient",
    "AsyncWatch",
    "Change",
    "Client",
    "Status",
    "Token",
    "Watch",
    "aio",
    "errors",
    "status",
    "token",
    "watch",
]


def token(
    profile: Optional[str] = None,
    authority: Optional[str] = None,
    *,
    min_valid: Optional[Seconds] = None,
    rejected: Optional[str] = None,
    timeout: Optional[Seconds] = None,
) -> Token:
    """Get an access token.

    Args:
        profile: the name of the account; see `Client` for what is meant without one.
        authority: the OIDC issuer base URL that the profile must have.
        min_valid: how long the token shall at least remain valid, in seconds or as a timedelta.
        rejected: a token that the API has refused with 401; another one is returned.
        timeout: how long to wait, in seconds; 30 without it.

    Raises:
        NotSignedIn: somebody has to sign in; the hint says how.
        AgentError: any other reason; see `seqera_agent.errors`.

    Example:
        >>> token = seqera_agent.token(min_valid=300)  # doctest: +SKIP
        >>> requests.get(f"{token.api_url}/orgs", headers={"Authorization": token.header})  # doctest: +SKIP
    """
    return Client(profile, authority).token(min_valid=min_valid, rejected=rejected, timeout=timeout)


def status(profile: Optional[str] = None, authority: Optional[str] = None) -> Status:
    """Say who is signed in, from the agent's memory.

    Raises:
        AgentError: see `seqera_agent.errors`. That nobody is signed in is no error, but a state.
    """
    return Client(profile, authority).status()


def watch(profile: Optional[str] = None, authority: Optional[str] = None) -> Watch:
    """Follow a profile: its token now, then each new one and each sign-out.

    Example:
        >>> for change in seqera_agent.watch("work"):  # doctest: +SKIP
        ...     print("signed out" if change.token is None else change.token.expires_at)
    """
    return Client(profile, authority).watch()
