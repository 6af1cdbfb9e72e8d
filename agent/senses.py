"""Runs the probes: in their slots, when an event wakes them, each under its deadline."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from agent.clock import Clock
from agent.config import ProbeEntry
from agent.pool import Done, Pool
from agent.schedule import Schedule
from agent.watch import Watches
from model.labels import Labels
from model.plugin import REMARK_CHARS_MAX, Deadline, DeadlinePassed, Look, Remark, Wish
from model.sample import Metric, Sample

SAMPLES_MAX: Final = 10_000
REMARKS_MAX: Final = 256
WAKES_BURST: Final = 8.0
WAKES_PER_S: Final = 4.0

_OWN: Final = ("probe",)
UP: Final = Metric("up", "1 when the probe could look, 0 when its target is unknown.", labels=_OWN)
TOOK: Final = Metric("scrape_duration_seconds", "How long the probe ran.", labels=_OWN)
COUNT: Final = Metric("scrape_samples_scraped", "How many samples the probe brought.", labels=_OWN)

log = logging.getLogger("beforehand.senses")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run of a probe brought; ``samples`` is None when its target is unknown, for this reason.

    ``own`` are the samples about the run itself; they belong to the same moment.
    """

    entry: ProbeEntry
    target: Labels
    at_ms: int
    samples: tuple[Sample, ...] | None
    own: tuple[Sample, ...]
    reason: str = ""
    remarks: tuple[Remark, ...] = ()


@dataclass(slots=True)
class _Sense:
    """One probe and how its runs stand."""

    entry: ProbeEntry
    target: Labels
    look: Look
    run: int = 0  # number of the last run; a result of an earlier one comes too late
    started_s: float = 0.0
    started_ms: int = 0
    running: bool = False
    stuck: bool = False  # passed its deadline and has not come back
    again: bool = False  # was woken in the middle of a run
    wakes: float = WAKES_BURST
    waked_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Brought:
    samples: tuple[Sample, ...]
    wishes: tuple[Wish, ...]
    remarks: tuple[Remark, ...]


