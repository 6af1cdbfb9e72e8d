"""Set the clock right at once, by the daemon that knows the time, where it is off by little.

``chronyc -c tracking`` has the offset in seconds in its fifth field (chronyc(1)); systemd-timesyncd says it
in ``timedatectl timesync-status``.
"""

from __future__ import annotations

import math
import re
from typing import Final

from model.deed import StepClock
from model.step import Exec, Result
from remediations.deeds.doing import Doing

_TRACKING: Final = ("chronyc", "-c", "tracking")
# The reference identifier of chronyd when it has no source, and when it follows its own clock.
_NO_SOURCE: Final = frozenset({"00000000", "7F7F0101"})
_STATUS: Final = ("timedatectl", "timesync-status")
_OFFSET: Final = re.compile(r"^\s*Offset: ([+-]?)((?:[0-9.]+(?:us|ms|s|min|h|d)\s?)+)$", re.MULTILINE)
_PART: Final = re.compile(r"([0-9.]+)(us|ms|s|min|h|d)")
_UNITS_S: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def do(step: StepClock, doing: Doing) -> Result:
    """Ask how far the clock is off, refuse a step that is too long, and take it."""
    looked = doing.exec(Exec(_TRACKING if step.tool == "chrony" else _STATUS, timeout_s=10))
    if not looked.ok:
        return Result(ok=False, reason=f"how far the clock is off is unknown: {looked.reason}", rc=looked.rc)
    off_s = tracked_s(looked.output) if step.tool == "chrony" else timesync_s(looked.output)
    if off_s is None:
        return Result(ok=False, reason="how far the clock is off is unknown: no source is chosen yet")
    if abs(off_s) > step.step_s_max:
        reason = f"the clock is off by {off_s:.3f}s; a step of more than {step.step_s_max:g}s needs a human"
        return Result(ok=False, reason=reason)
    if doing.check:
        return Result(ok=True, diff=f"would set the clock right by {off_s:.6f}s")
    makes = ("chronyc", "makestep") if step.tool == "chrony" else _restart(step)
    done = doing.exec(Exec(makes, timeout_s=30))
    # chronyc ends with 0 whatever the daemon answered.
    if done.ok and (step.tool == "timesyncd" or "200 OK" in done.output):
        told = f"the clock was off by {off_s:.6f}s and was set right"
        return Result(ok=True, output=told, changed=True, diff=told)
    reason = done.reason or f"chronyd refused: {done.output.strip()[:100]}"
    return Result(ok=False, reason=reason, output=done.output, stopped=done.stopped)


def _restart(step: StepClock) -> tuple[str, ...]:
    """Timesyncd steps the clock when it starts (systemd-timesyncd.service(8))."""
    return (step.systemctl, "restart", "systemd-timesyncd.service")


def tracked_s(output: str) -> float | None:
    """Return how far the clock is off by chrony, or None where it has no source."""
    fields = output.strip().split(",")
    if len(fields) < 14 or fields[0] in _NO_SOURCE:
        return None
    try:
        off_s = float(fields[4])
    except ValueError:
        return None
    return off_s if math.isfinite(off_s) else None


def timesync_s(output: str) -> float | None:
    """Return how far the clock is off by systemd-timesyncd, or None where it has no answer yet."""
    found = _OFFSET.search(output)
    if found is None:
        return None
    try:
        off_s = sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(found[2]))
    except ValueError:
        return None
    return -off_s if found[1] == "-" else off_s
