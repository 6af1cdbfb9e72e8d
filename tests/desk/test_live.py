"""The desk as it really runs: its news, its small page and its copy, and a stop while somebody listens."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path

from tests.desk import town
from tests.desk.serving import Serving, alert, until

MORE = "embed_from: [https://intranet.example.com]\ncopy: {{to: {place}}}\n"


def test_news_and_the_copy_tell_of_an_incident_and_a_stop_waits_for_nobody(tmp_path: Path) -> None:
    place = tmp_path / "copy"
    place.mkdir()
    config = town.write(tmp_path, MORE.format(place=place))
    with Serving(config, tmp_path / "state") as desk:
        with closing(socket.create_connection(("127.0.0.1", desk.public), timeout=20)) as listener:
            listener.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            heard = b""
            while b"event: whole" not in heard:
                heard += listener.recv(1 << 16)
            assert desk.post([alert(remedy="")]).status == 200
            while b"event: incident" not in heard:
                heard += listener.recv(1 << 16)
            until(lambda: b"investigating" in _summary(place), "the copy tells of it")
            policy = desk.ask("/embed", public=True).headers["content-security-policy"]
            assert "frame-ancestors https://intranet.example.com;" in policy
            assert desk.stop() == 0
            while piece := listener.recv(1 << 16):
                heard += piece
            assert heard.endswith(b"0\r\n\r\n")
        assert not [line for line in desk.errors if "ERROR" in line]


def _summary(place: Path) -> bytes:
    path = place / "api/v2/summary.json"
    return json.dumps(json.loads(path.read_text())).encode() if path.exists() else b""
