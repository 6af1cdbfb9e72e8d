"""Ports on loopback that stay ours while their server is dead."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Port:
    """A port that is bound but never listened on.

    Linux lets a second socket with SO_REUSEADDR listen on it, and gives it to no outgoing connection;
    so nobody can take it between two lives of a server.
    """

    held: socket.socket

    @classmethod
    def free(cls) -> Port:
        """Take any free port."""
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((LOOPBACK, 0))
        return cls(held)

    @property
    def number(self) -> int:
        """The port's number."""
        return int(self.held.getsockname()[1])

    def __str__(self) -> str:
        return f"{LOOPBACK}:{self.number}"

    def close(self) -> None:
        """Give the port back."""
        self.held.close()
