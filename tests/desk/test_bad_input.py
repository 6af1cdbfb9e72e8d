"""What programs send by mistake or out of malice: each is refused as it should be, and the desk goes on."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.desk import town
from tests.desk.serving import Reply, Serving, alert, stamp, until

ALERTS = "/api/v2/alerts"
JSON = {"Content-Type": "application/json"}
MANY_BYTES = 9 << 20


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One desk for all of it; each of these tests ends with a look at whether it still lives."""
    folder = tmp_path_factory.mktemp("desk")
    config = town.write(folder, config_text=town.CONFIG.replace("hold: 60s", "hold: 0s"))
    with Serving(config, folder / "state") as running:
        yield running
    assert "Traceback" not in "".join(running.errors)


@dataclass(frozen=True, slots=True)
class Bad:
    """A request, and the statuses that are right for it."""

    what: str
    body: bytes | None
    statuses: tuple[int, ...]
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    path: str = ALERTS
    method: str = "POST"

    def ask(self, desk: Serving, *, public: bool = False) -> Reply:
        headers = dict(self.headers)
        return desk.ask(self.path, method=self.method, body=self.body, headers=headers, public=public)


def one(**more: object) -> bytes:
    return json.dumps([{"labels": {"alertname": "Probe"}, **more}]).encode()


def labelled(**labels: str) -> bytes:
    return json.dumps([{"labels": labels}]).encode()


BODIES = (
    Bad("half a list", b"[{", (400,)),
    Bad("nothing", b"", (400,)),
    Bad("no content type", b"[]", (415,), {}),
    Bad("another content type", b"[]", (415,), {"Content-Type": "text/plain"}),
    Bad("a tower of lists", b"[" * 100_000, (400,)),
    Bad("a tower of objects", b'{"a":' * 100_000, (400,)),
    Bad("no number", b'[{"labels":{"a":NaN}}]', (400,)),
    Bad("a number for a text", b'[{"labels":{"a":1e999}}]', (400,)),
    Bad("half a character", b'[{"labels":{"a":"\\ud800"}}]', (400,)),
    Bad("bytes that are no text", b'[{"labels":{"a":"\xff"}}]', (400,)),
    Bad("too many bytes", b"[" + b" " * MANY_BYTES + b"]", (413,)),
    Bad("many bytes in few", gzip.compress(b"[" + b" " * MANY_BYTES + b"]"), (400, 415)),
    Bad("too many alerts", json.dumps([{"labels": {"a": str(n)}} for n in range(5_001)]).encode(), (413,)),
    Bad("no labels", one(labels={}), (400,)),
    Bad("an empty label", labelled(a=""), (400,)),
    Bad("a label that is none", labelled(**{"a-b": "c"}), (400,)),
    Bad("too long a value", labelled(a="b" * 4_097), (400,)),
    Bad("an end before its start", one(startsAt=stamp(60), endsAt=stamp(-60)), (400,)),
    Bad("a time without a zone", one(startsAt="2026-11-22T08:00:00"), (400,)),
    Bad("a zone that is none", one(startsAt="2026-11-22T08:00:00+25:00"), (400,)),
    Bad(
        "what nobody may set",
        json.dumps({"by": "Eve", "is_admin": True}).encode(),
        (404, 400),
        path="/api/v1/incidents/x/retract",
    ),
    Bad("more than a report has", b'{"kind":"symptom","is_admin":true}', (400,), path="/api/v1/reports"),
)
ADDRESSES = (
    *(
        f"/incidents/{name}"
        for name in ("..%2f..%2fetc%2fpasswd", "%00", "%c0%ae%c0%ae", "'%20OR%201=1--", "x" * 4_000)
    ),
    *(f"/static/{name}" for name in ("..%2fpage.py", "%2e%2e/page.py", "..%5cpage.py")),
    *("//evil.example/", "//", "/badge/..%2f.svg", "/badge/%00.svg", "/incidents/%00.json"),
    *(
        "/maintenances/%00",
        "/unsubscribe/%00",
        "/unsubscribe/x",
        "/history%0d%0aX-Evil:%20yes",
        "/.git/config",
    ),
)
QUERIES = (
    *(f"/api/v1/incidents?limit={text}" for text in ("-1", "0", "1000000000", "x", "1e3", "%D9%A3")),
    *(f"{ALERTS}?{text}" for text in ("active=maybe", "receiver=(", "filter=%7B", "filter=a%3D%00")),
    *(f"/api/v2/silences?filter={text}" for text in ("%00", "a%3D~(")),
)


@pytest.mark.parametrize("bad", BODIES, ids=lambda bad: bad.what)
def test_a_bad_body_is_refused_with_a_sentence(desk: Serving, bad: Bad) -> None:
    reply = bad.ask(desk)
    assert reply.status in bad.statuses, reply
    assert reply.body
    assert desk.ask("/-/healthy").status == 200


@pytest.mark.parametrize("path", ADDRESSES, ids=lambda path: path[:40])
def test_an_address_that_leads_nowhere_leads_nowhere(desk: Serving, path: str) -> None:
    for public in (True, False):
        reply = desk.ask(path, public=public)
        assert reply.status in (400, 404), reply
        assert "x-evil" not in reply.headers


