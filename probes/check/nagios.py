"""Plug-ins of Nagios and its kin, run unchanged: their status, their performance data and their words.

Exit codes and output are those of the Monitoring Plugins Development Guidelines. Each run is one check, so
the probe's own slots are Nagios' check interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from model.duration import Duration, seconds
from model.labels import Labels
from model.misfit import Misfit
from model.plugin import Deadline, Look, Probe, Remark, RunAgain
from model.sample import Metric, Sample
from probes.check.perfdata import Item, Range, parse_output
from probes.check.program_options import NO_VARIABLES, Argv, Environment, environment
from probes.check.standing import BEFORE_ALL, UNKNOWN, Standing, after
from probes.program import Finished, run

CHECK_CHARS_MAX: Final = 128

_CHECK: Final = ("check",)
_PERF: Final = ("check", "label", "unit")
_BOUND: Final = (*_PERF, "bound")
STATUS = Metric("nagios_check_status", "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.", labels=_CHECK)
EXIT = Metric(
    "nagios_check_exit_code", "The plug-in's own exit code; of a signal its number, negative.", labels=_CHECK
)
TYPE = Metric("nagios_check_state_type", "1 for a hard state, 0 for a soft one.", labels=_CHECK)
ATTEMPT = Metric(
    "nagios_check_attempt", "Which check in a row saw the problem, up to max_check_attempts.", labels=_CHECK
)
FLAPPING = Metric("nagios_check_flapping", "1 while the status changes too often.", labels=_CHECK)
FLAPPING_PERCENT = Metric(
    "nagios_check_flapping_percent", "Weighted share of changes in the last 20 checks.", labels=_CHECK
)
DURATION = Metric("nagios_check_duration_seconds", "How long the plug-in ran.", labels=_CHECK)
UNREAD = Metric(
    "nagios_check_perf_unreadable", "Pieces of performance data that could not be read.", labels=_CHECK
)
VALUE = Metric("nagios_check_perf_value", "A value, in the base unit.", labels=_PERF)
WARN = Metric("nagios_check_perf_warn", "A bound beyond which the plug-in warns.", labels=_BOUND)
CRIT = Metric("nagios_check_perf_crit", "A bound beyond which it is critical.", labels=_BOUND)
MIN = Metric("nagios_check_perf_min", "The smallest value that there can be.", labels=_PERF)
MAX = Metric("nagios_check_perf_max", "The greatest value that there can be.", labels=_PERF)


@dataclass(frozen=True, slots=True)
class Options:
    """A plug-in and how to run it.

    ``check`` names it in labels. ``argv`` is its absolute path with its arguments, ``env`` its variables,
    ``env_files`` those whose value lies in a file, for secrets. ``user`` runs it as somebody else.
    ``target`` is the host that it looks at, where that is not this one. A problem is soft until it was seen
    ``max_check_attempts`` times in a row; while it is, the check runs again after ``retry_interval``.
    """

    check: str
    argv: Argv
    env: Environment = NO_VARIABLES
    env_files: Environment = NO_VARIABLES
    user: str = ""
    target: str = ""
    max_check_attempts: int = 3
    retry_interval: Duration = seconds(30)

    def __post_init__(self) -> None:
        if not 0 < len(self.check) <= CHECK_CHARS_MAX:
            sentence = f"a check needs a name of at most {CHECK_CHARS_MAX} characters"
            raise Misfit(sentence, "write one, like load", key="check")
        if not 1 <= self.max_check_attempts <= 100:
            raise Misfit("max_check_attempts is out of range", "choose 1 to 100", key="max_check_attempts")
        if self.retry_interval < seconds(1):
            raise Misfit("the retry interval is too short", "write 1s or more", key="retry_interval")


@dataclass(slots=True)
class _Memory:
    """The one thing that outlives a run."""

    standing: Standing = BEFORE_ALL


def begin(options: Options) -> Look:
    """Return what runs the check, with its memory of earlier results."""
    return partial(_look, options, _Memory())


def _look(options: Options, memory: _Memory, deadline: Deadline) -> Iterator[Sample | Remark | RunAgain]:
    began_s = deadline.monotonic()
    finished = run(
        options.argv.words,
        deadline,
        environment=environment(options.env, options.env_files),
        user=options.user,
    )
    took_s = deadline.monotonic() - began_s
    memory.standing = after(memory.standing, status(finished), options.max_check_attempts)
    yield DURATION(took_s, check=options.check)
    yield from _samples(options.check, finished, memory.standing)
    if not memory.standing.hard:
        yield RunAgain(options.retry_interval.s)
    said = parse_output(finished.stdout.decode("utf-8", "replace"))
    yield UNREAD(said.unread, check=options.check)
    for item in said.items:
        yield from _performance(options.check, item)
    words = f"{said.text}\n{said.more}".strip() or _silence(finished)
    late = f"(it was ended after {took_s:.1f} s) " if finished.overtime else ""
    yield Remark(Labels.of(check=options.check), late + words)


def status(finished: Finished) -> int:
    """Return what a check's end means; whatever is not 0 to 3 is UNKNOWN."""
    known = finished.code in (0, 1, 2) and not finished.overtime
    return finished.code if known and finished.code is not None else UNKNOWN


def _samples(check: str, finished: Finished, standing: Standing) -> Iterator[Sample]:
    raw = finished.code if finished.code is not None else -(finished.signal or 0)
    yield STATUS(standing.status, check=check)
    yield EXIT(raw, check=check)
    yield TYPE(standing.hard, check=check)
    yield ATTEMPT(standing.attempt, check=check)
    yield FLAPPING(standing.flapping, check=check)
    yield FLAPPING_PERCENT(standing.flapping_percent, check=check)


def _performance(check: str, item: Item) -> Iterator[Sample]:
    names = {"check": check, "label": item.label, "unit": item.unit}
    yield VALUE(item.value, **names)
    for metric, threshold in ((WARN, item.warn), (CRIT, item.crit)):
        for bound, value in _bounds(threshold):
            yield metric(value, bound=bound, **names)
    for metric, end in ((MIN, item.min), (MAX, item.max)):
        if end is not None:
            yield metric(end, **names)


def _bounds(threshold: Range | None) -> Iterator[tuple[str, float]]:
    """Yield the finite ends of a range; of one that alerts inside, they are bounds the other way round."""
    if threshold is None:
        return
    lower, upper = ("inside_from", "inside_to") if threshold.inside else ("lower", "upper")
    if math.isfinite(threshold.start):
        yield lower, threshold.start
    if math.isfinite(threshold.end):
        yield upper, threshold.end


def _silence(finished: Finished) -> str:
    """Return what there is to say of a plug-in that said nothing on its standard output."""
    error = parse_output(finished.stderr.decode("utf-8", "replace").replace("|", "/"))
    return f"(no output) {error.text} {error.more}".strip()


PROBE = Probe(
    "nagios", Options, None,
    (STATUS, EXIT, TYPE, ATTEMPT, FLAPPING, FLAPPING_PERCENT, DURATION, UNREAD, VALUE, WARN, CRIT, MIN, MAX),
    job="nagios", target=lambda options: options.target, every=seconds(60), timeout=seconds(30),
    subject=lambda options: options.check, begin=begin,
)  # fmt: skip  # the metrics on one line
