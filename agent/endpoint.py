"""The agent's own HTTP endpoint: metrics, alerts, rules and health, for loopback only."""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

REQUESTS_AT_ONCE_MAX: Final = 8
TIMEOUT_S: Final = 5

log = logging.getLogger("beforehand.endpoint")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route says."""

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    status: int = 200


Route = Callable[[], Answer]


def as_json(value: Any, status: int = 200) -> Answer:
    """Return a value as JSON."""
    return Answer(json.dumps(value, allow_nan=False).encode(), "application/json", status)


class Endpoint:
    """Serves GET routes on threads of its own, a few at once, none longer than its time-out."""

    def __init__(self, host: str, port: int, routes: Mapping[str, Route]) -> None:
        self._server = _Server((host, port), _handler(routes))
        self._thread = threading.Thread(target=self._server.serve_forever, name="endpoint", daemon=True)

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
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._room = threading.BoundedSemaphore(REQUESTS_AT_ONCE_MAX)
        super().__init__(address, handler)

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


def _handler(routes: Mapping[str, Route]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S
        protocol_version = "HTTP/1.0"
        server_version = "beforehand"
        sys_version = ""

        def do_GET(self) -> None:
            route = routes.get(urlsplit(self.path).path)
            if not _local(self.headers.get("Host", "")):
                self._say(Answer(b"this address is not served here\n", status=421))
            elif route is None:
                self._say(Answer(b"not found\n", status=404))
            else:
                self._say(_answer(route))

        def _say(self, answer: Answer) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _answer(route: Route) -> Answer:
    try:
        return route()
    except TimeoutError:
        return Answer(b"the agent is busy\n", status=503)


def _local(host: str) -> bool:
    """Tell whether a Host header names this machine's loopback; a page that rebinds DNS to us does not."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
