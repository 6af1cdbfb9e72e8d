"""One request and its answer over a connection that is open, until it is over or the kill switch is set."""

from __future__ import annotations

import http.client
import select
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused

ANSWER_BYTES_MAX: Final = 1 << 20
CONNECT_S: Final = 5.0
_POLL_S: Final = 0.1


class Stopped(Exception):
    """The kill switch was set while an answer was awaited; the text is its sentence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The status of an HTTP answer and its body, cut after ``ANSWER_BYTES_MAX``."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, and how long the answer may take."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    timeout_s: float = 10.0


def answer(sock: socket.socket, host: str, request: Request, doing: Doing) -> Answer:
    """Send a request and return its answer, or raise ``Refused`` or ``Stopped``; then close."""
    connection = http.client.HTTPConnection(host, timeout=request.timeout_s)
    connection.sock = sock
    sock.settimeout(request.timeout_s)
    try:
        connection.request(request.method, request.path, request.body or None, dict(request.headers or {}))
        until_s = doing.monotonic() + request.timeout_s
        while not select.select([sock], [], [], _POLL_S)[0]:
            if doing.stopped():
                raise Stopped(doing.stopped())
            if doing.monotonic() >= until_s:
                raise Refused(f"there was no answer within {request.timeout_s:g}s")
        sock.settimeout(CONNECT_S)
        got = connection.getresponse()
        return Answer(got.status, got.read(ANSWER_BYTES_MAX))
    except (OSError, http.client.HTTPException) as wrong:
        raise Refused(f"there was no answer: {type(wrong).__name__}: {str(wrong)[:200]}") from None
    finally:
        connection.close()


def at_socket(path: str) -> socket.socket:
    """Connect to a Unix socket that the playbook names by its own path, no link, or raise ``Refused``."""
    try:
        facts = Path(path).lstat()
    except OSError as wrong:
        raise Refused(f"{path} cannot be reached: {wrong.strerror}") from None
    if not stat.S_ISSOCK(facts.st_mode):
        raise Refused(f"{path} is not a socket")
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(CONNECT_S)
    try:
        sock.connect(path)
    except OSError as wrong:
        sock.close()
        raise Refused(f"{path} takes no connection: {wrong.strerror or wrong}") from None
    return sock
