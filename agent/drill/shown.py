"""Shows a certificate on a port of loopback, read anew for each connection; ends itself after ten minutes.

``python -m agent.drill.shown PORT FILE``, where the file holds the key as well.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import sys
from pathlib import Path
from typing import Final

from agent.drill.sacrifice import LIFE_S

TALK_S: Final = 5.0


def main() -> None:
    """Serve until somebody ends it."""
    port, file = int(sys.argv[1]), Path(sys.argv[2])
    signal.alarm(LIFE_S)
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            _talk(listening, file)


def _talk(listening: socket.socket, file: Path) -> None:
    """Shake hands with one caller and hang up; what a caller does wrong is its own affair."""
    connection, _ = listening.accept()
    connection.settimeout(TALK_S)
    with connection, contextlib.suppress(OSError):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        with context.wrap_socket(connection, server_side=True) as talk:
            talk.recv(1)


if __name__ == "__main__":
    main()
