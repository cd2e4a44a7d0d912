"""What comes back: a token, a change of one, and who is signed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional

from . import _environment, _wire
from ._call import seconds

__all__ = ["Account", "Change", "Status", "Token"]


@dataclass(frozen=True)
class Account:
    """Whose session it is; what is not known is empty."""

    subject: str = ""
    email: str = ""
    user_name: str = ""
    display_name: str = ""


@dataclass(frozen=True)
class Token:
    """An access token. `repr()` does not show the secret; `str()` is the secret.

    Attributes:
        secret: the token itself. Keep it out of logs and arguments.
        token_type: the scheme for the `Authorization` header: `Bearer`.
        expires_at: when it expires, by the wall clock of this host; `None`: not by itself, or not known.
        valid_for: seconds that it was still valid for when the agent answered, by the stricter of its clocks.
        profile: the profile it belongs to; empty for a token of the environment.
        authority: the OIDC issuer base URL that it comes from.
        api_url: the Platform's REST API that it is for; empty if nobody says.
        workspace_id: the id of the chosen workspace; 0: none.
        account: whose token it is, if the agent knows.
        renewal_failing: true if the last renewal failed and this is the older, still valid token.
        source: the variable that the token comes from; `None`: from the agent.
    """

    secret: str = field(repr=False)
    token_type: str = "Bearer"  # noqa: S105
    expires_at: Optional[datetime] = None
    valid_for: Optional[float] = None
    profile: str = ""
    authority: str = ""
    api_url: str = ""
    workspace_id: int = 0
    account: Optional[Account] = None
    renewal_failing: bool = False
    source: Optional[str] = None
    #: For a token of the environment, the addresses that are set beside it; `None`: it may only go to Cloud.
    _endpoints: Optional[tuple[str, ...]] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.secret

    @property
    def header(self) -> str:
        """The value of the `Authorization` header."""
        return f"{self.token_type} {self.secret}"


@dataclass(frozen=True)
class Change:
    """What a watch tells.

    Attributes:
        token: the token to use from now on; `None`: there is none now.
        signed_out: why there is none: `SIGNED_OUT`, `LOGIN_EXPIRED`, `OTHER_HOST`, or a state of a later agent.
    """

    token: Optional[Token] = None
    signed_out: Optional[str] = None


@dataclass(frozen=True)
class Status:
    """Who is signed in, from the agent's memory.

    Attributes:
        profile: the profile.
        state: `SIGNED_IN`, `SIGNED_OUT`, `LOGIN_EXPIRED`, `OTHER_HOST`, or a state of a later agent.
        authority: the OIDC issuer base URL.
        api_url: the Platform's REST API.
        account: whose session it is, if known.
        organization: the name of the chosen organisation; empty: none.
        workspace_id: the id of the chosen workspace; 0: none.
        workspace: its name.
        access_expires_at: when the access token in memory expires.
        session_expires_at: when the session ends, if the provider says.
        problem: why renewals fail at present; empty: they do not.
        notes: further notes for the person.
    """

    profile: str
    state: str
    authority: str = ""
    api_url: str = ""
    account: Optional[Account] = None
    organization: str = ""
    workspace_id: int = 0
    workspace: str = ""
    access_expires_at: Optional[datetime] = None
    session_expires_at: Optional[datetime] = None
    problem: str = ""
    notes: tuple[str, ...] = ()


def moment(value: Optional[dict[str, int]]) -> Optional[datetime]:
    """Turn a decoded Timestamp into a time."""
    at = seconds(value)
    return None if at is None else datetime.fromtimestamp(at, timezone.utc)


def _account(message: dict[str, Any]) -> Optional[Account]:
    told = message.get("account")
    return Account(**{name: text for name, text in told.items() if name != "user_id"}) if told else None


def token(message: dict[str, Any]) -> Token:
    """Make a token of the agent's answer."""
    left = seconds(message.get("valid_for"))
    return Token(
        secret=message.get("access_token", ""),
        token_type=message.get("token_type") or "Bearer",
        expires_at=moment(message.get("expires_at")),
        valid_for=None if left is None else max(left, 0.0),
        profile=message.get("profile", ""),
        authority=message.get("authority", ""),
        api_url=message.get("api_url", ""),
        workspace_id=message.get("workspace_id", 0),
        account=_account(message),
        renewal_failing=message.get("renewal_failing", False),
    )


def given(found: _environment.Given, endpoints: Optional[tuple[str, ...]]) -> Token:
    """Make a token of one in the environment, with the addresses that it may go to; `None`: those of Cloud."""
    return Token(
        secret=found.secret,
        expires_at=None if found.expires is None else datetime.fromtimestamp(found.expires, timezone.utc),
        profile=found.profile,
        authority=found.authority,
        api_url=found.api_url,
        workspace_id=found.workspace_id,
        source=found.source,
        _endpoints=endpoints,
    )


def state(number: int) -> str:
    """Name a state."""
    return _wire.STATES[number] if 0 <= number < len(_wire.STATES) else str(number)


def change(message: dict[str, Any]) -> Optional[Change]:
    """Make a change of an event; `None` for one of a later agent."""
    if "token" in message:
        return Change(token=token(message["token"]))
    if "signed_out" in message:
        return Change(signed_out=state(message["signed_out"]))
    return None


def status(message: dict[str, Any]) -> Status:
    """Make a status of the agent's answer."""
    settings = message.get("settings", {})
    return Status(
        profile=message.get("profile", ""),
        state=state(message.get("state", 0)),
        authority=settings.get("authority", ""),
        api_url=settings.get("api_url", ""),
        account=_account(message),
        organization=message.get("organization", {}).get("name", ""),
        workspace_id=message.get("workspace_id", 0),
        workspace=message.get("workspace_name", ""),
        access_expires_at=moment(message.get("access_expires_at")),
        session_expires_at=moment(message.get("session_expires_at")),
        problem=message.get("last_failure", {}).get("message", ""),
        notes=tuple(message.get("notes", ())),
    )
