from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from model.deed import CleanPackages, FreeSpace, PruneImages, RemoveOld, RotateLogs, Strategy, VacuumJournal
from model.step import Exec, Result
from remediations.deeds import free_space
from remediations.deeds.doing import Doing
from tests.remediations.deeds.disk import done, fill
from tests.remediations.stage import wall_ms


def told(
    folder: Path, *strategies: Strategy, check: bool = False, ok: bool = True
) -> tuple[Result, list[str]]:
    """Free all that can be freed; programs only say what they were asked."""
    ran: list[str] = []

    def run(step: Exec) -> Result:
        ran.append(" ".join(step.argv))
        return Result(ok=ok, output="1.2G in the file system", reason="" if ok else "it is not installed")

    doing = Doing(
        lambda: "", time.monotonic, wall_ms, lambda _s: None, run, "r1", folder / "keep", check=check
    )
    return free_space.do(FreeSpace(str(folder), 1.0, strategies), doing), ran


def test_each_program_is_asked_in_its_own_words(tmp_path: Path) -> None:
    result, ran = told(
        tmp_path,
        VacuumJournal(500 << 20, 7 * 86_400),
        CleanPackages("apt-get"),
        CleanPackages("dnf"),
        PruneImages("podman"),
    )
    assert result.changed
    assert ran == [
        "journalctl --rotate",
        "journalctl --vacuum-size=524288000",
        "journalctl --vacuum-time=604800s",
        "apt-get clean",
        "dnf --quiet clean packages",
        "podman image prune --force --filter=until=24h",
    ]


def test_a_check_only_asks_what_there_is(tmp_path: Path) -> None:
    result, ran = told(
        tmp_path, VacuumJournal(1), CleanPackages("apt-get"), PruneImages("docker"), check=True
    )
    assert ran == ["journalctl --disk-usage", "docker images --filter=dangling=true"]
    assert "1.2G in the file system" in result.diff
    assert "apt-get clean would free about" in result.diff
    assert not result.changed


def test_a_program_that_is_not_there_is_said_and_the_next_strategy_is_taken(tmp_path: Path) -> None:
    old = fill(tmp_path / "cache" / "x", 10)
    os.utime(old, (1, 1))
    result, _ = told(tmp_path, PruneImages("docker"), RemoveOld((str(old.parent),)), ok=False)
    assert "docker image prune --force --filter=until=24h: it is not installed" in result.output
    assert f"{old.parent}: removed 0 of 0" in result.output
    assert not result.changed


@pytest.mark.needs("logrotate", "root")
def test_logs_are_rotated_by_logrotate_after_it_has_read_its_file(tmp_path: Path) -> None:
    log, config = fill(tmp_path / "app.log", 1000), tmp_path / "config"
    config.write_text(f"{log} {{\n  rotate 1\n  create\n}}\n")
    config.chmod(0o644)
    step = FreeSpace(str(tmp_path), 1.0, (RotateLogs(str(config)),))
    told = done(tmp_path / "keep", step, check=True)
    assert "rotating" in told.diff
    assert log.stat().st_size == 1000
    result = done(tmp_path / "keep", step)
    assert result.changed, result.output
    assert (tmp_path / "app.log.1").stat().st_size == 1000

    config.write_text(f"{log} {{\n  rotate many\n}}\n")
    assert "logrotate does not accept" in done(tmp_path / "keep", step).output
    config.chmod(0o666)
    assert "nothing was rotated" in done(tmp_path / "keep", step).output
