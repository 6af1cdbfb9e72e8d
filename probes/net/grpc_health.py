"""The gRPC health check (grpc.health.v1) over HTTP/2, without a socket: bytes out, bytes in, a verdict.

HTTP/2 is spoken by the library h2, which is loaded by the first check: it costs 4 MB. Of Protocol Buffers
only the two messages of this one call are needed; both have a single field.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import h2.connection
    import h2.events

MESSAGE_BYTES_MAX: Final = 65536
SERVING: Final = "SERVING"
STATUSES: Final = ("UNKNOWN", SERVING, "NOT_SERVING", "SERVICE_UNKNOWN")
OK: Final = 0
DEADLINE_EXCEEDED: Final = 4
UNAVAILABLE: Final = 14

_PATH: Final = "/grpc.health.v1.Health/Check"
_UNKNOWN: Final = 2
_INTERNAL: Final = 13
_UNIMPLEMENTED: Final = 12
_STATUS_FIELD: Final = 1
_PREFIX_BYTES: Final = 5
# What a response that is no gRPC one means (gRPC, "HTTP to gRPC status code mapping").
_BY_HTTP: Final = {400: _INTERNAL, 401: 16, 403: 7, 404: _UNIMPLEMENTED, 429: 14, 502: 14, 503: 14, 504: 14}
# What the reset of a stream means (gRPC over HTTP/2, "Errors"), by HTTP/2's error code.
_BY_RESET: Final = {7: UNAVAILABLE, 8: 1, 11: 8, 12: 7}

Fields = Iterable[tuple[str | bytes, str | bytes]]


class Broken(Exception):
    """The server does not speak HTTP/2, or not gRPC; the sentence says how."""


class HealthCheck:
    """One call: send ``begin()``, feed what comes in, send what that returns, until ``done``.

    ``code`` is the gRPC status code, ``serving`` the health status in words, empty without an answer.
    """

    def __init__(
        self, authority: str, service: str, metadata: Mapping[str, Iterable[str]], *, tls: bool
    ) -> None:
        import h2.config  # noqa: PLC0415  # see the module's docstring
        import h2.connection  # noqa: PLC0415  # as above

        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._connection = h2.connection.H2Connection(config)
        self._authority = authority
        self._service = service
        self._metadata = metadata
        self._scheme = "https" if tls else "http"
        self._message = bytearray()
        self._http_status = 200
        self._stream = 1
        self.done = False
        self.code = UNAVAILABLE
        self.serving = ""
        self.reason = ""

    def begin(self) -> bytes:
        """Return the first bytes to send: the whole request."""
        connection = self._connection
        connection.initiate_connection()
        self._stream = connection.get_next_available_stream_id()
        fields = [
            (":method", "POST"),
            (":scheme", self._scheme),
            (":path", _PATH),
            (":authority", self._authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "Beforehand"),
            *((name, _carried(name, value)) for name, values in self._metadata.items() for value in values),
        ]
        connection.send_headers(self._stream, fields)
        connection.send_data(self._stream, _framed(_request(self._service)), end_stream=True)
        return connection.data_to_send()

    def feed(self, data: bytes) -> bytes:
        """Take what the server sent and return what to send in turn; raises ``Broken``."""
        from h2.exceptions import H2Error  # noqa: PLC0415  # see the module's docstring

        try:
            for event in self._connection.receive_data(data):
                self._take(event)
        except (H2Error, ValueError) as wrong:
            raise Broken(
                f"the server does not speak HTTP/2: {str(wrong)[:200] or type(wrong).__name__}"
            ) from None
        return self._connection.data_to_send()

    def _take(self, event: h2.events.Event) -> None:
        from h2 import events  # noqa: PLC0415  # see the module's docstring

        if isinstance(event, events.ResponseReceived | events.TrailersReceived):
            self._headers(event.headers or ())
        elif isinstance(event, events.DataReceived):
            self._message += event.data or b""
            if len(self._message) > MESSAGE_BYTES_MAX:
                raise Broken(f"the answer is longer than {MESSAGE_BYTES_MAX} bytes")
            self._connection.acknowledge_received_data(event.flow_controlled_length or 0, self._stream)
        elif isinstance(event, events.StreamEnded):
            self._end()
        elif isinstance(event, events.StreamReset):
            self.done, self.code = True, _BY_RESET.get(int(event.error_code or 0), _INTERNAL)
            self.reason = f"the server reset the stream, error code {int(event.error_code or 0)}"
        elif isinstance(event, events.ConnectionTerminated) and not self.done:
            self.done, self.code = True, UNAVAILABLE
            self.reason = f"the server ended the connection, error code {int(event.error_code or 0)}"

    def _headers(self, fields: Fields) -> None:
        told = {_text(name): _text(value) for name, value in fields}
        status = told.get(":status", "")
        if status.isdecimal():
            self._http_status = int(status)
        code = told.get("grpc-status", "")
        if code.isascii() and code.isdecimal() and len(code) < 4:
            self.code, self.reason = int(code), told.get("grpc-message", "")[:200]
        elif self._http_status != 200:
            self.code = _BY_HTTP.get(self._http_status, _UNKNOWN)
            self.reason = f"the HTTP status is {self._http_status}"
        elif ":status" in told:
            self.code, self.reason = _UNKNOWN, "the server did not tell a gRPC status"

    def _end(self) -> None:
        """Judge the whole answer."""
        self.done = True
        if self.code == OK:
            try:
                self.serving = _status(bytes(self._message))
            except ValueError as wrong:
                self.code, self.reason = _INTERNAL, str(wrong)


def _carried(name: str, value: str) -> str:
    """Return a value of metadata as it goes on the wire; names that end in -bin carry bytes."""
    if not name.endswith("-bin"):
        return value
    return binascii.b2a_base64(value.encode(), newline=False).decode().rstrip("=")


def _text(word: str | bytes) -> str:
    return word.decode("latin-1") if isinstance(word, bytes) else word


def _request(service: str) -> bytes:
    """Return a HealthCheckRequest: its one field is the service's name."""
    name = service.encode()
    return b"\x0a" + _varint(len(name)) + name if name else b""


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _status(framed: bytes) -> str:
    """Return the status in a framed HealthCheckResponse, or raise ``ValueError``."""
    if len(framed) < _PREFIX_BYTES or framed[0]:
        raise ValueError("the answer is packed or cut short")
    if int.from_bytes(framed[1:_PREFIX_BYTES], "big") != len(framed) - _PREFIX_BYTES:
        raise ValueError("the answer is not one message")
    status, message = 0, memoryview(framed)[_PREFIX_BYTES:]
    while message:
        key, message = _number(message)
        kind, field = key & 7, key >> 3
        if kind == 0:
            value, message = _number(message)
            status = value if field == _STATUS_FIELD else status
        elif kind == 2:
            size, message = _number(message)
            message = message[size:]
        elif kind in (1, 5):
            message = message[8 if kind == 1 else 4 :]
        else:
            raise ValueError("the answer is not Protocol Buffers")
    return STATUSES[status] if status < len(STATUSES) else str(status)


def _number(data: memoryview) -> tuple[int, memoryview]:
    """Return the varint at the start and what follows it."""
    value = 0
    for at, byte in enumerate(data[:10]):
        value |= (byte & 0x7F) << 7 * at
        if not byte & 0x80:
            return value, data[at + 1 :]
    raise ValueError("the answer is not Protocol Buffers")
