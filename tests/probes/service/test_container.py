from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from probes.host.roots import Tree
from probes.net.unix import SocketPath
from probes.service import container, engine
from probes.service.container import GONE_KEPT_S, GONE_MAX, Memory, Options
from probes.service.engine import Container
from probes.service.wire import Refused
from tests.probes.service.servers import (
    at_path,
    cut,
    endless,
    garbage,
    program,
    remarks,
    running,
    takes,
    until,
)
from tests.probes.targets import Behaviour, Connection, drip, hang, values, within

ID = "0123456789ab" + "c" * 52
NOW = "Sun, 22 Nov 2026 02:05:53 GMT"
NOW_S = 1795313153


@contextmanager
def rootfs() -> Iterator[tuple[Path, list[str]]]:
    """A folder with one program in it, and how podman is called to keep everything there."""
    folder = Path(tempfile.mkdtemp(prefix="pod"))
    podman = [
        program("podman"), "--runtime", "runc", "--root", str(folder / "root"),
        "--runroot", str(folder / "run"), "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
    ]  # fmt: skip  # as in a shell
    try:
        for name in ("bin", "proc", "sys", "dev", "etc", "run", "tmp"):
            (folder / "rootfs" / name).mkdir(parents=True)
        shutil.copy(program("busybox"), folder / "rootfs/bin/sleep")
        yield folder, podman
    finally:
        call = subprocess.run([*podman, "rm", "-af", "-t", "0"], check=False, capture_output=True, timeout=30)
        shutil.rmtree(folder, ignore_errors=True)
        assert call.returncode == 0, call.stderr


@pytest.mark.needs("podman", "runc", "busybox")
def test_a_container_of_podman_is_seen_while_it_runs_and_after() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has containers in control groups of its own")
    with rootfs() as (folder, podman):
        limits = ["--memory", "64m", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
        start = [
            *podman,
            "run",
            "-d",
            "--name",
            "web",
            "--network",
            "none",
            *limits,
            "--rootfs",
            str(folder / "rootfs"),
        ]
        told_id = subprocess.run([*start, "/bin/sleep", "300"], check=True, capture_output=True, timeout=30)
        known = told_id.stdout.decode().strip()
        with running([*podman, "system", "service", "--time", "0", f"unix://{folder / 's'}"], folder):
            until(lambda: takes(folder / "s"), "podman")
            options = Options(SocketPath(str(folder / "s")), sizes=True, storage=Tree(folder))
            look = container.begin(options)
            told = values(look(within(20)))
            labels = f'id="{known}", name="web"'
            assert told["beforehand_container_engine_up"] == 1
            assert told[f'beforehand_container_state{{{labels}, state="running"}}'] == 1
            assert abs(told[f"container_last_seen{{{labels}}}"] - time.time()) < 100
            assert abs(told[f"container_start_time_seconds{{{labels}}}"] - time.time()) < 100
            assert told[f"container_health_state{{{labels}}}"] == -1
            assert told[f"container_spec_memory_limit_bytes{{{labels}}}"] == 64 << 20
            assert 0 < told[f"container_memory_usage_bytes{{{labels}}}"] < 64 << 20
            assert told[f"container_oom_events_total{{{labels}}}"] == 0
            assert told[f'container_cpu_usage_seconds_total{{cpu="total", {labels}}}'] > 0
            assert f"container_cpu_cfs_periods_total{{{labels}}}" in told
            subprocess.run([*podman, "kill", "web"], check=True, capture_output=True, timeout=30)
            until(
                lambda: f'beforehand_container_state{{{labels}, state="exited"}}' in values(look(within(20))),
                "the end",
            )
            told = values(look(within(20)))
            assert told[f"beforehand_container_exit_code{{{labels}}}"] == 137
            assert told[f"container_last_seen{{{labels}}}"] > 0
            assert f"container_memory_usage_bytes{{{labels}}}" not in told
        assert values(look(within(5))) == {"beforehand_container_engine_up": 0}


def listed(*ids: str) -> object:
    return [{"Id": one, "Names": ["/web"], "Image": "nginx:1"} for one in ids]


def inspected(**more: object) -> dict[str, object]:
    state: dict[str, object] = {
        "Status": "running",
        "Pid": 7,
        "ExitCode": 0,
        "StartedAt": "2026-11-22T03:05:00.5+01:00",
        "Health": {"Status": "healthy"},
    }
    told = {"Id": ID, "Name": "/web", "RestartCount": 3, "State": state, "Config": {"Image": "nginx:1"}}
    return {**told, "GraphDriver": {"Name": "overlay2"}, "SizeRw": 4096, **more}


def http(body: bytes, status: str = "200 OK", date: str = NOW) -> bytes:
    return f"HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def serving(answers: Callable[[str], object]) -> Behaviour:
    """Answer each question with what this says, as JSON, or as it is."""

    def serve(connection: Connection) -> None:
        question = connection.request().decode().split(" ")[1]
        said = answers(question)
        connection.socket.sendall(said if isinstance(said, bytes) else http(json.dumps(said).encode()))

    return serve


@contextmanager
def fleet(folder: Path, behaviour: Behaviour) -> Iterator[Options]:
    with at_path(folder / "s", behaviour):
        yield Options(SocketPath(str(folder / "s")), procfs=Tree(folder / "proc"), sysfs=Tree(folder / "sys"))


LABELS = f'id="{ID}", image="nginx:1", name="web"'


def test_what_docker_tells_is_told(tmp_path: Path) -> None:
    heard: list[str] = []

    def answers(question: str) -> object:
        heard.append(question)
        return listed(ID) if "all=1" in question else inspected()

    with fleet(tmp_path, serving(answers)) as options:
        told = values(container.begin(replace(options, sizes=True, storage=Tree(tmp_path)))(within(10)))
    assert heard == ["/v1.40/containers/json?all=1", f"/v1.40/containers/{ID}/json?size=1"]
    size = told.pop(f'container_fs_limit_bytes{{device="overlay2", {LABELS}}}')
    assert size > 1 << 20
    assert told == {
        "beforehand_container_engine_up": 1,
        f'beforehand_container_state{{{LABELS}, state="running"}}': 1,
        f"beforehand_container_restarts_total{{{LABELS}}}": 3,
        f"container_last_seen{{{LABELS}}}": NOW_S,
        f"container_start_time_seconds{{{LABELS}}}": NOW_S - 53 + 0.5,
        f"container_health_state{{{LABELS}}}": 1,
        f'container_fs_usage_bytes{{device="overlay2", {LABELS}}}': 4096,
    }


def test_a_container_that_went_between_the_questions_is_left_out(tmp_path: Path) -> None:
    def answers(question: str) -> object:
        return listed(ID) if "all=1" in question else http(b"{}", "404 Not Found")

    with fleet(tmp_path, serving(answers)) as options:
        assert values(container.begin(options)(within(10))) == {"beforehand_container_engine_up": 1}


def at(folder: Path, answer: object) -> dict[str, float]:
    with fleet(folder, serving(lambda _: answer)) as options:
        return values(container.begin(options)(within(10)))


DOWN = {"beforehand_container_engine_up": 0}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        None,
        [None],
        [{"Id": "../../etc/passwd"}],
        [{"Id": 5}],
        [{"Id": "0123456789ab\r\nX-Evil: 1"}],
        http(b"[" * 100_000),
        http(b"not json"),
        http(b"[]", date="yesterday"),
        http(b"[]", status="500 Internal Server Error"),
        http(b" " * (engine.LIST_BYTES_MAX + 10)),
    ],
)
def test_an_engine_that_answers_oddly_is_down(tmp_path: Path, answer: object) -> None:
    assert at(tmp_path, answer) == DOWN


