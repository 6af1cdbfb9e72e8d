from __future__ import annotations

import os
import selectors
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.sight.watch import Watches
from model.plugin import FileChange, ProcessExit
from tests.descriptors import open_descriptors


class Ears:
    """Watches on a selector, and the keys that were notified."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.heard: list[object] = []
        self.watches = Watches(self.selector, self.heard.append)

    def listen(self, timeout_s: float = 5) -> list[object]:
        for key, _ in self.selector.select(timeout_s):
            key.data()
        heard, self.heard[:] = list(self.heard), []
        return heard


@pytest.fixture
def ears() -> Iterator[Ears]:
    made = Ears()
    yield made
    made.watches.close()
    made.selector.close()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_killed_process_is_heard_at_once(ears: Ears, sleeper: subprocess.Popen[bytes]) -> None:
    ears.watches.wish("redis", [ProcessExit(sleeper.pid)])
    sleeper.kill()
    assert ears.listen() == ["redis"]
    assert ears.listen(0) == []


def test_a_process_that_died_before_the_wish_is_heard_as_well(ears: Ears) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    ears.watches.wish("redis", [ProcessExit(process.pid)])
    assert ears.heard == ["redis"]


def test_two_probes_may_wish_for_the_same_process(ears: Ears, sleeper: subprocess.Popen[bytes]) -> None:
    ears.watches.wish("a", [ProcessExit(sleeper.pid)])
    ears.watches.wish("b", [ProcessExit(sleeper.pid)])
    ears.watches.drop("a")
    sleeper.kill()
    assert ears.listen() == ["b"]


def test_descriptors_are_given_back(ears: Ears, sleeper: subprocess.Popen[bytes]) -> None:
    before = open_descriptors()
    for _ in range(50):
        ears.watches.wish("a", [ProcessExit(sleeper.pid), ProcessExit(os.getpid())])
        ears.watches.wish("a", [])
    assert open_descriptors() <= before


def test_a_file_that_appears_changes_or_goes_is_heard(ears: Ears, tmp_path: Path) -> None:
    file = tmp_path / "redis.pid"
    ears.watches.wish("redis", [FileChange(str(file))])
    file.write_text("1")
    assert "redis" in ears.listen()
    ears.listen(0)
    file.write_text("2")
    assert "redis" in ears.listen()
    ears.listen(0)
    file.unlink()
    assert "redis" in ears.listen()


def test_a_neighbour_of_the_file_is_not_heard(ears: Ears, tmp_path: Path) -> None:
    ears.watches.wish("redis", [FileChange(str(tmp_path / "redis.pid"))])
    (tmp_path / "nginx.pid").write_text("1")
    assert ears.listen(0.2) == []


def test_a_wish_that_is_dropped_is_heard_no_more(ears: Ears, tmp_path: Path) -> None:
    ears.watches.wish("redis", [FileChange(str(tmp_path / "redis.pid"))])
    ears.watches.drop("redis")
    (tmp_path / "redis.pid").write_text("1")
    assert ears.listen(0.2) == []


def test_a_directory_that_does_not_exist_waits_for_the_next_slot(ears: Ears, tmp_path: Path) -> None:
    ears.watches.wish("redis", [FileChange(str(tmp_path / "gone" / "redis.pid"))])
    assert ears.listen(0.1) == []
