"""Figures as JSON: in full for staff, and for everybody without a figure that few people stand behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from desk.ledger.experienced import Experienced
from desk.ledger.figures import Figures
from desk.ledger.share import FEW, Share, Spread

_ROUNDED_MS: Final = 100
_NO_DATA: Final = {"n": 0, "said": "no data"}
_WITHHELD: Final = {"said": f"fewer than {FEW}"}


def for_staff(found: Figures) -> dict[str, Any]:
    """Return everything, with the numbers behind each share."""
    return {
        "incidents": {**{kind.value: n for kind, n in found.told.items()}, "open": found.still_open},
        "proactive_incidents": share(found.proactive_incidents),
        "coverage": share(found.coverage),
        "proactive_people": share(found.proactive_people),
        "opted_out": found.unwilling,
        "time_to_inform": {stage: asdict(length) for stage, length in found.inform.items()},
        "lead_time": asdict(found.lead),
        "never_reported": share(found.unreported),
        "episodes": {kind.value: n for kind, n in found.episodes.items()},
        "silent_heals": share(found.silent_heals),
        "playbooks": dict(found.chain),
        "precision": share(found.truth.precision),
        "recall": share(found.truth.recall),
        "timely_recall": share(found.truth.timely_recall),
        "known": share(found.truth.known),
        "f2_major": found.f2_major,
        "f05_others": found.f05_minor,
        "false_notices": share(found.false_notices),
        "punctual_updates": share(found.punctual),
        "experienced": _experienced(found.experienced),
    }


def share(found: Share) -> dict[str, Any]:
    """Return a share; with fewer than five there is no percentage in it, with none no data."""
    value: dict[str, Any] = {"k": found.k, "n": found.n, "percent": None, "low": None, "high": None}
    if found.n >= FEW and found.value is not None and found.interval is not None:
        low, high = found.interval
        value |= {
            "percent": round(100 * found.value, 1),
            "low": round(100 * low, 1),
            "high": round(100 * high, 1),
        }
    return {**value, "said": str(found)}


def _experienced(found: Experienced) -> dict[str, Any]:
    by = [
        {"service": service, "level": level.value, "minutes": round(minutes, 1)}
        for (service, level), minutes in sorted((found.by or {}).items())
    ]
    return {
        "minutes": round(found.minutes, 1),
        "by": by,
        "people": found.entitled,
        "mean": found.mean,
        "p95": found.p95,
        "untouched": share(found.untouched),
        "exposure": "around the clock",
    }


def for_everybody(found: Figures) -> dict[str, Any]:
    """Return what anybody may read: no person, and nothing that stands on fewer than five.

    Lengths of time are rounded to a tenth of a second.
    """
    touched = found.experienced.untouched.n - found.experienced.untouched.k
    return {
        "incidents": sum(found.told.values()),
        "proactive_incidents": _public(found.proactive_incidents),
        "coverage": _public(found.coverage),
        "proactive_people": _public(found.proactive_people),
        "time_to_inform": {stage: _length(length) for stage, length in found.inform.items()},
        "lead_time": _length(found.lead),
        "silent_heals": _public(found.silent_heals),
        "precision": _public(found.truth.precision),
        "recall": _public(found.truth.recall),
        "timely_recall": _public(found.truth.timely_recall),
        "false_notices": _public(found.false_notices),
        "punctual_updates": _public(found.punctual),
        "experienced_minutes_mean": (
            round(found.experienced.mean, 1) if touched >= FEW and found.experienced.mean else None
        ),
    }


def _public(found: Share) -> Mapping[str, Any]:
    if not found.n:
        return _NO_DATA
    if found.n < FEW or found.value is None or found.interval is None:
        return _WITHHELD
    low, high = found.interval
    percent, low_percent, high_percent = (round(100 * part) for part in (found.value, low, high))
    said = f"{percent} % ({low_percent} to {high_percent} %)"
    return {"n": found.n, "percent": percent, "low": low_percent, "high": high_percent, "said": said}


def _length(found: Spread) -> Mapping[str, Any]:
    if not found.n:
        return _NO_DATA
    if found.n < FEW or found.p50_ms is None or found.p90_ms is None:
        return _WITHHELD
    return {"n": found.n, "p50_ms": _rounded(found.p50_ms), "p90_ms": _rounded(found.p90_ms)}


def _rounded(length_ms: int) -> int:
    return round(length_ms / _ROUNDED_MS) * _ROUNDED_MS
