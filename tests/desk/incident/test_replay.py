"""Whatever the alerts, the same log means the same incidents, in whatever order each batch came."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from desk.incident import correlate as decide
from desk.incident.decision import Decision, Echoed, Ignored, Opened
from desk.incident.incident import Change, Signal
from desk.incident.scene import Scene, Sight
from tests.desk import stage as theatre
from tests.desk import town
from tests.desk.chain import CHAIN, fails
from tests.desk.town import NOW_MS

CATALOGUE = town.catalogue(CHAIN)
SERVICES = ("database", "cache-a", "cache-b", "checkout", "receipts", "news")

# After how many seconds which services begin to fail, and which work again.
Batch = tuple[int, dict[str, bool]]
batches = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 30, 119, 121, 600, 1_900]),
        st.dictionaries(st.sampled_from(SERVICES), st.booleans(), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=7,
)


def replayed(log: Sequence[Batch], shuffle: random.Random | None = None) -> list[dict[str, Any]]:
    """Return the incidents that a log makes of a fresh desk."""
    with (
        tempfile.TemporaryDirectory() as folder,
        theatre.stage(Path(folder), CHAIN) as stage,
    ):
        firing: dict[str, Signal] = {}
        for after_s, batch in log:
            stage.pass_ms(after_s * 1_000)
            said = []
            for service, there in sorted(batch.items()):
                if there:
                    firing.setdefault(service, fails(service, at_ms=stage.now_ms))
                    said.append(firing[service])
                elif service in firing:
                    said.append(town.ended(firing.pop(service), stage.now_ms, town.FIXED))
            if shuffle:
                shuffle.shuffle(said)
            stage.hear(*said)
        stage.pass_ms(180_000)
        incidents = stage.incidents()
        accounted = {one["service"] for one in incidents if one["resolved_ms"] is None}
        accounted |= {
            echo["service"] for one in incidents for echo in one["echoes"] if echo["ended_ms"] is None
        }
        assert set(firing) <= accounted
        return incidents


@settings(max_examples=6)
@given(log=batches, seed=st.integers())
def test_a_log_replayed_and_shuffled_makes_the_same_incidents_and_loses_none(
    log: list[Batch], seed: int
) -> None:
    once = replayed(log)
    assert replayed(log) == once
    assert replayed(log, random.Random(seed)) == once


@given(
    names=st.lists(st.sampled_from(SERVICES), min_size=1, max_size=6, unique=True),
    seed=st.integers(),
)
def test_each_alert_of_a_batch_is_accounted_for_exactly_once_in_any_order(
    names: list[str], seed: int
) -> None:
    changes = [Change(fails(name), fresh=True) for name in names]
    think = partial(decide.correlate, CATALOGUE, Scene(Sight(blind=False, started_ms=0)))
    decisions = think(changes, NOW_MS)
    random.Random(seed).shuffle(changes)
    assert think(changes, NOW_MS) == decisions
    assert sorted(_accounted(decisions)) == sorted(names)
    assert not any(isinstance(one, Ignored) for one in decisions)


def _accounted(decisions: Sequence[Decision]) -> list[str]:
    found = [one for one in decisions if isinstance(one, Opened | Echoed)]
    return [str(signal.labels.get("service")) for one in found for signal in one.signals]
