from __future__ import annotations

from pathlib import Path

import pytest

from probes.host import time
from probes.host.roots import Tree


def test_the_local_zone_is_named_with_its_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    assert time.zone_at(1_735_700_000) == ("CET", 3600)
    assert time.zone_at(1_751_300_000) == ("CEST", 7200)
    monkeypatch.undo()
    time.zone_at(0)  # the C library remembers the zone until it is asked again


def test_a_machine_without_clock_sources_has_nothing_to_tell(tmp_path: Path) -> None:
    assert list(time.sources(Tree(tmp_path))) == []
