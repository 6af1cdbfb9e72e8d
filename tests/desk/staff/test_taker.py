"""A post of alerts that came whole is answered at once, and exactly as any other would be."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.desk import town
from tests.desk.serving import Serving, alert
from tests.desk.staff.test_doorway import said

JSON = b"Content-Type: application/json\r\n"
HOST = b"Host: localhost\r\n"
_DATE = re.compile(rb"date: [^\r]*\r\n")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("desk")
    with Serving(town.write(folder), folder / "state") as serving:
        yield serving


def body(*names: str, **more: object) -> bytes:
    return json.dumps([{**alert(name), **more} for name in names]).encode()


def post(data: bytes, head: bytes = HOST + JSON, query: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n\r\n" % len(data)
    return b"POST /api/v2/alerts" + query + b" HTTP/1.1\r\n" + head + length + data


def end() -> bytes:
    """Return a request after which the connection ends."""
    return b"GET /-/healthy HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "head", "status"),
    [
        (body("A"), HOST + JSON, 200),
        (b"[]", HOST + JSON, 200),
        (body("A"), HOST + JSON + b"Connection: close\r\n", 200),
        (body("A"), HOST + JSON + b"Expect: 100-continue\r\n", 100),
        (body("A"), HOST + b"Content-Type: application/json; charset=utf-8\r\n", 200),
        (body("A"), HOST + b"Content-Type: text/plain\r\n", 415),
        (body("A"), HOST, 415),
        (body("A"), b"Host: elsewhere.example\r\n" + JSON, 421),
        (body("A"), JSON, 421),
        (body("A"), HOST + HOST + JSON, 421),
        (body("A") + body("B"), HOST + JSON, 400),
        (json.dumps([alert("A"), {"labels": {}}]).encode(), HOST + JSON, 400),
    ],
)
def test_a_post_is_answered_alike_whichever_way_it_goes(
    desk: Serving, data: bytes, head: bytes, status: int
) -> None:
    # An address with a question goes to the application.
    at_once, called = (
        _DATE.sub(b"", said(desk.staff, post(data, head, query) + end())) for query in (b"", b"?a=b")
    )
    assert at_once == called
    assert at_once.startswith(b"HTTP/1.1 %d " % status)


def test_posts_that_come_together_are_answered_each_in_turn(desk: Serving) -> None:
    together = b"".join(post(body(f"Together{n}")) for n in range(5))
    answers = said(desk.staff, together + post(b"no list") + post(body("Together5")) + end())
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200"] * 5 + [b"400", b"200", b"200"]
    found = desk.ask("/api/v2/alerts").json()
    names = {one["labels"]["alertname"] for one in found}
    assert {f"Together{n}" for n in range(6)} <= names


def test_a_post_that_comes_in_pieces_is_taken(desk: Serving) -> None:
    whole = post(body("Pieces"))
    pieces = [whole[at : at + 40] for at in range(0, len(whole), 40)]
    assert said(desk.staff, *pieces, end()).count(b"HTTP/1.1 200 OK") == 2


def test_who_goes_away_before_the_answer_keeps_nobody_else_from_theirs(desk: Serving) -> None:
    for n in range(20):
        with closing(socket.create_connection(("127.0.0.1", desk.staff), timeout=20)) as gone:
            gone.sendall(post(body(f"Gone{n}")))
    assert desk.post([alert("Stayed")]).status == 200


def test_what_cannot_be_written_is_answered_so_and_its_neighbours_are_taken(tmp_path: Path) -> None:
    config, state = town.write(tmp_path), tmp_path / "state"
    with Serving(config, state):
        pass
    with closing(sqlite3.connect(state / "desk.sqlite")) as store:
        refusal = "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        store.execute(f"CREATE TRIGGER full BEFORE INSERT ON alert WHEN NEW.source = 'bad' {refusal}")
    with Serving(config, state) as serving:
        bad = post(body("Bad", generatorURL="bad"))
        answers = said(serving.staff, post(body("Good")) + bad + post(body("Good2")) + end())
        assert re.findall(rb"HTTP/1.1 (\d+)", answers)[:2] == [b"200", b"500"]
        assert serving.post([alert("Good3")]).status == 200
        names = {one["labels"]["alertname"] for one in serving.ask("/api/v2/alerts").json()}
        assert {"Good", "Good3"} <= names
        assert "Bad" not in names
        serving.stop()
    assert "the disk is full" in serving.errors[-1]
