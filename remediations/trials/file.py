"""Files of playbook tests: what a world is like, what programs would say in it, and what shall come of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal

from model.decode import Raw, decode, nearest
from model.duration import Duration, seconds
from model.misfit import NOWHERE, Misfit, Place, Problem, Rejected
from model.outcome import Outcome
from model.step import Host
from model.yaml_tree import Limits
from remediations.guard import GUARDS
from remediations.writing.playbook import Mode, Playbook

LIMITS: Final = Limits(file_bytes_max=4 << 20, nodes_max=500_000, aliases_max=10_000, merge_keys=True)
KEY: Final = "playbook_tests"
"""The key by which such a file is known."""

UNPLANNABLE: Final = "unplannable"
TAKES_MAX: Final = seconds(24 * 3600)

_GUARDS: Final = (*GUARDS, UNPLANNABLE)
_EMPTY: Final = Raw("")
_AT_ONCE: Final = Duration(0)


class GuardName(str):
    """The name of a guard, as it stands in the metrics."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> GuardName:
        """Refuse a guard that does not exist."""
        if text not in _GUARDS:
            raise Misfit(f"there is no guard {text[:40]!r}", nearest(text, _GUARDS))
        return cls(text)


@dataclass(frozen=True, slots=True)
class Words:
    """A command as it is typed, taken apart at its blanks; quotes keep them in a word."""

    each: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Words:
        """Read it as a shell would that fills in nothing."""
        try:
            each = tuple(shlex.split(text))
        except ValueError as wrong:
            raise Misfit(f"{text[:40]!r} is no command: {wrong}", "close the quote") from None
        if not each:
            raise Misfit("the command is empty", "write it like run: nginx -t")
        return cls(each)

    def __str__(self) -> str:
        return shlex.join(self.each)


