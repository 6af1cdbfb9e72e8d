from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn
from starlette.applications import Starlette

from desk.main import STUCK_MS
from desk.page.view import PageView, honest
from desk.public.events import Broadcast, event_routes
from desk.public.lookout import Lookout
from desk.state import IncidentState, ServiceState
from tests.desk.hostile import EVERYTHING
from tests.desk.pages import MIN_MS
from tests.desk.public.scene import CALLED_OFF, full
from tests.desk.serving import until


@dataclass(slots=True)
class Listener:
    """A raw client of the stream: reads lines, and knows its last id."""

    connection: socket.socket
    lines: Iterator[str]
    last_id: str = ""

    def event(self) -> tuple[str, Any]:
        """Return the next event that is not only the time to retry."""
        kind, data = "", ""
        for line in self.lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data += value
            elif not line and kind:
                return kind, json.loads(data)
        return "end", None

    def until(self, kind: str) -> list[tuple[str, Any]]:
        found = [self.event()]
        while found[-1][0] not in (kind, "end"):
            found.append(self.event())
        assert found[-1][0] == kind, found
        return found


@dataclass(slots=True)
class Hall:
    """A stream served over a real socket."""

    broadcast: Broadcast
    port: int
    came: list[int] = field(default_factory=list)

    @contextmanager
    def listen(self, last_id: str = "") -> Iterator[Listener]:
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=20)) as connection:
            more = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
            connection.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
            with connection.makefile("rb") as file:
                yield Listener(connection, _lines(file))


def _lines(file: Any) -> Iterator[str]:
    """Return the lines of the head, and then those of the chunks (RFC 9112, 7.1)."""
    for raw in iter(file.readline, b"\r\n"):
        if not raw:
            return
        yield raw.decode().rstrip("\r\n")
    rest = b""
    while size := int(file.readline().strip() or b"0", 16):
        rest += file.read(size)
        file.readline()
        *whole, rest = rest.split(b"\n")
        yield from (one.decode() for one in whole)


@contextmanager
def hall(broadcast: Broadcast, heartbeat_s: float = 15.0, stuck_ms: int = STUCK_MS) -> Iterator[Hall]:
    came: list[int] = []
    app = Starlette(routes=[*event_routes(broadcast, lambda: came.append(1), heartbeat_s)])
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, stuck_ms)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 << 10)
        config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Hall(broadcast, listening.getsockname()[1], came)
        finally:
            broadcast.close()
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


def told(view: PageView | None = None) -> Broadcast:
    broadcast = Broadcast()
    broadcast.tell(view or full())
    return broadcast


def later(view: PageView, state: IncidentState, after_ms: int = MIN_MS) -> PageView:
    going = replace(view.open_incidents[0], state=state)
    return replace(view, open_incidents=(going,), now_ms=view.now_ms + after_ms)


def test_who_comes_is_told_how_everything_stands_and_then_what_changes() -> None:
    view = full()
    with hall(told(view)) as found, found.listen() as listener:
        first = listener.until("whole")
        assert [kind for kind, _ in first].count("component") == 2
        assert {data["status"] for kind, data in first if kind == "maintenance"} == {
            "scheduled",
            "in_progress",
        }
        assert listener.last_id == str(view.now_ms)
        found.broadcast.tell(later(view, IncidentState.IDENTIFIED))
        kind, data = listener.event()
        assert (kind, data["status"]) == ("incident", "identified")
        assert int(listener.last_id) == view.now_ms + MIN_MS
        assert found.came == [1]


def test_the_answer_is_an_event_stream_that_says_when_to_come_again() -> None:
    with hall(told()) as found, found.listen() as listener:
        head = [next(listener.lines) for _ in range(9)]
        assert head[0] == "HTTP/1.1 200 OK"
        assert "content-type: text/event-stream; charset=utf-8" in head
        assert "cache-control: no-store" in head
        assert any("retry: 5000" in next(listener.lines) for _ in range(4))


def test_who_was_away_is_told_exactly_what_was_missed() -> None:
    view = full()
    broadcast = told(view)
    broadcast.tell(later(view, IncidentState.IDENTIFIED))
    missed = later(view, IncidentState.MONITORING, 2 * MIN_MS)
    broadcast.tell(missed)
    with hall(broadcast) as found, found.listen(str(view.now_ms + MIN_MS)) as listener:
        kind, data = listener.event()
        assert (kind, data["status"]) == ("incident", "monitoring")
        assert listener.last_id == str(view.now_ms + 2 * MIN_MS)


def test_who_was_away_for_longer_than_is_remembered_is_told_everything() -> None:
    view = full()
    broadcast = Broadcast(events_max=2)
    broadcast.tell(view)
    for count, state in enumerate(("identified", "monitoring", "investigating"), 1):
        broadcast.tell(later(view, IncidentState(state), count * MIN_MS))
    assert broadcast.since(view.now_ms) is None
    with hall(broadcast) as found:
        for unknown in (str(view.now_ms), "9" * 16, "1", "x"):
            with found.listen(unknown) as listener:
                assert "incident" in {kind for kind, _ in listener.until("whole")}


