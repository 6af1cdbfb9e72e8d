from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.sight.outlook import KEEP_EVERY_MS, LOOK_EVERY_MS, Outlook
from agent.sight.unusual import SeriesName, UnusualTerms
from agent.state import StateDirectory
from model.labels import NAME, Labels
from model.sample import Sample
from rules.store.store import Store

BEGIN_MS = 1_700_000_000_000
HOST = Labels.of(instance="web1", job="node")
FILES = ("node_filefd_allocated", "node_filefd_maximum")
TERMS = UnusualTerms((SeriesName.parse("node_filefd_allocated"),))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    with contextlib.closing(StateDirectory(tmp_path)) as directory:
        yield directory


def store(at_ms: int = BEGIN_MS) -> Store:
    into = Store(6 * 3_600_000, 100)
    samples = [Sample(Labels.of({NAME: name}), 10.0 * (index + 1)) for index, name in enumerate(FILES)]
    into.write(HOST, at_ms, samples)
    return into


def test_both_are_told_at_the_first_look_and_then_at_their_pace(state: StateDirectory) -> None:
    outlook, into = Outlook(state, TERMS), store()
    outlook.begin(BEGIN_MS)
    assert [part for part, samples in outlook.look(into, BEGIN_MS) if samples] == ["unusual", "exhaustion"]
    assert not list(outlook.look(into, BEGIN_MS + LOOK_EVERY_MS - 1))
    assert list(outlook.look(into, BEGIN_MS + LOOK_EVERY_MS))


def test_nothing_is_written_where_nothing_is_known(state: StateDirectory) -> None:
    outlook = Outlook(state, UnusualTerms())
    assert not list(outlook.look(Store(6 * 3_600_000, 100), BEGIN_MS))


def test_what_ended_is_ended_in_the_store_once_it_was_told(state: StateDirectory) -> None:
    outlook = Outlook(state, TERMS)
    list(outlook.look(store(), BEGIN_MS))
    later_ms = BEGIN_MS + 3_600_000
    assert list(outlook.look(store(), later_ms)) == [("unusual", ()), ("exhaustion", ())]


def test_what_was_learnt_is_kept_now_and_then_and_taken_up(state: StateDirectory) -> None:
    outlook, into = Outlook(state, TERMS), store()
    outlook.begin(BEGIN_MS)
    list(outlook.look(into, BEGIN_MS))
    assert not state.exhaustion.exists()
    list(outlook.look(into, BEGIN_MS + KEEP_EVERY_MS))
    kept = state.exhaustion.read_text(), state.unusual.read_text()
    again = Outlook(state, TERMS)
    again.begin(BEGIN_MS)
    again.keep(BEGIN_MS)
    assert (state.exhaustion.read_text(), state.unusual.read_text()) == kept
    assert "node_filefd_allocated" in kept[1]
