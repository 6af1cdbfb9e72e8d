"""When a job should run: after a period, by a cron line, or at a calendar event of systemd."""

from __future__ import annotations

from dataclasses import dataclass

from model.misfit import Misfit
from model.moments import Moments
from model.zone import Zone
from probes.job.cron import parse_cron
from probes.job.on_calendar import parse_on_calendar


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line of five fields, like ``0 3 * * mon-fri``."""

    text: str
    moments: Moments

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Read a line; what never comes is refused."""
        return cls(text, parse_cron(text))


@dataclass(frozen=True, slots=True)
class OnCalendar:
    """A calendar event of systemd, like ``Mon..Fri *-*-* 03:00 Europe/Berlin``."""

    text: str
    moments: Moments
    zone: Zone | None

    @classmethod
    def parse(cls, text: str) -> OnCalendar:
        """Read an event; what never comes is refused."""
        return cls(text, *parse_on_calendar(text))


def only_one(*schedules: object) -> None:
    """Refuse more than one way to say when a job should run."""
    if sum(schedule is not None for schedule in schedules) > 1:
        raise Misfit("a job has one schedule", "write period:, schedule: or on_calendar:")
