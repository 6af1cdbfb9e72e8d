"""A clock is set right by the daemon that knows the time, and only where it is off by little."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model.deed import StepClock
from model.step import Exec, Result
from remediations.deeds import clock
from remediations.deeds.clock import timesync_s, tracked_s
from tests.remediations.deeds.done import doing, done, until

CHRONY = StepClock("chrony", 1.0)
SOCKET = Path("/run/chrony/chronyd.sock")


def tracking(off_s: str, reference: str = "C0A80001") -> str:
    return (
        f"{reference},192.168.0.1,3,1795313153.1,{off_s},0.0001,0.0002,-1.5,0.01,0.2,0.03,0.001,64.2,Normal\n"
    )


class Chrony:
    """What chronyc would say; it remembers what it was asked."""

    def __init__(self, off_s: str, answer: str = "200 OK") -> None:
        self.off_s, self.answer, self.asked = off_s, answer, list[str]()

    def __call__(self, step: Exec) -> Result:
        self.asked.append(step.argv[-1])
        return Result(
            ok=True, rc=0, output=tracking(self.off_s) if step.argv[-1] == "tracking" else self.answer
        )


def test_a_clock_that_is_off_by_little_is_set_right(tmp_path: Path) -> None:
    chrony = Chrony("-0.250000")
    result = clock.do(CHRONY, doing(tmp_path, chrony))
    assert result.diff == "the clock was off by -0.250000s and was set right"
    assert result.changed
    assert chrony.asked == ["tracking", "makestep"]


def test_a_clock_that_is_off_by_much_is_left_to_a_human(tmp_path: Path) -> None:
    chrony = Chrony("12.5")
    result = clock.do(CHRONY, doing(tmp_path, chrony))
    assert result.reason == "the clock is off by 12.500s; a step of more than 1s needs a human"
    assert chrony.asked == ["tracking"]


def test_a_check_only_asks(tmp_path: Path) -> None:
    chrony = Chrony("0.5")
    result = clock.do(CHRONY, doing(tmp_path, chrony, check=True))
    assert result.diff == "would set the clock right by 0.500000s"
    assert chrony.asked == ["tracking"]


def test_a_daemon_that_refuses_is_a_failure_though_its_client_is_content(tmp_path: Path) -> None:
    result = clock.do(CHRONY, doing(tmp_path, Chrony("0.5", "501 Not authorised")))
    assert result.reason == "chronyd refused: 501 Not authorised"
    assert not result.changed


@pytest.mark.parametrize(
    "said",
    ["", "x,y", tracking("nan"), tracking("x"), tracking("0.1", "00000000"), tracking("0", "7F7F0101")],
)
def test_a_daemon_without_a_source_knows_no_time(said: str) -> None:
    assert tracked_s(said) is None


@pytest.mark.parametrize(
    ("said", "off_s"),
    [
        ("       Offset: +1.250ms\n", 0.00125),
        ("       Offset: -312us\n", -0.000312),
        ("       Offset: +1min 2.5s\n", 62.5),
        ("       Server: 10.0.0.1\n", None),
        ("       Offset: n/a\n", None),
    ],
)
def test_timesyncd_says_how_far_the_clock_is_off(said: str, off_s: float | None) -> None:
    found = timesync_s(said)
    assert found == off_s if off_s is None else found == pytest.approx(off_s)


@contextmanager
def chronyd(folder: Path) -> Iterator[None]:
    """A chronyd that knows the time by itself and never sets the clock (-x)."""
    SOCKET.parent.mkdir(exist_ok=True)
    SOCKET.parent.chmod(0o750)
    (folder / "conf").write_text(f"local stratum 10\nport 0\ncmdport 0\npidfile {folder}/pid\n")
    argv = ["chronyd", "-x", "-n", "-u", "root", "-f", str(folder / "conf")]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(
            lambda: (
                "Normal"
                in subprocess.run(
                    ["chronyc", "-c", "tracking"], check=False, capture_output=True, text=True
                ).stdout
            )
        )
        yield
    finally:
        server.terminate()
        server.wait(15)


@pytest.mark.needs("chronyd")
def test_a_real_chronyd_is_understood(tmp_path: Path) -> None:
    if os.geteuid() != 0 or SOCKET.exists():
        pytest.skip("chronyc speaks to root's chronyd only, and another one runs")
    unheard = done(tmp_path, CHRONY)
    assert unheard.reason.startswith("how far the clock is off is unknown: it ended with exit code 1")
    with chronyd(tmp_path):
        result = done(tmp_path, CHRONY, check=True)
        assert result.reason == "how far the clock is off is unknown: no source is chosen yet"
