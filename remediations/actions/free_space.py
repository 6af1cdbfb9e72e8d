"""Free space on a filesystem from what can be made again, until so much is free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from model import deed
from model.decode import MISSING, Decoder, Missing, nearest
from model.deed import FreeSpace
from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action
from model.step import Host, Risk, Step
from model.yaml_tree import Mapping as Table
from model.yaml_tree import Node, Scalar
from remediations.actions.rotate_logs import USUAL, ConfigPath
from remediations.deeds import roots
from remediations.deeds.folders import is_plain
from remediations.deeds.sweep import AGE_S_MIN
from remediations.writing.amounts import Bytes, Part

DAY: Final = seconds(86_400)
JOURNAL: Final = Bytes(500 << 20)
TENTH: Final = Part(0.1)
LISTED_MAX: Final = 32


class Root(str):
    """A folder to clean by the age of its files."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Root:
        """Refuse what carries the host, holds somebody's data, or does not say what it means."""
        reason = roots.objection(text)
        if reason:
            raise Misfit(reason, "name a folder of old files, like /var/log")
        return cls(text)


class Disposable(Root):
    """A folder that is known to hold only what can be made again."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Disposable:
        """Leave every other folder to an action that needs approval."""
        Root.parse(text)
        if not roots.disposable(text):
            raise Misfit(f"{text} may hold what cannot be made again", "use remove_old, which needs approval")
        return cls(text)


class Filesystem(str):
    """A filesystem, named by any folder on it."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Filesystem:
        """Refuse a path that says one thing and means another."""
        if not is_plain(text):
            raise Misfit(f"{text[:40]!r} is not an absolute path", "write it like / or /var")
        return cls(text)


class Pattern(str):
    """What a file's name looks like, with ``*``, ``?`` and ``[...]``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Refuse paths: a pattern is about the name alone."""
        if not text or "/" in text or not text.isprintable() or len(text) > 64 or text.count("*") > 4:
            raise Misfit(f"{text[:40]!r} is not a pattern of names", "write it like *.gz")
        return cls(text)


def check_age(age: Duration) -> None:
    """Refuse to take away what was changed within a day."""
    if age.s < AGE_S_MIN:
        raise Misfit(f"{age} is too young: somebody may be at work on it", "write 1d or more", key="age")


def check_lists(**lists: tuple[str, ...]) -> None:
    """Refuse a list of nothing, which could be read as everything, and one without end."""
    for key, listed in lists.items():
        if not 1 <= len(listed) <= LISTED_MAX:
            raise Misfit(f"{key} names 1 to {LISTED_MAX}, got {len(listed)}", "name what is meant", key=key)


@dataclass(frozen=True, slots=True)
class _Journal:
    max_use: Bytes = JOURNAL
    keep: Duration | None = None

    def strategy(self) -> deed.Strategy:
        return deed.VacuumJournal(self.max_use, self.keep.s if self.keep else 0.0)


@dataclass(frozen=True, slots=True)
class _Rotate:
    config: ConfigPath = USUAL

    def strategy(self) -> deed.Strategy:
        return deed.RotateLogs(self.config)


@dataclass(frozen=True, slots=True)
class _Apt:
    def strategy(self) -> deed.Strategy:
        return deed.CleanPackages("apt-get")


@dataclass(frozen=True, slots=True)
class _Dnf:
    def strategy(self) -> deed.Strategy:
        return deed.CleanPackages("dnf")


@dataclass(frozen=True, slots=True)
class _Images:
    engine: Literal["docker", "podman"] = "docker"

    def strategy(self) -> deed.Strategy:
        return deed.PruneImages(self.engine)


@dataclass(frozen=True, slots=True)
class _Old:
    roots: tuple[Disposable, ...]
    patterns: tuple[Pattern, ...]
    keep: tuple[Pattern, ...] = ()
    age: Duration = seconds(7 * 86_400)

    def __post_init__(self) -> None:
        check_age(self.age)
        check_lists(roots=self.roots, patterns=self.patterns)

    def strategy(self) -> deed.Strategy:
        return deed.RemoveOld(self.roots, self.patterns, self.keep, self.age.s)


