"""Start, stop, restart or reload a service: by systemd where that runs, else as the playbook declares.

The unit's properties are those of ``systemctl show`` (org.freedesktop.systemd1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from model.duration import Duration, seconds
from model.misfit import Misfit
from model.plugin import Action, Unplannable
from model.step import STEP_TIMEOUT_S, STEP_TIMEOUT_S_MAX, End, Exec, Host, HumanAct, Look, Result, Risk, Step
from remediations.writing.argv import Argv

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,127}")
_OTHER_KINDS: Final = (
    ".mount", ".automount", ".swap", ".target", ".socket", ".device", ".timer", ".path", ".slice", ".scope",
)  # fmt: skip
_PROTECTED: Final = re.compile(
    r"(init|systemd.*|dbus.*|sshd?(@.*)?|network(ing|-manager)?|NetworkManager.*|beforehand.*|user@.*|getty@.*)"
)
_PROPERTIES: Final = "LoadState,ActiveState,SubState,Result,UnitFileState"
_SYSTEMD_TIMEOUT_S: Final = 90.0


class State(StrEnum):
    """The state to bring a service to."""

    STARTED = "started"
    STOPPED = "stopped"
    RESTARTED = "restarted"
    RELOADED = "reloaded"


_VERBS: Final = {
    State.STARTED: "start",
    State.STOPPED: "stop",
    State.RESTARTED: "restart",
    State.RELOADED: "reload",
}


class ServiceName(str):
    """A service's name as systemd takes it, without the ending ``.service``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ServiceName:
        """Refuse other kinds of units, and services that carry the host or the people on it."""
        name = text.removesuffix(".service")
        if not _NAME.fullmatch(name) or ".." in name:
            raise Misfit(f"{text[:40]!r} is not the name of a service", "write it like nginx or app@1")
        if name.endswith(_OTHER_KINDS):
            raise Misfit(f"{text!r} is not a service", "name a service")
        if _PROTECTED.fullmatch(name):
            raise Misfit(f"{name} carries the host and is never touched", "name another service")
        return cls(name)


class FilePath(str):
    """An absolute path without ``..``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> FilePath:
        """Refuse relative paths and characters that cannot be printed."""
        if not text.startswith("/") or ".." in text.split("/") or not text.isprintable():
            raise Misfit(f"{text[:40]!r} is not an absolute path", "write it like /run/nginx.pid")
        return cls(text)


@dataclass(frozen=True, slots=True)
class Options:
    """A service, the state wanted, and how to get there where systemd does not run it.

    ``systemd: false`` says that it is no unit, even where systemd is the init. ``check`` tests the
    configuration before anything is stopped. ``exe`` is the program that the pid file belongs to, where
    that is not the one that ``start`` runs.
    """

    name: ServiceName
    state: State
    start: Argv | None = None
    stop: Argv | None = None
    reload: Argv | None = None
    check: Argv | None = None
    systemd: bool = True
    detached: bool = False
    pidfile: FilePath | None = None
    exe: FilePath | None = None
    clean_stop_removes_pidfile: bool = True
    patience: Duration = field(default=seconds(10))

    def __post_init__(self) -> None:
        if self.patience.s > STEP_TIMEOUT_S_MAX:
            raise Misfit(
                "the patience is too long", f"wait at most {STEP_TIMEOUT_S_MAX:.0f}s", key="patience"
            )


def plan(options: Options, host: Host) -> Iterator[Step]:
    """Test the configuration first, so that a service with a broken one is not stopped."""
    if options.check:
        yield Exec(tuple(options.check))
    if host.has_systemd and options.systemd:
        yield from _by_systemd(options, host)
    else:
        yield from _as_declared(options)


def _by_systemd(options: Options, host: Host) -> Iterator[Step]:
    """Clear the failed state first, so that a unit over its start limit can start."""
    unit = f"{options.name}.service"
    if options.state is not State.STOPPED:
        yield Exec((host.systemctl, "reset-failed", unit), vital=False)
    yield Exec((host.systemctl, _VERBS[options.state], unit), timeout_s=_SYSTEMD_TIMEOUT_S)


def _as_declared(options: Options) -> Iterator[Step]:
    if options.state is State.RELOADED:
        yield Exec(_declared(options, options.reload, "reload"))
        return
    start = () if options.state is State.STOPPED else _declared(options, options.start, "start")
    if options.state is not State.STARTED:
        yield from _stop(options)
    if start:
        yield Exec(start, detached=options.detached)


def _stop(options: Options) -> Iterator[Step]:
    """End what runs; before a start, a stop that fails only means that nothing ran."""
    stop = tuple(options.stop or ())
    exe = options.exe or (options.start[0] if options.start else "")
    if options.pidfile and exe:
        yield End(options.pidfile, exe, stop, options.patience.s)
    elif stop:
        yield Exec(stop, timeout_s=STEP_TIMEOUT_S, any_rc=options.state is State.RESTARTED)
    elif options.state is State.STOPPED:
        _declared(options, None, "stop")


def _declared(options: Options, argv: Argv | None, verb: str) -> tuple[str, ...]:
    if argv is None:
        raise Unplannable(
            f"{options.name} cannot be brought to {options.state}: systemd does not run here"
            f" and the playbook declares no {verb!r}"
        )
    return tuple(argv)


def touches(options: Options) -> frozenset[str]:
    """Name the service, so that two runs never work on it at once."""
    return frozenset({f"service:{options.name}"})


def asks(options: Options, host: Host) -> Iterator[Step]:
    """Look at how the service came to be in its state; a stop that is wanted needs no such question."""
    if options.state is State.STOPPED:
        return
    if host.has_systemd and options.systemd:
        show = ("show", "--no-pager", f"--property={_PROPERTIES}", f"{options.name}.service")
        yield Exec((host.systemctl, *show), timeout_s=5)
    elif options.pidfile and options.clean_stop_removes_pidfile:
        yield Look(options.pidfile)


def intent(options: Options, results: Sequence[Result]) -> HumanAct | None:
    """Tell what a human, or the init on somebody's behalf, wants with the service."""
    for result in results:
        if not result.ok:
            return HumanAct(f"nobody could say how {options.name} was stopped: {result.reason}", passing=True)
        if "=" in result.output:
            return _read_unit(options.name, result.output)
        if result.output == "missing":
            sentence = (
                f"a human stopped {options.name} on purpose (its pid file is gone);"
                " start it again to hand it back"
            )
            return HumanAct(sentence, certain=False)
    return None


def _read_unit(name: str, output: str) -> HumanAct | None:
    unit = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    active, sub = unit.get("ActiveState", ""), unit.get("SubState", "")
    if active in ("activating", "deactivating", "reloading"):
        return HumanAct(f"{name} is {active} already ({sub})", passing=True)
    if active not in ("inactive", "failed") or unit.get("LoadState") == "not-found":
        return None
    traces = {unit.get(key, "").removesuffix("-runtime") for key in ("LoadState", "UnitFileState")}
    for trace in ("masked", "disabled"):
        # A unit that was never enabled may crash like any other; one that is masked is not to run at all.
        if trace in traces and (trace == "masked" or active == "inactive"):
            return HumanAct(f"a human {trace} {name} and it is stopped; enable and start it to hand it back")
    if active == "failed":
        return None
    if unit.get("Result") == "success":
        return HumanAct(f"a human stopped {name} on purpose; start it again to hand it back")
    return None


ACTION = Action("service", Options, plan, risk=Risk.REVERSIBLE, touches=touches, asks=asks, intent=intent)
