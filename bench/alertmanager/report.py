"""The tables: what was lost and doubled, what an alert costs, and how a storm went by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.alertmanager.loss import Loss
from bench.alertmanager.speed import Speed
from bench.alertmanager.storm import Storm


def lost(rows: Sequence[Loss], silences: int, alerts: int) -> str:
    """Return what the kills lost and doubled."""
    counts = f"{silences} silences, {alerts} alerts and {alerts} notifications, doubled of {alerts} more"
    said = [f"Killed with -9: lost of {counts}"]
    said += [
        f"  {f'{one.system} {one.kill}':36}{one.silences_lost:4} silences{one.alerts_lost:6} alerts"
        f"{one.notices_lost:6} notifications{one.notices_doubled:6} doubled"
        for one in rows
    ]
    return "\n".join(said)


def speeds(found: Mapping[str, Sequence[Speed]]) -> str:
    """Return the accepted alerts for each CPU second, and how many times the last system's that is."""
    [(_, ours), (_, theirs)] = found.items()
    said = ["Alerts accepted for each second of CPU (each second); times Alertmanager's"]
    said.append(f"  {'in batches of':36}" + "".join(f"{name:>26}" for name in found) + "     times")
    for one, other in zip(ours, theirs, strict=True):
        name = f"{one.size}, {'sent again' if one.repeated else 'new'}"
        cells = "".join(f"{f'{each.per_cpu_s:,.0f} ({each.per_s:,.0f})':>26}" for each in (one, other))
        said.append(f"  {name:36}{cells}{one.per_cpu_s / other.per_cpu_s:10.2f}")
    return "\n".join(said)


def storms(rows: Sequence[Storm]) -> str:
    """Return what each storm left."""
    said: list[str] = []
    for one in rows:
        said += [
            f"A storm over {one.system}: {one.alerts:,} alerts of {_where(one.spread)}, {one.seconds:.0f} s",
            f"  processor: {one.cpu_s:.1f} s, or {one.alerts / max(0.01, one.cpu_s):,.0f} alerts for each",
            f"  lost after a kill: {one.lost}",
            f"  messages: {one.messages_most} to one person at most, {one.messages_all} in all",
            f"  and {one.messages_team} to the team on call",
            f"  then {one.flaps} flaps in {one.flap_s:.0f} s: {one.flap_messages_most} more to one at most",
            f"  memory: {one.memory_before_mb:.0f} MB before, {one.memory_most_mb:.0f} MB at most",
        ]
    return "\n".join(said)


def _where(spread: int) -> str:
    return {0: "no service", 1: "one service"}.get(spread, f"{spread} services")
