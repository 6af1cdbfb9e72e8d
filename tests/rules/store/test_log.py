from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.labels import Labels
from model.sample import Sample
from rules.store.log import StoreLog
from rules.store.store import Selector, Store

HOUR_MS = 3_600_000
HOST = Labels.of(job="node", instance="web1")
CPU = Labels.of(__name__="cpu", core="0")
LOAD = Labels.of(__name__="load1")


def opened(directory: Path, now_ms: int, bytes_max: int = 1 << 20) -> tuple[Store, StoreLog, int]:
    """Return a store with its log, replayed."""
    log = StoreLog(directory, bytes_max)
    store = Store(HOUR_MS, 1000, sink=log.record)
    return store, log, log.replay(store, now_ms)


def run(store: Store, at_ms: int, **values: float) -> None:
    store.write(HOST, at_ms, [Sample(Labels.of(__name__=name), value) for name, value in values.items()])


def everything(store: Store, names: tuple[str, ...] = ("cpu", "load1", "up")) -> str:
    """Write down all that a store holds."""
    windows = [
        (str(labels), list(times), list(map(repr, numbers)))
        for name in names
        for labels, times, numbers in store.windows(Selector(name, ()), -1, 10**15)
    ]
    latest = sorted((str(labels), repr(value), at_ms) for labels, value, at_ms in store.latest(10_000))
    return repr((sorted(windows), latest))


def test_a_store_remembers_after_a_restart(tmp_path: Path) -> None:
    store, log, count = opened(tmp_path, 0)
    assert count == 0
    run(store, 1000, cpu=1, load1=2)
    run(store, 2000, cpu=1, load1=3)
    run(store, 3000, cpu=1)
    run(store, 4000, cpu=math.nan, load1=-0.0)
    run(store, 5000, cpu=2, load1=0.0)
    store.append(Labels.of(__name__="up"), 4500, 1)
    store.mark_stale(Labels.of(__name__="up"), 4600)
    log.close()
    again, log, count = opened(tmp_path, 6000)
    assert count == 7
    assert everything(again) == everything(store)
    run(again, 6000, load1=4)
    assert again.values_at(Selector("cpu", ()), 6000) == []
    log.close()


def test_rows_that_are_written_together_are_one_piece(tmp_path: Path) -> None:
    store, log, _ = opened(tmp_path, 0)
    run(store, 1000, cpu=1)
    (segment,) = tmp_path.glob("*.rows")
    before = segment.stat().st_size
    with log.together():
        run(store, 2000, cpu=2)
        run(store, 3000, cpu=3, load1=1)
        assert segment.stat().st_size == before
    assert segment.stat().st_size > before
    log.close()
    again, log, count = opened(tmp_path, 4000)
    assert count == 3
    assert everything(again) == everything(store)
    log.close()


def test_rows_that_are_written_together_over_a_new_segment_are_all_there(tmp_path: Path) -> None:
    store, log, _ = opened(tmp_path, 0, bytes_max=8 * 4096)
    with log.together():
        for row in range(1, 400):
            run(store, row * 1000, cpu=row, load1=row)
    log.close()
    assert len(list(tmp_path.glob("*.rows"))) > 1
    assert log.rows_unwritten == 0


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    store, log, _ = opened(tmp_path, 0)
    names = {f"metric_{n}": 1.0 for n in range(100)}
    run(store, 1000, **names)
    (segment,) = tmp_path.glob("*.rows")
    first = segment.stat().st_size
    for row in range(2, 102):
        run(store, row * 1000, **names)
    log.close()
    assert segment.stat().st_size - first == 100 * 32


def test_a_row_older_than_the_retention_or_from_the_future_is_left_out(tmp_path: Path) -> None:
    store, log, _ = opened(tmp_path, 0)
    run(store, 1000, cpu=1)
    run(store, HOUR_MS, cpu=2)
    run(store, HOUR_MS + 5000, cpu=3)
    log.close()
    again, log, count = opened(tmp_path, HOUR_MS + 2000)
    assert count == 1
    run(again, HOUR_MS + 2000, cpu=4)
    assert [list(numbers) for _, _, numbers in again.windows(Selector("cpu", ()), 0, 10**12)] == [[2, 4]]
    log.close()


def test_a_torn_tail_is_cut_off_and_counted(tmp_path: Path) -> None:
    store, log, _ = opened(tmp_path, 0)
    run(store, 1000, cpu=1)
    run(store, 2000, cpu=2)
    log.close()
    (segment,) = tmp_path.glob("*.rows")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-5])
    again, log, count = opened(tmp_path, 3000)
    assert (count, log.tails_cut) == (1, 1)
    assert len(segment.read_bytes()) < len(whole) - 5
    run(again, 3000, cpu=3)
    log.close()
    _, log, count = opened(tmp_path, 4000)
    assert (count, log.tails_cut) == (2, 0)


