"""Alerts come out of their table as they went in, however many at once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from desk.incident.incident import Signal
from desk.intake.alert_rows import former_signals, save_signals
from tests.desk import town
from tests.desk.stage import Stage


def crowd(count: int) -> list[Signal]:
    return [town.signal(instance=f"web{n}", annotations={"notice": f'"{n}" ä'}) for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 16, 17, 257, 600])
def test_what_is_saved_is_found_again(stage: Stage, count: int) -> None:
    signals = crowd(count)
    stage.store.written(partial(save_signals, signals=signals))
    found = stage.store.written(partial(former_signals, signals=[*signals, town.signal("Other")]))
    assert found == {one.key: one for one in signals}


def test_what_is_saved_again_stands_over_what_was_there(stage: Stage) -> None:
    signals = crowd(70)
    stage.store.written(partial(save_signals, signals=signals))
    newer = [replace(one, annotations={"b": "c"}, ends_ms=one.ends_ms + 1, over=True) for one in signals[::2]]
    stage.store.written(partial(save_signals, signals=newer))
    found = stage.store.written(partial(former_signals, signals=signals))
    assert found == {one.key: one for one in signals} | {one.key: one for one in newer}
    assert all(isinstance(one.over, bool) for one in found.values())