@dataclass(frozen=True, slots=True)
class _Tmp:
    days: int = 7

    def __post_init__(self) -> None:
        if not 1 <= self.days <= 3650:
            raise Misfit(f"{self.days} is not an age in days", "write days: 7", key="days")

    def strategy(self) -> deed.Strategy:
        return deed.RemoveOld(roots.TEMPORARY, age_s=self.days * 86_400.0, unread=True)


@dataclass(frozen=True, slots=True)
class _Cores:
    age: Duration = DAY

    def __post_init__(self) -> None:
        check_age(self.age)

    def strategy(self) -> deed.Strategy:
        patterns = ("core", "core.*", "*.core", "*.crash", "vmcore*")
        return deed.RemoveOld(("/var/lib/systemd/coredump", "/var/crash"), patterns, age_s=self.age.s)


@dataclass(frozen=True, slots=True)
class _Caches:
    roots: tuple[Disposable, ...]
    age: Duration = seconds(7 * 86_400)

    def __post_init__(self) -> None:
        check_age(self.age)
        check_lists(roots=self.roots)

    def strategy(self) -> deed.Strategy:
        return deed.RemoveOld(self.roots, age_s=self.age.s, unread=True)


_KINDS: Final[Mapping[str, type[Any]]] = {
    "journal_vacuum": _Journal,
    "rotate_logs": _Rotate,
    "apt_clean": _Apt,
    "dnf_clean": _Dnf,
    "tmp_age": _Tmp,
    "remove_old": _Old,
    "core_dumps": _Cores,
    "build_caches": _Caches,
    "container_prune": _Images,
}


@dataclass(frozen=True, slots=True)
class Way:
    """One of ``journal_vacuum`` {max_use 500M, keep}, ``rotate_logs`` {config}, ``apt_clean``, ``dnf_clean``,
    ``tmp_age`` {days 7}, ``remove_old`` {roots, patterns, keep, age 7d}, ``core_dumps`` {age 1d},
    ``build_caches`` {roots, age 7d} or ``container_prune`` {engine docker}, by name or with options.
    """

    step: deed.Strategy

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Way | Missing:
        """Read a name, or a mapping with one name."""
        if isinstance(node, Scalar):
            name, options = node, Table((), node.place)
        elif isinstance(node, Table) and len(node.pairs) == 1 and isinstance(node.pairs[0][1], Table):
            name, options = node.pairs[0][0], node.pairs[0][1]
        else:
            raise Misfit("a strategy has one name", "write apt_clean, or tmp_age: {days: 7}")
        kind = _KINDS.get(name.text)
        if kind is None:
            raise Misfit(f"unknown strategy {name.text[:40]!r}", nearest(name.text, _KINDS))
        read = decoder.record(options, kind)
        return MISSING if read is MISSING else cls(cast("Callable[[], deed.Strategy]", read.strategy)())


@dataclass(frozen=True, slots=True)
class Options:
    """Which filesystem, how much of it is to be free, and the strategies in the order of trying.

    ``path`` names the filesystem. Strategies are taken until ``target_free`` is reached. Files go only where
    nobody changed or moved them for so long (nor read them, for ``tmp_age`` and ``build_caches``) and nobody
    has them open: the oldest first, at most 20 % of the filesystem, 10 GiB and 10,000 files in one run.
    """

    path: Filesystem
    strategies: tuple[Way, ...]
    target_free: Part = TENTH

    def __post_init__(self) -> None:
        if not 0.01 <= self.target_free <= 0.5:
            raise Misfit("the target is 1% to 50%", "write target_free: 10%", key="target_free")
        if not 1 <= len(self.strategies) <= LISTED_MAX:
            raise Misfit("there is no strategy", "write strategies: [apt_clean]", key="strategies")


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """One deed takes the strategies in turn, because only it sees whether the next is still needed."""
    yield FreeSpace(options.path, options.target_free, tuple(way.step for way in options.strategies))


def touches(options: Options) -> frozenset[str]:
    """Two runs never clean one place at once."""
    return frozenset({f"space:{options.path}"})


ACTION = Action("free_space", Options, plan, risk=Risk.REVERSIBLE, touches=touches)
