"""The agent's own HTTP endpoint, for loopback only: requests in, answers out, each within its bounds."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from agent.api.origin import is_foreign, is_local

REQUESTS_AT_ONCE_MAX: Final = 8
KEPT_AT_ONCE_MAX: Final = 4
REQUESTS_PER_CONNECTION_MAX: Final = 1_000
BODY_BYTES_MAX: Final = 262_144
FIELDS_MAX: Final = 1_000
TIMEOUT_S: Final = 5
UNASKED_S: Final = 3600.0
KNOCK_S: Final = 0.05

FORM: Final = "application/x-www-form-urlencoded"
READ: Final = ("GET",)
READ_OR_FORM: Final = ("GET", "POST")
CHANGE: Final = ("POST", "PUT")
OPEN: Final = "<name>"
REST: Final = "<rest>"
DROPPED_BYTES_MAX: Final = 64 << 20
_CHUNK_BYTES: Final = 64 << 10

log = logging.getLogger("beforehand.endpoint")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route says."""

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: parameters of address and form, and the part of the path that a route leaves open.

    ``body`` is what came with it, where the route keeps that instead of reading a form. Names of ``headers``
    are in lower case.
    """

    parameters: Mapping[str, tuple[str, ...]]
    part: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def one(self, name: str, default: str = "") -> str:
        """Return the first value of a parameter."""
        return self.parameters.get(name, (default,))[0]

    def each(self, name: str) -> tuple[str, ...]:
        """Return every value of a parameter."""
        return self.parameters.get(name, ())


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers, and to which methods; GET stands for HEAD as well.

    ``kept_bytes_max`` is how much of a body is kept as it is; the rest is read and dropped. One that is
    ``slow`` bounds itself how many it answers at once, and takes no room from the others meanwhile.
    """

    answer: Callable[[Request], Answer]
    methods: tuple[str, ...] = READ
    kept_bytes_max: int = 0
    slow: bool = False


def as_json(value: Any, status: int = 200) -> Answer:
    """Return a value as JSON."""
    return Answer(json.dumps(value, allow_nan=False).encode(), "application/json", status)


class Endpoint:
    """Serves routes on threads of its own, a few at once, none longer than its time-out.

    A path may leave its part before the last open: ``/label/<name>/values`` answers ``/label/job/values``; or
    all behind its first: ``/ping/<rest>``. With ``anyone`` it also answers who calls this machine by another
    name than loopback's, as other machines do.
    """

    def __init__(self, host: str, port: int, routes: Mapping[str, Route], *, anyone: bool = False) -> None:
        self._server = _Server((host, port), routes, anyone)
        # To look twice a second whether it is to end would cost a fifth of what all probes of the host cost.
        serve = partial(self._server.serve_forever, poll_interval=UNASKED_S)
        self._thread = threading.Thread(target=serve, name="endpoint", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        if self._thread.is_alive():
            ending = threading.Thread(target=self._server.shutdown, name="endpoint-end", daemon=True)
            ending.start()
            while ending.is_alive():
                self._server.knock()
                ending.join(KNOCK_S)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], routes: Mapping[str, Route], anyone: bool) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._room = threading.BoundedSemaphore(REQUESTS_AT_ONCE_MAX)
        self._kept = threading.BoundedSemaphore(KEPT_AT_ONCE_MAX)
        self.routes = routes
        self.anyone = anyone
        super().__init__(address, _Handler)

    def knock(self) -> None:
        """Wake whoever waits for a request, so that the end is heard."""
        with suppress(OSError), socket.socket(self.address_family) as caller:
            caller.settimeout(KNOCK_S)
            caller.connect(self.server_address)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread when there is room, otherwise hang up."""
        if self._room.acquire(timeout=TIMEOUT_S):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give the room back when done."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # the base names it
        """Log instead of printing a traceback: a caller that hangs up is no news."""
        log.debug("a request from %s ended early", client_address)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Give the room of a request to another one while something slow is done for it."""
        self._room.release()
        try:
            yield
        finally:
            self._room.acquire()

    def keep(self) -> bool:
        """Tell whether one more connection may stay open after its answer, so that others find room."""
        return self._kept.acquire(blocking=False)

    def let_go(self) -> None:
        """Count a kept connection as closed."""
        self._kept.release()

    def find(self, path: str) -> tuple[Route, str] | None:
        """Return who answers this path, and the part that the route leaves open."""
        route = self.routes.get(path)
        if route is not None:
            return route, ""
        parts = path.split("/")
        route = self.routes.get("/".join((*parts[:-2], OPEN, parts[-1])))
        if route is not None:
            return route, unquote(parts[-2])
        route = self.routes.get("/".join((*parts[:2], REST)))
        return (route, unquote("/".join(parts[2:]))) if route is not None else None


