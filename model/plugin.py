"""The shape of what can be plugged in: a frozen value that names a function, its options and its promise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from model.conversation import Conversation
from model.duration import Duration, seconds
from model.labels import Labels
from model.sample import Metric, Sample
from model.step import Host, HumanAct, Result, Risk, Step

Options = TypeVar("Options")


class DeadlinePassed(Exception):
    """The time that was given for something is over."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock after which work is no longer wanted."""

    at_s: float
    monotonic: Callable[[], float]

    def left_s(self) -> float:
        """Return the seconds left, always more than 0, or raise ``DeadlinePassed``."""
        left = self.at_s - self.monotonic()
        if left <= 0:
            raise DeadlinePassed
        return left


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """A wish to be run again as soon as this process is gone."""

    pid: int


@dataclass(frozen=True, slots=True)
class FileChange:
    """A wish to be run again as soon as this file appears, changes or goes."""

    path: str


@dataclass(frozen=True, slots=True)
class RunAgain:
    """A wish to be run again after so many seconds, where the next slot would be too late."""

    after_s: float


Wish = ProcessExit | FileChange | RunAgain

REMARK_CHARS_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Remark:
    """What a probe saw in words, such as a plug-in's output or the last line that matched.

    It is about the series of the probe's target that carry ``labels``; the newest is kept. The text is
    attacker data.
    """

    labels: Labels
    text: str


Seen = Sample | Wish | Remark
Look = Callable[[Deadline], Iterable[Seen]]


@dataclass(frozen=True, slots=True)
class Probe(Generic[Options]):
    """A sense: options in, samples out, with remarks, and wishes to be woken before the next slot.

    ``run`` may block until its deadline. An exception means that the probe itself is in trouble and its
    target unknown; a target that is down is a sample. A probe that must remember something from one run to
    the next has ``begin`` in its place, which makes what looks, with a memory of its own. ``target`` names
    what is looked at, for the ``instance`` label; the empty string stands for the host itself. ``subject``
    names it in the probe's own name, where that says more than the target. ``brings_more`` says that it
    also passes on metrics that others name. ``converse`` does what ``run`` does as a conversation, which
    needs no thread of its own; it takes no longer than ``run`` would until the same deadline.
    """

    name: str
    options: type[Options]
    run: Callable[[Options, Deadline], Iterable[Seen]] | None
    emits: tuple[Metric, ...]
    job: str
    target: Callable[[Options], str]
    every: Duration = seconds(15)
    timeout: Duration = seconds(5)
    subject: Callable[[Options], str] | None = None
    begin: Callable[[Options], Look] | None = None
    brings_more: bool = False
    converse: Callable[[Options, Deadline], Conversation[Iterable[Seen]]] | None = None

    def __post_init__(self) -> None:
        assert (self.run is None) is not (self.begin is None), "a probe either runs or begins"

    def look(self, options: Options) -> Look:
        """Return what looks, to be called for each run."""
        if self.begin is not None:
            return self.begin(options)
        assert self.run is not None, "checked above"
        return partial(self.run, options)

    def named(self, options: Options) -> str:
        """Return the name of a probe that was given none: its kind and what it looks at."""
        return f"{self.name} {(self.subject or self.target)(options)}".strip()


AnyProbe = Probe[Any]


class Unplannable(Exception):
    """An action cannot be planned on this host; the text is a sentence that says why."""


def _asks_nothing(_options: object, _host: Host) -> Iterable[Step]:
    return ()


def _sees_nobody(_options: object, _results: Sequence[Result]) -> HumanAct | None:
    return None


@dataclass(frozen=True, slots=True)
class Action(Generic[Options]):
    """A hand: options in, the steps it would take out. It never takes them itself.

    ``plan`` may raise ``Unplannable``. ``touches`` names what the steps act upon, like
    ``service:nginx``; two runs never act upon the same thing at once. ``asks`` are read-only steps
    whose results ``intent`` reads, to tell whether a human wants the present state. ``undo`` is what takes
    back its steps, where that can be; it may be done whichever of them were taken.
    """

    name: str
    options: type[Options]
    plan: Callable[[Options, Host], Iterable[Step]]
    risk: Risk
    touches: Callable[[Options], frozenset[str]]
    asks: Callable[[Options, Host], Iterable[Step]] = _asks_nothing
    intent: Callable[[Options, Sequence[Result]], HumanAct | None] = _sees_nobody
    undo: Callable[[Options, Host], Iterable[Step]] = _asks_nothing


AnyAction = Action[Any]


class Undelivered(Exception):
    """A message did not reach the server that takes it; the text is a sentence, fit for a log.

    ``permanent`` says that another try is useless. ``unknown`` says that the server may have taken it all
    the same, because the connection ended before its answer came. ``everybody`` says that no message
    would get through at the moment, whoever it is for. ``gone`` says that nobody takes anything at this
    address any more. ``after_s`` is how long whoever answered asks to be left alone, 0 where they did not.
    """

    def __init__(
        self,
        sentence: str,
        *,
        permanent: bool = False,
        unknown: bool = False,
        everybody: bool = False,
        gone: bool = False,
        after_s: float = 0.0,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.permanent = permanent
        self.unknown = unknown
        self.everybody = everybody
        self.gone = gone
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class Event:
    """What a message says to programs: a dotted type like ``notice.first``, and its facts by name."""

    type: str
    facts: tuple[tuple[str, str | int | bool | tuple[str, ...] | None], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """What one person is told, complete; every try carries the same ``id`` and the same content.

    ``headers`` are shown as they stand, in this order; ``written_ms`` is its date in ms since 1970 in UTC.
    ``own`` are the parts of both bodies that are this person's alone, in their order; none where all is the
    same for everybody. What stands before and after them need be encoded only once. ``channel`` is what it
    goes out on, ``to`` an address of that channel. ``return_path`` is where a mail server reports to, where
    that is not the sender. ``calendar`` is an iCalendar object that goes along, as RFC 5545 writes it.
    """

    id: str
    to: str
    subject: str
    text: str
    html: str
    language: str
    written_ms: int
    headers: tuple[tuple[str, str], ...] = ()
    own: tuple[str, ...] = ()
    channel: str = "email"
    event: Event | None = None
    return_path: str = ""
    calendar: str = ""


class Line(Protocol):
    """An open way to whatever takes messages; it may keep a connection from one message to the next."""

    def say(self, message: Message, deadline: Deadline) -> str:
        """Hand over one message and return the answer, or raise ``Undelivered``."""

    def close(self) -> None:
        """Let the connection go; a later ``say`` makes a new one."""


@dataclass(frozen=True, slots=True)
class Channel(Generic[Options]):
    """A voice: options in, an open line out, on which each message goes to one person."""

    name: str
    options: type[Options]
    open: Callable[[Options], Line]


AnyChannel = Channel[Any]
