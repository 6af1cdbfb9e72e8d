from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.demo.table import Story

pytestmark = pytest.mark.timeout(180)


def argv(*more: str) -> list[str]:
    return [sys.executable, "-u", "-m", "agent.cli", "demo", *more]


def started_by(directory: str) -> list[int]:
    """Return the processes that still work in the demo's directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and directory.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def blank(line: str) -> str:
    """Return a line without its figures, which no two runs share, and without its margins."""
    return " ".join(re.sub(r"\d+\.\d+", "#", line).split())


def sample() -> set[str]:
    """Return what the README shows of the demo's end."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    lines = text.partition("The demo ends with this\n")[2].partition("The last column")[0].splitlines()
    return {blank(line) for line in lines if line.startswith("    ")}


def test_the_demo_tells_the_affected_spares_the_others_and_cleans_up(tmp_path: Path) -> None:
    done = subprocess.run(
        argv(), capture_output=True, text=True, timeout=150, check=False, env={"TMPDIR": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    for link in ("noticed", "healed", "told", "proved"):
        assert re.search(rf"^  {link} +\d+\.\d{{3}} ", done.stdout, re.MULTILINE), done.stdout
    assert re.search(
        r"^  Ada of acme +first [\d.]+, resolved [\d.]+ +You use Checkout in eu\. ", done.stdout, re.MULTILINE
    )
    assert re.search(r"^  Chloe of cafe +not told +", done.stdout, re.MULTILINE)
    assert sample() <= {blank(line) for line in done.stdout.splitlines()}
    assert list(tmp_path.iterdir()) == []
    assert started_by(str(tmp_path)) == []


def test_a_demo_that_is_ended_from_outside_leaves_nothing_running(tmp_path: Path) -> None:
    with subprocess.Popen(argv("--keep"), env={"TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL) as demo:
        end_s = time.monotonic() + 45
        while not list(tmp_path.glob("*/shop.pid")):
            assert time.monotonic() < end_s, "the shop never opened"
            time.sleep(0.05)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(30) == 143
    assert list(tmp_path.iterdir()) == []
    assert started_by(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"healed_ms": None}, "it was never healed"),
        ({"told_ms": None}, "it was never told"),
        ({"told": []}, "ada@acme.example got [] instead of one first and one resolved notice"),
    ],
)
def test_a_link_that_did_not_hold_is_named(change: dict[str, object], sentence: str) -> None:
    notices = [{"kind": kind, "accepted_ms": 5} for kind in ("first", "resolved")]
    incident: dict[str, object] = {
        "noticed_ms": 1,
        "healed_ms": 2,
        "told_ms": 3,
        "verified_ms": 4,
        "told": [
            {"email": email, "notices": notices} for email in ("ada@acme.example", "bruno@bistro.example")
        ],
    }
    assert Story(0, incident).missing() == []
    assert sentence in Story(0, {**incident, **change}).missing()


def test_somebody_who_was_told_without_being_affected_is_named() -> None:
    notices = [{"kind": kind, "accepted_ms": 5} for kind in ("first", "resolved")]
    people = ("ada@acme.example", "bruno@bistro.example", "chloe@cafe.example")
    told = [{"email": email, "notices": notices} for email in people]
    incident = {"noticed_ms": 1, "healed_ms": 2, "told_ms": 3, "verified_ms": 4, "told": told}
    assert Story(0, incident).missing() == ["chloe@cafe.example was told without being affected"]
