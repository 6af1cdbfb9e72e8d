"""A real Prometheus that scrapes one thing on this machine and sends its alerts to a desk."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.desk.serving import until
from tests.e2e.ports import Port

# Every second is as often as it goes; an alert is then sent each second, and may be believed for four.
CONFIG = """\
global:
  scrape_interval: 1s
  evaluation_interval: 1s
  external_labels: {replica: a}
rule_files: [rules.yml]
scrape_configs:
- job_name: shop
  static_configs:
  - {targets: ['127.0.0.1:%(target)d'], labels: {instance: web1}}
alerting:
  alert_relabel_configs:
  - {regex: replica, action: labeldrop}
  - {source_labels: [page], target_label: service}
  - {regex: page, action: labeldrop}
  alertmanagers:
  - static_configs: [{targets: ['127.0.0.1:%(desk)d']}]
"""
RULES = """\
groups:
- name: shop
  rules:
  - alert: CheckoutDown
    expr: checkout_up == 0
    labels: {page: checkout}
    annotations: {notice: You cannot pay at the moment., summary: '{{ $labels.instance }} is down'}
"""
WATCHDOG = """\
  - alert: Watchdog
    expr: vector(1)
    labels: {instance: prometheus}
"""


@dataclass(slots=True)
class Shop:
    """What is scraped: one number that the test sets."""

    port: int = 0
    up: int = 1


class _Exposition(BaseHTTPRequestHandler):
    timeout = 5

    def __init__(self, shop: Shop, *more: object) -> None:
        self.shop = shop
        super().__init__(*more)  # type: ignore[arg-type]  # what a server hands to its handlers

    def do_GET(self) -> None:
        body = f"checkout_up {self.shop.up}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def shop() -> Iterator[Shop]:
    """Serve the number."""
    found = Shop()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Exposition, found))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        found.port = server.server_address[1]
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextmanager
def prometheus(folder: Path, target: int, desk: int, rules: str = RULES) -> Iterator[Callable[[], None]]:
    """Run one; what is handed out kills it as a power cut would."""
    folder.mkdir()
    (folder / "prometheus.yml").write_text(CONFIG % {"target": target, "desk": desk})
    (folder / "rules.yml").write_text(rules)
    port = Port.free()
    argv = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={port}"]
    argv += [f"--storage.tsdb.path={folder / 'data'}", "--rules.alert.resend-delay=1s", "--log.level=warn"]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)

    def kill() -> None:
        process.kill()
        process.wait()

    try:
        yield kill
    finally:
        kill()
        log.close()
        port.close()


def within(true: Callable[[], bool], what: str) -> None:
    """Wait for what takes a Prometheus a few of its seconds."""
    until(true, what, 40)
