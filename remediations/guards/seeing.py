"""Guards over what is seen: nothing is done about what does not fire, or is not known for sure."""

from __future__ import annotations

import math
from typing import Final

from model.alert import AlertState
from model.duration import Duration
from remediations.question import LATER_MS, SOON_MS, Question, Refused, clock

INTERVALS_MAX: Final = 2


def firing(asked: Question) -> Refused | None:
    """Refuse what only may come, or is over."""
    if asked.alert.state is AlertState.FIRING:
        return None
    return Refused(f"{asked.alert.name} is {asked.alert.state.value}, not firing")


def seen(asked: Question) -> Refused | None:
    """Refuse while what the alert looks at cannot be seen: a probe's error is no fault of its target."""
    since_ms = asked.alert.unknown_since_ms
    if since_ms is None:
        return None
    sentence = f"what {asked.alert.name} looks at cannot be seen since {clock(since_ms)}"
    return Refused(sentence, asked.now_ms + LATER_MS, passing=True)


def fresh(asked: Question) -> Refused | None:
    """Refuse on samples older than two intervals and one look, or on a value that proves nothing."""
    name, sight = asked.alert.name, asked.facts.sight
    if not math.isfinite(asked.alert.value):
        return Refused(f"the value of {name} is {asked.alert.value}, which proves nothing")
    if sight is None or sight.age_ms <= INTERVALS_MAX * sight.every_ms + sight.lasts_ms:
        return None
    age, every = Duration(sight.age_ms // 1000 * 1000), Duration(sight.every_ms)
    sentence = f"the newest sample behind {name} is {age} old, though one is due every {every}"
    # The next look may be all that is missing.
    return Refused(sentence, asked.now_ms + min(LATER_MS, max(SOON_MS, sight.every_ms)), passing=True)
