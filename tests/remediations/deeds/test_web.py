"""One request goes to an address that may be spoken to, and its answer is judged."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from model.deed import CallHttp
from remediations.deeds.web import refused
from remediations.hand import Hand
from tests.remediations.deeds.done import done
from tests.remediations.stage import wall_ms


class Shop(BaseHTTPRequestHandler):
    """Answers by the path, and remembers what came."""

    came: list[tuple[str, str, bytes, str]]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.came.append((self.command, self.path, body, self.headers.get("Content-Type") or ""))
        self.send_response(int(self.path.strip("/").split("?")[0] or 200))
        self.send_header("Location", "http://169.254.169.254/")
        self.end_headers()
        self.wfile.write(b"the cache is empty, password=hunter22\n")

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def shop() -> Iterator[tuple[str, list[tuple[str, str, bytes, str]]]]:
    came: list[tuple[str, str, bytes, str]] = []
    handler = type("Handler", (Shop,), {"came": came})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", came
        finally:
            server.shutdown()
            thread.join()


def test_a_request_is_sent_as_it_is_written(tmp_path: Path) -> None:
    with shop() as (url, came):
        step = CallHttp(
            "POST", f"{url}/200?x=1", '{"all": true}', "application/json", pattern="cache is [a-z]+"
        )
        result = done(tmp_path, step)
        assert result.ok, result.reason
        assert result.changed
        assert came == [("POST", "/200?x=1", b'{"all": true}', "application/json")]
        assert "hunter22" not in result.output
        assert not done(tmp_path, CallHttp("GET", f"{url}/200")).changed


@pytest.mark.parametrize(
    ("path", "more", "sentence"),
    [
        ("500", {}, "the answer was 500, not 2xx"),
        ("302", {}, "the answer was 302, not 2xx; redirects are not followed"),
        ("200", {"expect": (202, 204)}, "the answer was 200, not 202 or 204"),
        ("200", {"pattern": "full"}, "'full' is not in the answer"),
    ],
)
def test_an_answer_that_is_not_as_expected_is_a_failure(
    tmp_path: Path, path: str, more: dict[str, Any], sentence: str
) -> None:
    with shop() as (url, came):
        result = done(tmp_path, CallHttp("GET", f"{url}/{path}", **more))
    assert result.reason == sentence
    assert len(came) == 1


def test_a_status_that_is_expected_is_good(tmp_path: Path) -> None:
    with shop() as (url, _):
        assert done(tmp_path, CallHttp("GET", f"{url}/404", expect=(200, 404))).ok


def test_a_check_asks_nobody(tmp_path: Path) -> None:
    with shop() as (url, came):
        result = done(tmp_path, CallHttp("POST", f"{url}/200"), check=True)
    assert result.diff == f"would call POST {url}/200 at 127.0.0.1"
    assert came == []


def test_nobody_at_home_is_a_failure(tmp_path: Path) -> None:
    with shop() as (url, _):
        pass
    assert "takes no connection at port" in done(tmp_path, CallHttp("GET", f"{url}/200")).reason


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "240.0.0.1",
    ],
)
def test_metadata_and_what_is_no_host_is_never_asked(tmp_path: Path, address: str) -> None:
    assert refused(address, allow_private=True)
    host = f"[{address}]" if ":" in address else address
    assert not done(tmp_path, CallHttp("GET", f"http://{host}/latest/meta-data", allow_private=True)).ok


def test_private_addresses_are_asked_where_that_is_written() -> None:
    for address in ("10.0.0.1", "192.168.1.1", "fd12::1"):
        assert (
            refused(address, allow_private=False)
            == f"{address} is private; write allow_private: true to ask it"
        )
        assert refused(address, allow_private=True) == ""
    for address in ("127.0.0.1", "::1", "8.8.8.8"):
        assert refused(address, allow_private=False) == ""


@contextmanager
def dripping(first: bytes) -> Iterator[str]:
    """A server that says this and then a byte at a time, for as long as somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            one, _ = server.accept()
            with one:
                one.sendall(first)
                with suppress(OSError):
                    while True:
                        one.sendall(b"x")
                        time.sleep(0.02)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            thread.join(30)
            assert not thread.is_alive()


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_never_ends_is_cut_when_its_time_is_over(tmp_path: Path, first: bytes) -> None:
    with dripping(first) as url:
        result = done(tmp_path, CallHttp("GET", url, timeout_s=0.5))
    assert result.reason == "there was no whole answer within 0.5s"


def test_the_kill_switch_cuts_an_answer(tmp_path: Path) -> None:
    asked: list[str] = []

    def stopped() -> str:
        asked.append("")
        return "stopped by ada" if len(asked) > 3 else ""

    with (
        dripping(b"HTTP/1.1 200 OK\r\n\r\n") as url,
        closing(Hand(time.monotonic, wall_ms, tmp_path)) as hand,
    ):
        result = hand.carry_out(CallHttp("GET", url, timeout_s=50), stopped)
    assert result.stopped == "stopped by ada"
    assert result.duration_ms < 40_000
