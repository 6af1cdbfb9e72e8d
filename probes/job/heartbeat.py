"""Jobs that ping when they run, as Healthchecks' clients do: are they in time, and how long do they take.

The agent listens for the pings and tells this probe what it heard; it runs it again at once when a ping comes
and when a deadline passes. Alone the probe hears nothing, and every job is new.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from model.duration import Duration, seconds
from model.labels import Labels
from model.misfit import Misfit
from model.moments import next_ms
from model.plugin import Deadline, Look, Probe, Remark
from model.sample import Metric, Sample
from model.zone import UTC_ZONE, Zone
from probes.host.roots import this_host
from probes.job.heard import Heard, Standing, State, standing
from probes.job.schedule import Cron, OnCalendar, only_one

NAME_CHARS_MAX: Final = 128
LONGEST: Final = Duration.parse("1y")
SHORTEST: Final = seconds(1)
PERIOD: Final = Duration.parse("1d")
GRACE: Final = Duration.parse("1h")

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SLUG: Final = re.compile(r"[a-z0-9_-]{1,128}")

_NAME: Final = ("name",)
STATE = Metric(
    "beforehand_heartbeat_state",
    "1 for the state that the job is in: new, up, grace, down, paused or started.",
    labels=("name", "state"),
)
SUCCESS = Metric(
    "beforehand_heartbeat_last_success_timestamp_seconds", "When the job last did well.", labels=_NAME
)
START = Metric("beforehand_heartbeat_last_start_timestamp_seconds", "When it last began.", labels=_NAME)
DUE = Metric("beforehand_heartbeat_due_timestamp_seconds", "When it should be heard next.", labels=_NAME)
DURATION = Metric("beforehand_heartbeat_duration_seconds", "How long its last run took.", labels=_NAME)
EXIT = Metric("beforehand_heartbeat_exit_status", "How its last run ended; 0 is well.", labels=_NAME)
PINGS = Metric("beforehand_heartbeat_pings_total", "Pings that were heard of it.", "counter", _NAME)


class Uuid(str):
    """A UUID in small letters; whoever knows it may ping."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Uuid:
        """Read it, without quotes as well: some begin like a number."""
        if not _UUID.fullmatch(text.lower()):
            raise Misfit(f"{text[:40]!r} is not a UUID", "make one with uuidgen")
        return cls(text.lower())


@dataclass(frozen=True, slots=True)
class Options:
    """A job, how it may be pinged, and when it should run.

    ``name`` names it in labels. It pings ``/ping/UUID``, or ``/ping/KEY/SLUG`` where agent.yaml has a
    ``pings.key``; ``slug`` is made of the name where it is not given. It should run every ``period``, a day
    if nothing else is said, or by ``schedule``, a cron line of five fields, or by ``on_calendar``, an event
    as systemd's timers have it; both in ``timezone``. On days on which the clock is changed a job that names
    its hour is expected once. It is late until ``grace`` is over, and then missed; a run that began may also
    last as long as ``grace``. While ``paused`` nothing is expected of it.
    """

    name: str
    uuid: Uuid | None = None
    slug: str = ""
    period: Duration | None = None
    schedule: Cron | None = None
    on_calendar: OnCalendar | None = None
    timezone: Zone = UTC_ZONE
    grace: Duration = GRACE
    paused: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= NAME_CHARS_MAX:
            sentence = f"a job needs a name of at most {NAME_CHARS_MAX} characters"
            raise Misfit(sentence, "write one, like nightly-backup", key="name")
        if self.slug and not _SLUG.fullmatch(self.slug):
            raise Misfit(f"{self.slug[:40]!r} is not a slug", "use a to z, 0 to 9, - and _", key="slug")
        only_one(self.period, self.schedule, self.on_calendar)
        for key, length in (("period", self.period), ("grace", self.grace)):
            if length is not None and not SHORTEST <= length <= LONGEST:
                sentence = f"{key}: {length} is out of range"
                raise Misfit(sentence, f"choose {SHORTEST} to {LONGEST}", key=key)

    @property
    def path(self) -> str:
        """The slug that it is pinged by; empty where its name has no letter that could be in one."""
        return self.slug or re.sub(r"[^a-z0-9_]+", "-", self.name.lower()).strip("-")

    @property
    def usual_s(self) -> float:
        """How often it may ping at least, in seconds between two runs, as far as that is said."""
        return (self.period or PERIOD).s if self.schedule is None and self.on_calendar is None else 60.0


def due_ms(options: Options, heard: Heard) -> int | None:
    """Return when a job should be heard next, in ms since 1970; None when it is not due by itself."""
    if heard.ended_ms is None or options.paused:
        return None
    if options.schedule is not None:
        return next_ms(options.schedule.moments, options.timezone, heard.ended_ms)
    if options.on_calendar is not None:
        zone = options.on_calendar.zone or options.timezone
        return next_ms(options.on_calendar.moments, zone, heard.ended_ms)
    return heard.ended_ms + (options.period or PERIOD).ms


def judged(options: Options, heard: Heard, now_ms: int, listening_ms: int) -> Standing:
    """Return how a job stands by what was heard of it, ``listening_ms`` being since when we listen."""
    if options.paused:
        return Standing(State.PAUSED)
    return standing(heard, due_ms(options, heard), options.grace.ms, now_ms, listening_ms)


def told(options: Options, heard: Heard, state: State) -> Iterator[Sample | Remark]:
    """Yield the samples of a job that stands so."""
    name = options.name
    for one in State:
        yield STATE(one is state, name=name, state=one.value)
    yield PINGS(heard.pings, name=name)
    for metric, at_ms in (
        (SUCCESS, heard.succeeded_ms),
        (START, heard.started_ms),
        (DUE, due_ms(options, heard)),
        (DURATION, heard.lasted_ms),
    ):
        if at_ms is not None:
            yield metric(at_ms / 1000, name=name)
    if heard.exit_status is not None:
        yield EXIT(heard.exit_status, name=name)
    if heard.words:
        yield Remark(Labels.of(name=name), heard.words)


def deaf(options: Options) -> Look:
    """Return what looks where nobody listens for pings."""
    return partial(_deaf, options)


def _deaf(options: Options, _deadline: Deadline) -> Iterator[Sample | Remark]:
    nothing = Heard()
    return told(options, nothing, judged(options, nothing, 0, 0).state)


PROBE = Probe(
    "heartbeat", Options, None, (STATE, SUCCESS, START, DUE, DURATION, EXIT, PINGS),
    job="heartbeat", target=this_host, every=seconds(15),
    subject=lambda options: options.name, begin=deaf,
)  # fmt: skip  # the metrics on one line
