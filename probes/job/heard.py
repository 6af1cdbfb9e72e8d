"""What was heard of a job, and how it stands by that; after Healthchecks' ping protocol and its states."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

WORDS_CHARS_MAX: Final = 4096
LASTS_MS_MAX: Final = 7 * 86_400_000


class State(StrEnum):
    """How a job stands; ``grace`` is late, but not yet missed."""

    NEW = "new"
    UP = "up"
    GRACE = "grace"
    DOWN = "down"
    PAUSED = "paused"
    STARTED = "started"


class Signal(StrEnum):
    """What a ping says: the job began, did well, failed, or only has something to tell."""

    START = "start"
    SUCCESS = "success"
    FAIL = "fail"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Ping:
    """One ping; ``run_id`` pairs the start and the end of one run, ``words`` come from the job."""

    signal: Signal
    at_ms: int
    exit_status: int | None = None
    run_id: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """All that is remembered of a job; times are ms since 1970 in UTC, None for never.

    ``begun_ms`` is the start of a run whose end was not heard. ``failed`` and ``missed`` last until it does
    well: the job said that it failed, or did not come in time.
    """

    ended_ms: int | None = None
    succeeded_ms: int | None = None
    begun_ms: int | None = None
    run_id: str = ""
    started_ms: int | None = None
    lasted_ms: int | None = None
    exit_status: int | None = None
    failed: bool = False
    missed: bool = False
    pings: int = 0
    words: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands, and when that changes if nothing is heard; None for never."""

    state: State
    until_ms: int | None = None


def after(heard: Heard, ping: Ping) -> Heard:
    """Return what is remembered after one more ping."""
    known = replace(heard, pings=heard.pings + 1, words=ping.words[:WORDS_CHARS_MAX] or heard.words)
    if ping.signal is Signal.LOG:
        return known
    if ping.signal is Signal.START:
        return replace(known, begun_ms=ping.at_ms, started_ms=ping.at_ms, run_id=ping.run_id)
    failed = ping.signal is Signal.FAIL
    pair = heard.begun_ms is not None and heard.run_id == ping.run_id
    # A success of another run leaves the run that was begun last as it is.
    over = pair or failed or not ping.run_id
    lasted_ms = ping.at_ms - heard.begun_ms if pair and heard.begun_ms is not None else None
    return replace(
        known,
        ended_ms=ping.at_ms,
        succeeded_ms=heard.succeeded_ms if failed else ping.at_ms,
        begun_ms=None if over else heard.begun_ms,
        run_id="" if over else heard.run_id,
        lasted_ms=lasted_ms if lasted_ms is not None and 0 <= lasted_ms <= LASTS_MS_MAX else heard.lasted_ms,
        exit_status=ping.exit_status if ping.exit_status is not None else int(failed),
        failed=failed,
        missed=False,
    )


def standing(heard: Heard, due_ms: int | None, grace_ms: int, now_ms: int, listening_ms: int) -> Standing:
    """Return how a job stands that is due at ``due_ms``, which is None when it is not due by itself.

    ``listening_ms`` is since when pings are heard without a break: what came before may have been missed by
    us, so that a job has one grace from there on.
    """
    if heard.failed or heard.missed:
        return Standing(State.DOWN)
    if heard.begun_ms is not None:
        end_ms = _end(heard.begun_ms, heard.begun_ms + grace_ms, grace_ms, listening_ms)
        return Standing(State.STARTED, end_ms) if now_ms < end_ms else Standing(State.DOWN)
    if heard.ended_ms is None:
        return Standing(State.NEW)
    if due_ms is None or now_ms < due_ms:
        return Standing(State.UP, due_ms)
    end_ms = _end(heard.ended_ms, due_ms + grace_ms, grace_ms, listening_ms)
    return Standing(State.GRACE, end_ms) if now_ms < end_ms else Standing(State.DOWN)


def _end(heard_ms: int, end_ms: int, grace_ms: int, listening_ms: int) -> int:
    return max(end_ms, listening_ms + grace_ms) if heard_ms < listening_ms else end_ms
