"""A disk that a deleted file fills, because a program holds it open, is given room by who holds it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.e2e.faults.disk import ALERT, MIB, disk, expr, fill, fill_up, free_part, probe
from tests.e2e.faults.scene import Scene, acting, rule, shipped
from tests.e2e.faults.vain import BY_ITSELF, QUICKLY, left_to_people
from tests.e2e.patience import until

HOLDS: Final = """
import signal, sys, time
held = open(sys.argv[1])
signal.signal(signal.SIGHUP, lambda *_: held.close())
print("holds", flush=True)
while True:
    time.sleep(60)
"""


def big_log(place: Path) -> tuple[Path, ...]:
    """Fill it half with a log and half with data."""
    fill(place / "big.log", 25 * MIB)
    fill_up(place)
    return ()


@contextmanager
def holder(log: Path) -> Iterator[int]:
    """Run a program that opens the log, which is deleted then; it hears SIGHUP as a demand to reload."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(log)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "holds\n"
            log.unlink()
            yield process.pid
        finally:
            process.kill()


def scene(folder: Path, place: Path, pid: int, exe: str = "", **changes: object) -> Scene:
    """Let the shipped playbook for the root filesystem look after this one, and after this program."""
    reload = folder / "reload"
    reload.write_text(f"#!/bin/sh\nkill -HUP {pid}\n")
    reload.chmod(0o700)
    step = {
        "release_open_deleted": {
            "path": str(place),
            "service": "holder",
            "min_size": "10M",
            "argv": [str(reload)],
            "exe": exe or psutil.Process(pid).exe(),
        }
    }
    answers = [f'alertname="{ALERT}", mountpoint="{place}"']
    playbook = shipped("release-deleted-files", on=answers, guard=BY_ITSELF, steps=[step], **changes)
    return Scene(folder, (probe(place),), (playbook,), (rule(ALERT, expr(place)),))


@pytest.mark.needs("mkfs.ext4", "debugfs")
def test_a_service_that_is_reloaded_lets_go_of_the_deleted_file_that_fills_the_disk(tmp_path: Path) -> None:
    with disk(tmp_path, big_log) as place, holder(place / "big.log") as pid:
        assert free_part(place) < 0.05
        with acting(scene(tmp_path, place, pid)) as stage:
            assert stage.wait_outcomes() == ["fixed"], stage.story()
            assert free_part(place) > 0.3
            assert "holds 25.0 MiB" in stage.steps()[0]["output"], stage.story()
            until(psutil.Process(pid).is_running, 1, "it was not killed for it")


@pytest.mark.needs("mkfs.ext4", "debugfs")
def test_where_another_program_holds_it_that_is_left_alone_and_people_are_told_which(tmp_path: Path) -> None:
    with disk(tmp_path, big_log) as place, holder(place / "big.log") as pid:
        with acting(scene(tmp_path, place, pid, exe="/usr/sbin/nginx", verify=QUICKLY)) as stage:
            left_to_people(stage, ALERT, "failed")
            assert "and that is not /usr/sbin/nginx" in stage.steps()[0]["reason"], stage.story()
        assert free_part(place) < 0.05
        assert psutil.Process(pid).is_running()
