"""Who would hear of an alert, asked before anything happens: the backtest's view of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from desk.audience.audience import audience
from desk.catalogue.file import read_catalogue
from desk.config import read_config
from desk.incident.incident import Signal
from desk.state import Impact
from desk.ways.ways import EMAIL
from model.labels import Labels


def rehearse(path: Path) -> Callable[[Mapping[str, str], int], tuple[frozenset[str], str]]:
    """Read a desk.yaml and its catalogue, or raise ``Rejected``; return who hears of an alert, and why.

    The function that is returned takes an alert's labels and how long it fires, in ms. People are named by
    their addresses, so that they can be counted once.
    """
    config = read_config(path)
    catalogue = read_catalogue(config, path.parent)

    def told(labels: Mapping[str, str], lasts_ms: int) -> tuple[frozenset[str], str]:
        signal = Signal("", Labels.of(labels), {}, 0, lasts_ms, 0)
        people: set[str] = set()
        reasons: list[str] = []
        for touch in catalogue.touches(signal.labels):
            reached = audience(catalogue, touch.service, [signal])
            reasons += reached.refusals
            if touch.impact is not Impact.MAJOR and lasts_ms < config.hold.ms:
                reasons.append(f"{touch.reason}; it was over within the hold of {config.hold}.")
                continue
            people.update(str(one.person.email) for one in reached.people)
            reasons.append(f"{touch.reason}.")
        for touch in catalogue.foretells(signal.labels):
            reached = audience(catalogue, touch.service, [signal])
            reasons += reached.refusals
            # What is only expected goes by mail, at once, and to whoever asked for it.
            asked = {
                str(one.person.email)
                for one in reached.people
                if EMAIL in one.person.via and catalogue.wants_forecasts(one.customer, one.person)
            }
            people |= asked
            reasons.append(f"{touch.reason}; it is only expected, and {_asked(len(asked))}.")
        return frozenset(people), " ".join(reasons) or "It touches no service of the catalogue."

    return told


def _asked(count: int) -> str:
    """Return how many asked to hear of what is expected."""
    if not count:
        return "nobody whom it would touch asked to hear of that"
    return "1 person asked to hear of that" if count == 1 else f"{count} people asked to hear of that"
