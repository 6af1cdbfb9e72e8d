"""Listens for the pings of jobs, and has the heartbeat probes told what was heard and when to look again."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hmac import compare_digest
from typing import Any, Final

from agent.api.endpoint import READ_OR_FORM, Answer, Request, Route
from agent.config import ProbeEntry
from agent.pings.config import Pings
from agent.pings.memory import HeartbeatMemory, Kept, NotOnDisk
from agent.pings.ping import Asked, NotAPing, read
from model.misfit import NOWHERE
from model.plugin import Deadline, Probe, Remark
from model.sample import Sample
from probes.job.heard import Heard, Ping, State, after
from probes.job.heartbeat import PROBE, Options, due_ms, judged, told

BODY_BYTES_MAX: Final = 10_000
CREATED_MAX: Final = 100
PINGS_BURST: Final = 5
GAP_MS: Final = 60_000
"""A break of the loop this long, say of a machine that was suspended, is one in listening too."""

_SLUG: Final = re.compile(r"[a-z0-9_-]{1,128}")
_LIMITS: Final = (("Ping-Body-Limit", str(BODY_BYTES_MAX)),)

log = logging.getLogger("beforehand.heartbeats")


@dataclass(slots=True)
class _Job:
    """One job; ``due_ms`` is when its standing changes by itself, ``stirred`` that it was just heard."""

    options: Options
    heard: Heard
    due_ms: int | None = None
    stirred: bool = False
    tokens: float = PINGS_BURST
    counted_ms: int = 0

    def may_ping(self, now_ms: int) -> bool:
        """Count one more ping; five in a minute are heard, or three in the time between two runs."""
        per_ms = max(PINGS_BURST / 60_000, 3 / (self.options.usual_s * 1000))
        self.tokens = min(PINGS_BURST, self.tokens + (now_ms - self.counted_ms) * per_ms)
        self.counted_ms = now_ms
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Heartbeats:
    """All jobs of this host; pings come on any thread, ``wake`` lets the loop turn.

    What was heard changes under one lock, which is held while it is written, and is seen under another: the
    loop never waits for the disk.
    """

    def __init__(
        self,
        memory: HeartbeatMemory,
        pings: Pings,
        now_ms: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self.grown = False
        self._memory = memory
        self._pings = pings
        self._now_ms = now_ms
        self._wake = wake
        self._writing = threading.Lock()
        self._lock = threading.Lock()
        self._remembered = memory.recall()
        self._jobs: dict[str, _Job] = {}
        self._ears: dict[str, Probe[Options]] = {}
        self._created = {entry.name: entry for entry in map(_created, memory.created())}
        self._listening_ms = self._turned_ms = now_ms()

    def configure(self, entries: Iterable[ProbeEntry]) -> tuple[ProbeEntry, ...]:
        """Return these probes with ears for those that need them, and those of jobs that pings made."""
        given = tuple(entries)
        with self._lock:
            self.grown = False
            names = {entry.name for entry in given}
            created = [entry for name, entry in self._created.items() if name not in names]
            before, self._jobs = self._jobs, {}
            return tuple(self._with_ears(entry, before) for entry in (*given, *created))

    def turn(self, now_ms: int) -> list[str]:
        """Return the probes that should look now, since a ping came or a deadline passed."""
        with self._lock:
            if now_ms - self._turned_ms > GAP_MS:
                self._listening_ms = now_ms
            self._turned_ms = now_ms
            names = []
            for name, job in self._jobs.items():
                if job.stirred or (job.due_ms is not None and job.due_ms <= now_ms):
                    job.stirred, job.due_ms = False, None
                    names.append(name)
            return names

    def next_ms(self) -> int | None:
        """Return when the next deadline passes."""
        with self._lock:
            return min((job.due_ms for job in self._jobs.values() if job.due_ms is not None), default=None)

    def routes(self) -> dict[str, Route]:
        """Return who answers pings."""
        return {"/ping/<rest>": Route(self._answer, READ_OR_FORM, BODY_BYTES_MAX)}

    def told(self) -> dict[str, Any]:
        """Return all jobs with their last pings, as data for JSON; times in ms since 1970 in UTC."""
        with self._writing:
            jobs = [self._told(name, job) for name, job in self._jobs.items()]
        return {"heartbeats": jobs}

    def close(self) -> None:
        """Close the file."""
        with self._writing:
            self._memory.close()

    def _with_ears(self, entry: ProbeEntry, before: dict[str, _Job]) -> ProbeEntry:
        name, options = entry.name, entry.options
        if not isinstance(options, Options):
            return entry
        job = before.get(name)
        self._jobs[name] = job = job or _Job(options, self._remembered.get(name, Heard()))
        job.options = options
        if name not in self._ears:
            self._ears[name] = replace(PROBE, begin=lambda _: partial(self._look, name))
        return replace(entry, probe=self._ears[name])

    def _look(self, name: str, _deadline: Deadline) -> Iterator[Sample | Remark]:
        """Tell how a job stands, and note when that will change; called on a worker thread."""
        with self._lock:
            job = self._jobs[name]
            heard = job.heard
            stands = judged(job.options, heard, self._now_ms(), self._listening_ms)
            job.due_ms = stands.until_ms
        if stands.state is State.DOWN and not heard.failed and not heard.missed:
            self._miss(name, job, heard)
        yield from told(job.options, heard, stands.state)

    def _miss(self, name: str, job: _Job, heard: Heard) -> None:
        """Remember that a job did not come in time, so that a restart grants it no more."""
        with self._writing:
            if job.heard is heard:
                job.heard = replace(heard, missed=True)
                try:
                    self._memory.keep(name, job.heard)
                except NotOnDisk as wrong:
                    log.warning("that %s was missed is not on disk: %s", name, wrong)

    def _answer(self, request: Request) -> Answer:
        try:
            asked = read(request)
            with self._writing:
                name, made = self._named(asked)
                written = self._hear(name, asked, request.body, made)
        except NotAPing as refused:
            return Answer(f"{refused}\n".encode(), status=refused.status, headers=_LIMITS)
        finally:
            self._wake()
        if not written:
            return Answer(b"heard, but not written; try again\n", status=503, headers=_LIMITS)
        return Answer(b"Created" if made else b"OK", status=201 if made else 200, headers=_LIMITS)

    def _hear(self, name: str, asked: Asked, body: bytes, made: str) -> bool:
        """Let a ping count; tell whether it is on disk."""
        job, now_ms = self._jobs[name], self._now_ms()
        if not job.may_ping(now_ms):
            raise NotAPing(429, "rate limited")
        words = body.decode("utf-8", "replace")
        ping = Ping(asked.signal, now_ms, asked.exit_status, asked.run_id, words)
        heard = after(job.heard, ping)
        written = True
        try:
            self._memory.keep(name, heard, ping, body, made)
        except NotOnDisk as wrong:
            # It counts all the same: a full disk is no reason to call a job missed.
            log.warning("a ping of %s is not on disk: %s", name, wrong)
            written = False
        with self._lock:
            job.heard, job.stirred = heard, True
        return written

    def _named(self, asked: Asked) -> tuple[str, str]:
        """Return the job that is meant, and its slug if this ping makes it; or raise ``NotAPing``."""
        if asked.uuid:
            names = [name for name, job in self._jobs.items() if job.options.uuid == asked.uuid]
        else:
            if not self._pings.key or not compare_digest(asked.key.encode(), self._pings.key.encode()):
                raise NotAPing(404, "not found")
            names = [name for name, job in self._jobs.items() if job.options.path == asked.slug]
        if len(names) > 1:
            raise NotAPing(409, "ambiguous slug")
        if names:
            return names[0], ""
        if not asked.create or not self._pings.create or not _SLUG.fullmatch(asked.slug):
            raise NotAPing(404, "not found")
        return self._make(asked.slug), asked.slug

    def _make(self, slug: str) -> str:
        """Make a job of a slug that nobody configured."""
        if len(self._created) >= CREATED_MAX:
            raise NotAPing(403, f"no more than {CREATED_MAX} jobs are made by pings")
        entry = _created(slug)
        with self._lock:
            self._created[entry.name] = entry
            self._jobs[entry.name] = _Job(entry.options, Heard())
            self.grown = True
        return entry.name

    def _told(self, name: str, job: _Job) -> dict[str, Any]:
        options, heard = job.options, job.heard
        return {
            "name": options.name,
            "state": judged(options, heard, self._now_ms(), self._listening_ms).state.value,
            "due_ms": due_ms(options, heard),
            "last_success_ms": heard.succeeded_ms,
            "last_start_ms": heard.started_ms,
            "last_duration_ms": heard.lasted_ms,
            "pings": [_shown(kept) for kept in self._memory.pings(name)],
        }


def _created(slug: str) -> ProbeEntry:
    """Return the probe of a job that a ping made: it should run daily."""
    options = Options(name=slug, slug=slug)
    return ProbeEntry(PROBE, options, PROBE.named(options), PROBE.every, PROBE.timeout, {}, NOWHERE)


def _shown(kept: Kept) -> dict[str, Any]:
    return {
        "at_ms": kept.at_ms,
        "signal": kept.signal,
        "exit_status": kept.exit_status,
        "run_id": kept.run_id,
        "body": kept.body.decode("utf-8", "replace"),
    }