@dataclass(slots=True)
class Senses:
    """All probes of this host; used by the loop's thread only."""

    clock: Clock
    pool: Pool
    watches: Watches
    schedule: Schedule[str] = field(default_factory=Schedule)
    abandoned: int = 0
    _senses: dict[str, _Sense] = field(default_factory=dict)
    _ready: list[Reading] = field(default_factory=list)

    def configure(self, targets: Iterable[tuple[ProbeEntry, Labels]]) -> list[tuple[ProbeEntry, Labels]]:
        """Make these the probes; an unchanged one keeps its slots. Returns the ones that are gone."""
        now_s = self.clock.monotonic()
        before, self._senses = self._senses, {}
        for entry, target in targets:
            old = before.pop(entry.name, None)
            if old is not None and _same(old, entry, target):
                self._senses[entry.name] = old
                continue
            if old is not None:
                before[entry.name] = old
            self._senses[entry.name] = _Sense(entry, target, entry.probe.look(entry.options))
            self.schedule.add(entry.name, now_s, entry.every.s)
        for name in before:
            self.watches.drop(name)
            if name not in self._senses:
                self.schedule.drop(name)
        return [(sense.entry, sense.target) for sense in before.values()]

    @property
    def entries(self) -> tuple[tuple[ProbeEntry, Labels], ...]:
        """Every probe with the labels of its target."""
        return tuple((sense.entry, sense.target) for sense in self._senses.values())

    def wake(self, name: str) -> None:
        """Run the probe now, because of an event; a source of endless events waits for the slots."""
        sense = self._senses.get(name)
        if sense is None:
            return
        now_s = self.clock.monotonic()
        sense.wakes = min(WAKES_BURST, sense.wakes + (now_s - sense.waked_s) * WAKES_PER_S)
        sense.waked_s = now_s
        if sense.wakes < 1:
            return
        sense.wakes -= 1
        self.run_now(name)

    def run_now(self, name: str) -> None:
        """Run the probe now, or once more when it is in the middle of a run."""
        sense = self._senses.get(name)
        if sense is None:
            return
        if sense.running:
            sense.again = True
        else:
            self._start(sense)

    def turn(self) -> list[Reading]:
        """Start what is due, give up what passed its deadline, and return what came back."""
        for done in self.pool.finished():
            self._finish(done)
        now_s = self.clock.monotonic()
        for sense in self._senses.values():
            if sense.running and not sense.stuck and now_s >= sense.started_s + sense.entry.timeout.s:
                self._abandon(sense)
        for name in self.schedule.due(now_s):
            sense = self._senses[name]
            if sense.stuck:
                self._unknown(sense, "its last run still hangs")
            elif not sense.running:
                self._start(sense)
        ready, self._ready = self._ready, []
        return ready

    def next_s(self) -> float | None:
        """Return when the next slot or deadline falls due, on the monotonic clock."""
        deadlines = [
            sense.started_s + sense.entry.timeout.s
            for sense in self._senses.values()
            if sense.running and not sense.stuck
        ]
        slot = self.schedule.next_s()
        return min([*deadlines, *([slot] if slot is not None else [])], default=None)

    def _start(self, sense: _Sense) -> None:
        sense.run += 1
        sense.again = False
        sense.started_s = self.clock.monotonic()
        sense.started_ms = max(self.clock.now_ms(), sense.started_ms + 1)
        deadline = Deadline(sense.started_s + sense.entry.timeout.s, self.clock.monotonic)
        look = sense.look
        sense.running = self.pool.submit((sense.entry.name, sense.run), lambda: _brought(look, deadline))
        if not sense.running:
            self._unknown(sense, "every worker thread is held by another probe")

    def _finish(self, done: Done) -> None:
        name, run = done.key if isinstance(done.key, tuple) else ("", 0)
        sense = self._senses.get(name)
        if sense is None or sense.run != run:
            return
        sense.running, late, sense.stuck = False, sense.stuck, False
        if late:
            log.info("probe %s came back %.1f s late", name, self.clock.monotonic() - sense.started_s)
        elif isinstance(done.error, DeadlinePassed):
            self._unknown(sense, f"no answer within {sense.entry.timeout}")
        elif done.error is not None:
            self._unknown(sense, f"{type(done.error).__name__}: {done.error}")
        else:
            self._take(sense, done.value)
        if sense.again:
            self._start(sense)

    def _take(self, sense: _Sense, brought: object) -> None:
        assert isinstance(brought, _Brought), "the job is _brought"
        self.watches.wish(sense.entry.name, brought.wishes)
        own = self._own(sense, up=1, count=len(brought.samples))
        at_ms, samples, remarks = sense.started_ms, brought.samples, brought.remarks
        self._ready.append(Reading(sense.entry, sense.target, at_ms, samples, own, remarks=remarks))

    def _abandon(self, sense: _Sense) -> None:
        sense.stuck = True
        self.abandoned += 1
        self._unknown(sense, f"no answer within {sense.entry.timeout}")

    def _unknown(self, sense: _Sense, reason: str) -> None:
        log.warning("probe %s cannot see its target: %s", sense.entry.name, reason)
        at_ms = max(self.clock.now_ms(), sense.started_ms + 1)
        sense.started_ms = at_ms
        own = self._own(sense, up=0, count=0)
        self._ready.append(Reading(sense.entry, sense.target, at_ms, None, own, reason))

    def _own(self, sense: _Sense, up: int, count: int) -> tuple[Sample, ...]:
        name = sense.entry.name
        took_s = self.clock.monotonic() - sense.started_s
        return (UP(up, probe=name), TOOK(took_s, probe=name), COUNT(count, probe=name))


def _brought(look: Look, deadline: Deadline) -> _Brought:
    """Run one probe to its end; called on a worker thread."""
    samples: list[Sample] = []
    wishes: list[Wish] = []
    remarks: list[Remark] = []
    for seen in look(deadline):
        if isinstance(seen, Sample):
            samples.append(seen)
        elif isinstance(seen, Remark):
            remarks.append(Remark(seen.labels, seen.text[:REMARK_CHARS_MAX]))
        else:
            wishes.append(seen)
        if len(samples) > SAMPLES_MAX:
            raise OverflowError(f"more than {SAMPLES_MAX} samples in one run")
        if len(remarks) > REMARKS_MAX:
            raise OverflowError(f"more than {REMARKS_MAX} remarks in one run")
    return _Brought(tuple(samples), tuple(wishes), tuple(remarks))


def _same(sense: _Sense, entry: ProbeEntry, target: Labels) -> bool:
    known = sense.entry
    return (known.probe, known.options, known.every, known.timeout, sense.target) == (
        entry.probe,
        entry.options,
        entry.every,
        entry.timeout,
        target,
    )


def target_of(entry: ProbeEntry, instance: str, labels: dict[str, str]) -> Labels:
    """Return the labels that every series of this probe carries."""
    looked_at = entry.probe.target(entry.options) or instance
    return Labels.of({**labels, "job": entry.probe.job, "instance": looked_at, **entry.labels})
