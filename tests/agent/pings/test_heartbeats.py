"""Jobs that ping a real endpoint: what is answered, what is remembered, and when the probes look again."""

from __future__ import annotations

import http.client
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest

from agent.api.endpoint import Endpoint, Request
from agent.config import ProbeEntry
from agent.memory import Newer
from agent.pings.config import PingListen, Pings
from agent.pings.heartbeats import BODY_BYTES_MAX, CREATED_MAX, Heartbeats
from agent.pings.memory import PINGS_KEPT, HeartbeatMemory
from model.decode import decode
from model.duration import seconds
from model.misfit import NOWHERE, Misfit, Rejected
from probes.job.heartbeat import PROBE, Options
from tests.probes.targets import values, within

UUID = "5db34b9a-1111-4222-8333-444455556666"
KEY = "a-key-of-22-characters"
BEGIN_MS = 1_780_000_000_000
WITH_KEY = Pings(key=KEY)

Caller = Callable[..., tuple[int, str]]


@dataclass
class Time:
    """A clock that a test moves."""

    ms: int = BEGIN_MS

    def __call__(self) -> int:
        return self.ms


@dataclass
class Ears:
    """Heartbeats, and who asks them."""

    heartbeats: Heartbeats
    time: Time
    woken: threading.Event
    entries: tuple[ProbeEntry, ...]

    def ping(self, address: str, body: bytes = b"") -> tuple[int, str]:
        path, _, query = address.partition("?")
        parameters = {name: (value,) for name, value in parse_qsl(query)}
        (route,) = self.heartbeats.routes().values()
        answer = route.answer(Request(parameters, unquote(path), body))
        return answer.status, answer.body.decode().strip()

    def told(self, name: str = "heartbeat n") -> dict[str, float]:
        entries = {entry.name: entry for entry in self.heartbeats.configure(self.entries)}
        return values(entries[name].probe.look(entries[name].options)(within(5)))

    def state(self, name: str = "n") -> str:
        found = self.told(f"heartbeat {name}")
        (state,) = (
            series.rpartition('state="')[2].removesuffix('"}')
            for series, value in found.items()
            if series.startswith("beforehand_heartbeat_state") and value
        )
        return state


def entry(text: str) -> ProbeEntry:
    options = decode(text.encode(), "f", Options)
    return ProbeEntry(PROBE, options, PROBE.named(options), seconds(15), seconds(5), {}, NOWHERE)


@contextmanager
def ears(folder: Path, *entries: str, pings: Pings = WITH_KEY, time: Time | None = None) -> Iterator[Ears]:
    clock = time or Time()
    woken = threading.Event()
    heartbeats = Heartbeats(HeartbeatMemory(folder / "heartbeats.db"), pings, clock, woken.set)
    made = tuple(map(entry, entries or (f"{{name: n, uuid: {UUID}, period: 1h, grace: 10m}}",)))
    heartbeats.configure(made)
    try:
        yield Ears(heartbeats, clock, woken, made)
    finally:
        heartbeats.close()


