"""Everything the healer knows of one alert: what it was told, what it did about it, when to look again."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from model.alert import Alert, AlertState
from model.outcome import Outcome, Remedy
from remediations.asking.approval import Ask
from remediations.asking.asked import Asked
from remediations.running.run import NO_HELP, Carried, Run, Stage
from remediations.running.verify import turns_ms
from remediations.writing.playbook import Playbook

RECURRENCE_MS = 3_600_000
ASK_FIRST_MS = 20
ASK_LONGEST_MS = 5_000


@dataclass(slots=True)
class Case:
    """An alert's case; it outlives the alert by the time in which it may recur.

    ``retry_at_ms`` is when the guards are asked again. ``called`` says that somebody was called for this
    episode, ``passing_since_ms`` since when it is refused for reasons that should pass, 0 where it is not,
    ``refused_by`` which playbook and guard refused last. ``ask_at_ms`` is when fresh samples are asked
    for again while the effect of a run is awaited. ``resolved`` is heard by the worker. ``carried`` is what
    the run did, until its undo is done. ``asked`` is what people were asked about this episode, and
    ``approved`` that they agreed and nothing has begun yet; ``inquiry`` is what the run itself asks them just
    now, set by its worker. ``leases`` counts what the desk gave and has not got back.
    """

    alert: Alert
    changed_ms: int
    remedy: Remedy = field(default_factory=Remedy)
    playbook: Playbook | None = None
    run: Run | None = None
    asking: bool = False
    leases: int = 0
    carried: Carried | None = None
    retry_at_ms: int | None = None
    ask_at_ms: int = 0
    ask_after_ms: int = ASK_FIRST_MS
    called: bool = False
    passing_since_ms: int = 0
    refused_by: tuple[str, str] = ("", "")
    resolved: threading.Event = field(default_factory=threading.Event)
    asked: Asked | None = None
    approved: bool = False
    inquiry: Ask | None = None

    @property
    def acting(self) -> bool:
        """Whether steps are being taken or asked about."""
        return self.asking or (self.run is not None and self.run.stage is Stage.ACTING)

    @property
    def verifying(self) -> bool:
        """Whether the effect of a run is awaited."""
        return self.run is not None and self.run.stage is Stage.VERIFYING

    @property
    def undoing(self) -> bool:
        """Whether what a run changed is being taken back."""
        return self.run is not None and self.run.stage is Stage.UNDOING

    @property
    def lets_go(self) -> bool:
        """Whether a lease is held for nothing."""
        return self.leases > 0 and not self.busy

    @property
    def busy(self) -> bool:
        """Whether a run holds its target."""
        return self.acting or self.verifying or self.undoing

    @property
    def waits_for_people(self) -> bool:
        """Whether an ask is open."""
        return self.asked is not None and self.asked.ended is None

    @property
    def ask(self) -> Ask | None:
        """What people are asked just now."""
        opened = self.asked.ask if self.asked is not None and self.waits_for_people else None
        return self.inquiry or opened

    def may_try(self, playbook: Playbook) -> bool:
        """Tell whether a playbook may be tried: once people have approved one, no other."""
        return not self.approved or self.asked is None or self.asked.ask.playbook == playbook.playbook

    def look_again_in_time(self) -> None:
        """See to it that an open ask is looked at when its time is over, whatever a guard said."""
        if self.asked is not None and self.waits_for_people:
            until_ms = self.asked.ask.until_ms
            self.retry_at_ms = min(self.retry_at_ms or until_ms, until_ms)

    @property
    def retries(self) -> bool:
        """Whether a run ended so that the guards may allow another one for the same episode."""
        skipped = self.run is not None and self.run.outcome is Outcome.SKIPPED
        return self.failed or (skipped and self.playbook is not None and not self.playbook.read_only)

    @property
    def failed(self) -> bool:
        """Whether this episode had a run that did not help."""
        return self.run is not None and self.run.outcome in NO_HELP

    def recurs(self, now_ms: int) -> bool:
        """Tell whether a fix did not last."""
        run = self.run
        return run is not None and run.outcome is Outcome.FIXED and now_ms - run.verified_ms <= RECURRENCE_MS

    def waits(self, now_ms: int) -> bool:
        """Tell whether the guards are to be asked again now."""
        firing = self.alert.state is AlertState.FIRING
        return firing and not self.busy and self.retry_at_ms is not None and now_ms >= self.retry_at_ms

    def over(self, now_ms: int) -> bool:
        """Tell whether nothing more can come of it."""
        quiet_ms = now_ms - self.changed_ms
        return not self.busy and self.alert.state is not AlertState.FIRING and quiet_ms > 2 * RECURRENCE_MS

    def asks_fresh(self, now_ms: int) -> bool:
        """Tell whether fresh samples are due, and put the next time further away."""
        if now_ms < self.ask_at_ms:
            return False
        self.ask_at_ms = now_ms + self.ask_after_ms
        self.ask_after_ms = min(2 * self.ask_after_ms, ASK_LONGEST_MS)
        return True

    def due_ms(self, after_ms: int) -> int | None:
        """Return the next moment after this one at which something is to be done, or None."""
        if self.run is not None and self.verifying and self.playbook is not None:
            turns = (self.ask_at_ms, *turns_ms(self.run, self.playbook))
            return min((turn for turn in turns if turn > after_ms), default=after_ms + ASK_LONGEST_MS)
        if self.busy or self.alert.state is not AlertState.FIRING:
            return None
        return self.retry_at_ms
