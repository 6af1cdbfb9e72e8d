"""A real agent does not take its own trouble, nor a target that is lost, for what it watches."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.agent.process import Agent, agent

pytestmark = pytest.mark.timeout(180)

FROZEN_S = 4.0
SLOW_S = 1.2


class Figures(BaseHTTPRequestHandler):
    """An exposition with one figure."""

    def do_GET(self) -> None:
        body = b"# TYPE shop_orders_waiting gauge\nshop_orders_waiting 7\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


class Slow(Figures):
    """The same, told so late that a judgement may come before it."""

    def do_GET(self) -> None:
        time.sleep(SLOW_S)
        super().do_GET()


class Shop:
    """A server that exposes it, until it is closed."""

    def __init__(self, handler: type[Figures] = Figures, port: int = 0) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/metrics"

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


def states(running: Agent) -> dict[str, str]:
    found = json.loads(running.get("/api/v1/alerts"))["data"]["alerts"]
    return {one["labels"]["alertname"]: one["state"] for one in found}


def rules(folder: Path, expr: str, wait: str) -> None:
    (folder / "rules.yml").write_text(
        f"groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: Down\n    expr: {expr}\n    for: {wait}\n"
    )


@pytest.fixture
def port() -> int:
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        return int(finder.getsockname()[1])


def test_an_agent_that_was_frozen_does_not_take_the_gap_for_time_that_a_fault_lasted(
    tmp_path: Path, port: int
) -> None:
    rules(tmp_path, "probe_success == 0", "3s")
    config = (
        "listen: 127.0.0.1:0\nrules: [rules.yml]\ndoubt: {starved_after: 1s, settle: 3s}\n"
        f"probes:\n- http: {{target: 'http://127.0.0.1:{port}/'}}\n  every: 2s\n"
    )
    with agent(tmp_path, config) as running:
        running.until(lambda: states(running).get("Down") == "pending", "a fault that begins")
        os.kill(running.process.pid, signal.SIGSTOP)
        time.sleep(FROZEN_S)
        with closing(Shop(Slow, port)):
            os.kill(running.process.pid, signal.SIGCONT)
            running.until(lambda: "the agent did not run for" in running.log(), "the doubt")
            running.until(lambda: states(running) == {}, "the fault that is over")
        assert "firing" not in running.log()
        assert "beforehand_doubts_total{instance=" in running.get("/metrics")


def test_a_fault_that_lasts_fires_once_the_doubt_has_settled(tmp_path: Path, port: int) -> None:
    rules(tmp_path, "probe_success == 0", "1s")
    config = (
        "listen: 127.0.0.1:0\nrules: [rules.yml]\ndoubt: {starved_after: 1s, settle: 1s}\n"
        f"probes:\n- tcp: {{target: '127.0.0.1:{port}'}}\n  every: 1s\n"
    )
    with agent(tmp_path, config) as running:
        with socket.create_server(("127.0.0.1", port)):
            running.until(lambda: "probe_success" in running.get("/metrics"), "a first look")
            os.kill(running.process.pid, signal.SIGSTOP)
            time.sleep(FROZEN_S)
        os.kill(running.process.pid, signal.SIGCONT)
        running.until(lambda: "the agent did not run for" in running.log(), "the doubt")
        running.until(lambda: states(running).get("Down") == "firing", "the fault")


def test_an_alert_on_what_others_expose_is_unknown_and_not_over_when_they_fall_silent(tmp_path: Path) -> None:
    rules(tmp_path, "shop_orders_waiting > 5", "0s")
    with ExitStack() as stack:
        shop = Shop()
        stack.callback(shop.close)
        config = (
            "listen: 127.0.0.1:0\nrules: [rules.yml]\n"
            f"probes:\n- scrape: {{target: '{shop.url}'}}\n  every: 1s\n"
        )
        running = stack.enter_context(agent(tmp_path, config))
        running.until(lambda: states(running).get("Down") == "firing", "the alert")
        shop.close()
        running.until(lambda: "cannot see its target" in running.log(), "the silence")
        running.until(lambda: "shop_orders_waiting" not in running.get("/metrics"), "the end of the series")
        assert states(running) == {"Down": "firing"}
