"""Have the host start anew, announced to those who are logged in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action
from model.step import Exec, Host, Risk, Step

REASON_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Options:
    """Why, as all who are logged in are told, and how long before; whole minutes, at least one."""

    reason: str
    delay: Duration = seconds(60)

    def __post_init__(self) -> None:
        plain = self.reason.isprintable() and not self.reason.startswith("-")
        if not plain or not 1 <= len(self.reason.strip()) <= REASON_CHARACTERS_MAX:
            cure = f"write one line of at most {REASON_CHARACTERS_MAX} characters"
            raise Misfit("the reason is no sentence", cure, key="reason")
        if self.delay.s % 60 or not 60 <= self.delay.s <= 86_400:
            raise Misfit("the delay is out of range", "write whole minutes, 1m to 24h", key="delay")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """Leave it to shutdown(8), which announces it and can be told to forget it."""
    yield Exec(("shutdown", "-r", f"+{options.delay.s / 60:.0f}", options.reason), timeout_s=30)


def undo(_options: Options, _host: Host) -> Iterator[Step]:
    """Call it off, as long as there is time."""
    yield Exec(("shutdown", "-c"), timeout_s=30, vital=False)


def touches(_options: Options) -> frozenset[str]:
    """Everything on the host, in one word."""
    return frozenset({"host"})


ACTION = Action("reboot", Options, plan, risk=Risk.IRREVERSIBLE, touches=touches, undo=undo)
