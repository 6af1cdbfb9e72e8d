"""Asks a port of this host one thing, to tell a web server from anything else: ``GET /``, once.

What answers in the words of TLS is asked the same inside TLS. Nobody but loopback is ever asked.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.discovery.finding import Speech
from model.plugin import Deadline, DeadlinePassed
from probes.net.trust import TlsConfig, client_context

ASK_S: Final = 1.0
ANSWER_BYTES_MAX: Final = 4096

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
_WANTS_TLS: Final = re.compile(rb"HTTPS|SSL|TLS")
_ALERT: Final = b"\x15\x03"  # RFC 8446, 5.1
_ANYBODY: Final = TlsConfig(insecure_skip_verify=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a port spoke, and the status of a web server's answer."""

    speech: Speech
    status: int = 0


def ask(host: str, port: int, monotonic: Callable[[], float]) -> Answer:
    """Return what a port of loopback speaks, within ``ASK_S``."""
    assert ipaddress.ip_address(host).is_loopback, "nobody else is asked"
    deadline = Deadline(monotonic() + ASK_S, monotonic)
    try:
        said = _said(host, port, deadline)
    except (ConnectionResetError, DeadlinePassed):
        return Answer("other")
    except OSError:
        return Answer("nothing")
    status = _STATUS.match(said)
    if said.startswith(_ALERT) or (status and status[1] == b"400" and _WANTS_TLS.search(said)):
        return _ask_inside(host, port, deadline)
    return Answer("http", int(status[1])) if status else Answer("other")


def _ask_inside(host: str, port: int, deadline: Deadline) -> Answer:
    try:
        status = _STATUS.match(_said(host, port, deadline, client_context(_ANYBODY)))
    except (OSError, DeadlinePassed):
        return Answer("other")
    return Answer("https", int(status[1])) if status else Answer("other")


def _said(host: str, port: int, deadline: Deadline, tls: ssl.SSLContext | None = None) -> bytes:
    """Return the beginning of the answer; nothing where the time was over before one came."""
    shown = f"[{host}]" if ":" in host else host
    question = (
        f"GET / HTTP/1.1\r\nhost: {shown}:{port}\r\nuser-agent: Beforehand\r\nconnection: close\r\n\r\n"
    )
    with socket.create_connection((host, port), deadline.left_s()) as raw:
        raw.settimeout(deadline.left_s())
        end = raw if tls is None else tls.wrap_socket(raw)
        with end:
            data = b""
            try:
                end.sendall(question.encode("ascii"))
                while len(data) < ANSWER_BYTES_MAX and not _enough(data):
                    end.settimeout(deadline.left_s())
                    piece = end.recv(ANSWER_BYTES_MAX - len(data))
                    if not piece:
                        break
                    data += piece
            except (OSError, DeadlinePassed):
                pass  # it hung up, or waits for more: what it said so far tells
            return data


def _enough(data: bytes) -> bool:
    """Tell whether the head is whole, which is all that counts; a refusal explains itself in its body."""
    status = _STATUS.match(data)
    return b"\r\n\r\n" in data and status is not None and status[1] != b"400"
