"""Self-suspicion: when the agent has reason not to trust what it saw, and of which targets.

A clock that was set, a machine that slept, a process that got no CPU and a network that is gone all look like
faults of what is watched. Pure functions find each from two readings of the clocks or from reference targets;
``Doubts`` keeps what is doubted until it has settled.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from agent.clock import Pulse
from agent.config import DoubtTerms
from agent.healing.effect import Target
from agent.sight.senses import Reading
from model.labels import Labels
from model.sample import Metric, Sample, Samples

STEP_S: Final = 1.0
ASLEEP_S: Final = 1.0


class Reason(StrEnum):
    """Why the agent doubts what it sees."""

    CLOCK_STEP = "clock_step"
    SUSPENDED = "suspended"
    STARVED = "starved"
    NETWORK = "network"


DOUBT: Final = Metric(
    "beforehand_doubt", "1 while the agent does not trust what it sees.", labels=("reason",)
)
DOUBTS: Final = Metric(
    "beforehand_doubts_total", "How often the agent began to doubt.", "counter", ("reason",)
)
DOUBTED: Final = Metric(
    "beforehand_sample_doubt",
    "1 beside the samples of a probe's run that are not trusted; absent from all others.",
    labels=("probe",),
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason to doubt, in words."""

    reason: Reason
    sentence: str


def gaps(before: Pulse, now: Pulse, asked_s: float, starved_s: float) -> tuple[Doubt, ...]:
    """Return what went wrong between two turns of a loop that asked to wait ``asked_s`` at most."""
    ran_s = now.monotonic_s - before.monotonic_s
    passed_s = now.boottime_s - before.boottime_s
    stepped_s = now.wall_s - before.wall_s - passed_s
    found: list[Doubt] = []
    if passed_s - ran_s > ASLEEP_S:
        found.append(Doubt(Reason.SUSPENDED, f"the machine slept for {passed_s - ran_s:.0f} s"))
    if abs(stepped_s) > STEP_S:
        where = "forward" if stepped_s > 0 else "back"
        found.append(Doubt(Reason.CLOCK_STEP, f"the clock was set {where} by {abs(stepped_s):.0f} s"))
    if ran_s - asked_s > starved_s:
        found.append(Doubt(Reason.STARVED, f"the agent did not run for {ran_s - asked_s:.0f} s"))
    return tuple(found)


def network(references: Mapping[str, bool]) -> Doubt | None:
    """Return a doubt where more than half of the reference targets, by name, do not answer."""
    lost = sorted(name for name, answers in references.items() if not answers)
    if 2 * len(lost) <= len(references):
        return None
    return Doubt(Reason.NETWORK, f"this host's own network is doubtful: no answer from {', '.join(lost)}")


def is_remote(target: str) -> bool:
    """Tell whether a target, as a URL, an address or a name with a port, lies beyond this host."""
    if not target or target.startswith(("/", "unix:")):
        return False
    host = target.partition("://")[2] or target
    host = host.partition("/")[0].rpartition("@")[2]
    host = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")


@dataclass(slots=True)
class Doubts:
    """What is doubted now, until when; used by the loop's thread only."""

    terms: DoubtTerms
    began: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))
    _now: dict[Reason, Doubt] = field(default_factory=dict)
    _settled_s: dict[Reason, float] = field(default_factory=dict)
    _pulse: Pulse | None = None
    _references: dict[str, bool] = field(default_factory=dict)
    _targets: tuple[Target, ...] = ()

    def watch(self, targets: Iterable[Target]) -> None:
        """Take the probes whose targets may come into doubt."""
        self._targets = tuple(targets)

    def feel(self, pulse: Pulse, asked_s: float) -> bool:
        """Take the clocks at the begin of a turn; return whether what is doubted changed."""
        before, self._pulse = self._pulse, pulse
        changed = False
        if before is not None:
            for doubt in gaps(before, pulse, asked_s, self.terms.starved_after.s):
                changed |= self._begin(doubt, pulse.monotonic_s + self.terms.settle.s)
        for reason in [reason for reason, at_s in self._settled_s.items() if at_s <= pulse.monotonic_s]:
            del self._settled_s[reason], self._now[reason]
            changed = True
        return changed

    def hear(self, reading: Reading) -> bool:
        """Take a probe's run where it is a reference; return whether what is doubted changed.

        A reference that cannot be looked at says as little of the network as one that does not answer.
        """
        name = reading.entry.name
        if name not in self.terms.references:
            return False
        self._references[name] = any(
            sample.labels.name == "probe_success" and sample.value == 1 for sample in reading.samples or ()
        )
        doubt = network({**dict.fromkeys(self.terms.references, True), **self._references})
        if doubt is not None:
            self._settled_s.pop(Reason.NETWORK, None)
            return self._begin(doubt, None)
        if Reason.NETWORK in self._now and Reason.NETWORK not in self._settled_s:
            felt_s = self._pulse.monotonic_s if self._pulse else 0.0
            self._settled_s[Reason.NETWORK] = felt_s + self.terms.settle.s
        return False

    def about(self) -> dict[str, dict[Labels, frozenset[str]]]:
        """Return the targets that are doubted, each with the metrics of its probe, by the reason in words."""
        found: dict[str, dict[Labels, frozenset[str]]] = {}
        for doubt in self._now.values():
            meant = found.setdefault(doubt.sentence, {})
            for entry, target in self._targets:
                if doubt.reason is not Reason.NETWORK or is_remote(entry.probe.target(entry.options)):
                    # What passes on the metrics of others may bring any.
                    emits = () if entry.probe.brings_more else entry.probe.emits
                    names = frozenset(metric.name for metric in emits)
                    meant[target] = meant.get(target, frozenset()) | names if names else names
        return found

    def marked(self, reading: Reading) -> Samples:
        """Return the row of a reading, with a mark where it is not trusted."""
        if not self._now:
            return reading.row
        entry, row = reading.entry, reading.row
        remote = is_remote(entry.probe.target(entry.options))
        if not any(remote or reason is not Reason.NETWORK for reason in self._now):
            return row
        mark = DOUBTED(1, probe=entry.name)
        return Samples((*row.labels, mark.labels), (*row.values, mark.value))

    def of_itself(self) -> tuple[str, ...]:
        """Return why the agent doubts all that it sees; a doubtful network blurs distant targets only."""
        return tuple(doubt.sentence for doubt in self._now.values() if doubt.reason is not Reason.NETWORK)

    def sentences(self) -> tuple[str, ...]:
        """Return why the agent doubts now."""
        return tuple(doubt.sentence for doubt in self._now.values())

    def samples(self) -> Iterable[Sample]:
        """Yield what the agent tells of its doubts."""
        for reason in Reason:
            yield DOUBT(reason in self._now, reason=reason.value)
            yield DOUBTS(self.began[reason], reason=reason.value)

    def _begin(self, doubt: Doubt, until_s: float | None) -> bool:
        if doubt.reason.value in self.terms.ignore:
            return False
        new = doubt.reason not in self._now
        self.began[doubt.reason] += new
        changed = self._now.get(doubt.reason) != doubt
        self._now[doubt.reason] = doubt
        if until_s is not None:
            self._settled_s[doubt.reason] = until_s
        return changed
