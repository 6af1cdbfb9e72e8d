"""Containers of Docker or Podman: their state from the engine, what they use from the kernel.

Names are cAdvisor's where it has one. No program is run. The clock is the engine's: the Date of its answers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from model.duration import seconds
from model.plugin import Deadline, Probe, Remark
from model.sample import Metric, Sample
from probes.host.roots import PROCFS, SYSFS, Tree, this_host
from probes.net.blocking import hold
from probes.net.unix import SocketPath
from probes.service import cgroup, engine
from probes.service.cgroup import Usage
from probes.service.engine import Container
from probes.service.wire import told

DOCKER: Final = SocketPath("/var/run/docker.sock")
STORAGE: Final = Tree(Path("/var/lib/docker"))
GONE_KEPT_S: Final = 600.0
GONE_MAX: Final = 200
_CONTAINER: Final = ("id", "name", "image")

UP = Metric("beforehand_container_engine_up", "1 if the container engine answered.")
STATE = Metric(
    "beforehand_container_state", "1 for the state that the container is in.", labels=(*_CONTAINER, "state")
)
EXIT_CODE = Metric(
    "beforehand_container_exit_code", "What a container that ended, ended with.", labels=_CONTAINER
)
RESTARTS = Metric(
    "beforehand_container_restarts_total", "How often the engine restarted it.", "counter", _CONTAINER
)
LAST_SEEN = Metric(
    "container_last_seen", "When it last ran, since 1970; told for ten minutes after.", labels=_CONTAINER
)
START = Metric("container_start_time_seconds", "When it was started, since 1970.", labels=_CONTAINER)
HEALTH = Metric(
    "container_health_state",
    "Its own health check: 1 healthy, 0 unhealthy, 2 starting, -1 none.",
    labels=_CONTAINER,
)
CPU = Metric("container_cpu_usage_seconds_total", "CPU time it used.", "counter", (*_CONTAINER, "cpu"))
FS_USAGE = Metric(
    "container_fs_usage_bytes", "Bytes that it wrote in its own layer.", labels=(*_CONTAINER, "device")
)
FS_LIMIT = Metric(
    "container_fs_limit_bytes", "How large the filesystem of that layer is.", labels=(*_CONTAINER, "device")
)


def _counter(name: str, text: str) -> Metric:
    return Metric(f"container_{name}", text, "counter", _CONTAINER)


def _gauge(name: str, text: str) -> Metric:
    return Metric(f"container_{name}", text, "gauge", _CONTAINER)


USES: Final[tuple[tuple[Metric, Callable[[Usage], float | None]], ...]] = (
    (_counter("cpu_cfs_periods_total", "Periods in which its CPU time is counted."), lambda use: use.periods),
    (
        _counter("cpu_cfs_throttled_periods_total", "Those of them in which it used up its share."),
        lambda use: use.throttled_periods,
    ),
    (_counter("cpu_cfs_throttled_seconds_total", "How long it was held back."), lambda use: use.throttled_s),
    (
        _counter("oom_events_total", "Processes that the kernel ended for want of memory."),
        lambda use: use.oom_kills,
    ),
    (_gauge("memory_usage_bytes", "Memory it uses, caches as well."), lambda use: use.memory_bytes),
    (
        _gauge("memory_working_set_bytes", "Memory it uses that cannot simply be dropped."),
        lambda use: use.working_set_bytes,
    ),
    (_gauge("memory_rss", "Memory of its processes without files."), lambda use: use.rss_bytes),
    (_gauge("memory_cache", "Memory that holds files for it."), lambda use: use.cache_bytes),
    (
        _gauge("spec_memory_limit_bytes", "How much it may use; 0 for no limit."),
        lambda use: use.memory_limit_bytes,
    ),
)
EMITS: Final = (
    UP, STATE, EXIT_CODE, RESTARTS, LAST_SEEN, START, HEALTH, CPU, FS_USAGE, FS_LIMIT,
    *(metric for metric, _ in USES),
)  # fmt: skip  # the kernel's last


@dataclass(frozen=True, slots=True)
class Options:
    """Which engine to ask.

    ``socket`` is its unix socket, like /var/run/docker.sock or /run/podman/podman.sock; who may open it may
    do anything, so the agent needs a group for it, or a proxy that lets only GET pass. With ``sizes`` the
    engine counts what each container wrote, which walks its files and may take long; ``storage`` is where
    the engine keeps them. ``procfs`` and ``sysfs`` are where the host's /proc and /sys are mounted.
    """

    socket: SocketPath = DOCKER
    sizes: bool = False
    storage: Tree = STORAGE
    procfs: Tree = PROCFS
    sysfs: Tree = SYSFS


def begin(options: Options) -> Callable[[Deadline], Iterator[Sample | Remark]]:
    """Return what looks; it remembers which containers ran, to tell of those that are gone."""
    memory = Memory()
    return lambda deadline: told(UP, partial(_ask, options, memory), deadline)


@dataclass(slots=True)
class Memory:
    """When each container last ran, for ``GONE_KEPT_S`` after it did not any more."""

    seen: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def note(self, containers: tuple[Container, ...], now_s: float) -> None:
        """Take up who runs; one that ended well is forgotten, for it did what it should."""
        for one in containers:
            key = (one.id, one.name, one.image)
            if one.running:
                self.seen.pop(key, None)  # so that the newest stand last
                self.seen[key] = now_s
            elif one.state == "exited" and not one.exit_code:
                self.seen.pop(key, None)
        running = sum(one.running for one in containers)
        old = [key for key, at_s in self.seen.items() if now_s - at_s > GONE_KEPT_S]
        for key in (*old, *list(self.seen)[: max(0, len(self.seen) - running - GONE_MAX)]):
            self.seen.pop(key, None)

    def samples(self) -> Iterator[Sample]:
        """Yield when each container last ran."""
        for (known, name, image), at_s in self.seen.items():
            yield LAST_SEEN(at_s, id=known, name=name, image=image)


def _ask(options: Options, memory: Memory, deadline: Deadline) -> Iterator[Sample]:
    fleet = hold(engine.fleet(options.socket.text, sizes=options.sizes), deadline)
    memory.note(fleet.containers, fleet.now_s)
    yield from memory.samples()
    cgroups = options.sysfs / "fs/cgroup"
    for one in fleet.containers:
        use = cgroup.read(one.pid, one.id, options.procfs.path, cgroups) if one.running else Usage()
        yield from samples(one, use)
        if one.written_bytes is not None:
            yield from _layer(one, one.written_bytes, options.storage)


def samples(one: Container, use: Usage) -> Iterator[Sample]:
    """Yield what is told of one container."""
    labels = dict(engine.names(one))
    yield STATE(1, state=one.state, **labels)
    yield RESTARTS(one.restarts, **labels)
    if one.state in ("exited", "dead", "stopped"):
        yield EXIT_CODE(one.exit_code, **labels)
    if one.running:
        yield HEALTH(one.health, **labels)
    if one.running and one.started_s is not None:
        yield START(one.started_s, **labels)
    if use.cpu_s is not None:
        yield CPU(use.cpu_s, cpu="total", **labels)
    for metric, of in USES:
        value = of(use)
        if value is not None:
            yield metric(value, **labels)


def _layer(one: Container, written_bytes: int, storage: Tree) -> Iterator[Sample]:
    labels = {**dict(engine.names(one)), "device": one.storage}
    yield FS_USAGE(written_bytes, **labels)
    try:
        facts = os.statvfs(storage.path)
    except FileNotFoundError:
        return  # kept elsewhere, or out of sight
    yield FS_LIMIT(facts.f_blocks * facts.f_frsize, **labels)


PROBE = Probe(
    "container", Options, None, EMITS, job="container", target=this_host, begin=begin,
    every=seconds(30), subject=lambda options: options.socket.text,
)  # fmt: skip  # the metrics on one line
