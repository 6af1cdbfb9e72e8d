"""Words to the service manager that started this process, as sd_notify(3) defines them.

A datagram of KEY=VALUE lines to the socket that ``NOTIFY_SOCKET`` names; without one nothing is said.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Final

STATUS_CHARACTERS_MAX: Final = 200


class Notify:
    """The way to the service manager; ``environment`` says where it listens, ``monotonic`` counts seconds."""

    def __init__(self, environment: Mapping[str, str], monotonic: Callable[[], float]) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the byte 0: a name that is no path (unix(7)).
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self._monotonic = monotonic
        self._alive_every_s = _watched_s(environment)
        self._alive_s = -self._alive_every_s

    def ready(self, status: str) -> None:
        """Say that everything is up, at the start or after a reload."""
        self._say(f"READY=1\nSTATUS={_line(status)}")

    def reloading(self) -> None:
        """Say that the configuration is read anew; ``ready`` ends it."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={int(self._monotonic() * 1_000_000)}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._say("STOPPING=1")

    def alive(self) -> None:
        """Say that the work goes on, as often as is asked for; call it only where there was progress."""
        now_s = self._monotonic()
        if self._alive_every_s and now_s - self._alive_s >= self._alive_every_s:
            self._alive_s = now_s
            self._say("WATCHDOG=1")

    def _say(self, words: str) -> None:
        if not self._address.startswith(("/", "\0")):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.setblocking(False)
            try:
                end.sendto(words.encode(), self._address)
            except OSError:
                return  # a manager that does not listen is no reason to do otherwise


def _watched_s(environment: Mapping[str, str]) -> float:
    """Return how often a sign of life is due, half of what is asked for, or 0 (sd_watchdog_enabled(3))."""
    pid, usec = environment.get("WATCHDOG_PID", ""), environment.get("WATCHDOG_USEC", "")
    if (pid and pid != str(os.getpid())) or not usec.isdecimal():
        return 0.0
    return int(usec) / 2_000_000


def _line(text: str) -> str:
    return " ".join(text.split())[:STATUS_CHARACTERS_MAX]
