"""Pages to look at: one service, one open incident, one that healed in silence, and a mailbox."""

from __future__ import annotations

from dataclasses import replace

from desk.page.view import (
    DAY_MS,
    IncidentView,
    LetterView,
    MailboxView,
    PageView,
    ServiceView,
    Stretch,
    UpdateView,
    days_of,
)
from desk.state import Impact, IncidentState, ServiceState

NOW_MS = 1_785_162_662_000  # 27 Jul 2026, 14:31:02 UTC
MIN_MS = 60_000
LONG_AGO_MS = NOW_MS - 400 * DAY_MS
HOSTILE = """</title><script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 7 * 7 }}\u202eevil"""


def service(state: ServiceState = ServiceState.OPERATIONAL, name: str = "Checkout") -> ServiceView:
    trouble = [Stretch(ServiceState.MAJOR, NOW_MS - 3 * DAY_MS, NOW_MS - 3 * DAY_MS + 12 * MIN_MS)]
    return ServiceView("checkout", name, state, NOW_MS - MIN_MS, days_of(trouble, LONG_AGO_MS, NOW_MS))


def incident(title: str = "Payments fail") -> IncidentView:
    onset_ms = NOW_MS - 9 * MIN_MS
    return IncidentView(
        id="inc-1",
        title=title,
        services=("Checkout",),
        impact=Impact.MAJOR,
        state=IncidentState.INVESTIGATING,
        opened_ms=onset_ms + 20,
        onset_ms=onset_ms,
        noticed_ms=onset_ms + 20,
        told_ms=onset_ms + 400,
        told_count=23,
        next_update_ms=NOW_MS + 21 * MIN_MS,
        updates=(
            UpdateView(IncidentState.IDENTIFIED, "The payment server had stopped.", onset_ms + 900),
            UpdateView(IncidentState.INVESTIGATING, "You cannot pay at the moment.", onset_ms + 400),
        ),
    )


def silent() -> IncidentView:
    onset_ms = NOW_MS - 40 * DAY_MS
    return replace(
        incident("Orders would have run out of disk"),
        id="inc-0",
        state=IncidentState.RESOLVED,
        onset_ms=onset_ms,
        noticed_ms=onset_ms + 300,
        healed_ms=onset_ms + 2_100,
        verified_ms=onset_ms + 22_100,
        resolved_ms=onset_ms + 22_100,
        told_ms=None,
        told_count=0,
        healed_silently=True,
        next_update_ms=None,
        updates=(),
    )


def page(*services: ServiceView) -> PageView:
    return PageView(
        "Example",
        "http://127.0.0.1:9467",
        "en",
        NOW_MS,
        services or (service(),),
        past_incidents=(silent(),),
        confirmed_ms=NOW_MS - 20_000,
    )


def letters() -> MailboxView:
    letter = LetterView("l-1", "Ada <ada@acme.example>", HOSTILE, NOW_MS - MIN_MS, f"Dear Ada,\n{HOSTILE}")
    return MailboxView("Example", NOW_MS, (letter,))


def walked(
    healed_after_ms: int | None = None,
    told_after_ms: int | None = None,
    resolved_after_ms: int | None = None,
    state: IncidentState = IncidentState.INVESTIGATING,
) -> IncidentView:
    onset_ms = NOW_MS - MIN_MS

    def at(after_ms: int | None) -> int | None:
        return None if after_ms is None else onset_ms + after_ms

    return IncidentView(
        id="1",
        title="Payments fail",
        services=("Checkout",),
        impact=Impact.MAJOR,
        state=state,
        opened_ms=onset_ms + 30,
        onset_ms=onset_ms,
        noticed_ms=onset_ms + 20,
        healed_ms=at(healed_after_ms),
        told_ms=at(told_after_ms),
        resolved_ms=at(resolved_after_ms),
    )
