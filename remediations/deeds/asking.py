"""One request and its answer over a connection that is open, until it is over or the kill switch is set."""

from __future__ import annotations

import http.client
import os
import socket
import stat
import threading
from collections.abc import Mapping
from contextlib import suppress
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
    until_s, over = doing.monotonic() + request.timeout_s, threading.Event()
    # Not the object itself: TLS would lose its state in the middle of a read.
    line = socket.socket(fileno=os.dup(sock.fileno()))
    watch = threading.Thread(target=_watch, args=(line, until_s, doing, over), name="answer")
    watch.start()
    try:
        connection.request(request.method, request.path, request.body or None, dict(request.headers or {}))
        got = connection.getresponse()
        found = Answer(got.status, got.read(ANSWER_BYTES_MAX))
        wrong = ""
    except (OSError, http.client.HTTPException) as failed:
        wrong = f"there was no answer: {type(failed).__name__}: {str(failed)[:200]}"
    finally:
        over.set()
        watch.join()
        connection.close()
    because = doing.stopped()
    if because:
        raise Stopped(because)
    if doing.monotonic() >= until_s:
        raise Refused(f"there was no whole answer within {request.timeout_s:g}s")
    if wrong:
        raise Refused(wrong)
    return found


def _watch(line: socket.socket, until_s: float, doing: Doing, over: threading.Event) -> None:
    """Cut the line when the time is over or the kill switch is set: an answer may come a byte at a time."""
    with line:
        while not over.wait(_POLL_S):
            if doing.stopped() or doing.monotonic() >= until_s:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
                return


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
