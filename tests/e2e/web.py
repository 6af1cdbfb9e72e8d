"""Single requests to HTTP servers on loopback, without proxies and without a session."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from tests.e2e.ports import LOOPBACK


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply; status 0 stands for nobody there."""

    status: int
    text: str

    def json(self) -> Any:  # whatever the server says
        """Return the body read as JSON."""
        assert self.status == 200, f"HTTP {self.status}: {self.text[:500]}"
        return json.loads(self.text)


def get(port: int, path: str, *, timeout_s: float = 5.0) -> Reply:
    """Ask once."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return Reply(reply.status, reply.read().decode())
    except (OSError, http.client.HTTPException) as trouble:
        return Reply(0, repr(trouble))
    finally:
        connection.close()