@contextmanager
def served(there: Ears) -> Iterator[Caller]:
    """Let the heartbeats answer at a real endpoint."""
    endpoint = Endpoint("127.0.0.1", 0, there.heartbeats.routes())
    endpoint.start()

    def ping(path: str, body: bytes | None = None, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
        connection.request(method, f"/ping/{path}", body)
        answer = connection.getresponse()
        said = answer.read().decode().strip()
        assert answer.getheader("Ping-Body-Limit") == str(BODY_BYTES_MAX)
        connection.close()
        return answer.status, said

    try:
        yield ping
    finally:
        endpoint.close()


def test_a_ping_is_answered_as_healthchecks_answers(tmp_path: Path) -> None:
    with ears(tmp_path) as there, served(there) as ping:
        assert there.state() == "new"
        assert ping(UUID) == (200, "OK")
        assert there.state() == "up"
        assert ping(UUID, b"words", "POST") == (200, "OK")
        assert ping(UUID, method="HEAD") == (200, "")
        assert ping(str(uuid.uuid4()), method="HEAD") == (404, "")
        assert there.told()['beforehand_heartbeat_pings_total{name="n"}'] == 3


@pytest.mark.parametrize(
    ("path", "state"),
    [("", "up"), ("/start", "started"), ("/fail", "down"), ("/log", "new"), ("/0", "up"), ("/9", "down")],
)
def test_each_signal_is_heard(tmp_path: Path, path: str, state: str) -> None:
    with ears(tmp_path) as there:
        assert there.ping(UUID + path) == (200, "OK")
        assert there.state() == state


def test_a_slug_is_pinged_with_the_key(tmp_path: Path) -> None:
    with ears(tmp_path, "{name: Nightly backup}", "{name: b, slug: other}") as there:
        assert there.ping(f"{KEY}/nightly-backup/5") == (200, "OK")
        assert there.ping(f"{KEY}/other") == (200, "OK")
        assert (there.state("Nightly backup"), there.state("b")) == ("down", "up")
        assert (
            there.told("heartbeat Nightly backup")['beforehand_heartbeat_exit_status{name="Nightly backup"}']
            == 5
        )
        assert there.ping("another-key-of-22-chars/other") == (404, "not found")
        assert there.ping(f"{KEY}/unknown") == (404, "not found")
        assert there.ping(str(uuid.uuid4())) == (404, "not found")
    with ears(tmp_path, pings=Pings()) as there:
        assert there.ping("/n") == (404, "not found")


def test_an_ambiguous_slug_is_refused(tmp_path: Path) -> None:
    with ears(tmp_path, "{name: a b}", "{name: A-B}") as there:
        assert there.ping(f"{KEY}/a-b") == (409, "ambiguous slug")


def test_a_run_is_measured_from_its_start(tmp_path: Path) -> None:
    run = str(uuid.uuid4())
    with ears(tmp_path) as there:
        there.ping(f"{UUID}/start?rid={run}")
        there.time.ms += 90_000
        there.ping(f"{UUID}?rid={run}")
        assert there.told()['beforehand_heartbeat_duration_seconds{name="n"}'] == 90


def test_more_than_five_pings_a_minute_are_refused(tmp_path: Path) -> None:
    with ears(tmp_path) as there:
        assert [there.ping(UUID)[0] for _ in range(6)] == [200] * 5 + [429]
        there.time.ms += 12_000
        assert [there.ping(UUID)[0] for _ in range(2)] == [200, 429]


def test_a_job_that_runs_every_few_seconds_may_ping_as_often(tmp_path: Path) -> None:
    with ears(tmp_path, f"{{name: n, uuid: {UUID}, period: 2s}}") as there:
        for _ in range(20):
            assert (there.ping(f"{UUID}/start")[0], there.ping(UUID)[0]) == (200, 200)
            there.time.ms += 2_000


def test_a_body_is_kept_up_to_its_limit_and_may_be_longer(tmp_path: Path) -> None:
    with ears(tmp_path) as there, served(there) as ping:
        assert ping(UUID, b"x" * 3_000_000, "POST") == (200, "OK")
        assert ping(UUID, b"a=1&rid=no", "POST") == (200, "OK"), "a body is no form here"
        (told,) = there.heartbeats.told()["heartbeats"]
        assert [len(ping["body"]) for ping in told["pings"]] == [10, BODY_BYTES_MAX]


def test_only_the_last_pings_are_kept(tmp_path: Path) -> None:
    with ears(tmp_path) as there:
        for number in range(PINGS_KEPT + 5):
            there.ping(f"{UUID}/log", f"ping {number}".encode())
            there.time.ms += 60_000
        (told,) = there.heartbeats.told()["heartbeats"]
        assert [ping["body"] for ping in told["pings"]] == [
            f"ping {number}" for number in reversed(range(5, PINGS_KEPT + 5))
        ]
        assert UUID not in str(told)


def test_a_ping_that_was_answered_is_on_disk(tmp_path: Path) -> None:
    with ears(tmp_path) as there:
        there.ping(f"{UUID}/start")
        there.ping(f"{UUID}/7", b"why")
        # Nothing was closed: what another process sees now is what a kill would leave.
        with sqlite3.connect(f"file:{tmp_path}/heartbeats.db?mode=ro", uri=True) as other:
            rows = other.execute("SELECT signal, exit_status, body FROM ping ORDER BY number").fetchall()
        other.close()
    assert rows == [("start", None, b""), ("fail", 7, b"why")]


def test_what_was_heard_outlives_a_restart(tmp_path: Path) -> None:
    with ears(tmp_path) as there:
        there.ping(UUID, b"words")
        before = there.told()
    with ears(tmp_path) as there:
        assert there.told() == before


def test_a_deadline_that_passed_while_the_agent_was_down_grants_one_grace(tmp_path: Path) -> None:
    time = Time()
    with ears(tmp_path, time=time) as there:
        there.ping(UUID)
    time.ms += 5 * 3_600_000
    with ears(tmp_path, time=time) as there:
        assert there.state() == "grace"
        time.ms += 600_000
        assert there.state() == "down"
    time.ms += 1
    with ears(tmp_path, time=time) as there:
        assert there.state() == "down", "it was missed before the restart"
        there.ping(UUID)
        assert there.state() == "up"


def test_a_machine_that_slept_grants_one_grace(tmp_path: Path) -> None:
    with ears(tmp_path) as there:
        there.ping(UUID)
        there.heartbeats.turn(there.time.ms)
        there.time.ms += 8 * 3_600_000
        there.heartbeats.turn(there.time.ms)
        assert there.state() == "grace"


def test_probes_look_when_a_ping_comes_and_when_a_deadline_passes(tmp_path: Path) -> None:
    with ears(tmp_path) as there:
        assert there.heartbeats.turn(there.time.ms) == []
        there.ping(UUID)
        assert there.woken.wait(10)
        assert there.heartbeats.turn(there.time.ms) == ["heartbeat n"]
        assert there.heartbeats.turn(there.time.ms) == []
        assert there.state() == "up"
        assert there.heartbeats.next_ms() == BEGIN_MS + 3_600_000
        there.time.ms = BEGIN_MS + 3_600_000
        assert there.heartbeats.turn(there.time.ms) == ["heartbeat n"]
        assert there.state() == "grace"
        assert there.heartbeats.next_ms() == BEGIN_MS + 4_200_000


def test_a_ping_with_the_key_makes_a_job_if_that_is_allowed(tmp_path: Path) -> None:
    with ears(tmp_path) as there:
        assert there.ping(f"{KEY}/fresh?create=1") == (404, "not found")
    allowed = Pings(key=KEY, create=True)
    with ears(tmp_path, pings=allowed) as there:
        assert there.ping(f"{KEY}/fresh/fail?create=1") == (201, "Created")
        assert there.heartbeats.grown
        assert there.ping(f"{KEY}/fresh?create=1") == (200, "OK")
        assert there.ping(f"{KEY}/../etc?create=1")[0] in (400, 404)
        assert there.ping(f"{KEY}/Bad%20Slug?create=1") == (404, "not found")
        assert there.state("fresh") == "up"
    with ears(tmp_path, pings=allowed) as there:
        assert there.state("fresh") == "up", "it outlives a restart"
    with ears(tmp_path, "{name: fresh, period: 1m, grace: 1m}", pings=allowed) as there:
        assert len(there.heartbeats.configure(there.entries)) == 1, "what is configured stands in its place"


def test_pings_cannot_make_jobs_without_end(tmp_path: Path) -> None:
    with ears(tmp_path, pings=Pings(key=KEY, create=True)) as there:
        said = [there.ping(f"{KEY}/job-{number}?create=1")[0] for number in range(CREATED_MAX + 1)]
        assert said == [201] * CREATED_MAX + [403]


def test_a_ping_that_cannot_be_written_counts_and_is_asked_for_again(tmp_path: Path) -> None:
    with ears(tmp_path) as there:
        there.ping(UUID)
        with sqlite3.connect(tmp_path / "heartbeats.db", isolation_level=None) as other:
            other.execute(
                "CREATE TRIGGER full BEFORE INSERT ON ping BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        other.close()
        status, said = there.ping(f"{UUID}/fail")
        assert (status, "try again" in said) == (503, True)
        assert there.state() == "down"


def test_pings_from_many_threads_are_all_counted(tmp_path: Path) -> None:
    names = [f"j{number}" for number in range(6)]
    with ears(tmp_path, *(f"{{name: {name}, slug: {name}}}" for name in names)) as there:
        threads = [
            threading.Thread(target=lambda n=name: [there.ping(f"{KEY}/{n}") for _ in range(5)])
            for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = [
            there.told(f"heartbeat {n}")[f'beforehand_heartbeat_pings_total{{name="{n}"}}'] for n in names
        ]
        assert counts == [5] * len(names)


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "heartbeats.db") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(Newer):
        HeartbeatMemory(tmp_path / "heartbeats.db")


def test_an_unchanged_job_keeps_its_probe_over_a_reload(tmp_path: Path) -> None:
    with ears(tmp_path) as there:
        assert there.heartbeats.configure(there.entries) == there.heartbeats.configure(there.entries)


@pytest.mark.parametrize("text", ["0.0.0.0:9468", "[::]:9468", "192.0.2.1:80"])
def test_pings_may_come_from_other_machines(text: str) -> None:
    assert PingListen.parse(text).port in (9468, 80)


@pytest.mark.parametrize("text", ["9468", "example.com:80", "0.0.0.0:99999", "0.0.0.0:x", ":80"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        PingListen.parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"), [("{key: short}", "too short"), ("{create: true}", "there is none")]
)
def test_a_mistake_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        decode(text.encode(), "f", Pings)
