"""How a demo and a drill follow programs of their own on loopback: ports, one GET, bounded waiting."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import requests

PAUSE_S: Final = 0.05
GET_S: Final = 2.0

Found = TypeVar("Found")


class InVain(Exception):
    """What was waited for did not come; the text is a sentence."""


def get(url: str) -> str:
    """Return what is answered with a good status, else the empty text."""
    try:
        session = requests.Session()
        session.trust_env = False
        with session, session.get(url, timeout=GET_S) as answer:
            return answer.text if answer.ok else ""
    except requests.RequestException:
        return ""


def awaited(what: str, done: Callable[[], Found | None], limit_s: float) -> Found:
    """Return the first true answer of ``done``; raise ``InVain`` after so many seconds."""
    pause = threading.Event()
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        found = done()
        if found:
            return found
        pause.wait(PAUSE_S)  # nothing tells a caller over HTTP when to look again
    raise InVain(f"waited {limit_s:g} s in vain until {what}")


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago; all are held at once, so that none comes twice."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