@dataclass(frozen=True, slots=True)
class Command:
    """What a program would say: its exit code and its output, or with ``reason`` why it gave none.

    ``stopped`` sets the kill switch while it runs, ``resolves`` lets the alert resolve meanwhile. Where a
    command stands several times, each time that it is run takes the next; the last one stays.
    """

    run: Words
    rc: int = 0
    stdout: Raw = _EMPTY
    reason: Raw = _EMPTY
    takes: Duration = _AT_ONCE
    stopped: Raw = _EMPTY
    resolves: bool = False
    place: Place = field(default=NOWHERE, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rc <= 255:
            raise Misfit("an exit code is a number from 0 to 255", "write rc: 1", key="rc")
        _short_enough(self.takes)


@dataclass(frozen=True, slots=True)
class Deed:
    """What would come of a step that is no program, known by its sentence; a ``reason`` says why it fails."""

    step: Raw
    output: Raw = _EMPTY
    rc: int | None = None
    changed: bool = False
    reason: Raw = _EMPTY
    takes: Duration = _AT_ONCE
    stopped: Raw = _EMPTY
    resolves: bool = False
    place: Place = field(default=NOWHERE, compare=False)

    def __post_init__(self) -> None:
        _short_enough(self.takes)


@dataclass(frozen=True, slots=True)
class Firing:
    """The alert: its labels and value, and how long before the test what it tells of began.

    ``unseen`` says that what it looks at cannot be seen any more.
    """

    labels: Mapping[str, Raw]
    value: float = 0.0
    since: Duration = field(default=seconds(60))
    unseen: bool = False

    def __post_init__(self) -> None:
        if not self.labels.get("alertname"):
            raise Misfit("the alert has no name", "add alertname: ... to its labels", key="labels")


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run on the same things, of this playbook or of another; without an outcome it goes on."""

    ago: Duration
    outcome: Outcome | None = None
    took: Duration = _AT_ONCE
    playbook: Raw = _EMPTY

    def __post_init__(self) -> None:
        if self.took > self.ago:
            raise Misfit("it would have ended after the test began", "write a shorter took", key="took")


@dataclass(frozen=True, slots=True)
class Around:
    """What else guards are told; texts are the sentences with which they refuse.

    ``busy`` maps a thing that another run works on to its playbook, ``pauses`` maps ``maintenance``,
    ``freeze``, ``warm-up`` or ``doubt`` to a sentence. ``human`` says who wants the present state,
    ``at_work`` who changes the host just now, ``lease`` why the desk does not agree. ``firing`` are the
    labels of other alerts. ``sample_age`` is how old the newest sample is, where one is due each
    ``sample_every``.
    """

    stopped: Raw = _EMPTY
    hold: Raw = _EMPTY
    human: Raw = _EMPTY
    at_work: Raw = _EMPTY
    lease: Raw = _EMPTY
    busy: Mapping[str, Raw] = field(default_factory=dict)
    under_way: int = 0
    pauses: Mapping[str, Raw] = field(default_factory=dict)
    firing: tuple[Mapping[str, Raw], ...] = ()
    watched: tuple[Raw, ...] = ()
    sample_age: Duration | None = None
    sample_every: Duration = field(default=seconds(15))
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """What is seen of the trouble from so long after the last step on: gone, there, or nothing at all.

    ``worse`` names a graver alert that begins to fire then.
    """

    at: Duration
    gone: bool | None = None
    worse: Raw = _EMPTY


@dataclass(frozen=True, slots=True)
class Expected:
    """What shall come of it; what is not written may be as it likes.

    ``refused`` and ``reason`` are parts of a sentence. ``steps`` and ``undone`` are all steps in their order;
    those that cannot end a run, such as evidence, may be left out. ``skipped`` are steps that could have been
    taken and were not, ``hidden`` texts that may stand nowhere in the journal.
    """

    refused: Raw | None = None
    guard: GuardName | None = None
    steps: tuple[Raw, ...] | None = None
    skipped: tuple[Raw, ...] = ()
    outcome: Outcome | None = None
    escalate: bool | None = None
    reason: Raw | None = None
    undone: tuple[Raw, ...] | None = None
    hidden: tuple[Raw, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)

    def __post_init__(self) -> None:
        written = [one.name for one in fields(self) if one.compare and getattr(self, one.name) != one.default]
        if not written:
            raise Misfit("nothing is expected", "write what shall come of it, like outcome: fixed")
        beyond = [key for key in written if key not in ("refused", "guard", "escalate")]
        if self.refuses and beyond:
            raise Misfit("what is refused takes no step and has no outcome", "leave it out", key=beyond[0])
        if self.outcome is Outcome.RECURRED:
            raise Misfit("a test ends before anything can recur", "write fixed", key="outcome")

    @property
    def refuses(self) -> bool:
        """Whether the playbook shall be refused."""
        return self.refused is not None or self.guard is not None


@dataclass(frozen=True, slots=True)
class Trial:
    """One story: a playbook, an alert, the world around them, and what is expected.

    ``facts`` are those of the host, ``mode`` stands in place of the playbook's own. What ``commands`` and
    ``deeds`` do not tell of fails the test, or succeeds with ``commands_default: ok``.
    """

    name: Raw
    playbook: Raw
    alert: Firing
    expect: Expected
    mode: Mode | None = None
    facts: Host = field(default=Host(has_systemd=True))
    commands: tuple[Command, ...] = ()
    deeds: tuple[Deed, ...] = ()
    commands_default: Literal["fail", "ok"] = "fail"
    history: tuple[Earlier, ...] = ()
    host: Around = field(default=Around())
    effect: tuple[Effect, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)

    def __post_init__(self) -> None:
        moments = [one.at for one in self.effect]
        if moments != sorted(set(moments)):
            raise Misfit("the effects are not in the order of time", "write the earliest first", key="effect")

    @property
    def answers(self) -> tuple[Command | Deed, ...]:
        """What programs and other steps would say."""
        return (*self.commands, *self.deeds)


@dataclass(frozen=True, slots=True)
class Trials:
    """A file of playbook tests; ``playbooks`` are globs relative to it, or names of those that ship."""

    playbooks: tuple[str, ...]
    playbook_tests: tuple[Trial, ...]
    place: Place = field(default=NOWHERE, compare=False)


def load_trials(data: bytes, file: str) -> Trials:
    """Return the playbook tests of a file, or raise ``Rejected`` with every mistake in it."""
    return decode(data, file, Trials, LIMITS)


def bound(trials: Trials, playbooks: Iterable[Playbook]) -> tuple[tuple[Trial, Playbook], ...]:
    """Return each test with its playbook, or raise ``Rejected`` where there is no such playbook."""
    named = {str(one.playbook): one for one in playbooks}
    strange = tuple(
        Problem(one.place, f"no playbook here is called {str(one.playbook)!r}", nearest(one.playbook, named))
        for one in trials.playbook_tests
        if one.playbook not in named
    )
    if strange:
        raise Rejected(strange)
    return tuple((one, named[one.playbook]) for one in trials.playbook_tests)


def _short_enough(takes: Duration) -> None:
    if takes > TAKES_MAX:
        raise Misfit(f"nothing takes longer than {TAKES_MAX}", "write takes: 5s", key="takes")
