"""A job whose heartbeat does not come is run anew, and one that fails again is left to people."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.e2e.faults.scene import Scene, Stage, acting, shipped
from tests.e2e.faults.vain import QUICKLY, left_to_people
from tests.e2e.web import get

UUID: Final = "5db34b9a-1111-4222-8333-444455556666"
ALERT: Final = "HeartbeatMissed"


def scene(folder: Path, period: str) -> Scene:
    """Watch cron's daily jobs, which are one program here; nobody but the playbook runs it again."""
    return Scene(
        folder,
        probes=({"heartbeat": {"name": "cron-daily", "uuid": UUID, "period": period, "grace": "1s"}},),
        playbooks=(
            shipped(
                "run-missed-job",
                steps=[{"command": {"argv": [str(folder / "job")]}}],
                verify=QUICKLY,
            ),
        ),
        packs=("jobs",),
    )


def job(folder: Path, script: str) -> None:
    """Write the program; it notes each time that it was run."""
    file = folder / "job"
    file.write_text(f"#!/bin/sh\necho ran >> {folder}/ran\n{script}\n")
    file.chmod(0o700)


def ran(folder: Path) -> int:
    """Return how often the program was run."""
    file = folder / "ran"
    return len(file.read_text().splitlines()) if file.exists() else 0


def run_once(stage: Stage) -> None:
    """Run the job as cron would: it is heard, and then expected again."""
    assert get(stage.daemon.port, f"/ping/{UUID}").status == 200


@pytest.mark.needs("curl")
def test_a_job_that_was_missed_is_run_once_and_heard(tmp_path: Path) -> None:
    with acting(scene(tmp_path, "4s")) as stage:
        job(
            tmp_path,
            f"/usr/bin/curl -fsS -m 10 -o /dev/null http://127.0.0.1:{stage.daemon.port}/ping/{UUID}",
        )
        run_once(stage)
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        assert ran(tmp_path) == 1, stage.story()
        [run] = stage.runs()
        assert (run["playbook"], run["escalate"]) == ("run-missed-job", 0), stage.story()


def test_a_job_that_fails_each_time_is_run_twice_and_then_left_to_people(tmp_path: Path) -> None:
    with acting(scene(tmp_path, "1s")) as stage:
        job(tmp_path, "exit 3")
        run_once(stage)
        left_to_people(stage, ALERT, "failed")
        assert ran(tmp_path) == 2, stage.story()
