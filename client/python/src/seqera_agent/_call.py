"""One gRPC call, without a socket: bytes in, bytes out.

Why not `grpcio`: it dials the socket by itself, so that the user at the other end (SO_PEERCRED) cannot be checked
on the connection that is used; after os.fork() it works only under conditions that a library cannot set, and
programs here do fork (multiprocessing, Snakemake, Airflow, gunicorn); and it brings 15 MB and a range of protobuf
versions into environments that have their own. `h2` is the HTTP/2 of httpx, in Python alone, without any I/O.
"""

from __future__ import annotations

import base64
import struct
from typing import Optional
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from . import _wire, errors

#: The largest answer of the agent (`MAX_ANSWER_BYTES` of the contract).
LARGEST = 1 << 20

#: The domain of the agent's reasons (`google.rpc.ErrorInfo`).
DOMAIN = "agent.seqera.io"

_GOAWAY = 7

_UNAVAILABLE, _CANCELLED, _DEADLINE, _EXHAUSTED = 14, 1, 4, 8


class Call:
    """The client's side of one call on a connection of its own.

    Attributes:
        messages: what has arrived and was not taken yet.
        ended: true once the call has succeeded and nothing more will come.
    """

    def __init__(self, method: str, message: bytes, metadata: dict[str, str], timeout: Optional[float]) -> None:
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._connection = h2.connection.H2Connection(config)
        self._connection.initiate_connection()
        self._stream = self._connection.get_next_available_stream_id()
        # The agent's HTTP/2 refuses an `:authority` that is the percent-encoded path of a socket.
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", f"/seqera.agent.v1.{method}"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        if timeout is not None:
            headers.append(("grpc-timeout", f"{max(1, int(timeout * 1000))}m"))
        headers.extend(metadata.items())
        self._connection.send_headers(self._stream, headers)
        self._connection.send_data(self._stream, struct.pack(">?I", False, len(message)) + message, end_stream=True)
        self._frames = bytearray()
        self._received = bytearray()
        self._trailers: dict[str, str] = {}
        self.messages: list[bytes] = []
        self.ended = False

    def outgoing(self) -> bytes:
        """Return what is to be sent now."""
        return self._connection.data_to_send()

    def receive(self, data: bytes) -> None:
        """Take what has arrived; nothing means that the agent has hung up.

        Raises:
            AgentError: the agent's refusal, or a call that ended otherwise than it should.
        """
        if not data:
            raise errors.lost("the agent hung up")
        try:
            events = self._connection.receive_data(self._without_farewell(data))
        except h2.exceptions.ProtocolError as error:
            raise errors.not_understood(type(error).__name__) from None
        for event in events:
            self._take(event)

    def _without_farewell(self, data: bytes) -> bytes:
        """Take out a GOAWAY without an error. An agent that stops sends it and then still answers (RFC 9113, 6.8), but
        after it `h2` refuses every frame.
        """
        self._frames += data
        whole = bytearray()
        while len(self._frames) >= 9:
            size = 9 + int.from_bytes(self._frames[:3], "big")
            if size > LARGEST:
                raise errors.not_understood("a frame that is too large")
            if len(self._frames) < size:
                break
            # Type, and the error code behind the last stream.
            if self._frames[3] != _GOAWAY or any(self._frames[13:17]):
                whole += self._frames[:size]
            del self._frames[:size]
        return bytes(whole)

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
            self._trailers.update({_text(name): _text(value) for name, value in event.headers or ()})
        elif isinstance(event, h2.events.DataReceived):
            self._connection.acknowledge_received_data(event.flow_controlled_length or 0, self._stream)
            self._received += event.data or b""
            self._split()
        elif isinstance(event, h2.events.StreamEnded):
            self._end()
        elif isinstance(event, h2.events.StreamReset):
            if event.error_code in (h2.errors.ErrorCodes.REFUSED_STREAM, h2.errors.ErrorCodes.CANCEL):
                raise errors.lost("the agent ended the call")
            raise errors.not_understood(f"the call was reset with code {event.error_code}")
        elif isinstance(event, h2.events.ConnectionTerminated) and event.error_code:
            raise errors.lost(f"the agent closed the connection with code {event.error_code}")

    def _split(self) -> None:
        while len(self._received) >= 5:
            compressed, size = struct.unpack(">BI", self._received[:5])
            if compressed or size > LARGEST:
                raise errors.not_understood("a message that is compressed or too large")
            if len(self._received) < 5 + size:
                return
            self.messages.append(bytes(self._received[5 : 5 + size]))
            del self._received[: 5 + size]

    def _end(self) -> None:
        status = self._trailers.get("grpc-status", "")
        if status == "0":
            self.ended = True
            return
        if not status.isdigit():
            raise errors.not_understood(f"HTTP status {self._trailers.get(':status', 'unknown')}")
        message = unquote(self._trailers.get("grpc-message", ""))
        raise refusal(int(status), message, self._trailers.get("grpc-status-details-bin", ""))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def refusal(code: int, message: str, details: str) -> errors.AgentError:
    """Make the error for the status of a call, and its details as they stand in the header."""
    info: dict[str, object] = {}
    retry_after = None
    try:
        status = _wire.decode(base64.b64decode(details + "=" * (-len(details) % 4)), _wire.RPC_STATUS)
        for detail in status.get("details", ()):
            name = detail.get("type_url", "").rpartition("/")[2]
            if name == "google.rpc.ErrorInfo":
                info = _wire.decode(detail.get("value", b""), _wire.ERROR_INFO)
            elif name == "google.rpc.RetryInfo":
                retry_after = seconds(_wire.decode(detail.get("value", b""), _wire.RETRY_INFO).get("retry_delay"))
    except ValueError as error:
        return errors.not_understood(f"the details of an error: {error}")
    if info.get("domain") != DOMAIN:
        return _without_reason(code, message)
    entries = info.get("metadata", [])
    metadata = {entry.get("key"): entry.get("value") for entry in entries} if isinstance(entries, list) else {}
    return errors.of_reason(
        str(info.get("reason", "UNSPECIFIED")),
        message,
        metadata.get("hint"),
        retry_after,
        metadata.get("sign_in") or None,
    )


def _without_reason(code: int, message: str) -> errors.AgentError:
    if code == _UNAVAILABLE:
        return errors.lost(message)
    if code == _DEADLINE:
        return errors.timed_out()
    if code == _EXHAUSTED:
        return errors.of_reason("EXHAUSTED", message, "raise that limit, or end what uses it up, and try again")
    if code == _CANCELLED:
        return errors.of_reason("CANCELLED", message)
    return errors.not_understood(f"status {code}: {message}")


def seconds(value: Optional[dict[str, int]]) -> Optional[float]:
    """Turn a decoded Duration or Timestamp into seconds."""
    if value is None:
        return None
    return value.get("seconds", 0) + value.get("nanos", 0) / 1_000_000_000
