"""Runs the probes: in their slots, when an event wakes them, each under its deadline."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, NamedTuple

from agent.clock import Clock
from agent.config import ProbeEntry
from agent.sight.pool import Done, Pool
from agent.sight.schedule import Schedule, first_s, phase_s
from agent.sight.talks import Hanging, Talk, Talks
from agent.sight.watch import Watches
from model.conversation import Conversation
from model.labels import Labels
from model.plugin import REMARK_CHARS_MAX, Deadline, DeadlinePassed, Look, Remark, RunAgain, Seen, Wish
from model.sample import Metric, Sample, Samples

SAMPLES_MAX: Final = 10_000
REMARKS_MAX: Final = 256
WAKES_BURST: Final = 8.0
WAKES_PER_S: Final = 4.0
AGAIN_S_MIN: Final = 1.0
EARLY_S: Final = 0.02
"""A run may come so much before its slot, to share the wake-up of another."""

_OWN: Final = ("probe",)
UP: Final = Metric("up", "1 when the probe could look, 0 when its target is unknown.", labels=_OWN)
TOOK: Final = Metric("scrape_duration_seconds", "How long the probe ran.", labels=_OWN)
COUNT: Final = Metric("scrape_samples_scraped", "How many samples the probe brought.", labels=_OWN)
_ABOUT: Final = (UP, TOOK, COUNT)

_NONE: Final = Samples((), ())

log = logging.getLogger("beforehand.senses")


@dataclass(slots=True)  # not frozen: that costs a host with many checks
class Reading:
    """What one run of a probe brought, with the samples about the run itself at the end of its ``row``.

    Where it was not ``seen``, its target is unknown, for this reason. ``urgent`` says that an event made it
    run, or somebody who waits for it.
    """

    entry: ProbeEntry
    target: Labels
    at_ms: int
    row: Samples
    seen: bool
    reason: str
    remarks: tuple[Remark, ...]
    urgent: bool

    @property
    def samples(self) -> tuple[Sample, ...] | None:
        """What the probe itself brought."""
        return tuple(self.row)[: -len(_ABOUT)] if self.seen else None

    @property
    def own(self) -> tuple[Sample, ...]:
        """What there is to say of the run."""
        return tuple(self.row)[-len(_ABOUT) :]


@dataclass(slots=True, eq=False)
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
    urgent: bool = False
    seen: bool | None = None  # how its last run ended
    took_s: float = 0.0
    wakes: float = WAKES_BURST
    waked_s: float = 0.0
    brought: tuple[Labels, ...] = ()  # the series of its last run
    row: tuple[Labels, ...] = ()  # and of that with those about the run itself

    def __post_init__(self) -> None:
        self.row = tuple([metric(0, probe=self.entry.name).labels for metric in _ABOUT])

    def labels_of(self, brought: tuple[Labels, ...]) -> tuple[Labels, ...]:
        """Return the series of a whole row; one object for as long as they stay the same."""
        if brought != self.brought:
            self.brought, self.row = brought, (*brought, *self.row[-len(_ABOUT) :])
        return self.row


class _Run(NamedTuple):
    """What a run is known by while it is under way."""

    sense: _Sense
    number: int


@dataclass(frozen=True, slots=True)
class _Brought:
    samples: Samples
    wishes: tuple[Wish, ...] = ()
    remarks: tuple[Remark, ...] = ()


class Senses:
    """All probes of this host; used by the loop's thread only."""

    def __init__(self, clock: Clock, pool: Pool, watches: Watches, talks: Talks) -> None:
        self.schedule: Schedule[str] = Schedule()
        self.abandoned = 0
        self._clock = clock
        self._pool = pool
        self._watches = watches
        self._talks = talks
        self._senses: dict[str, _Sense] = {}
        self._deadlines: list[tuple[float, int, _Sense]] = []
        self._again: list[tuple[float, int, _Sense]] = []
        self._runs = 0
        self._ready: list[Reading] = []

    def configure(self, targets: Iterable[tuple[ProbeEntry, Labels]]) -> list[tuple[ProbeEntry, Labels]]:
        """Make these the probes; an unchanged one keeps its slots. Returns the ones that are gone."""
        before, self._senses = self._senses, {}
        new: list[ProbeEntry] = []
        for entry, target in targets:
            old = before.pop(entry.name, None)
            if old is not None and _same(old, entry, target):
                self._senses[entry.name] = old
                continue
            if old is not None:
                before[entry.name] = old
            self._senses[entry.name] = _Sense(entry, target, entry.probe.look(entry.options))
            new.append(entry)
        self._plan(new)
        for name in before:
            self._watches.drop(name)
            if name not in self._senses:
                self.schedule.drop(name)
        return [(sense.entry, sense.target) for sense in before.values()]

    def _plan(self, new: list[ProbeEntry]) -> None:
        """Give each of these its slots."""
        now_s = self._clock.monotonic()
        for number, entry in enumerate(new):
            phase = phase_s(entry.name, entry.every.s, len(self._senses))
            self.schedule.add(entry.name, now_s + first_s(number, len(new)), entry.every.s, phase)

    @property
    def entries(self) -> tuple[tuple[ProbeEntry, Labels], ...]:
        """Every probe with the labels of its target."""
        return tuple((sense.entry, sense.target) for sense in self._senses.values())

    def last_runs(self) -> Iterator[tuple[ProbeEntry, bool, float]]:
        """Yield each probe that ran, whether it could look the last time, and how long that took in s."""
        for sense in self._senses.values():
            if sense.seen is not None:
                yield sense.entry, sense.seen, sense.took_s

    def wake(self, name: str) -> None:
        """Run the probe now, because of an event; a source of endless events waits for the slots."""
        sense = self._senses.get(name)
        if sense is None:
            return
        now_s = self._clock.monotonic()
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
            self._start(sense, self._clock.now_ms(), urgent=True)

    def turn(self) -> list[Reading]:
        """Start what is due, give up what passed its deadline, and return what came back."""
        for done in self._pool.finished():
            if isinstance(done.key, Talk):
                self._talks.told(done)
            else:
                self._finish(done)
        self._talks.turn()
        now_s = self._clock.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now_s:
            _, run, sense = heappop(self._deadlines)
            if sense.running and sense.run == run and not sense.stuck:
                self._abandon(sense)
        now_ms = self._clock.now_ms()
        self._run_again(now_s, now_ms)
        for name in self.schedule.due(now_s + EARLY_S):
            sense = self._senses[name]
            if sense.stuck:
                self._unknown(sense, "its last run still hangs")
            elif not sense.running:
                self._start(sense, now_ms)
        for done in self._talks.finished():
            self._finish(done)
        ready, self._ready = self._ready, []
        return ready

    def _run_again(self, now_s: float, now_ms: int) -> None:
        """Start what wished for it, unless it ran since."""
        while self._again and self._again[0][0] <= now_s:
            _, run, sense = heappop(self._again)
            if sense.run == run and self._senses.get(sense.entry.name) is sense and not sense.running:
                self._start(sense, now_ms)

    def next_s(self) -> float | None:
        """Return when the next slot or deadline falls due, on the monotonic clock."""
        while self._deadlines and not _waits(*self._deadlines[0]):
            heappop(self._deadlines)
        deadline = self._deadlines[0][0] if self._deadlines else None
        again = self._again[0][0] if self._again else None
        dues = (deadline, again, self.schedule.next_s(), self._talks.next_s())
        return min((due for due in dues if due is not None), default=None)

    def _start(self, sense: _Sense, now_ms: int, *, urgent: bool = False) -> None:
        self._runs += 1
        entry = sense.entry
        sense.run, sense.again, sense.urgent = self._runs, False, urgent
        sense.started_s = self._clock.monotonic()
        sense.started_ms = max(now_ms, sense.started_ms + 1)
        until_s = sense.started_s + entry.timeout.s
        deadline = Deadline(until_s, self._clock.monotonic)
        run = _Run(sense, sense.run)
        if entry.probe.converse is not None:
            sense.running = True
            self._talks.begin(run, _whole(entry.probe.converse(entry.options, deadline)), until_s)
            return
        look = sense.look
        sense.running = self._pool.submit(run, lambda: _brought(look(deadline)))
        if sense.running:
            heappush(self._deadlines, (until_s, sense.run, sense))
        else:
            self._unknown(sense, "every worker thread is held by another probe")

    def _finish(self, done: Done) -> None:
        run, value, error = done
        assert isinstance(run, _Run), "every other key is a talk"
        sense, number = run
        if sense.run != number or self._senses.get(sense.entry.name) is not sense:
            return
        if isinstance(error, Hanging):
            self._abandon(sense)
            return
        sense.running, late, sense.stuck = False, sense.stuck, False
        if late:
            name, took_s = sense.entry.name, self._clock.monotonic() - sense.started_s
            log.info("probe %s came back %.1f s late", name, took_s)
        elif error is None:
            assert isinstance(value, _Brought), "every run ends in _brought"
            self._take(sense, value)
        elif isinstance(error, DeadlinePassed):
            self._unknown(sense, f"no answer within {sense.entry.timeout}")
        else:
            self._unknown(sense, f"{type(error).__name__}: {error}")
        if sense.again:
            self._start(sense, self._clock.now_ms(), urgent=True)

    def _take(self, sense: _Sense, brought: _Brought) -> None:
        events = [wish for wish in brought.wishes if not isinstance(wish, RunAgain)]
        self._watches.wish(sense.entry.name, events)
        for wish in brought.wishes:
            if isinstance(wish, RunAgain):
                at_s = self._clock.monotonic() + max(wish.after_s, AGAIN_S_MIN)
                heappush(self._again, (at_s, sense.run, sense))
        samples = brought.samples
        row = self._row(sense, samples, up=1.0)
        reading = Reading(
            sense.entry, sense.target, sense.started_ms, row, True, "", brought.remarks, sense.urgent
        )
        self._ready.append(reading)

    def _abandon(self, sense: _Sense) -> None:
        sense.stuck = True
        self.abandoned += 1
        self._unknown(sense, f"no answer within {sense.entry.timeout}")

    def _unknown(self, sense: _Sense, reason: str) -> None:
        log.warning("probe %s cannot see its target: %s", sense.entry.name, reason)
        at_ms = max(self._clock.now_ms(), sense.started_ms + 1)
        sense.started_ms = at_ms
        row = self._row(sense, _NONE, up=0.0)
        self._ready.append(Reading(sense.entry, sense.target, at_ms, row, False, reason, (), sense.urgent))

    def _row(self, sense: _Sense, samples: Samples, up: float) -> Samples:
        """Return these samples with those about the run itself."""
        took_s = round(self._clock.monotonic() - sense.started_s, 6)
        sense.seen, sense.took_s = up == 1.0, took_s
        about = (up, took_s, float(len(samples.values)))
        return Samples(sense.labels_of(samples.labels), samples.values + about)


def _waits(_: float, run: int, sense: _Sense) -> bool:
    """Tell whether a deadline is still of any meaning."""
    return sense.running and sense.run == run and not sense.stuck


def _whole(conversation: Conversation[Iterable[Seen]]) -> Conversation[_Brought]:
    return _brought((yield from conversation))


def _brought(told: Iterable[Seen]) -> _Brought:
    """Take in all that one run tells; on the thread where that is worked out."""
    if isinstance(told, Samples):
        return _Brought(told)
    samples: list[Sample] = []
    wishes: list[Wish] = []
    remarks: list[Remark] = []
    for seen in told:
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
    return _Brought(Samples.of(samples), tuple(wishes), tuple(remarks))


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
