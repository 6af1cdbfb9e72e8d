"""What systemd's manager says of its units, over D-Bus (org.freedesktop.systemd1(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

from model.plugin import Deadline
from probes.host.dbus import Answer, Bus, Call, Refused, Unreachable, bus, of_property, straight

SERVICE: Final = "org.freedesktop.systemd1"
MANAGER: Final = "/org/freedesktop/systemd1"
REFRESHED_IN_RUNS: Final = 12

Value = str | int
Properties = Mapping[str, Value]
Property = tuple[str, str, str]
"""What to ask a unit for: the interface, the property's name and the signature of its value."""

_UNITS: Final = "a(ssssssouso)"

_NOBODY: Final = ("ServiceUnknown", "NameHasNoOwner")

_STARTED: Final = ("Unit", "ActiveEnterTimestamp", "t")
_OF_ALL: Final[tuple[Property, ...]] = (_STARTED, ("Unit", "NeedDaemonReload", "b"))
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
        with straight(own, SERVICE, deadline) as over:
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
        call = Call(MANAGER, f"{SERVICE}.Manager", "ListUnitsByNames", _UNITS, "as", (tuple(missing),))
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


def due(unit: Unit, known: Known | None, run: int) -> bool:
    """Tell whether to ask a unit for everything: its state changed, or it is its turn.

    Asking everything of every unit each time would cost the host more than all other probes together.
    """
    turn = crc32(unit.name.encode()) % REFRESHED_IN_RUNS
    return (
        known is None
        or known.unit != unit
        or unit.active_state in ("activating", "deactivating")
        or turn == run % REFRESHED_IN_RUNS
    )


def remembered(over: Bus, units: Sequence[Unit], before: Memory, run: int, deadline: Deadline) -> Memory:
    """Return what is known of these units, some of it as it was before; ``run`` counts the runs."""
    fully = [unit for unit in units if due(unit, before.get(unit.name), run)]
    names = {unit.name for unit in fully}
    rest = [unit for unit in units if unit.name not in names]
    # A service may have been started again between two runs and look as before.
    active = [unit for unit in rest if unit.kind == "service" and unit.active_state == "active"]
    started = _asked(over, [(unit, _STARTED) for unit in active], deadline)
    fully += [unit for unit in active if started[unit.name].items() - before[unit.name].properties.items()]
    questions = [(unit, one) for unit in fully for one in (*_OF_ALL, *_OF_KIND.get(unit.kind, ()))]
    told = _asked(over, questions, deadline)
    return {
        unit.name: Known(unit, told[unit.name]) if unit.name in told else before[unit.name] for unit in units
    }


def _asked(
    over: Bus, questions: Sequence[tuple[Unit, Property]], deadline: Deadline
) -> dict[str, dict[str, Value]]:
    """Return what these units say of their properties, by the names of both."""
    calls = [of_property(unit.path, f"{SERVICE}.{face}", name) for unit, (face, name, _) in questions]
    told: dict[str, dict[str, Value]] = {unit.name: {} for unit, _ in questions}
    answers = over.ask(calls, deadline)
    for (unit, (_, name, signature)), answer in zip(questions, answers, strict=True):
        value = _value(answer, signature)
        if value is not None:
            told[unit.name][name] = value
    return told


def _value(answer: Answer, signature: str) -> Value | None:
    """Return the value of a property; None where the unit went away or this systemd has no such property."""
    if isinstance(answer, Refused):
        return None
    ((found, value),) = answer
    if found != signature:
        raise Unreachable(f"a property is a {found[:20]!r} and not a {signature!r}")
    return value if isinstance(value, str | int) else None