class _Handler(BaseHTTPRequestHandler):
    """One connection, which a few callers may keep for further requests."""

    server: _Server
    timeout = TIMEOUT_S
    protocol_version = "HTTP/1.1"
    server_version = "beforehand"
    sys_version = ""
    wbufsize = -1
    disable_nagle_algorithm = True
    answered = 0
    kept = False

    def do_GET(self) -> None:
        self._say(self._answer())

    def do_HEAD(self) -> None:
        self._say(self._answer())

    def do_POST(self) -> None:
        self._say(self._answer())

    def do_PUT(self) -> None:
        self._say(self._answer())

    def handle_expect_100(self) -> bool:
        """Say at once that the body may come; what is buffered here would be waited for."""
        expected = super().handle_expect_100()
        self.wfile.flush()
        return expected

    def finish(self) -> None:
        """Let another connection be kept instead of this one."""
        if self.kept:
            self.server.let_go()
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> Answer:
        address = urlsplit(self.path)
        found = self.server.find(address.path)
        method = "GET" if self.command == "HEAD" else self.command
        kept_bytes_max = found[0].kept_bytes_max if found else 0
        body = self._kept(kept_bytes_max) if kept_bytes_max else self._body()
        if isinstance(body, Answer):
            return body
        refusal = self._refusal(method, found[0] if found else None)
        if refusal is not None or found is None:
            return refusal or Answer(b"not found\n", status=404)
        form = body if isinstance(body, str) else ""
        text = "&".join(part for part in (form, address.query) if part)
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
        except ValueError:
            return Answer(b"more parameters than are read here\n", status=400)
        parameters: dict[str, tuple[str, ...]] = {}
        for name, value in pairs:
            parameters[name] = (*parameters.get(name, ()), value)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Request(parameters, found[1], body if isinstance(body, bytes) else b"", headers)
        try:
            with self.server.aside() if found[0].slow else nullcontext():
                return found[0].answer(asked)
        except TimeoutError:
            return Answer(b"the agent is busy\n", status=503)

    def _refusal(self, method: str, route: Route | None) -> Answer | None:
        """Return why this request is not served, if so."""
        host = self.headers.get("Host", "")
        if not self.server.anyone and not is_local(host):
            return Answer(b"this address is not served here\n", status=421)
        if route is None:
            return Answer(b"not found\n", status=404)
        if method not in route.methods:
            words = " or ".join(route.methods)
            return Answer(f"only {words} requests are answered here\n".encode(), status=405)
        foreign = is_foreign(host, self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site"))
        if method != "GET" and foreign:
            return Answer(b"a page of another origin may not ask for this\n", status=403)
        return None

    def _length(self, bytes_max: int) -> int | Answer:
        """Return how long the body is, or why it is not read; the connection then ends."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdecimal()):
            self.close_connection = True
            return Answer(b"say the length of the body in Content-Length\n", status=411)
        if len(length) > 9 or int(length) > bytes_max:
            self.close_connection = True
            return Answer(f"at most {bytes_max} bytes are read\n".encode(), status=413)
        return int(length)

    def _kept(self, kept_bytes_max: int) -> bytes | Answer:
        """Return the beginning of the body; the rest is read and dropped, so that the caller is answered."""
        length = self._length(DROPPED_BYTES_MAX)
        if isinstance(length, Answer):
            return length
        kept = self.rfile.read(min(length, kept_bytes_max))
        left = length - len(kept)
        while left > 0 and (dropped := self.rfile.read(min(left, _CHUNK_BYTES))):
            left -= len(dropped)
        return kept

    def _body(self) -> str | Answer:
        """Return the form that came with the request, or why it is not read."""
        length = self._length(BODY_BYTES_MAX)
        if isinstance(length, Answer):
            return length
        body = self.rfile.read(length)
        kind = self.headers.get_content_type()
        return body.decode("utf-8", "replace") if kind == FORM and self.command == "POST" else ""

    def _say(self, answer: Answer) -> None:
        self._decide_to_keep()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            found = self.server.find(urlsplit(self.path).path)
            self.send_header("Allow", ", ".join(found[0].methods if found else ()))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _decide_to_keep(self) -> None:
        """Keep the connection where the caller wants it and there is room for others beside it."""
        self.answered += 1
        if not self.close_connection and not self.kept:
            self.kept = self.server.keep()
        if not self.kept or self.answered >= REQUESTS_PER_CONNECTION_MAX:
            self.close_connection = True