@pytest.mark.parametrize("path", QUERIES)
def test_a_question_that_makes_no_sense_is_refused(desk: Serving, path: str) -> None:
    reply = desk.ask(path)
    assert reply.status == 400, reply
    assert reply.body


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "CONNECT", "BREW"])
def test_what_can_only_be_read_is_only_read(desk: Serving, method: str) -> None:
    for path in ("/", "/history.atom", "/api/v2/summary.json", "/badge.svg", "/embed"):
        reply = desk.ask(path, method=method, public=True)
        assert reply.status in (400, 405), (path, reply)
        if reply.status == 405:
            assert "GET" in reply.headers["allow"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v2/alerts", "GET, HEAD, POST"),
        ("/api/v2/silences", "GET, HEAD, POST"),
        ("/api/v2/silence/x", "DELETE, GET, HEAD"),
        ("/api/v1/catalogue", "GET, HEAD, PUT"),
        ("/api/v1/maintenances", "GET, HEAD, POST"),
        ("/api/v1/suppressed/x", "DELETE"),
        ("/unsubscribe/x", "GET, HEAD, POST"),
    ],
)
def test_whoever_asks_in_the_wrong_way_reads_all_the_right_ones(
    desk: Serving, path: str, methods: str
) -> None:
    reply = desk.ask(path, method="PATCH")
    assert (reply.status, reply.headers["allow"]) == (405, methods)


OTHER_HOSTS = (
    *("evil.example", "", "evil.example:80", "127.0.0.1.evil.example", "[::1"),
    *("127.0.0.1:1@evil", "evil@127.0.0.1", "127.0.0.1:80:80", "127.0.0.1:x", "127.0.0.1/evil", "127.0.0.1?"),
    *("127.0.0.1, evil", "[127.0.0.1]evil", "[localhost", "127.0.0.1:999999"),
)


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_a_desk_has_its_own_names_alone(desk: Serving, host: str) -> None:
    assert desk.ask("/", headers={"Host": host}, public=True).status == 421


def test_what_a_proxy_might_have_said_changes_nothing(desk: Serving) -> None:
    lies = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "gopher"}
    lies |= {"Forwarded": "host=evil.example", "X-Original-URL": "/mailbox", "Accept": "*;q=never,,"}
    for path in ("/", "/history.atom", "/api/v2/summary.json"):
        reply = desk.ask(path, headers=lies, public=True)
        assert reply.status == 200
        assert "evil" not in reply.text + repr(reply.headers)


UNASKED = (
    *("order=id;drop", "order=id%3B--", "fields[]=x", "limit=1&limit=1", "callback=x", "_method=DELETE"),
    *("is_admin=true", "labels.alertname=x", "%5B%5D=1"),
)


@pytest.mark.parametrize("query", UNASKED)
def test_what_nothing_was_asked_by_changes_no_answer(desk: Serving, query: str) -> None:
    for path in ("/api/v1/maintenances", "/api/v1/suppressed", "/api/v2/silences", "/api/v2/receivers"):
        plain, asked = desk.ask(path), desk.ask(f"{path}?{query}")
        assert (asked.status, asked.body) == (plain.status, plain.body), path


def test_of_a_key_that_is_given_twice_the_last_counts_everywhere_as_in_alertmanager(desk: Serving) -> None:
    twice = b'[{"labels":{"alertname":"No"},"labels":{"alertname":"Twice","which":"no","which":"yes"}}]'
    assert Bad("twice", twice, (200,)).ask(desk).status == 200
    known = [one["labels"] for one in desk.ask(ALERTS).json() if one["labels"]["alertname"] == "Twice"]
    assert known == [{"alertname": "Twice", "which": "yes"}]


BROKEN = {
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n0",
    "a length and chunks": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line ends": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("request_bytes", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_request_is_answered_with_a_refusal(desk: Serving, request_bytes: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", desk.public), timeout=20)) as connection:
        connection.sendall(request_bytes)
        assert connection.recv(1 << 16).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 421 "))


def test_whoever_leaves_in_the_middle_of_a_body_leaves_nothing_behind(desk: Serving) -> None:
    body = json.dumps([alert("Half", service="half")]).encode()
    head = f"POST {ALERTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for sent in (0, 1, len(body) // 2, len(body) - 1):
        with closing(socket.create_connection(("127.0.0.1", desk.staff), timeout=20)) as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:sent])
    assert desk.ask("/-/healthy").status == 200
    assert "Half" not in desk.ask(ALERTS).text


def test_times_beyond_reason_are_taken_within_bounds(desk: Serving) -> None:
    for name, times in {
        "Ancient": {"startsAt": "2016-01-01T00:00:00Z"},
        "Ahead": {"startsAt": stamp(86_400), "endsAt": stamp(90_000)},
        "Never": {"startsAt": "0001-01-01T00:00:00Z", "endsAt": "9999-12-31T23:59:59Z"},
        "East": {"startsAt": "2026-01-01T00:00:00+14:00"},
    }.items():
        body = json.dumps([{"labels": {"alertname": name}, **times}]).encode()
        assert Bad(name, body, (200,)).ask(desk).status == 200
    until(lambda: len(desk.ask(ALERTS).json()) >= 4, "all are known")
    for path in ("/", "/history", "/api/v1/incidents", "/history.atom", "/metrics"):
        assert desk.ask(path).status == 200


def test_the_end_of_what_never_fired_tells_nobody(desk: Serving) -> None:
    before = len(desk.incidents())
    assert desk.post([alert("CheckoutDown", service="search", instance="no", over=True)]).status == 200
    assert len(desk.incidents()) == before


def test_an_address_of_a_program_is_kept_and_linked_nowhere(desk: Serving, tmp_path: Path) -> None:
    wrong = {**alert("CheckoutDown", remedy=""), "generatorURL": "javascript:alert(1)"}
    assert desk.post([wrong]).status == 200
    until(lambda: bool(desk.incidents()), "there is an incident")
    ref = desk.incidents()[0]["id"]
    for path in ("/", f"/incidents/{ref}", "/history"):
        assert "javascript:" not in desk.ask(path).text
