from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import entropy
from tests.probes.host.seen import told


def test_randomness_is_told_in_bits(tmp_path: Path) -> None:
    folder = "sys/kernel/random"
    files = {f"{folder}/entropy_avail": "250\n", f"{folder}/poolsize": "256\n"}
    assert told(entropy.PROBE, tmp_path, files) == {
        "node_entropy_available_bits": 250,
        "node_entropy_pool_size_bits": 256,
    }


def test_a_missing_number_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        told(entropy.PROBE, tmp_path, {"other": ""})
