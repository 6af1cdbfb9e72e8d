"""A package is upgraded after a simulation that removes nothing and takes nothing from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from model.deed import UpgradePackage
from model.step import Exec, Result
from remediations.deeds import package
from remediations.deeds.package import LOCKS, locked, mistake, upgrades
from tests.remediations.deeds.done import doing, done

STEP = UpgradePackage("openssl")
SECURITY = (
    "Inst openssl [3.0.1-1] (3.0.1-2 Debian-Security:12/stable-security [amd64])\nConf openssl (3.0.1-2 x)\n"
)
STABLE = "Inst openssl [3.0.1-1] (3.0.1-2 Debian:12.9/stable [amd64])\n"
UBUNTU = (
    "Inst openssl [3.0.1-1] (3.0.1-2 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64]) []\n"
)

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_simulation_is_read() -> None:
    assert upgrades(SECURITY) == "openssl 3.0.1-1 -> 3.0.1-2"
    assert mistake(STEP, SECURITY) == ""
    assert mistake(STEP, UBUNTU) == ""
    assert mistake(UpgradePackage("openssl", security_only=False), STABLE) == ""


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (STABLE, "openssl 3.0.1-2 does not come from a security archive"),
        (SECURITY + "Remv shop [1.0]\n", "the upgrade would remove shop"),
        (
            "Inst other (1.0 Debian-Security:12/stable-security [amd64])\n",
            "would install other, which is not installed",
        ),
        (SECURITY * 11, "the upgrade would change 11 packages, and 10 are the most"),
    ],
)
def test_what_goes_beyond_the_upgrade_is_refused(said: str, sentence: str) -> None:
    assert sentence in mistake(STEP, said)


class Apt:
    """What apt-get would say; it remembers what it was asked."""

    def __init__(self, simulated: str) -> None:
        self.simulated, self.asked = simulated, list[tuple[str, ...]]()

    def __call__(self, step: Exec) -> Result:
        self.asked.append(step.argv)
        return Result(ok=True, rc=0, output=self.simulated if "--simulate" in step.argv else "done")


@pytest.fixture
def free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else's package manager is in the question."""
    monkeypatch.setattr(package, "LOCKS", (str(tmp_path / "lock"),))


@pytest.mark.usefixtures("free")
def test_the_upgrade_follows_a_good_simulation_and_only_that(tmp_path: Path) -> None:
    apt = Apt(SECURITY)
    assert (
        package.do(STEP, doing(tmp_path, apt, check=True)).diff == "would upgrade openssl 3.0.1-1 -> 3.0.1-2"
    )
    assert len(apt.asked) == 1
    result = package.do(STEP, doing(tmp_path, apt))
    assert result.diff == "upgraded openssl 3.0.1-1 -> 3.0.1-2"
    assert apt.asked[-1][-2:] == ("install", "openssl")
    assert "--no-remove" in apt.asked[-1]
    refused = Apt(STABLE)
    assert not package.do(STEP, doing(tmp_path, refused)).ok
    assert len(refused.asked) == 1


@pytest.mark.needs("apt-get")
@pytest.mark.usefixtures("free")
def test_a_real_simulation_is_understood(tmp_path: Path) -> None:
    result = done(tmp_path, UpgradePackage("base-files", security_only=False), check=True)
    assert result.ok, result
    assert not done(tmp_path, UpgradePackage("no-such-package"), check=True).ok


def test_a_lock_that_somebody_holds_is_seen_and_not_taken(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    files = (str(tmp_path / "none"), str(lock))
    assert locked(files) == ""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == b"held\n"
        assert locked(files) == f"pid {holder.pid} holds {lock}"
        holder.stdin.close()
    assert locked(files) == ""


def test_the_locks_are_those_of_dpkg() -> None:
    assert "/var/lib/dpkg/lock-frontend" in LOCKS
