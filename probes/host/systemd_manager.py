"""What systemd's manager says of its units, over D-Bus (org.freedesktop.systemd1(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

from model.plugin import Deadline
from probes.host.dbus import Answer, Bus, Call, Refused, Unreachable, bus, of_property, straight

SERVICE: Final = "org.freedesktop.systemd1"
MANAGER: Final = "/org/freedesktop/systemd1"
REFRESHED_IN_RUNS: Final = 4

Value = str | int
Properties = Mapping[str, Value]
Property = tuple[str, str, str]
"""What to ask a unit for: the interface, the property's name and the signature of its value."""

_UNITS: Final = "a(ssssssouso)"

_NOBODY: Final = ("ServiceUnknown", "NameHasNoOwner")

_OF_ALL: Final[tuple[Property, ...]] = (
    ("Unit", "ActiveEnterTimestamp", "t"),
    ("Unit", "NeedDaemonReload", "b"),
)
_OF_KIND: Final[Mapping[str, tuple[Property, ...]]] = {
    "service": (
        ("Service", "Type", "s"),
        ("Service", "Result", "s"),
        ("Service", "NRestarts", "u"),
        ("Service", "TasksCurrent", "t"),
        ("Service", "TasksMax", "t"),
    ),
    "socket": (
        ("Socket", "Result", "s"),
        ("Socket", "NAccepted", "u"),
        ("Socket", "NConnections", "u"),
        ("Socket", "NRefused", "u"),
    ),
    "timer": (
        ("Timer", "Unit", "s"),
        ("Timer", "Result", "s"),
        ("Timer", "LastTriggerUSec", "t"),
        ("Timer", "NextElapseUSecRealtime", "t"),
        ("Timer", "NextElapseUSecMonotonic", "t"),
    ),
    "mount": (("Mount", "Type", "s"), ("Mount", "Result", "s")),
}
# A service may have been started again between two runs and look as before.
_OF_RUNNING: Final[tuple[Property, ...]] = (
    ("Service", "NRestarts", "u"),
    ("Unit", "ActiveEnterTimestamp", "t"),
)


class Absent(Exception):
    """No systemd runs here, or it cannot be asked at all."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit as the list of units has it."""

    name: str
    load_state: str
    active_state: str
    sub_state: str
    path: str

    @property
    def kind(self) -> str:
        """What kind of unit it is: ``service``, ``timer``, ``socket``, ..."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Manager:
    """The manager of all units."""

    version: str
    virtualization: str
    state: str


@dataclass(frozen=True, slots=True)
class Known:
    """What was said of a unit, and how the unit was in the list then."""

    unit: Unit
    properties: Properties


Memory = Mapping[str, Known]
"""What is known of each chosen unit, by its name."""


@contextmanager
def connected(system_bus: Path, own: Path, deadline: Deadline) -> Iterator[Bus]:
    """Connect to the manager over the system's bus, or where there is none to its own socket.

    Only root may use the latter. Raises ``Absent`` where there is neither.
    """
    if system_bus.exists():
        with bus(system_bus, SERVICE, deadline) as over:
            yield over
    elif os.access(own, os.W_OK):
        with straight(own, deadline) as over:
            yield over
    else:
        raise Absent("there is no way to systemd for this user")


def manager_of(over: Bus, deadline: Deadline) -> Manager:
    """Return what the manager says of itself; raises ``Absent`` where it is not on the bus."""
    names = ("Version", "Virtualization", "SystemState")
    answers = over.ask([of_property(MANAGER, f"{SERVICE}.Manager", name) for name in names], deadline)
    first = answers[0]
    if isinstance(first, Refused):
        if first.name.endswith(_NOBODY):
            raise Absent("systemd is not on the bus")
        raise Unreachable(f"systemd refuses to answer: {first.name}")
    return Manager(*(str(_value(answer, "s") or "") for answer in answers))


def units_of(over: Bus, wanted: Sequence[str], deadline: Deadline) -> dict[str, Unit]:
    """Return every unit that is loaded, and those wanted, which are loaded for it, by name."""
    listed = _listed(over, Call(MANAGER, f"{SERVICE}.Manager", "ListUnits", _UNITS), deadline)
    missing = [name for name in wanted if name not in listed]
    if missing:
        call = Call(MANAGER, f"{SERVICE}.Manager", "ListUnitsByNames", _UNITS, "as", (missing,))
        listed |= _listed(over, call, deadline)
    return listed


def _listed(over: Bus, call: Call, deadline: Deadline) -> dict[str, Unit]:
    answer = over.ask((call,), deadline)[0]
    if isinstance(answer, Refused):
        raise Unreachable(f"systemd lists no units: {answer.name}")
    return {
        name: Unit(name, load_state, active_state, sub_state, path)
        for name, _, load_state, active_state, sub_state, _, path, *_ in answer[0]
    }


def asked(unit: Unit, known: Known | None, run: int) -> tuple[Property, ...]:
    """Return what to ask a unit for: everything when its state changed and every few runs, else the least.

    Asking everything of every unit each time would cost the host more than all other probes together.
    """
    turn = crc32(unit.name.encode()) % REFRESHED_IN_RUNS
    if known is None or known.unit != unit or turn == run % REFRESHED_IN_RUNS:
        return (*_OF_ALL, *_OF_KIND.get(unit.kind, ()))
    if unit.kind == "service" and unit.active_state in ("active", "activating"):
        return _OF_RUNNING
    return ()


def remembered(over: Bus, units: Iterable[Unit], before: Memory, run: int, deadline: Deadline) -> Memory:
    """Return what is known of these units, some of it as it was before; ``run`` counts the runs."""
    questions = [
        (unit, interface, name, signature)
        for unit in units
        for interface, name, signature in asked(unit, before.get(unit.name), run)
    ]
    calls = [of_property(unit.path, f"{SERVICE}.{interface}", name) for unit, interface, name, _ in questions]
    told: dict[str, dict[str, Value]] = {}
    for (unit, _, name, signature), answer in zip(questions, over.ask(calls, deadline), strict=True):
        value = _value(answer, signature)
        if value is not None:
            told.setdefault(unit.name, {})[name] = value
    return {unit.name: Known(unit, {**_before(unit, before), **told.get(unit.name, {})}) for unit in units}


def _before(unit: Unit, before: Memory) -> Properties:
    known = before.get(unit.name)
    return known.properties if known else {}


def _value(answer: Answer, signature: str) -> Value | None:
    """Return the value of a property; None where the unit went away or this systemd has no such property."""
    if isinstance(answer, Refused):
        return None
    ((found, value),) = answer
    if found != signature:
        raise Unreachable(f"a property is a {found[:20]!r} and not a {signature!r}")
    return value if isinstance(value, str | int) else None
