"""The state of systemd's units, their last results and their timers, named as node_exporter names them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from model.misfit import Misfit
from model.plugin import Deadline, Look, Probe
from model.regex import compiled
from model.sample import Metric, Sample
from probes.host.adjtimex import clock
from probes.host.roots import ROOTFS, Tree, this_host
from probes.pattern import Pattern

if TYPE_CHECKING:
    from probes.host.systemd_manager import Known, Manager, Memory, Unit

_NAME: Final = ("name",)
UNIT_STATE = Metric(
    "node_systemd_unit_state", "1 for the state that the unit is in.", labels=("name", "state", "type")
)
START_TIME = Metric("node_systemd_unit_start_time_seconds", "When the unit became active.", labels=_NAME)
TASKS = Metric("node_systemd_unit_tasks_current", "Tasks of the service.", labels=_NAME)
TASKS_MAX = Metric("node_systemd_unit_tasks_max", "The most tasks that the service may have.", labels=_NAME)
RESTARTS = Metric("node_systemd_service_restart_total", "Restarts by systemd itself.", "counter", _NAME)
LAST_TRIGGER = Metric("node_systemd_timer_last_trigger_seconds", "When the timer last elapsed.", labels=_NAME)
ACCEPTED = Metric("node_systemd_socket_accepted_connections_total", "Connections taken.", "counter", _NAME)
CONNECTIONS = Metric("node_systemd_socket_current_connections", "Connections open now.", labels=_NAME)
REFUSED = Metric("node_systemd_socket_refused_connections_total", "Connections refused.", "counter", _NAME)
UNITS = Metric("node_systemd_units", "Units by state.", labels=("state",))
RUNNING = Metric("node_systemd_system_running", "1 if the whole system is up and no unit has failed.")
VERSION = Metric("node_systemd_version", "The version of systemd.", labels=("version",))
VIRTUALIZATION = Metric(
    "node_systemd_virtualization_info", "What this host runs on.", labels=("virtualization_type",)
)
RESULT = Metric("beforehand_unit_result", "1, with how the unit last ended.", labels=("name", "result"))
RELOAD = Metric(
    "beforehand_unit_needs_daemon_reload", "1 if the unit's files changed since they were read.", labels=_NAME
)
NEXT_TRIGGER = Metric("beforehand_timer_next_trigger_seconds", "When the timer elapses next.", labels=_NAME)
TIMER_FAILED = Metric(
    "beforehand_timer_last_run_failed", "1 if the unit that the timer starts has failed.", labels=_NAME
)

SYSTEM_BUS: Final = "run/dbus/system_bus_socket"
PRIVATE: Final = "run/systemd/private"
BOOTED: Final = "run/systemd/system"  # sd_booted(3)

STATES: Final = ("active", "activating", "deactivating", "inactive", "failed")

_VERSION: Final = re.compile(r"[0-9]{3,}(?:\.[0-9]+)?")
_INCLUDED: Final = Pattern(".+")
_EXCLUDED: Final = Pattern(r".+\.(automount|device|mount|scope|slice)")
_NEVER: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Options:
    """Which units to tell of, and where the host's root directory is.

    ``unit_include`` and ``unit_exclude`` must match a whole name. ``wanted`` names the only units to tell of
    in their place, also when systemd does not know them. More than ``units_max`` of them are an error.
    ``rootfs`` is where the host's root directory is, for the sockets of D-Bus and systemd in it.
    """

    unit_include: Pattern = _INCLUDED
    unit_exclude: Pattern = _EXCLUDED
    wanted: tuple[str, ...] = ()
    units_max: int = 500
    rootfs: Tree = ROOTFS

    def __post_init__(self) -> None:
        if not 1 <= self.units_max <= 800:  # a service has eleven series, and a run 10,000 at most
            raise Misfit("units_max is from 1 to 800", "write a number in between", key="units_max")
        if len(self.wanted) > self.units_max:
            raise Misfit(f"wanted has more than {self.units_max} units", "raise units_max", key="wanted")
        for name in self.wanted:
            if "." not in name:
                raise Misfit(f"{name!r} is not the name of a unit", f"write {name}.service", key="wanted")


class TooMany(Exception):
    """More units match than may be told of; the text is a sentence."""


def chosen(options: Options, units: Mapping[str, Unit]) -> list[Unit]:
    """Return the units to tell of, or raise ``TooMany``."""
    if options.wanted:
        return [units[name] for name in options.wanted if name in units]
    include = compiled(options.unit_include.text, dot_all=False)
    exclude = compiled(options.unit_exclude.text, dot_all=False)
    found = [
        unit
        for unit in units.values()
        if unit.load_state == "loaded" and include.matches(unit.name) and not exclude.matches(unit.name)
    ]
    if len(found) > options.units_max:
        raise TooMany(f"{len(found)} units match; narrow unit_include, or raise units_max")
    return found


def of_manager(manager: Manager, units: Mapping[str, Unit]) -> Iterator[Sample]:
    """Yield what is said of the whole system."""
    number = _VERSION.search(manager.version)
    yield VERSION(float(number[0]) if number else 0, version=manager.version)
    yield VIRTUALIZATION(1, virtualization_type=manager.virtualization or "none")
    yield RUNNING(manager.state == "running")
    by_state = Counter(dict.fromkeys(STATES, 0))
    by_state.update(unit.active_state for unit in units.values())
    for state, number_of in by_state.items():
        yield UNITS(number_of, state=state)


def of_unit(known: Known, units: Mapping[str, Unit], booted_s: float | None) -> Iterator[Sample]:
    """Yield what is known of one unit; ``booted_s`` is when the monotonic clock stood at 0."""
    unit, told = known.unit, known.properties
    kind = str(told.get("Type", ""))
    for state in STATES:
        yield UNIT_STATE(unit.active_state == state, name=unit.name, state=state, type=kind)
    if "ActiveEnterTimestamp" in told:
        started_us = int(told["ActiveEnterTimestamp"]) if unit.active_state == "active" else 0
        yield START_TIME(started_us / 1e6, name=unit.name)
    if "NeedDaemonReload" in told:
        yield RELOAD(int(told["NeedDaemonReload"]), name=unit.name)
    if told.get("Result"):
        yield RESULT(1, name=unit.name, result=str(told["Result"]))
    for name, metric in _NUMBERS.items():
        if name in told and told[name] != _NEVER:
            yield metric(int(told[name]), name=unit.name)
    if unit.kind == "timer":
        yield from _of_timer(known, units, booted_s)


_NUMBERS: Final = {
    "TasksCurrent": TASKS,
    "TasksMax": TASKS_MAX,
    "NRestarts": RESTARTS,
    "NAccepted": ACCEPTED,
    "NConnections": CONNECTIONS,
    "NRefused": REFUSED,
}


def _of_timer(known: Known, units: Mapping[str, Unit], booted_s: float | None) -> Iterator[Sample]:
    """Yield when a timer elapsed and will elapse, and whether what it starts has failed.

    A unit that systemd has not loaded has not failed, for a failed one is kept.
    """
    name, told = known.unit.name, known.properties
    if "LastTriggerUSec" in told:
        yield LAST_TRIGGER(int(told["LastTriggerUSec"]) / 1e6, name=name)
    wall_us, monotonic_us = (
        int(told.get(key, 0)) for key in ("NextElapseUSecRealtime", "NextElapseUSecMonotonic")
    )
    moments_s = [wall_us / 1e6] if 0 < wall_us < _NEVER else []
    if 0 < monotonic_us < _NEVER and booted_s is not None:
        moments_s.append(booted_s + monotonic_us / 1e6)
    if moments_s:
        yield NEXT_TRIGGER(min(moments_s), name=name)
    started = units.get(str(told.get("Unit", "")))
    yield TIMER_FAILED(started is not None and started.active_state == "failed", name=name)


@dataclass(slots=True)
class Reader:
    """Asks systemd in each run, and remembers what it said of each unit."""

    options: Options
    memory: Memory = field(default_factory=dict)
    run: int = 0

    def read(self, deadline: Deadline) -> Iterator[Sample]:
        """Yield the state of the units; nothing on a host without systemd."""
        rootfs = self.options.rootfs
        if not any((rootfs / path).exists() for path in (SYSTEM_BUS, PRIVATE)):
            return
        # jeepney costs 1 MB, which a host without systemd need not pay.
        from probes.host import systemd_manager as manager  # noqa: PLC0415  # see above

        try:
            with manager.connected(rootfs / SYSTEM_BUS, rootfs / PRIVATE, deadline) as over:
                said = manager.manager_of(over, deadline)
                units = manager.units_of(over, self.options.wanted, deadline)
                told_of = chosen(self.options, units)
                self.memory = manager.remembered(over, told_of, self.memory, self.run, deadline)
        except manager.Absent:
            if (rootfs / BOOTED).exists():
                raise
            return
        self.run += 1
        now = clock()
        booted_s = now.time_s - deadline.monotonic() if now else None
        yield from of_manager(said, units)
        for known in self.memory.values():
            yield from of_unit(known, units, booted_s)


def begin(options: Options) -> Look:
    """Return what reads the units."""
    return Reader(options).read


PROBE = Probe(
    "systemd", Options, None,
    (
        UNIT_STATE, START_TIME, TASKS, TASKS_MAX, RESTARTS, LAST_TRIGGER, ACCEPTED, CONNECTIONS, REFUSED,
        UNITS, RUNNING, VERSION, VIRTUALIZATION, RESULT, RELOAD, NEXT_TRIGGER, TIMER_FAILED,
    ),
    job="node", target=this_host, begin=begin,
)  # fmt: skip  # the metrics on few lines
