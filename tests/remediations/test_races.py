from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]


def raced(*words: str) -> tuple[int, int, str]:
    """Race in another process; return how many runs lost a foreign file, what went, and its words."""
    argv = [sys.executable, "-m", "tests.remediations.races", *words]
    told = subprocess.run(argv, cwd=TREE, capture_output=True, text=True, check=False)
    shape = re.match(r"\w+: (\d+) of \d+ runs", told.stdout)
    assert shape, told.stdout + told.stderr
    removed = re.search(r"(\d+) removed", told.stdout)
    return int(shape[1]), int(removed[1]) if removed else 0, told.stdout


def test_under_attack_the_broom_takes_what_is_old_and_nothing_else() -> None:
    lost, removed, told = raced("--count", "400")
    assert lost == 0, told
    assert removed > 0, told


def test_a_naive_broom_loses_foreign_files_to_the_same_attack() -> None:
    assert any(raced("--count", "500", "--seed", str(seed), "--naive")[0] for seed in range(10))