def test_a_broken_segment_does_not_hide_the_next_one(tmp_path: Path) -> None:
    for start_ms in (1000, 2000, 3000):
        store, log, _ = opened(tmp_path, start_ms)
        run(store, start_ms, cpu=start_ms)
        log.close()
    first, second, _ = sorted(tmp_path.glob("*.rows"))
    first.write_bytes(b"")
    second.write_bytes(b"something else entirely")
    store, log, count = opened(tmp_path, 4000)
    assert (count, log.tails_cut) == (1, 1)
    assert dict(store.values_at(Selector("cpu", ()), 4000)) == {Labels.of(HOST, __name__="cpu"): 3000}


def test_a_file_of_another_name_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "notes.rows"
    other.write_text("mine")
    _, log, count = opened(tmp_path, 0)
    assert (count, log.tails_cut) == (0, 0)
    assert other.read_text() == "mine"


def test_the_oldest_segments_are_deleted_to_stay_within_the_bytes(tmp_path: Path) -> None:
    store, log, _ = opened(tmp_path, 0, bytes_max=65_536)
    for row in range(1, 3000):
        run(store, row, cpu=row, load1=-row)
    log.close()
    sizes = [path.stat().st_size for path in tmp_path.glob("*.rows")]
    assert 32_768 < sum(sizes) <= 65_536
    again, log, count = opened(tmp_path, 3000, bytes_max=65_536)
    assert 0 < count < 3000
    assert dict(again.values_at(Selector("cpu", ()), 3000))[Labels.of(HOST, __name__="cpu")] == 2999


def test_the_oldest_segments_are_deleted_with_the_retention(tmp_path: Path) -> None:
    store, log, _ = opened(tmp_path, 0)
    for hour in range(1, 20):
        run(store, hour * HOUR_MS, cpu=hour)
    log.close()
    assert len(list(tmp_path.glob("*.rows"))) <= 3
    opened(tmp_path, 100 * HOUR_MS)
    assert list(tmp_path.glob("*.rows")) == []


def test_a_full_disk_costs_rows_and_raises_nothing(tmp_path: Path) -> None:
    store, log, _ = opened(tmp_path, 0)
    run(store, 1000, cpu=1)
    log.close()
    directory = tmp_path / "gone"
    store, log, _ = opened(directory, 0)
    directory.rmdir()
    run(store, 1000, cpu=1)
    run(store, 2000, cpu=1)
    assert log.rows_unwritten == 2
    directory.mkdir()
    run(store, 3000, cpu=1)
    log.close()
    assert opened(directory, 4000)[2] == 1


def test_a_device_that_is_full_costs_rows_until_there_is_room(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    store, log, _ = opened(tmp_path, 0)
    run(store, 1000, cpu=1)
    assert log._file is not None
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._file)
    os.close(full)
    run(store, 2000, cpu=2)
    assert log.rows_unwritten == 1
    run(store, 3000, cpu=3)
    log.close()
    _, log, count = opened(tmp_path, 4000)
    assert (count, log.tails_cut) == (2, 0)


def test_a_kill_loses_nothing_that_was_taken(tmp_path: Path) -> None:
    program = f"""
import os, sys
from pathlib import Path
from model.labels import Labels
from model.sample import Sample
from rules.store.store import Store
from rules.store.log import StoreLog
log = StoreLog(Path({str(tmp_path)!r}), 1 << 20)
store = Store({HOUR_MS}, 100, sink=log.record)
log.replay(store, 0)
for row in range(1, 100_000):
    store.write(Labels.of(job="node"), row, [Sample(Labels.of(__name__="cpu"), float(row))])
    if row == 500:
        print("ready", flush=True)
"""
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    store, log, count = opened(tmp_path, 200_000)
    assert count >= 500
    assert log.tails_cut <= 1
    ((_, times, numbers),) = store.windows(Selector("cpu", ()), 0, 200_000)
    assert list(times) == list(range(1, count + 1))
    assert list(numbers) == list(map(float, times))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.integers(0, 400), st.integers(0, 255))
def test_no_damage_breaks_the_replay(tmp_path: Path, place: int, byte: int) -> None:
    for path in tmp_path.glob("*.rows"):
        path.unlink()
    store, log, _ = opened(tmp_path, 0)
    for row in range(1, 8):
        run(store, row * 1000, cpu=row, load1=row % 2)
    log.close()
    (segment,) = tmp_path.glob("*.rows")
    data = bytearray(segment.read_bytes())
    changed = data[place % len(data)] != byte
    data[place % len(data)] = byte
    segment.write_bytes(data)
    _, log, count = opened(tmp_path, 8000)
    assert count < 7 if changed else count == 7
    assert log.tails_cut == changed
