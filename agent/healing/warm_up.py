"""Warm-up: after a boot, a start of the agent or a deploy, what is wrong mostly comes right by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit
from remediations.question import clock

LONGEST: Final = seconds(24 * 3600)


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How long no playbook changes anything after something began, under ``warm_up:``; 0s is not at all.

    ``boot`` counts from the boot of the host, ``start`` from the start of the agent, ``deploy`` from the last
    ``beforehand deployed``.
    """

    boot: Duration = seconds(600)
    start: Duration = seconds(300)
    deploy: Duration = seconds(900)

    def __post_init__(self) -> None:
        for key, length in (("boot", self.boot), ("start", self.start), ("deploy", self.deploy)):
            if length > LONGEST:
                raise Misfit(f"{key}: {length} is longer than {LONGEST}", "write a time like 10m", key=key)


USUAL: Final = WarmUp()


@dataclass(frozen=True, slots=True)
class Begun:
    """When the host was booted, the agent started and something deployed, in ms since 1970, 0 if never."""

    boot_ms: int = 0
    start_ms: int = 0
    deploy_ms: int = 0


def warming(terms: WarmUp, begun: Begun, now_ms: int) -> str:
    """Return the sentence of the warm-up that lasts longest from now, or the empty text.

    A moment that lies ahead, by a clock that was set, is none.
    """
    ends = (
        (begun.boot_ms, terms.boot, "this host was booted"),
        (begun.start_ms, terms.start, "the agent was started"),
        (begun.deploy_ms, terms.deploy, "something was deployed"),
    )
    found = [
        (at_ms + length.ms, f"{what} at {clock(at_ms)}")
        for at_ms, length, what in ends
        if 0 < at_ms <= now_ms < at_ms + length.ms
    ]
    if not found:
        return ""
    over_ms, because = max(found)
    return f"warming up until {clock(over_ms)}, because {because}"