def test_ids_grow_also_where_much_changes_in_one_moment_and_the_clock_goes_back() -> None:
    view = full()
    broadcast = told(view)
    both = tuple(replace(one, state=ServiceState.PARTIAL) for one in view.services)
    broadcast.tell(replace(later(view, IncidentState.IDENTIFIED, -MIN_MS), services=both))
    events = broadcast.since(view.now_ms)
    assert events is not None
    ids = [one.revision for one in events]
    assert ids == sorted(set(ids))
    assert len(ids) > 2


def test_what_was_called_off_is_told_to_be_gone_and_old_incidents_are_not() -> None:
    view = full()
    broadcast = told(view)
    broadcast.tell(replace(view, maintenances=(CALLED_OFF,), past_incidents=(), now_ms=view.now_ms + 1))
    events = broadcast.since(view.now_ms)
    assert events is not None
    assert [b'"gone":true' in one.wire for one in events] == [True, True]
    assert all(b"event: maintenance" in one.wire for one in events)


def test_a_page_that_nobody_confirms_is_told_as_unknown() -> None:
    view = full()
    broadcast = told(honest(view))
    silent = replace(view, now_ms=view.now_ms + 10 * MIN_MS)
    assert broadcast.tell(honest(silent)) >= 2
    assert broadcast.tell(honest(replace(silent, now_ms=silent.now_ms + MIN_MS))) == 0


def test_a_sign_of_life_comes_while_nothing_else_does() -> None:
    with hall(told(), heartbeat_s=0.05) as found, found.listen() as listener:
        listener.until("whole")
        known = listener.last_id
        assert [listener.event()[0] for _ in range(2)] == ["heartbeat", "heartbeat"]
        assert listener.last_id == known


def test_who_comes_when_every_place_is_taken_is_sent_to_the_summary() -> None:
    broadcast = Broadcast(listeners_max=1)
    broadcast.tell(full())
    with hall(broadcast) as found:
        with found.listen() as first:
            first.until("whole")
            with found.listen() as second:
                assert next(second.lines) == "HTTP/1.1 503 Service Unavailable"
        until(lambda: broadcast.listeners == 0, "the place is free again")
        with found.listen() as third:
            third.until("whole")


def test_who_comes_before_the_first_look_waits_for_it() -> None:
    broadcast = Broadcast()
    with hall(broadcast) as found, found.listen() as listener:
        until(lambda: broadcast.listeners == 1, "somebody listens")
        broadcast.tell(full())
        listener.until("whole")


def test_the_stream_ends_cleanly_when_the_desk_stops() -> None:
    with hall(told()) as found, found.listen() as listener:
        listener.until("whole")
        found.broadcast.close()
        assert listener.event() == ("end", None)


def big(view: PageView, count: int) -> PageView:
    """Return a page whose incident says something long and new."""
    going = view.open_incidents[0]
    said = tuple(replace(one, text=f"{count} " + "x" * 100_000) for one in going.updates)
    return replace(view, open_incidents=(replace(going, updates=said),), now_ms=view.now_ms + count)


def test_who_takes_nothing_is_let_go_and_holds_up_nobody() -> None:
    view = full()
    broadcast = told(view)
    with hall(broadcast, stuck_ms=500) as found, found.listen(), found.listen() as quick:
        quick.until("whole")
        until(lambda: broadcast.listeners == 2, "both listen")
        seen = []
        for count in range(1, 101):
            broadcast.tell(big(view, count))
            seen.append(quick.event())
        assert all(kind == "incident" for kind, _ in seen)
        until(lambda: broadcast.listeners == 1, "the slow one is gone", 30)
        assert broadcast._bytes <= 4 << 20


def test_hostile_words_stay_within_their_event() -> None:
    view = full()
    broadcast = told(view)
    going = replace(view.open_incidents[0], title=EVERYTHING)
    broadcast.tell(replace(view, open_incidents=(going,), now_ms=view.now_ms + 1))
    events = broadcast.since(view.now_ms)
    assert events is not None
    [one] = events
    assert one.wire.count(b"\n") == 4
    assert b"\r" not in one.wire


# Who looks


def test_the_store_is_read_once_for_all_who_listen_and_hardly_for_nobody() -> None:
    now_s = [0.0]
    reads: list[float] = []

    def read() -> PageView:
        reads.append(now_s[0])
        return full()

    kept: list[PageView] = []
    idle = Lookout(read, Broadcast(), None, lambda: now_s[0])
    for step_s in range(60):
        now_s[0] = float(step_s)
        assert idle.step() == 60 - (step_s or 0)
    assert reads == [0.0]
    busy = Lookout(read, Broadcast(), kept.append, lambda: now_s[0])
    assert busy.step() == 60
    now_s[0] += 0.25
    assert busy.step() == 0.75
    now_s[0] += 0.75
    busy.step()
    assert len(kept) == 2
