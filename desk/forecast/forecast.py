"""Trouble that is expected: what alerts foretell of a service, and what is to be done next; no store.

An incident is what is so; a forecast is what may come. It changes no state and no figure of the page or of
the ledger, and only those hear of it who asked to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from desk.catalogue.service import Forecast
from desk.incident.incident import Signal
from desk.state import Impact
from model.duration import Duration
from model.misfit import Misfit

ANNOTATION: Final = "forecast_in"
AHEAD_MIN_MS: Final = 120_000  # what is nearer than this is told by the incident, or is none
UNSEEN_MAX_MS: Final = 6 * 3_600_000  # how long what nobody can see is still believed
CALM_MS: Final = 600_000  # an alert that comes and goes does not take back its word each time
ROUND_MS: Final = 300_000
PER_DAY: Final = 3

Word = Literal["tell", "calm", "stir", "pass", "lose"]

_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,20})?(?:e\+?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected of one service, from its first alert to its end; times are ms since 1970 in UTC.

    ``chance`` is in percent, 0 where nobody knows. ``came`` is the number of the incident that it became,
    ``calm_ms`` since when no alert speaks of it. ``needs`` humans must let it go to ``people``; ``note``
    says why nobody was told.
    """

    id: int
    service: str
    impact: Impact
    expected_ms: int
    chance: int
    heard_ms: int
    told_ms: int = 0
    came: int = 0
    calm_ms: int = 0
    over_ms: int = 0
    people: int = 0
    needs: int = 0
    note: str = ""

    @property
    def state(self) -> str:
        """Where it stands: expected, come, passed, or unseen where nobody could see what became of it."""
        if self.came:
            return "come"
        if not self.over_ms:
            return "expected"
        # What passes was calm before.
        return "passed" if self.calm_ms else "unseen"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else is so: whether an alert still foretells it, an incident is open, or planned work explains it.

    ``unsaid`` says that an alert joined of which nobody was told. ``unseen_ms`` is since when every alert
    that foretells it is out of sight, 0 while one is heard.
    """

    foretold: bool
    failing: bool = False
    worked_on: bool = False
    unsaid: bool = True
    unseen_ms: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done of an outlook, and why."""

    word: Word
    reason: str


def expected_ms(signal: Signal, forecast: Forecast, now_ms: int) -> int:
    """Return when an alert expects trouble.

    The rule may say how long it is from now on, in its annotation ``forecast_in``; what lies beyond the time
    that the catalogue names, or is no length of time, is not believed.
    """
    ahead_ms = _length_ms(signal.annotations.get(ANNOTATION, ""))
    if 0 < ahead_ms <= forecast.within.ms:
        return now_ms + ahead_ms
    return signal.starts_ms + forecast.within.ms


def _length_ms(text: str) -> int:
    """Return a length in ms, written as seconds, as templates print numbers, or as a duration; 0 for none."""
    words = text.strip()[:40]
    if _SECONDS.fullmatch(words):
        seconds = float(words)
        return int(seconds * 1000) if seconds < 1e9 else 0
    try:
        return Duration.parse(words).ms
    except Misfit:
        return 0


def about_ms(at_ms: int) -> int:
    """Return a moment as people are told of it: no forecast is good to the minute, and early is safe."""
    return at_ms - at_ms % ROUND_MS


def next_step(outlook: Outlook, around: Surroundings, now_ms: int) -> Step | None:
    """Return what is to be done now, or nothing.

    While an incident is open it has the word. What is told is told before it begins, once for each alert
    that joins; that it passed is believed only when it stayed away for a while.
    """
    if outlook.over_ms or around.failing:
        return None
    if not around.foretold:
        return _fading(outlook, now_ms)
    if around.unseen_ms and now_ms >= around.unseen_ms + UNSEEN_MAX_MS:
        return Step("lose", "nobody has seen for six hours whether its alert still holds")
    if outlook.calm_ms:
        return Step("stir", "an alert foretells it again")
    late = now_ms + AHEAD_MIN_MS > outlook.expected_ms
    if outlook.came or around.worked_on or late or not around.unsaid:
        return None
    return Step("tell", "an alert foretells it, and there is time")


def _fading(outlook: Outlook, now_ms: int) -> Step | None:
    if not outlook.calm_ms:
        return Step("calm", "no alert foretells it any more")
    if now_ms >= outlook.calm_ms + CALM_MS:
        return Step("pass", "no alert has foretold it for ten minutes")
    return None


def due_ms(outlook: Outlook) -> int:
    """Return when time alone makes something of it; 0 for never."""
    return outlook.calm_ms + CALM_MS if outlook.calm_ms and not outlook.over_ms else 0


def score(outlooks: list[Outlook]) -> tuple[int, float | None]:
    """Return how many forecasts with a chance are over, and their Brier score: 0 is right, 0.25 a coin's.

    The mean of the squared differences between the chance and what came (Brier, 1950).
    """
    judged = [one for one in outlooks if one.over_ms and one.chance and one.state != "unseen"]
    if not judged:
        return 0, None
    errors = ((one.chance / 100 - bool(one.came)) ** 2 for one in judged)
    return len(judged), sum(errors) / len(judged)
