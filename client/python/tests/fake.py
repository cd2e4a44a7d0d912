"""An agent that plays a part: HTTP/2 of a server over a local socket, one answer for each connection."""

import socket
import struct
import threading
from pathlib import Path

import h2.config
import h2.connection
import h2.events

from seqera_agent import _wire

FIELDS = {name: number for number, (name, _) in _wire.ACCESS_TOKEN.items()}


def token(secret="secret", profile="work"):
    return _wire.text(FIELDS["access_token"], secret) + _wire.text(FIELDS["profile"], profile)


def framed(message):
    return struct.pack(">?I", False, len(message)) + message


class Agent:
    """Listens until it is closed. `parts` are functions that each serve one connection; the last serves all others."""

    def __init__(self, folder, *parts):
        self.path = str(folder / "agent.sock")
        self.requests = []
        self._parts = list(parts)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        # A listener that a thread waits on is not woken by closing it.
        Path(self.path).unlink()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            part = self._parts.pop(0) if len(self._parts) > 1 else self._parts[0]
            threading.Thread(target=self._play, args=(connection, part), daemon=True).start()

    def _play(self, connection, part):
        with connection:
            server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            server.initiate_connection()
            try:
                connection.sendall(server.data_to_send())
                self._read(connection, server)
                part(connection, server)
                connection.sendall(server.data_to_send())
                # Until the client has had enough.
                while connection.recv(4096):
                    pass
            except OSError:
                pass

    def _read(self, connection, server):
        while True:
            for event in server.receive_data(connection.recv(65536)):
                if isinstance(event, h2.events.RequestReceived):
                    self.requests.append({_str(name): _str(value) for name, value in event.headers})
                if isinstance(event, h2.events.StreamEnded):
                    connection.sendall(server.data_to_send())
                    return


def _str(text):
    return text if isinstance(text, str) else text.decode()


_HEAD = [(":status", "200"), ("content-type", "application/grpc")]


def answers(message, status="0", extra=()):
    def part(connection, server):
        server.send_headers(1, _HEAD)
        if message is not None:
            server.send_data(1, framed(message))
        server.send_headers(1, [("grpc-status", status), *extra], end_stream=True)

    return part


def refuses(status, message, details=""):
    extra = [("grpc-message", message)]
    if details:
        extra.append(("grpc-status-details-bin", details))

    def part(connection, server):
        server.send_headers(1, [*_HEAD, ("grpc-status", status), *extra], end_stream=True)

    return part


def hangs_up(connection, server):
    connection.shutdown(socket.SHUT_RDWR)


def says_nothing(connection, server):
    pass


def resets(connection, server):
    server.reset_stream(1, 2)


def goes_away(connection, server):
    server.close_connection(2)


def stops(part):
    """Says that it takes no more calls, and then serves those that it has."""

    def first(connection, server):
        connection.sendall(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + b"\x7f\xff\xff\xff" + b"\x00" * 4)
        part(connection, server)

    return first


def talks_nonsense(connection, server):
    # Headers whose compression makes no sense.
    connection.sendall(b"\x00\x00\x05\x01\x04\x00\x00\x00\x01" + b"\xff" * 5)


def in_bytes(message):
    """The same answer, one byte at a time."""

    def part(connection, server):
        answers(message)(connection, server)
        for byte in server.data_to_send():
            connection.sendall(bytes([byte]))

    return part
