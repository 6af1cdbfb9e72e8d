"""What a drill kills: a web server that does nothing else, and ends itself after ten minutes in any case.

``python -m agent.drill.sacrifice PORT PIDFILE``
"""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

LIFE_S: Final = 600


class Sacrifice(BaseHTTPRequestHandler):
    """Answers every GET."""

    def do_GET(self) -> None:
        """Say what this is."""
        self.send_response(200)
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b"[DRILL]\n")

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def main() -> None:
    """Serve on the port given first, after writing the process id to the file given second."""
    port, pidfile = int(sys.argv[1]), Path(sys.argv[2])
    signal.alarm(LIFE_S)
    with HTTPServer(("127.0.0.1", port), Sacrifice) as server:
        pidfile.write_text(f"{os.getpid()}\n")
        server.serve_forever()


if __name__ == "__main__":
    main()
