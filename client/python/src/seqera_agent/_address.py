"""Addresses as people type them, read as the command does (`proto/src/values/address.rs`)."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address

PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]

#: Marks that people and programs put around a value.
_MARKS = ('""', "''", "``", "<>", "\u201c\u201d", "\u2018\u2019")

_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_LONGEST = 253


class OddAddress(ValueError):
    """Why a text is no address, without a part of it; completes a sentence that begins with its place."""


def address(typed: str) -> Origin:
    """Return the origin of an address as it is typed: a host alone means https.

    Raises:
        OddAddress: the command does not take it for an address either, or it names its host in other letters than
            those of the name system.
    """
    text = typed.strip().strip("\0\ufeff\u200b").strip()
    if len(text) > 1 and text[0] + text[-1] in _MARKS:
        text = text[1:-1].strip()
    if not text:
        raise OddAddress("is empty")
    if not text.isprintable() or any(letter.isspace() for letter in text):
        raise OddAddress("contains a blank or a line break")
    scheme, between, rest = text.partition("://")
    if not between:
        scheme, rest = "https", text
    host, path = re.fullmatch(r"([^/\\?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    # Some readers take `https:/user:password@host` for an address as well.
    if "@" in host or ("@" in path and not (between and host)):
        raise OddAddress("contains a user name or a password")
    if scheme.lower() not in PORTS:
        raise OddAddress("does not begin with https://")
    if "?" in path or "#" in path:
        raise OddAddress("has a query or a fragment, which no base address has")
    if any(letter in '\\"<>`{}|^' for letter in path):
        raise OddAddress("contains a character that no address may have")
    return _origin_of(scheme.lower(), host, is_bare=not between)


def _origin_of(scheme: str, authority: str, *, is_bare: bool) -> Origin:
    parts = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{0,20}))?", authority)
    if parts is None:
        raise OddAddress("names no host, or a port that is not valid")
    given, digits = parts.groups()
    port = int(digits) if digits else PORTS[scheme]
    if not 0 < port < 1 << 16:
        raise OddAddress("has a port that is not valid")
    if is_bare and not digits and "." not in given and not given.startswith("[") and given.lower() != "localhost":
        raise OddAddress("is not a full host name")
    return scheme, _host(given.lower()), port


def _host(host: str) -> str:
    try:
        if host.startswith("["):
            return IPv6Address(host[1:-1]).compressed
        if not host.isascii():
            raise OddAddress("names a host in letters that are not understood here; write it in its form with xn--")
        host = host[:-1] if host.endswith(".") else host
        labels = host.split(".")
        # What some readers would guess at, such as one number for the four of an address.
        if labels[-1].isdigit() or labels[-1].startswith("0x"):
            return str(IPv4Address(host))
    except AddressValueError:
        raise OddAddress("names no host") from None
    if len(host) > _LONGEST or host in PORTS or not all(_LABEL.fullmatch(label) for label in labels):
        raise OddAddress("names no host")
    return host


def is_safe(place: Origin) -> bool:
    """Say whether a token may go there: over TLS, or to this machine."""
    return place[0] == "https" or _is_here(place[1])


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
