"""A disk full of old logs and caches is given room; one full of data is left to people, and stays whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.faults.disk import ALERT, MIB, disk, expr, fill, fill_up, free_part, probe
from tests.e2e.faults.scene import Scene, acting, rule, shipped
from tests.e2e.faults.vain import BY_ITSELF, QUICKLY, left_to_people

LOGS = 20


def logs_and_data(place: Path) -> tuple[Path, ...]:
    """Fill it with rotated logs and a cache, old as well as new, beside data."""
    old = [fill(place / "log" / f"app.log.{number}.gz", MIB // 2) for number in range(LOGS)]
    old.append(fill(place / "cache" / "wheel", MIB))
    fill(place / "log" / "app.log.new.gz", MIB)
    data = fill_up(place)
    return (*old, data)


def only_data(place: Path) -> tuple[Path, ...]:
    """Fill it with what no strategy may take: data, however old, and logs of today."""
    fill(place / "log" / "app.log.new.gz", MIB)
    (place / "cache").mkdir()
    return (fill_up(place),)


def scene(folder: Path, place: Path, **changes: object) -> Scene:
    """Let the shipped playbook for the root filesystem look after this one and its own folders."""
    strategies = [
        {"remove_old": {"roots": [f"{place}/log"], "patterns": ["*.gz"], "age": "7d"}},
        {"build_caches": {"roots": [f"{place}/cache"], "age": "7d"}},
    ]
    step = {"free_space": {"path": str(place), "target_free": "15%", "strategies": strategies}}
    answers = [f'alertname="{ALERT}", mountpoint="{place}"']
    playbook = shipped("free-more-disk-space", on=answers, guard=BY_ITSELF, steps=[step], **changes)
    return Scene(folder, (probe(place),), (playbook,), (rule(ALERT, expr(place)),))


@pytest.mark.needs("mkfs.ext4", "debugfs")
def test_a_disk_full_of_rotated_logs_is_given_room_and_keeps_what_is_new_and_what_is_data(
    tmp_path: Path,
) -> None:
    with disk(tmp_path, logs_and_data) as place, acting(scene(tmp_path, place)) as stage:
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        assert free_part(place) >= 0.14
        assert (place / "log" / "app.log.new.gz").exists()
        assert (place / "data" / "orders").exists()
        [step] = stage.steps()
        assert step["ok"], step
        assert "removed" in step["output"] or "free on the filesystem" in step["output"], step


@pytest.mark.needs("mkfs.ext4", "debugfs")
def test_a_disk_full_of_data_is_left_as_it_is_and_to_people(tmp_path: Path) -> None:
    with disk(tmp_path, only_data) as place:
        before = sorted((file, file.stat().st_size) for file in place.rglob("*") if file.is_file())
        with acting(scene(tmp_path, place, verify=QUICKLY)) as stage:
            left_to_people(stage, ALERT, "failed")
            assert "nothing more may be removed" in stage.steps()[0]["reason"], stage.story()
        assert sorted((file, file.stat().st_size) for file in place.rglob("*") if file.is_file()) == before