@pytest.mark.parametrize("behaviour", [garbage, endless, cut, drip, hang])
def test_an_engine_that_speaks_another_protocol_is_down(tmp_path: Path, behaviour: Behaviour) -> None:
    with fleet(tmp_path, behaviour) as options:
        seen = list(container.begin(options)(within(0.5)))
    assert values(seen) == DOWN
    assert remarks(seen)


def test_an_engine_that_refuses_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="403: go away"):
        at(tmp_path, http(b"go away", status="403 Forbidden"))


def test_more_containers_than_can_be_followed_are_unknown_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        at(tmp_path, listed(*[ID] * 501))


def test_a_socket_that_may_not_be_opened_is_unknown(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with fleet(tmp_path, hang) as options:
        (tmp_path / "s").chmod(0)
        os.seteuid(65534)
        try:
            with pytest.raises(Refused, match="may not open"):
                list(container.begin(options)(within(5)))
        finally:
            os.seteuid(0)


def test_odd_facts_of_a_container_are_left_at_nothing() -> None:
    odd = engine.container(
        {
            "Id": ID,
            "Name": ["x"],
            "RestartCount": "many",
            "State": {"Status": "flying", "Pid": 1 << 70, "StartedAt": "2026-13-01T00:00:00Z", "Health": 5},
            "Config": [],
            "SizeRw": -1,
        },
        "i" * 5000,
    )
    assert odd == Container(ID, "", "i" * 2048, "unknown")
    assert engine.container([], "") == Container("", "", "", "unknown")


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-22T02:05:53.25Z", NOW_S + 0.25),
        ("2026-11-22T02:05:53-01:30", NOW_S + 5400),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("2026-11-22 02:05:53", None),
    ],
)
def test_moments_are_read_as_the_engine_writes_them(said: str, moment: float | None) -> None:
    assert engine.moment(said) == moment


@pytest.mark.parametrize(("health", "value"), [("healthy", 1), ("unhealthy", 0), ("starting", 2), ("", -1)])
def test_the_own_health_check_of_a_container_is_told(health: str, value: int) -> None:
    state = {"Status": "running", "Pid": 7, "Health": {"Status": health}}
    assert engine.container(inspected(State=state), "").health == value


def one(state: str = "running", known: str = ID, exit_code: int = 0) -> Container:
    return Container(known, "web", "nginx:1", state, pid=7, exit_code=exit_code)


def test_a_container_that_is_gone_is_told_for_a_while() -> None:
    memory = Memory()
    memory.note((one(),), 1000.0)
    memory.note((), 1000.0 + GONE_KEPT_S)
    assert values(memory.samples()) == {f"container_last_seen{{{LABELS}}}": 1000}
    memory.note((), 1001.0 + GONE_KEPT_S)
    assert values(memory.samples()) == {}


def test_a_container_that_ended_well_is_not_missed() -> None:
    memory = Memory()
    memory.note((one(),), 1000.0)
    memory.note((one("exited", exit_code=137),), 1001.0)
    assert len(memory.seen) == 1
    memory.note((one("exited"),), 1002.0)
    assert not memory.seen


def test_only_so_many_that_are_gone_are_remembered() -> None:
    memory = Memory()
    for number in range(GONE_MAX + 50):
        memory.note((one(known=f"{number:012d}"), one(known="f" * 12)), 1000.0)
    assert len(memory.seen) <= GONE_MAX + 2
    assert ("f" * 12, "web", "nginx:1") in memory.seen
