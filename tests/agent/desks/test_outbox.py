from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agent.desks.outbox import Outbox
from agent.desks.wire import Posting
from model.alert import Alert, AlertState
from model.labels import Labels
from model.outcome import Healing, Remedy

NOW_MS = 1_700_000_000_123


def posting(name: str, state: AlertState = AlertState.FIRING) -> Posting:
    resolved_ms = NOW_MS + 5 if state is AlertState.RESOLVED else None
    alert = Alert(
        Labels.of(alertname=name, region="eu"), {"summary": "x"}, state, 1.0, NOW_MS - 9, NOW_MS, resolved_ms
    )
    return Posting(alert, Remedy(Healing.ACTING, "restart"), {"region": "us", "host": "h"}, lease_ms=240_000)


class Desk:
    """A receiver that remembers what it was sent and answers as told."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.answers: list[int] = []
        self.got = threading.Condition()

    def wait(self, enough: Callable[[], bool]) -> None:
        with self.got:
            assert self.got.wait_for(enough, timeout=5), f"the desk got {self.batches}"

    def take(self, body: bytes) -> int:
        with self.got:
            self.batches.append(json.loads(body))
            self.got.notify_all()
            return self.answers.pop(0) if self.answers else 200


@contextmanager
def listening(desk: Desk) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status = desk.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def outbox(*urls: str) -> Iterator[Outbox]:
    box = Outbox(urls, lambda: NOW_MS)
    yield box
    box.close(timeout_s=2)


def names(batch: list[dict[str, Any]]) -> list[str]:
    return [alert["labels"]["alertname"] for alert in batch]


def test_an_alert_is_posted_as_alertmanager_takes_it() -> None:
    desk = Desk()
    with listening(desk) as url, outbox(url) as box:
        box.put([posting("Down"), posting("Up", AlertState.RESOLVED)])
        desk.wait(lambda: bool(desk.batches))
    firing, resolved = desk.batches[0]
    assert firing["labels"] == {"alertname": "Down", "region": "eu", "host": "h"}
    assert firing["annotations"]["beforehand_status"] == "acting"
    assert firing["startsAt"] == "2023-11-14T22:13:20.123Z"
    assert firing["endsAt"] == "2023-11-14T22:17:20.123Z"
    assert resolved["endsAt"] == "2023-11-14T22:13:20.128Z"


def test_a_desk_that_answers_500_is_asked_again_until_it_takes_the_alert() -> None:
    desk = Desk()
    desk.answers = [500, 503]
    with listening(desk) as url, outbox(url) as box:
        box.put([posting("Down")])
        desk.wait(lambda: len(desk.batches) == 3)
        assert box.tallies[url].failed == 2
    assert [names(batch) for batch in desk.batches] == [["Down"]] * 3
    assert box.waiting == 0


def test_what_a_desk_refuses_is_not_said_again() -> None:
    desk = Desk()
    desk.answers = [400]
    with listening(desk) as url, outbox(url) as box:
        box.put([posting("Bad")])
        desk.wait(lambda: len(desk.batches) == 1)
        box.put([posting("Good")])
        desk.wait(lambda: len(desk.batches) == 2)
        assert box.tallies[url].refused == 1
    assert names(desk.batches[1]) == ["Good"]


def test_a_newer_state_replaces_the_one_that_waits() -> None:
    desk = Desk()
    desk.answers = [500]
    with listening(desk) as url, outbox(url) as box:
        box.put([posting("Down")])
        desk.wait(lambda: len(desk.batches) == 1)
        box.put([posting("Down", AlertState.RESOLVED)])
        desk.wait(lambda: len(desk.batches) == 2)
    (alert,) = desk.batches[1]
    assert alert["endsAt"] == "2023-11-14T22:13:20.128Z"


def test_a_desk_that_is_away_delays_no_other_desk() -> None:
    desk = Desk()
    with listening(desk) as url, outbox("http://127.0.0.1:9", url) as box:
        box.put([posting("Down")])
        desk.wait(lambda: len(desk.batches) == 1)
        assert box.waiting == 1


def test_a_storm_is_sent_in_batches_and_bounded_while_nobody_listens() -> None:
    desk = Desk()
    with listening(desk) as url, outbox(url) as box:
        box.put([posting(f"a{n}") for n in range(600)])
        desk.wait(lambda: sum(map(len, desk.batches)) == 600)
        assert max(map(len, desk.batches)) <= 256
    with outbox("http://127.0.0.1:9") as box:
        box.put([posting(f"a{n}") for n in range(10_050)])
        assert box.waiting == 10_000
        assert box.tallies["http://127.0.0.1:9"].dropped == 50
