"""Containers are brought to a state by their engine, unless it, a human or an orchestrator is at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from model.deed import BringContainer
from remediations.deeds.container import Container, refusal
from tests.remediations.deeds.done import done, until

START = BringContainer("web", "started", "/run/docker.sock")
ENDED = Container("c" * 64, "exited", 1, "no", 0, 0, "")


@contextmanager
def engine() -> Iterator[tuple[list[str], Path]]:
    """A podman whose containers are all in a folder, and its socket."""
    folder = Path(tempfile.mkdtemp(prefix="pod"))
    podman = [
        "podman", "--runtime", "runc", "--root", str(folder / "root"), "--runroot", str(folder / "run"),
        "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
    ]  # fmt: skip  # as in a shell
    for name in ("bin", "proc", "sys", "dev", "etc", "run", "tmp"):
        (folder / "rootfs" / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", folder / "rootfs/bin/sleep")
    serve = [*podman, "system", "service", "--time", "0", f"unix://{folder / 's'}"]
    server = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until((folder / "s").is_socket)
        yield podman, folder
    finally:
        server.terminate()
        server.wait(15)
        subprocess.run([*podman, "rm", "-af", "-t", "0"], check=True, capture_output=True, timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def call(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=40).stdout.strip()


@pytest.mark.needs("podman", "runc", "busybox")
def test_a_container_of_podman_is_restarted_stopped_and_started_again(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has containers in control groups of its own")
    with engine() as (podman, folder):
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
        start = [
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
        call(*podman, *start, "/bin/sleep", "300")
        began = call(*podman, "inspect", "-f", "{{.State.StartedAt}}", "web")
        step = BringContainer("web", "restarted", str(folder / "s"), patience_s=0)
        assert done(tmp_path, step, check=True).diff == "would bring web from running to restarted"
        result = done(tmp_path, step)
        assert result.ok, result.reason
        assert result.changed
        assert call(*podman, "inspect", "-f", "{{.State.StartedAt}}", "web") != began
        assert not done(tmp_path, replace(step, state="started")).changed
        assert done(tmp_path, replace(step, state="stopped")).output.startswith("web went from running to ")
        assert not done(tmp_path, replace(step, state="stopped")).changed
        assert done(tmp_path, replace(step, state="started", back=True)).changed
        assert call(*podman, "inspect", "-f", "{{.State.Status}}", "web") == "running"
        nobody = done(tmp_path, replace(step, name="shop"))
        assert nobody.reason.startswith("the engine knows no container shop: 404 ")


@pytest.mark.parametrize(
    ("container", "sentence"),
    [
        (replace(ENDED, pod="shop-7"), "belongs to the pod shop-7"),
        (replace(ENDED, status="paused"), "web is paused, which somebody wanted"),
        (replace(ENDED, status="restarting"), "restarted by its engine already"),
        (replace(ENDED, policy="unless-stopped"), "a human stopped web on purpose"),
        (replace(ENDED, policy="always"), "a human stopped web on purpose"),
        (replace(ENDED, exit_code=0), "ended by itself and well"),
        (replace(ENDED, exit_code=127), "a start would not help"),
        (replace(ENDED, policy="on-failure", retries_max=3, restarts=3), "3 times in vain"),
    ],
)
def test_a_container_that_somebody_else_looks_after_is_left_alone(
    container: Container, sentence: str
) -> None:
    assert sentence in refusal(START, container)


def test_a_container_that_crashed_may_be_started() -> None:
    assert refusal(START, ENDED) == ""
    assert refusal(replace(START, back=True), replace(ENDED, exit_code=0)) == ""


@contextmanager
def answering(folder: Path, answer: bytes) -> Iterator[Path]:
    """An engine that says the same to everybody."""
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            one, _ = server.accept()
            with one:
                one.recv(65536)
                one.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            thread.join(20)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"garbage\r\n\r\n", "there was no answer: BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "cannot be understood"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n[", "what the engine says is not JSON"),
        (
            b'HTTP/1.1 500 No\r\nContent-Length: 22\r\n\r\n{"message": "\\u001b[1m"}',
            "the engine knows no container web: 500",
        ),
        (b"", "there was no answer: RemoteDisconnected"),
    ],
)
def test_an_engine_that_makes_no_sense_changes_nothing(tmp_path: Path, answer: bytes, sentence: str) -> None:
    with answering(tmp_path, answer) as path:
        result = done(tmp_path, replace(START, socket=str(path)))
    assert not result.ok
    assert not result.changed
    assert sentence in result.reason
    assert "\x1b" not in result.reason


def test_an_engine_that_does_not_run_is_a_failure(tmp_path: Path) -> None:
    result = done(tmp_path, replace(START, socket=str(tmp_path / "s")))
    assert result.reason == f"{tmp_path}/s cannot be reached: No such file or directory"
    (tmp_path / "file").touch()
    assert "is not a socket" in done(tmp_path, replace(START, socket=str(tmp_path / "file"))).reason
