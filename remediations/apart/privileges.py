"""The rights that enabled playbooks need, read off the steps that they may have taken; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from model.deed import ReleaseDeleted, RenewCertificate
from model.step import End, Exec, Host, Step
from remediations.apart.allowed import Allowed
from remediations.apart.needs import Network, needs
from remediations.executable import found

_READS: Final = ("show", "status", "is-active", "is-enabled", "is-failed", "cat", "list-units", "list-timers")


@dataclass(frozen=True, slots=True, order=True)
class UnitVerb:
    """What is done to a unit by systemd, in systemctl's words."""

    unit: str
    verb: str


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What the hand's unit must leave open: capabilities, paths to write to, network, other settings.

    ``inside`` are programs that run in this sandbox themselves, so nobody but their author knows what more
    they need.
    """

    capabilities: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    network: Network = Network.NONE
    settings: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Privileges:
    """All that the enabled playbooks of this host need.

    ``commands`` are the programs that change something, by absolute path, each with all its words.
    ``missing`` are programs that are not installed here.
    """

    allowed: Allowed
    commands: tuple[tuple[str, ...], ...]
    units: tuple[UnitVerb, ...]
    sandbox: Sandbox
    missing: tuple[str, ...]


def privileges(allowed: Allowed, host: Host) -> Privileges:
    """Return what the steps on this list need; the same list gives the same answer."""
    acts = sorted({step for one in allowed.each.values() for step in one.acts}, key=str)
    programs = [argv for step in acts for argv in _programs(step)]
    commands, missing = set(), set()
    for argv in programs:
        path = found(argv[0])
        if path:
            commands.add((path, *argv[1:]))
        else:
            missing.add(argv[0])
    units = {one for argv in programs for one in _unit_verbs(argv, host)}
    return Privileges(
        allowed,
        tuple(sorted(commands)),
        tuple(sorted(units)),
        _sandbox(allowed),
        tuple(sorted(missing)),
    )


def _programs(step: Step) -> Iterator[tuple[str, ...]]:
    if isinstance(step, Exec):
        yield step.argv
    elif isinstance(step, End) and step.stop:
        yield step.stop
    elif isinstance(step, RenewCertificate | ReleaseDeleted):
        yield step.argv


def _is_systemctl(argv: tuple[str, ...], host: Host) -> bool:
    return argv[0] in ("systemctl", host.systemctl)


def _unit_verbs(argv: tuple[str, ...], host: Host) -> Iterator[UnitVerb]:
    words = [word for word in argv[1:] if not word.startswith("-")]
    if _is_systemctl(argv, host) and words and words[0] not in _READS:
        yield from (UnitVerb(unit, words[0]) for unit in words[1:])


def _sandbox(allowed: Allowed) -> Sandbox:
    steps = {step for one in allowed.each.values() for step in one.acts | one.looks}
    each = [needs(step) for step in steps]
    return Sandbox(
        _together(one.capabilities for one in each),
        _outermost(path for one in each for path in one.writes),
        max((one.network for one in each), default=Network.NONE),
        _together(one.settings for one in each),
        _together(tuple(found(name) or name for name in one.inside) for one in each),
    )


def _together(each: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({word for words in each for word in words}))


def _outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Leave out what lies in another of these."""
    folders = {PurePosixPath(path) for path in paths}
    kept = (one for one in folders if not folders & set(one.parents))
    return tuple(sorted(map(str, kept)))
