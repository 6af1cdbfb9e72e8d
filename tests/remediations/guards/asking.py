"""Questions for guards, as short as a test wants them."""

from __future__ import annotations

from collections.abc import Sequence

from model.alert import Alert
from model.outcome import Outcome
from remediations.attempt import Attempt
from remediations.guard import decide
from remediations.question import Allowed, Facts, Refused
from remediations.writing.playbook import Playbook
from tests.remediations import stage
from tests.remediations.stage import NOW_MS

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

KNOWN = Facts()


def attempt(
    ago_ms: int, outcome: Outcome | None = Outcome.FIXED, playbook: str = "heal-shop", took_ms: int = SECOND
) -> Attempt:
    """An attempt that began so long ago."""
    began_ms = NOW_MS - ago_ms
    return Attempt(playbook, ("command:true",), began_ms, began_ms + took_ms, outcome)


def answer(
    facts: Facts = KNOWN,
    history: Sequence[Attempt] = (),
    playbook: Playbook | None = None,
    alert: Alert | None = None,
    now_ms: int = NOW_MS,
) -> Allowed | Refused:
    return decide(playbook or stage.playbook(), alert or stage.alert(), facts, history, now_ms)


def refusal(
    facts: Facts = KNOWN,
    history: Sequence[Attempt] = (),
    playbook: Playbook | None = None,
    alert: Alert | None = None,
    now_ms: int = NOW_MS,
) -> Refused:
    found = answer(facts, history, playbook, alert, now_ms)
    assert isinstance(found, Refused), found
    return found
