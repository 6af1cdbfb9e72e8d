"""One kept connection to a desk, on the standard library: requests would cost the agent 15 MB of memory."""

from __future__ import annotations

import http.client
import ssl
from typing import Final
from urllib.parse import urlsplit

ANSWER_BYTES_MAX: Final = 64 << 10

Lost = (OSError, http.client.HTTPException)
"""What a post raises when no answer came."""


class Link:
    """Gets and posts JSON below one base address; no redirect is followed and no proxy variable obeyed.

    A connection that was lost while it lay idle is opened again within the same request, which the
    receiver may therefore see twice: alerts say a state, so that hearing them twice changes nothing.
    """

    def __init__(self, base: str, timeout_s: float) -> None:
        parts = urlsplit(base)
        self._path = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._host, self._port = parts.hostname or "", parts.port
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._kept: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes) -> tuple[int, str]:
        """Return status and text of the answer; raises ``Lost``."""
        return self._ask("POST", path, body)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of the answer; raises ``Lost``."""
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, str]:
        if self._kept is not None:
            try:
                return self._request(self._kept, method, path, body)
            except Lost:
                self.close()
        self._kept = self._open()
        try:
            return self._request(self._kept, method, path, body)
        except Lost:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _open(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._tls
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)

    def _request(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None
    ) -> tuple[int, str]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, self._path + path, body, headers)
        answer = connection.getresponse()
        text = answer.read(ANSWER_BYTES_MAX).decode("utf-8", "replace")
        if not answer.isclosed():
            self.close()  # More came than anybody needs; the rest would be taken for the next answer.
        return answer.status, text
