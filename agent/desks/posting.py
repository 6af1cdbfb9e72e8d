"""Decides which alerts the desks must hear of now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from agent.desks.wire import RESOLVED_RESENT_MS, Posting
from model.alert import Alert, AlertState
from model.labels import Labels
from model.outcome import Remedy
from remediations.asking.approval import Ask


@dataclass(frozen=True, slots=True)
class Said:
    """What was last said of an alert, and when."""

    alert: Alert
    remedy: Remedy
    at_ms: int


@dataclass(frozen=True, slots=True)
class Terms:
    """How the agent speaks: its labels and services, an alert's lease, how often it repeats itself."""

    external: Mapping[str, str]
    lease_ms: int
    resend_ms: int
    services: tuple[str, ...] = ()

    def marks(self, alert: Alert) -> dict[str, str]:
        """Return what the desk is told beside an alert: the host, and once a minute what it serves."""
        marks = {"beforehand_host": self.external.get("instance", "")}
        if alert.name == "Watchdog" and self.services:
            marks["beforehand_services"] = ",".join(self.services)
        return marks


def _nothing_asked(_labels: Labels) -> None:
    return None


def due(
    alerts: Iterable[Alert],
    remedy_of: Callable[[Labels], Remedy],
    said: Mapping[Labels, Said],
    now_ms: int,
    terms: Terms,
    ask_of: Callable[[Labels], Ask | None] = _nothing_asked,
) -> list[Posting]:
    """Return a posting for each alert that changed since it was last said, or was not said for too long.

    A pending alert is nobody's business yet; a resolved one is repeated for 15 minutes.
    """
    found: list[Posting] = []
    for alert in alerts:
        if alert.state is AlertState.PENDING or alert.fired_at_ms is None:
            continue
        if alert.resolved_at_ms is not None and now_ms - alert.resolved_at_ms > RESOLVED_RESENT_MS:
            continue
        remedy = remedy_of(alert.labels)
        last = said.get(alert.labels)
        if last is None or _news(last, alert, remedy) or now_ms - last.at_ms >= terms.resend_ms:
            marks = {**terms.marks(alert), **_asked(ask_of(alert.labels))}
            found.append(Posting(alert, remedy, terms.external, terms.lease_ms, marks))
    return found


def _asked(ask: Ask | None) -> dict[str, str]:
    """Return what people are asked to approve; whenever that changes, so does the remedy."""
    return {} if ask is None else {"beforehand_ask": ask.told()}


def _news(last: Said, alert: Alert, remedy: Remedy) -> bool:
    """Tell whether a receiver would act on the difference; a value that moved a little is no news."""
    before = last.alert
    return (
        (before.state, before.fired_at_ms, before.resolved_at_ms)
        != (alert.state, alert.fired_at_ms, alert.resolved_at_ms)
        or (before.unknown_since_ms is None) != (alert.unknown_since_ms is None)
        or last.remedy != remedy
    )
