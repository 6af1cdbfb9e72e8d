"""A container that its own health check calls sick is restarted; one that stays sick is left to people."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.faults.scene import Scene, acting, rule, shipped
from tests.e2e.faults.vain import left_to_people
from tests.e2e.installation import Tree
from tests.e2e.patience import until

pytestmark = [
    pytest.mark.needs("podman", "runc", "busybox", "root"),
]

SICK = "/tmp/sick"
MENDS_ITSELF = f"rm -f {SICK}; exec sleep 300"
STAYS_SICK = "exec sleep 300"


@dataclass(frozen=True, slots=True)
class Engine:
    """A podman whose containers are all in a folder."""

    folder: Path

    @property
    def argv(self) -> tuple[str, ...]:
        """How podman is called to keep everything there."""
        return (
            "podman", "--runtime", "runc", "--root", str(self.folder / "root"),
            "--runroot", str(self.folder / "run"), "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
        )  # fmt: skip  # as in a shell

    @property
    def socket(self) -> Path:
        """Where its API is served."""
        return self.folder / "s"

    def call(self, *words: str) -> str:
        """Call podman and return what it says."""
        done = subprocess.run((*self.argv, *words), check=True, capture_output=True, text=True, timeout=40)
        return done.stdout.strip()

    def told(self, what: str) -> str:
        """Return what podman knows of the container."""
        return self.call("inspect", "-f", f"{{{{.State.{what}}}}}", "app")

    def fall_sick(self) -> None:
        """Have the health check of the container fail from now on."""
        (self.folder / f"rootfs{SICK}").touch()


@contextmanager
def engine() -> Iterator[Engine]:
    folder = Path(tempfile.mkdtemp(prefix="pod"))
    podman = Engine(folder)
    for name in ("bin", "proc", "sys", "dev", "etc", "run", "tmp"):
        (folder / "rootfs" / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", folder / "rootfs/bin/busybox")
    for name in ("sh", "sleep", "test", "rm"):
        (folder / "rootfs/bin" / name).symlink_to("busybox")
    server = subprocess.Popen(
        (*podman.argv, "system", "service", "--time", "0", f"unix://{podman.socket}"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(podman.socket.is_socket, 20, "podman serves")
        yield podman
    finally:
        podman.call("rm", "-af", "-t", "0")
        server.terminate()
        server.wait(15)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(podman: Engine, program: str) -> Iterator[None]:
    """Run a container and ask it each moment how it is, as systemd's timer does where that is the init."""
    limits = ("--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
    health = ("--health-cmd", f"/bin/test ! -e {SICK}", "--health-interval", "disable")
    once = ("--health-retries", "1", "--rootfs", str(podman.folder / "rootfs"))
    podman.call("run", "-d", "--name", "app", *limits, *health, *once, "/bin/sh", "-c", program)
    ended = threading.Event()

    def ask() -> None:
        argv = (*podman.argv, "healthcheck", "run", "app")
        while not ended.wait(0.3):
            subprocess.run(argv, check=False, capture_output=True, timeout=40)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        until(lambda: podman.told("Health.Status") == "healthy", 20, "the container is well", pause_s=0.3)
        yield
    finally:
        ended.set()
        thread.join()


def scene(folder: Path, podman: Engine, within: str) -> Scene:
    restart = {"name": "app", "state": "restarted", "engine": "podman", "socket": str(podman.socket)}
    heal = shipped(
        "restart-unhealthy-container",
        steps=[{"container": {**restart, "patience": "0s"}}],
        verify={"within": within, "hold": "2s"},
    )
    probe: Tree = {"container": {"socket": str(podman.socket)}, "every": "1s", "timeout": "1s"}
    sick = rule("ContainerUnhealthy", 'container_health_state{name!=""} == 0')
    return Scene(folder, probes=(probe,), rules=(sick,), playbooks=(heal,))


def test_a_sick_container_is_restarted_and_well_again(tmp_path: Path) -> None:
    with engine() as podman, running(podman, MENDS_ITSELF), acting(scene(tmp_path, podman, "10s")) as stage:
        began = podman.told("StartedAt")
        podman.fall_sick()
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        assert podman.told("StartedAt") != began
        until(lambda: podman.told("Health.Status") == "healthy", 20, "the container is well", pause_s=0.3)
        stage.wait(lambda: not stage.alert("ContainerUnhealthy"), "the alert is over")


def test_a_container_that_no_restart_cures_is_restarted_twice_and_left_to_people(tmp_path: Path) -> None:
    with engine() as podman, running(podman, STAYS_SICK), acting(scene(tmp_path, podman, "3s")) as stage:
        podman.fall_sick()
        left_to_people(stage, "ContainerUnhealthy", "ineffective")
        assert podman.told("Status") == "running"
