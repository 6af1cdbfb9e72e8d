from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from agent.clock import Clock
from agent.config import ProbeEntry
from agent.sight.pool import Pool
from agent.sight.senses import Reading, Senses, target_of
from agent.sight.talks import Talks
from agent.sight.watch import Watches
from model.conversation import RECEIVE, Address, Aside, Connect, Conversation
from model.duration import Duration, seconds
from model.labels import Labels
from model.misfit import Place
from model.plugin import Deadline, Probe, RunAgain, Seen, Wish
from model.sample import Metric, Sample
from tests.probes.targets import Connection, hang, listening

VALUE = Metric("value", "A value.")


@dataclass(frozen=True)
class Options:
    run: Callable[[Deadline], Iterable[Sample | Wish]] = field(default=lambda _: [VALUE(1)])


PROBE = Probe(
    "test", Options, lambda options, deadline: options.run(deadline), (VALUE,), "node", lambda _: ""
)


def entry(
    name: str,
    run: Callable[[Deadline], Iterable[Sample | Wish]] = lambda _: [VALUE(1)],
    timeout: Duration = seconds(5),
    every: Duration = seconds(60),
) -> ProbeEntry:
    return ProbeEntry(PROBE, Options(run), name, every, timeout, {}, Place(""))


class Loop:
    """Senses with a selector of their own, turned by hand."""

    def __init__(self, threads_max: int = 16) -> None:
        self.woken = threading.Event()
        self.selector = selectors.DefaultSelector()
        self.watches = Watches(self.selector, lambda name: self.senses.wake(str(name)))
        self.pool = Pool(threads_max, self.woken.set)
        clock = Clock()
        self.talks = Talks(clock.monotonic, self.pool)
        self.selector.register(self.talks, selectors.EVENT_READ, self.talks.listen)
        self.senses = Senses(clock, self.pool, self.watches, self.talks)

    def configure(self, *entries: ProbeEntry) -> None:
        self.senses.configure([(one, target_of(one, "host", {})) for one in entries])

    def close(self) -> None:
        self.watches.close()
        self.talks.close()
        self.selector.close()
        self.pool.close()

    def until(self, enough: Callable[[list[Reading]], bool], limit_s: float = 5) -> list[Reading]:
        readings: list[Reading] = []
        end_s = time.monotonic() + limit_s
        while not enough(readings):
            assert time.monotonic() < end_s, f"only {readings} came"
            self.woken.clear()
            readings += self.senses.turn()
            for key, _ in self.selector.select(0):
                key.data()
            self.woken.wait(0.005)
        return readings


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def test_a_run_brings_its_samples_with_the_labels_of_its_target(loop: Loop) -> None:
    loop.configure(entry("cpu"))
    (reading,) = loop.until(lambda found: len(found) == 1)
    assert reading.samples == (VALUE(1),)
    assert reading.target is Labels.of(job="node", instance="host")
    assert (reading.own[0].labels.name, reading.own[0].labels.get("probe")) == ("up", "cpu")
    assert reading.own[0].value == 1


def test_a_probe_that_raises_makes_its_target_unknown(loop: Loop) -> None:
    def fail(_: Deadline) -> Iterable[Sample | Wish]:
        raise PermissionError("no")

    loop.configure(entry("cpu", fail))
    (reading,) = loop.until(lambda found: len(found) == 1)
    assert (reading.samples, reading.reason, reading.own[0].value) == (None, "PermissionError: no", 0)


def test_a_probe_that_hangs_is_unknown_at_its_deadline_and_delays_no_other(loop: Loop) -> None:
    hang = threading.Event()

    def stuck(_: Deadline) -> Iterable[Sample | Wish]:
        hang.wait(10)
        return [VALUE(1)]

    stucks = [entry(f"stuck{n}", stuck, timeout=Duration(300)) for n in range(5)]
    loop.configure(*stucks, entry("quick"))
    started_s = time.monotonic()
    first = loop.until(lambda found: len(found) == 1)
    assert first[0].entry.name == "quick"
    assert time.monotonic() - started_s < 0.25, "the quick probe came before any deadline of the hanging ones"
    late = loop.until(lambda found: len(found) == 5)
    assert {reading.reason for reading in late} == {"no answer within 300ms"}
    hang.set()


def test_a_probe_that_still_hangs_is_not_started_again_and_stays_unknown(loop: Loop) -> None:
    hang = threading.Event()
    starts: list[int] = []

    def stuck(_: Deadline) -> Iterable[Sample | Wish]:
        starts.append(1)
        hang.wait(10)
        return [VALUE(1)]

    loop.configure(entry("stuck", stuck, timeout=Duration(50), every=Duration(100)))
    readings = loop.until(lambda found: len(found) == 3)
    assert [r.reason for r in readings] == ["no answer within 50ms", *["its last run still hangs"] * 2]
    assert len(starts) == 1
    hang.set()
    back = loop.until(lambda found: any(r.samples for r in found))
    assert back[-1].samples == (VALUE(1),)


def test_a_probe_without_a_free_thread_is_unknown_and_not_queued() -> None:
    loop = Loop(threads_max=1)
    hang = threading.Event()

    def stuck(_: Deadline) -> Iterable[Sample | Wish]:
        hang.wait(10)
        return []

    loop.configure(entry("stuck", stuck), entry("second"))
    (reading,) = loop.until(lambda found: len(found) == 1)
    assert reading.reason == "every worker thread is held by another probe"
    hang.set()
    loop.close()


