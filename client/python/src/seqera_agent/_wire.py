"""The few messages of the contract that this library needs, in protobuf's binary form.

The `protobuf` package would be larger than the rest of this library together, and ties generated code to a range
of its own versions, which every other package in an environment has to agree on. The binary form never changes
(protobuf.dev/programming-guides/encoding); a test compares these tables with what the agent says by reflection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Union

#: A scalar by its name, or the table of a message; in a list if the field is repeated.
Kind = Union[str, Mapping[int, Any], "list[Any]"]
Table = Mapping[int, "tuple[str, Kind]"]

_SECONDS: Table = {1: ("seconds", "int"), 2: ("nanos", "int")}

ACCOUNT: Table = {
    1: ("subject", "text"),
    2: ("email", "text"),
    3: ("user_name", "text"),
    4: ("display_name", "text"),
    5: ("user_id", "int"),
}

ORGANIZATION: Table = {1: ("id", "int"), 2: ("name", "text"), 3: ("full_name", "text")}

ACCESS_TOKEN: Table = {
    1: ("access_token", "text"),
    2: ("token_type", "text"),
    3: ("expires_at", _SECONDS),
    4: ("renewed_at", _SECONDS),
    5: ("profile", "text"),
    6: ("authority", "text"),
    7: ("account", ACCOUNT),
    8: ("renewal_failing", "bool"),
    9: ("valid_for", _SECONDS),
    10: ("api_url", "text"),
    11: ("workspace_id", "int"),
    13: ("provider", "text"),
}

TOKEN_EVENT: Table = {1: ("token", ACCESS_TOKEN), 2: ("signed_out", "int")}

SESSION_STATUS: Table = {
    1: ("profile", "text"),
    2: ("state", "int"),
    4: ("settings", {1: ("authority", "text"), 4: ("api_url", "text")}),
    5: ("account", ACCOUNT),
    6: ("organization", ORGANIZATION),
    7: ("workspace_id", "int"),
    10: ("access_expires_at", _SECONDS),
    11: ("session_expires_at", _SECONDS),
    15: ("last_failure", {2: ("message", "text")}),
    16: ("notes", ["text"]),
    18: ("workspace_name", "text"),
}

#: google.rpc.Status, ErrorInfo and RetryInfo (google/rpc/status.proto, error_details.proto).
RPC_STATUS: Table = {3: ("details", [{1: ("type_url", "text"), 2: ("value", "bytes")}])}
ERROR_INFO: Table = {
    1: ("reason", "text"),
    2: ("domain", "text"),
    3: ("metadata", [{1: ("key", "text"), 2: ("value", "text")}]),
}
RETRY_INFO: Table = {1: ("retry_delay", _SECONDS)}

#: SessionState.
STATES = ("UNSPECIFIED", "SIGNED_IN", "SIGNED_OUT", "LOGIN_EXPIRED", "OTHER_HOST")


def text(number: int, value: str) -> bytes:
    """Encode a text; empty ones are left out."""
    return _delimited(number, value.encode()) if value else b""


def duration(number: int, seconds: float) -> bytes:
    """Encode a `google.protobuf.Duration`."""
    whole = int(seconds)
    nanos = int((seconds - whole) * 1_000_000_000)
    parts = [b"\x08" + _varint(whole) if whole else b"", b"\x10" + _varint(nanos) if nanos else b""]
    return _delimited(number, b"".join(parts))


def _delimited(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(data: bytes, table: Table) -> dict[str, Any]:
    """Decode a message. Fields that the table does not know are passed over.

    Raises:
        ValueError: the bytes are no such message.
    """
    message: dict[str, Any] = {}
    for number, value in _fields(data):
        name, kind = table.get(number, (None, "bytes"))
        if name is None:
            continue
        if isinstance(kind, list):
            message.setdefault(name, []).append(_value(value, kind[0]))
        else:
            message[name] = _value(value, kind)
    return message


def _value(value: int | bytes, kind: Kind) -> Any:
    if isinstance(value, int):
        if kind not in ("int", "bool"):
            raise ValueError("a number where something else was expected")
        # A negative int64 is sent as its two's complement.
        signed = value - (1 << 64) if value >> 63 else value
        return bool(value) if kind == "bool" else signed
    if kind == "bytes":
        return value
    if kind == "text":
        return value.decode()
    if isinstance(kind, Mapping):
        return decode(value, kind)
    raise ValueError("bytes where a number was expected")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _read_varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("the message ends too early")
        if wire == 2:
            yield number, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("the message ends too early")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise ValueError("a number is too long")
