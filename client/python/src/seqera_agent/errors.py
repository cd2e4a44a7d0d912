"""Why a call failed: one class for each thing that a program can do about it.

    AgentError
    ├── NotSignedIn            somebody has to sign in
    │   ├── SignedOut
    │   ├── LoginExpired
    │   ├── LoginDenied
    │   └── OtherHost
    ├── IssuerUnreachable      try again later; `retry_after` says when
    ├── UnknownProfile
    ├── Misconfigured          a setting has to be corrected
    │   ├── AuthorityMismatch
    │   └── BadRequest
    ├── StoreFailed            the keychain or file does not give the secret
    ├── NoAgent                no agent runs, and none could be started
    ├── AgentUnreachable       the connection failed
    │   └── ConnectionLost     it ended before the answer was complete
    ├── Distrusted             something on the way could be another user's
    ├── TimedOut
    └── NotUnderstood          agent and library are of different versions

All others are AgentError itself: its `reason` says what it is.
"""

from __future__ import annotations

from typing import Optional

__all__ = [
    "AgentError",
    "AgentUnreachable",
    "AuthorityMismatch",
    "BadRequest",
    "ConnectionLost",
    "Distrusted",
    "IssuerUnreachable",
    "LoginDenied",
    "LoginExpired",
    "Misconfigured",
    "NoAgent",
    "NotSignedIn",
    "NotUnderstood",
    "OtherHost",
    "SignedOut",
    "StoreFailed",
    "TimedOut",
    "UnknownProfile",
]


class AgentError(Exception):
    """A call failed. `str()` of it is what happened and what to do, for people; neither holds a secret.

    Attributes:
        reason: the name for programs, such as `SIGNED_OUT`; that of a later agent may be one you do not know.
        message: what happened.
        hint: what the person can do; `None` if there is nothing to say.
        retry_after: seconds to wait before asking again, if the agent says.
        profile: the profile to sign in to, if that would help.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        hint: Optional[str] = None,
        retry_after: Optional[float] = None,
        profile: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        self.profile = profile

    def __str__(self) -> str:
        return f"{self.message} (hint: {self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword arguments alone do not survive pickling, as between the processes of a pool.
        return _again, (type(self), self.message, self.reason, self.hint, self.retry_after, self.profile)


def _again(
    kind: type[AgentError],
    message: str,
    reason: str,
    hint: Optional[str],
    retry_after: Optional[float],
    profile: Optional[str],
) -> AgentError:
    return kind(message, reason=reason, hint=hint, retry_after=retry_after, profile=profile)


class NotSignedIn(AgentError):
    """There is no session that could give a token: somebody has to sign in."""


class SignedOut(NotSignedIn):
    """Nobody has signed in, or somebody has signed out."""


class LoginExpired(NotSignedIn):
    """The provider has ended the session."""


class LoginDenied(NotSignedIn):
    """The provider, or the person, said no."""


class OtherHost(NotSignedIn):
    """The session belongs to another host."""


class IssuerUnreachable(AgentError):
    """The provider does not answer, and no valid token is left."""


class UnknownProfile(AgentError):
    """No profile has this name."""


class Misconfigured(AgentError):
    """A setting is wrong; the message names it."""


class AuthorityMismatch(Misconfigured):
    """The profile belongs to another authority."""


class BadRequest(Misconfigured):
    """An argument or a variable is wrong; the message names it."""


class StoreFailed(AgentError):
    """The keychain is locked, or the store does not give the secret."""


class NoAgent(AgentError):
    """No agent is running, and none could be started."""


class AgentUnreachable(AgentError):
    """The agent cannot be reached, or does not answer."""


class ConnectionLost(AgentUnreachable):
    """The connection ended before the answer was complete. The calls of this library are repeated then."""


class Distrusted(AgentError):
    """A folder or a socket on the way to the agent could be another user's. Nothing was sent."""


class TimedOut(AgentError):
    """There was no answer in time."""


class NotUnderstood(AgentError):
    """The answer makes no sense to this version of the library."""


#: The class for each reason of the contract (`errors.proto`) and of the command; all others are AgentError.
KINDS: dict[str, type[AgentError]] = {
    "SIGNED_OUT": SignedOut,
    "LOGIN_EXPIRED": LoginExpired,
    "LOGIN_DENIED": LoginDenied,
    "OTHER_HOST": OtherHost,
    "ISSUER_UNREACHABLE": IssuerUnreachable,
    "UNKNOWN_PROFILE": UnknownProfile,
    "MISCONFIGURED": Misconfigured,
    "AUTHORITY_MISMATCH": AuthorityMismatch,
    "BAD_REQUEST": BadRequest,
    "STORE_FAILED": StoreFailed,
    "KEYCHAIN_LOCKED": StoreFailed,
    "NO_AGENT": NoAgent,
    "AGENT_NOT_STARTED": NoAgent,
    "OTHER_AGENT": NoAgent,
    "AGENT_UNREACHABLE": AgentUnreachable,
    "AGENT_SILENT": AgentUnreachable,
    "SANDBOXED": AgentUnreachable,
    "DISTRUSTED": Distrusted,
    "TIMED_OUT": TimedOut,
    "AGENT_NOT_UNDERSTOOD": NotUnderstood,
}


def of_reason(
    reason: str,
    message: str,
    hint: Optional[str] = None,
    retry_after: Optional[float] = None,
    profile: Optional[str] = None,
) -> AgentError:
    """Make the error for a reason."""
    kind = KINDS.get(reason, AgentError)
    return kind(message, reason=reason, hint=hint or None, retry_after=retry_after, profile=profile)


def lost(why: str) -> AgentError:
    """Make the error for a connection that failed or ended."""
    hint = "run 'seqera agent status' to see whether it runs"
    message = f"the connection to the agent was lost: {why}"
    return ConnectionLost(message, reason="AGENT_UNREACHABLE", hint=hint)


def silent() -> AgentError:
    """Make the error for an agent that takes the call and says nothing, not even that something takes its time."""
    hint = "run 'seqera agent restart --force', which ends it first"
    return of_reason("AGENT_SILENT", "the agent does not answer", hint)


def timed_out() -> AgentError:
    """Make the error for a deadline that has passed."""
    hint = "'seqera status' tells why; a longer timeout waits longer"
    return of_reason("TIMED_OUT", "the agent did not answer in time", hint)


def not_understood(why: str) -> AgentError:
    """Make the error for an answer of another version."""
    hint = "agent and library are of different versions: run 'seqera agent restart'"
    return of_reason("AGENT_NOT_UNDERSTOOD", f"the agent's answer was not understood: {why}", hint)
