"""The shop of the demo: a web server that says it is open, until somebody kills it."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Shop(BaseHTTPRequestHandler):
    """Answers every GET."""

    def do_GET(self) -> None:
        """Say that the shop is open."""
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"open\n")

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def main() -> None:
    """Serve on the port given first, after writing the process id to the file given second."""
    port, pidfile = int(sys.argv[1]), Path(sys.argv[2])
    with HTTPServer(("127.0.0.1", port), Shop) as server:
        pidfile.write_text(f"{os.getpid()}\n")
        server.serve_forever()


if __name__ == "__main__":
    main()
