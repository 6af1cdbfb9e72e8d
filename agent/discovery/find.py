"""Looks at a host once: what runs, what listens, what is mounted, what lies in its files. Changes nothing.

Only what this user may see is seen; what could not be looked at is said. Ports are asked on loopback alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.discovery import listening, standing
from agent.discovery.finding import Findings, LocalSocket, Program, Unseen
from agent.discovery.listening import Scene
from agent.discovery.programs import Processes
from agent.discovery.services import NO_GROUP
from agent.discovery.trees import Trees
from model.plugin import Deadline, DeadlinePassed
from probes.host import systemd

SYSTEMD_S: Final = 5.0
PROGRAMS_MAX: Final = 48
SPOOL: Final = "/var/spool/postfix"

HERE: Final = Trees()


def find(trees: Trees, monotonic: Callable[[], float]) -> Findings:
    """Return what is on the host; takes some seconds where many ports are slow to answer."""
    processes, hidden = _processes(trees)
    scene = Scene(trees, processes)
    bound, obscure = scene.listening()
    heard, late = listening.heard(bound, monotonic)
    sockets = scene.sockets()
    nginx = standing.of_nginx(trees, processes)
    certificates, locked = standing.certificates(trees, nginx)
    logs, closed = standing.logs(trees, processes)
    units, no_units = _units(trees, monotonic)
    kernel_log, deaf = standing.kernel_log(trees)
    return Findings(
        listening=heard,
        sockets=sockets,
        programs=_programs(processes, [*(one.program for one in heard), *(one.program for one in sockets)]),
        status_pages=standing.status_pages(nginx),
        certificates=certificates,
        logs=logs,
        jobs=standing.jobs(trees),
        mounts=standing.mounts(trees),
        units=units,
        kernel_log=kernel_log,
        textfiles=standing.textfiles(processes),
        spool=_spool(trees),
        gateway=standing.gateway(trees),
        unseen=(*hidden, *obscure, *late, *locked, *closed, *no_units, *deaf),
    )


def _processes(trees: Trees) -> tuple[Processes | None, tuple[Unseen, ...]]:
    try:
        return Processes.read(trees), ()
    except PermissionError as wrong:
        return None, (Unseen("the processes", str(wrong)),)


def _programs(processes: Processes | None, holders: list[Program | None]) -> tuple[Program, ...]:
    """Return what has a pid file below /run or holds a socket, each once, sorted by name."""
    known = {one for one in holders if one is not None}
    if processes is not None:
        known |= {processes.program(pid) for pid in processes.pidfiles if not processes.ours(pid)}
    lasting = [one for one in known if one.name not in NO_GROUP]
    return tuple(sorted(lasting, key=lambda one: (one.name, one.pidfile, one.unit, one.command)))[
        :PROGRAMS_MAX
    ]


def _units(trees: Trees, monotonic: Callable[[], float]) -> tuple[frozenset[str] | None, tuple[Unseen, ...]]:
    """Return systemd's services; None where none runs, or where it cannot be asked."""
    if not Path(trees.here(f"/{systemd.BOOTED}")).is_dir():
        return None, ()
    # D-Bus is loaded only where there is somebody to talk to.
    from probes.host.dbus import Unreachable  # noqa: PLC0415  # see above
    from probes.host.systemd_manager import Absent, connected, units_of  # noqa: PLC0415  # see above

    deadline = Deadline(monotonic() + SYSTEMD_S, monotonic)
    bus, own = Path(trees.here(f"/{systemd.SYSTEM_BUS}")), Path(trees.here(f"/{systemd.PRIVATE}"))
    try:
        with connected(bus, own, deadline) as over:
            units = units_of(over, (), deadline).values()
    except (Absent, Unreachable, DeadlinePassed, OSError) as wrong:
        return None, (Unseen("systemd's units", str(wrong)),)
    return frozenset(
        unit.name for unit in units if unit.kind == "service" and unit.load_state == "loaded"
    ), ()


def _spool(trees: Trees) -> LocalSocket | None:
    """Return the queue of a Postfix that runs; who is not in its group may not even see its socket."""
    outcome = listening.tried(trees.here(f"{SPOOL}/public/showq"))
    return None if outcome == "gone" else LocalSocket(SPOOL, outcome == "taken")
