"""An nginx that was killed or hangs serves again; one that cannot start is left to people, and left alone."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.e2e import servers
from tests.e2e.faults.scene import QUICK_PROOF, Scene, Stage, acting, rule, shipped
from tests.e2e.faults.vain import QUICKLY, left_to_people
from tests.e2e.installation import Tree
from tests.e2e.patience import until
from tests.e2e.ports import Port
from tests.e2e.servers import START_S, Nginx, pid_of

pytestmark = pytest.mark.needs("nginx")


def steps(nginx: Nginx) -> list[Tree]:
    """The shipped steps with the words of an nginx that is no service of this machine."""
    service = {
        "name": "nginx-of-the-test", "state": "restarted", "systemd": False, "patience": "1s",
        "check": list(nginx.check_argv), "start": list(nginx.start_argv), "stop": list(nginx.quit_argv),
        "pidfile": str(nginx.pidfile),
    }  # fmt: skip  # as the playbook has them
    return [{"collect": ["top", "sockets"]}, {"service": service}]


def scene(folder: Path, nginx: Nginx, verify: Tree) -> Scene:
    probe: Tree = {"nginx": {"target": f"http://{nginx.port}/status"}, "every": "1s", "timeout": "1s"}
    return Scene(
        folder=folder,
        probes=(probe,),
        rules=(rule("NginxDown", "nginx_up == 0"),),
        playbooks=(shipped("restart-nginx", steps=steps(nginx), verify=verify),),
    )


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    """An nginx that also shows its status."""
    port = Port.free()
    server = Nginx(tmp_path / "nginx", port)
    try:
        server.write()
        show = server.config.read_text().replace(
            "location / {", "location = /status { stub_status; } location / {"
        )
        server.config.write_text(show)
        start(server)
        yield server
    finally:
        wake(server)
        servers.end(server)
        port.close()


def start(nginx: Nginx) -> None:
    subprocess.run(nginx.start_argv, check=True, timeout=START_S, stdin=subprocess.DEVNULL)
    until(lambda: nginx.answers() and pid_of(nginx), START_S, "nginx serves")


def family(nginx: Nginx) -> list[psutil.Process]:
    master = psutil.Process(pid_of(nginx))
    return [master, *master.children(recursive=True)]


def hang(nginx: Nginx) -> list[psutil.Process]:
    """Stop the master and its workers where they stand: the port takes connections, nobody answers."""
    processes = family(nginx)
    for process in processes:
        process.suspend()
    return processes


def wake(nginx: Nginx) -> None:
    """Let what hangs go on, so that it can be ended in order."""
    if pid_of(nginx):
        for process in family(nginx):
            os.kill(process.pid, signal.SIGCONT)


@contextmanager
def watched(folder: Path, nginx: Nginx, verify: Tree = QUICK_PROOF) -> Iterator[Stage]:
    with acting(scene(folder, nginx, verify)) as stage:
        stage.wait(lambda: "nginx_up{" in stage.metrics(), "nginx is seen")
        yield stage


def lives(process: psutil.Process) -> bool:
    """Tell whether it is there and more than a zombie."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_nginx_that_was_killed_serves_again(nginx: Nginx, tmp_path: Path) -> None:
    with watched(tmp_path, nginx) as stage:
        killed = servers.kill(nginx)
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        assert nginx.answers()
        assert pid_of(nginx) not in (0, killed)
        stage.wait(lambda: not stage.alert("NginxDown"), "the alert is over")


def test_an_nginx_that_hangs_is_killed_with_its_workers_and_serves_again(
    nginx: Nginx, tmp_path: Path
) -> None:
    with watched(tmp_path, nginx) as stage:
        hanging = hang(nginx)
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        assert nginx.answers()
        assert not [process for process in hanging if lives(process)]
        said = [str(step["output"]) for step in stage.steps()]
        assert any("did not end when asked and was killed" in output for output in said), stage.story()


def test_a_broken_configuration_is_found_before_what_hangs_is_ended(nginx: Nginx, tmp_path: Path) -> None:
    with watched(tmp_path, nginx, QUICKLY) as stage:
        nginx.break_config()
        hanging = hang(nginx)
        left_to_people(stage, "NginxDown", "failed")
        assert all(map(lives, hanging))
        assert not [step for step in stage.steps() if str(step["step"]).startswith("end ")], stage.story()


def test_a_killed_nginx_with_a_broken_configuration_waits_for_the_human_who_mends_it(
    nginx: Nginx, tmp_path: Path
) -> None:
    sound = nginx.config.read_text()
    with watched(tmp_path, nginx, QUICKLY) as stage:
        nginx.break_config()
        servers.kill(nginx)
        left_to_people(stage, "NginxDown", "failed")
        nginx.config.write_text(sound)
        start(nginx)
        stage.wait(lambda: not stage.alert("NginxDown"), "the alert is over")
        assert len(stage.runs()) == 2, stage.story()
