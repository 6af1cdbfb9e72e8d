from __future__ import annotations

import random
from array import array
from pathlib import Path

import pytest

from model.labels import Labels
from model.sample import Sample
from rules.backtest import Recording
from rules.store.log import StoreLog, segments
from rules.store.store import Selector, Store

HOUR_MS = 3_600_000
NAMES = ("cpu", "load", "disk", "net")


def target(number: int) -> Labels:
    return Labels.of(job="node", instance=f"web{number}")


def held(store: Store) -> list[tuple[str, list[int], list[float]]]:
    return sorted(
        (str(labels), list(times), list(values))
        for name in NAMES
        for labels, times, values in store.windows(Selector(name, ()), -1, 10**15)
    )


def written(directory: Path, seed: int) -> Store:
    """Write a log of two targets whose series come, change and go, in several segments."""
    chance = random.Random(seed)
    store = Store(10 * HOUR_MS, 100)
    for part in range(3):
        log = StoreLog(directory, 1 << 30)
        store._sink = log.record
        for row in range(40):
            at_ms = (part * 40 + row) * 15_000 + 1
            for number in (1, 2):
                names = [name for name in NAMES if chance.random() < 0.95]
                samples = [Sample(Labels.of(__name__=name), chance.randrange(3)) for name in names]
                store.write(target(number), at_ms + number, samples)
        log.close()
    return store


@pytest.mark.parametrize("seed", range(5))
def test_a_recording_holds_what_the_store_held(tmp_path: Path, seed: int) -> None:
    store = written(tmp_path, seed)
    again = Store(10 * HOUR_MS, 100)
    for page in Recording(lambda _: True).pages(segments(tmp_path), 0, 10**15):
        for sheet in page.sheets:
            again.restore_columns(sheet.key, sheet.times, sheet.columns)
    assert held(again) == held(store)


def test_only_what_is_wanted_of_the_time_that_is_asked_for_is_read(tmp_path: Path) -> None:
    written(tmp_path, 1)
    pages = list(Recording(lambda name: name == "cpu").pages(segments(tmp_path), 300_000, 600_000))
    sheets = [sheet for page in pages for sheet in page.sheets]
    assert {labels.name for sheet in sheets for labels in sheet.columns} == {"cpu"}
    assert all(300_000 <= at_ms <= 600_000 for sheet in sheets for at_ms in sheet.times)
    assert pages[-1].until_ms > 580_000


def test_a_torn_end_is_left_as_it_is(tmp_path: Path) -> None:
    written(tmp_path, 1)
    last = segments(tmp_path)[-1]
    torn = last.read_bytes()[:-3]
    last.write_bytes(torn)
    (page, *_) = Recording(lambda _: True).pages([last], 0, 10**15)
    assert page.sheets
    assert last.read_bytes() == torn


def test_a_file_that_is_no_segment_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "0000000001.rows").write_bytes(b"something else")
    assert list(Recording(lambda _: True).pages(segments(tmp_path), 0, 10**15)) == []


def test_columns_that_come_too_late_are_dropped_and_counted() -> None:
    store = Store(HOUR_MS, 100)
    cpu = Labels.of(__name__="cpu")
    store.restore_columns(target(1), array("q", (1000, 2000)), {cpu: array("d", (1, 2))})
    store.restore_columns(target(1), array("q", (1500, 2000, 3000)), {cpu: array("d", (7, 8, 3))})
    assert held(store) == [(str(cpu.having(target(1))), [1000, 2000, 3000], [1, 2, 3])]
    assert store.samples_dropped_out_of_order == 2


def test_the_log_reaches_further_back_than_the_store(tmp_path: Path) -> None:
    store = Store(HOUR_MS, 100)
    log = StoreLog(tmp_path, 1 << 30, kept_ms=10 * HOUR_MS)
    store._sink = log.record
    log.replay(store, 0)
    for hour in range(1, 20):
        store.write(target(1), hour * HOUR_MS, [Sample(Labels.of(__name__="cpu"), hour)])
    log.close()
    pages = Recording(lambda _: True).pages(segments(tmp_path), 0, 10**15)
    times = [at_ms // HOUR_MS for page in pages for sheet in page.sheets for at_ms in sheet.times]
    assert 9 <= times[0] <= 10
    assert times[-1] == 19
