"""How many processes and threads the host has, in which state, and how many it may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from model.duration import seconds
from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.roots import Procfs, Tree, this_host

PIDS = Metric("node_processes_pids", "Processes on this host.")
MAX_PIDS = Metric("node_processes_max_processes", "The highest process id that the kernel gives.")
THREADS = Metric("node_processes_threads", "Threads on this host.")
MAX_THREADS = Metric("node_processes_max_threads", "How many threads the kernel allows.")
STATE = Metric("node_processes_state", "Processes by state.", labels=("state",))
THREADS_STATE = Metric("node_processes_threads_state", "Threads by state.", labels=("thread_state",))


def parse(stat: str) -> tuple[str, int]:
    """Return the state and the number of threads that a /proc/PID/stat tells (proc_pid_stat(5)).

    A process may be called anything, so what follows its name begins after the last bracket.
    """
    fields = stat[stat.rindex(")") + 2 :].split(" ", 18)
    return fields[0], int(fields[17])


def _stat(procfs: Tree, folder: str) -> tuple[str, int] | None:
    try:
        return parse(procfs.text(f"{folder}/stat"))
    except (FileNotFoundError, ProcessLookupError):
        return None  # it ended just now


def _threads(procfs: Tree, pid: str, state: str) -> Iterator[str]:
    """Yield the state of each thread; ``state`` is that of the first, which carries the process's id."""
    yield state
    try:
        others = [thread for thread in procfs.names(f"{pid}/task") if thread != pid]
    except ProcessLookupError:
        return
    for thread in others:
        told = _stat(procfs, f"{pid}/task/{thread}")
        if told is not None:
            yield told[0]


def run(options: Procfs, deadline: Deadline) -> Iterator[Sample]:
    """Yield the counts; a PermissionError where /proc hides the processes of others."""
    procfs = options.procfs
    states: Counter[str] = Counter()
    of_threads: Counter[str] = Counter()
    threads = 0
    pids = [name for name in procfs.names("") if name.isdecimal()]
    if "1" not in pids:
        raise PermissionError("/proc hides the processes of other users from this one (hidepid)")
    for pid in pids:
        deadline.left_s()  # a host with very many of them costs one deadline
        told = _stat(procfs, pid)
        if told is not None:
            state, its_threads = told
            states[state] += 1
            threads += its_threads
            of_threads.update(_threads(procfs, pid, state) if its_threads > 1 else (state,))
    yield PIDS(states.total())
    yield THREADS(threads)
    for state, count in states.items():
        yield STATE(count, state=state)
    for state, count in of_threads.items():
        yield THREADS_STATE(count, thread_state=state)
    for metric, limit in ((MAX_PIDS, "pid_max"), (MAX_THREADS, "threads-max")):
        yield metric(int(procfs.text(f"sys/kernel/{limit}")))


PROBE = Probe(
    "processes", Procfs, run, (PIDS, MAX_PIDS, THREADS, MAX_THREADS, STATE, THREADS_STATE),
    job="node", target=this_host, every=seconds(60),
)  # fmt: skip  # the metrics on one line