def test_an_event_in_the_middle_of_a_run_makes_the_probe_run_once_more(loop: Loop) -> None:
    go = threading.Event()
    runs: list[int] = []

    def count(_: Deadline) -> Iterable[Sample | Wish]:
        runs.append(1)
        go.wait(5)
        return [VALUE(len(runs))]

    loop.configure(entry("cpu", count))
    loop.senses.turn()
    for _ in range(5):
        loop.senses.wake("cpu")
    go.set()
    readings = loop.until(lambda found: len(found) == 2)
    assert [r.samples for r in readings] == [(VALUE(1),), (VALUE(2),)]
    assert readings[0].at_ms < readings[1].at_ms


def test_a_source_of_endless_events_waits_for_the_slots(loop: Loop) -> None:
    loop.configure(entry("cpu"))
    loop.until(lambda found: len(found) == 1)
    readings: list[Reading] = []
    for _ in range(100):
        loop.senses.wake("cpu")
        readings += loop.until(lambda found: True)
        readings += loop.senses.turn()
    assert len(readings) < 20


def test_a_probe_that_floods_is_unknown(loop: Loop) -> None:
    loop.configure(entry("cpu", lambda _: (VALUE(1) for _ in range(20_000))))
    (reading,) = loop.until(lambda found: len(found) == 1)
    assert reading.reason == "OverflowError: more than 10000 samples in one run"


def test_a_reload_keeps_the_slots_of_a_probe_that_did_not_change(loop: Loop) -> None:
    kept = entry("cpu")
    loop.configure(kept, entry("gone"))
    loop.until(lambda found: len(found) == 2)
    loop.configure(kept, entry("new"))
    (reading,) = loop.until(lambda found: len(found) == 1)
    assert reading.entry.name == "new"
    assert loop.senses.turn() == []


def talk(name: str, conversation: Callable[[], Conversation[Iterable[Seen]]]) -> ProbeEntry:
    """Return a probe that converses."""
    probe = Probe(
        "talk",
        Options,
        lambda _, __: (),
        (VALUE,),
        "node",
        lambda _: "",
        converse=lambda _, __: conversation(),
    )
    return ProbeEntry(probe, Options(), name, seconds(60), Duration(500), {}, Place(""))


def greeting(port: int) -> Conversation[Iterable[Seen]]:
    yield Connect(Address(socket.AF_INET, ("127.0.0.1", port)))
    data = yield RECEIVE
    assert isinstance(data, bytes)
    return [VALUE(len(data))]


def test_a_probe_that_converses_takes_no_thread(loop: Loop) -> None:
    with listening(lambda connection: connection.socket.sendall(b"hello")) as port:
        loop.configure(*(talk(f"talk {n}", lambda: greeting(port)) for n in range(20)))
        readings = loop.until(lambda found: len(found) == 20)
    assert {reading.samples for reading in readings} == {(VALUE(5),)}
    assert loop.pool.threads == 0


def test_a_conversation_that_hangs_is_unknown_at_its_deadline(loop: Loop) -> None:
    with listening(hang) as port:
        loop.configure(talk("talk", lambda: greeting(port)))
        (reading,) = loop.until(lambda found: len(found) == 1)
    assert (reading.samples, reading.reason) == (None, "no answer within 500ms")


def test_a_conversation_whose_aside_hangs_is_not_begun_again_until_it_comes_back(loop: Loop) -> None:
    go = threading.Event()
    begun: list[int] = []

    def asking() -> Conversation[Iterable[Seen]]:
        begun.append(1)
        yield Aside(go.wait)
        return [VALUE(1)]

    loop.configure(talk("talk", asking))
    (reading,) = loop.until(lambda found: len(found) == 1)
    assert reading.reason == "no answer within 500ms"
    loop.senses.run_now("talk")
    assert len(begun) == 1
    go.set()
    loop.until(lambda found: any(reading.seen for reading in found))
    assert len(begun) == 2


def test_what_a_reload_took_away_in_mid_conversation_says_nothing_any_more(loop: Loop) -> None:
    go = threading.Event()

    def late(connection: Connection) -> None:
        go.wait(5)
        connection.socket.sendall(b"late")

    with listening(late) as slow, listening(lambda connection: connection.socket.sendall(b"hello")) as port:
        loop.configure(talk("talk", lambda: greeting(slow)), talk("gone", lambda: greeting(slow)))
        assert loop.senses.turn() == []
        loop.configure(talk("talk", lambda: greeting(port)))
        (reading,) = loop.until(lambda found: len(found) == 1)
        assert (reading.entry.name, reading.samples) == ("talk", (VALUE(5),))
        go.set()
        for _ in range(20):
            assert loop.until(lambda found: True) == []


def test_only_who_was_woken_is_urgent(loop: Loop) -> None:
    loop.configure(entry("cpu"))
    (first,) = loop.until(lambda found: len(found) == 1)
    loop.senses.wake("cpu")
    (second,) = loop.until(lambda found: len(found) == 1)
    assert (first.urgent, second.urgent) == (False, True)


def test_the_series_of_a_probe_are_one_object_while_they_stay_the_same(loop: Loop) -> None:
    loop.configure(entry("cpu"))
    (first,) = loop.until(lambda found: len(found) == 1)
    loop.senses.run_now("cpu")
    (second,) = loop.until(lambda found: len(found) == 1)
    assert first.row.labels is second.row.labels


def test_a_probe_that_wishes_it_runs_again_before_its_next_slot(loop: Loop) -> None:
    runs: list[float] = []

    def look(_: Deadline) -> Iterable[Sample | Wish]:
        runs.append(time.monotonic())
        return [VALUE(1), RunAgain(0)] if len(runs) == 1 else [VALUE(2)]

    loop.configure(entry("check", look))
    first, second = loop.until(lambda found: len(found) == 2, limit_s=20)
    assert (first.samples, second.samples) == ((VALUE(1),), (VALUE(2),))
    assert runs[1] - runs[0] >= 1, "a probe that always wishes it must not take the host"
    assert not second.urgent
