from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from model.plugin import Deadline, DeadlinePassed
from probes.host import processes
from probes.host.roots import Procfs, Tree
from tests.probes.host.exporter import plant
from tests.probes.host.seen import told
from tests.probes.targets import values, within

LIMITS = {"sys/kernel/pid_max": "4194304\n", "sys/kernel/threads-max": "1000\n"}


def stat(name: str, state: str, threads: int) -> str:
    return f"1 ({name}) {state} 1 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 {threads} 0 400 0\n"


def test_processes_and_threads_are_counted_by_state(tmp_path: Path) -> None:
    files = {
        "1/stat": stat("init", "S", 1),
        "7/stat": stat("gone", "Z", 1),
        "9/stat": stat("busy", "R", 3),
        "9/task/9/stat": stat("busy", "R", 3),
        "9/task/10/stat": stat("worker", "D", 3),
        "9/task/11/stat": stat("worker", "S", 3),
    }
    assert told(processes.PROBE, tmp_path, {**files, **LIMITS}) == {
        "node_processes_pids": 3,
        "node_processes_threads": 5,
        "node_processes_max_processes": 4194304,
        "node_processes_max_threads": 1000,
        'node_processes_state{state="S"}': 1,
        'node_processes_state{state="Z"}': 1,
        'node_processes_state{state="R"}': 1,
        'node_processes_threads_state{thread_state="S"}': 2,
        'node_processes_threads_state{thread_state="Z"}': 1,
        'node_processes_threads_state{thread_state="R"}': 1,
        'node_processes_threads_state{thread_state="D"}': 1,
    }


@pytest.mark.parametrize("name", ["a) R 1 (b", "((", "a\nb", "S 1 2 3", ")"])
def test_a_process_may_be_called_anything(name: str) -> None:
    assert processes.parse(stat(name, "D", 17)) == ("D", 17)


def test_a_process_that_ends_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    files = {"1/stat": stat("init", "S", 1), "9/task/9/stat": stat("half gone", "S", 1)}
    found = told(processes.PROBE, tmp_path, {**files, **LIMITS})
    assert found["node_processes_pids"] == 1
    # Its threads may go before it does.
    found = told(processes.PROBE, tmp_path, {"9/stat": stat("going", "S", 2), "9/task/10/x": ""})
    assert (found["node_processes_pids"], found['node_processes_threads_state{thread_state="S"}']) == (2, 2)


def test_hidden_processes_are_trouble_of_the_probe(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="hidepid"):
        told(processes.PROBE, tmp_path, {"9/stat": stat("ours", "S", 1), **LIMITS})


def test_very_many_processes_cost_one_deadline(tmp_path: Path) -> None:
    plant(tmp_path, {f"{pid}/stat": stat("p", "S", 1) for pid in range(1, 50)})
    ticks = iter(range(1000))
    with pytest.raises(DeadlinePassed):
        list(processes.run(Procfs(Tree(tmp_path)), Deadline(10, lambda: next(ticks))))


def test_a_zombie_and_a_thread_of_this_host_are_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        try:
            found = values(processes.run(Procfs(), within(30)))
        finally:
            stop.set()
            thread.join()
    assert found['node_processes_state{state="Z"}'] >= 1
    assert found["node_processes_threads"] > found["node_processes_pids"]
    assert found["node_processes_max_processes"] > 0
