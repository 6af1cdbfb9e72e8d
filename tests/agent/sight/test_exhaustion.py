from __future__ import annotations

import json
import math

import pytest

from agent.sight.exhaustion import FORECASTS, RESOURCES_MAX, Exhaustion
from model.labels import NAME, Labels
from model.sample import Sample
from rules.exhaustion.resources import BOUNDED, DATED
from rules.store.store import Store

BEGIN_MS = 1_700_000_000_000
HOST = Labels.of(instance="web1", job="node")
MINUTE_MS = 60_000


def sample(metric: str, value: float, **labels: str) -> Sample:
    return Sample(Labels.of({NAME: metric, **labels}), value)


def disk(used: float, size: float = 100.0, mountpoint: str = "/var") -> list[Sample]:
    labels = {"mountpoint": mountpoint, "device": "/dev/sda1", "fstype": "ext4"}
    return [
        sample("node_filesystem_size_bytes", size, **labels),
        sample("node_filesystem_avail_bytes", size - used, **labels),
    ]


def store() -> Store:
    return Store(6 * 3_600_000, 20_000)


def told(samples: tuple[Sample, ...], **wanted: str) -> dict[str, float]:
    """Return the values of what is told of a resource, by metric name; of a forecast, its state."""
    found = {}
    for one in samples:
        if all(one.labels.get(name) == value for name, value in wanted.items()):
            found[one.labels.get("state") or one.labels.name] = one.value
    return found


def filling(
    exhaustion: Exhaustion, into: Store, minutes: int, begin_ms: int = BEGIN_MS
) -> tuple[Sample, ...]:
    samples: tuple[Sample, ...] = ()
    for minute in range(minutes):
        at_ms = begin_ms + minute * MINUTE_MS
        into.write(HOST, at_ms, disk(20.0 + minute / 2))
        samples = exhaustion.look(into, at_ms)
    return samples


def test_a_disk_that_fills_is_told_of_with_an_estimate_and_its_interval() -> None:
    found = told(
        filling(Exhaustion(), store(), 101), kind="disk", resource="/var", instance="web1", job="node"
    )
    assert found["beforehand_resource_used"] == pytest.approx(70.0)
    assert found["beforehand_resource_limit"] == 100.0
    assert found["enough"] == 1.0
    left_s = 30.0 * 2 * 60
    assert found["beforehand_resource_exhaustion_seconds"] == pytest.approx(left_s, rel=0.02)
    assert found["beforehand_resource_exhaustion_lower_seconds"] < left_s
    assert found["beforehand_resource_exhaustion_upper_seconds"] > left_s


def test_it_is_said_why_nothing_can_be_told() -> None:
    found = told(filling(Exhaustion(), store(), 5), kind="disk")
    assert found["too_few"] == 1.0
    assert "beforehand_resource_exhaustion_seconds" not in found


def test_between_two_judgements_the_time_that_is_left_runs_down() -> None:
    exhaustion, into = Exhaustion(), store()
    before = told(filling(exhaustion, into, 101))["beforehand_resource_exhaustion_seconds"]
    after = told(exhaustion.look(into, BEGIN_MS + 100 * MINUTE_MS + 30_000))
    assert after["beforehand_resource_exhaustion_seconds"] == pytest.approx(before - 30.0)


def test_every_kind_of_resource_is_found_by_its_own_metrics() -> None:
    into, exhaustion = store(), Exhaustion()
    for index, kind in enumerate(BOUNDED):
        labels = {kind.named: "one"} if kind.named not in ("", "instance", "job") else {}
        target = Labels.of(instance=f"i{index}", job=f"j{index}")
        into.write(
            target,
            BEGIN_MS,
            [sample(kind.limit, 100.0, **labels), sample(kind.used or kind.free, 40.0, **labels)],
        )
    for dated in DATED:
        labels = {dated.named: "one"} if dated.named != "instance" else {}
        target = Labels.of(instance="dated", job=dated.ends)
        into.write(target, BEGIN_MS, [sample(dated.ends, BEGIN_MS / 1000 + 500.0, **labels)])
    samples = exhaustion.look(into, BEGIN_MS)
    for index, kind in enumerate(BOUNDED):
        found = told(samples, kind=kind.kind, instance=f"i{index}")
        assert found["beforehand_resource_used"] == (40.0 if kind.used else 60.0), kind
    for dated in DATED:
        found = told(samples, kind=dated.kind, job=dated.ends)
        assert found["beforehand_resource_exhaustion_seconds"] == pytest.approx(500.0)
        assert found["enough"] == 1.0


def test_connections_of_all_databases_count_against_one_limit() -> None:
    into = store()
    each = [sample("pg_stat_database_numbackends", 10.0, datname=name, datid=name) for name in "abc"]
    into.write(HOST, BEGIN_MS, [*each, sample("pg_settings_max_connections", 100.0)])
    assert told(Exhaustion().look(into, BEGIN_MS), kind="connections")["beforehand_resource_used"] == 30.0


@pytest.mark.parametrize("limit", [0.0, math.inf, math.nan, 2.0**63, -1.0])
def test_what_has_no_limit_is_no_resource(limit: float) -> None:
    into = store()
    into.write(
        HOST,
        BEGIN_MS,
        [
            sample("container_spec_memory_limit_bytes", limit, name="a"),
            sample("container_memory_working_set_bytes", 5.0, name="a"),
        ],
    )
    assert Exhaustion().look(into, BEGIN_MS) == ()


def test_a_full_disk_has_no_time_left() -> None:
    into, exhaustion = store(), Exhaustion()
    into.write(HOST, BEGIN_MS, disk(100.0))
    assert told(exhaustion.look(into, BEGIN_MS))["beforehand_resource_exhaustion_upper_seconds"] == 0.0


def test_a_resource_that_is_gone_is_told_of_no_more() -> None:
    exhaustion, into = Exhaustion(), store()
    filling(exhaustion, into, 3)
    assert exhaustion.look(into, BEGIN_MS + 10 * MINUTE_MS) == ()


def test_the_past_is_taken_up_after_a_restart() -> None:
    before, after = Exhaustion(), Exhaustion()
    filling(before, store(), 100)
    after.recall(json.loads(json.dumps(before.known())))
    into = store()
    into.write(HOST, BEGIN_MS + 101 * MINUTE_MS, disk(70.5))
    assert "enough" in told(after.look(into, BEGIN_MS + 101 * MINUTE_MS))


@pytest.mark.parametrize("known", [None, 1, {}, {"form": 1, "resources": [None, [1, 2], [[1], 2, 3, 4]]}])
def test_nonsense_is_not_taken_up(known: object) -> None:
    exhaustion = Exhaustion()
    exhaustion.recall(known)
    assert exhaustion.known() == {"form": 1, "resources": []}


def test_few_are_judged_in_one_look_and_all_of_them_in_turn() -> None:
    into, exhaustion = store(), Exhaustion()
    mounts = [f"/{number}" for number in range(3 * FORECASTS)]
    full = []
    for look in range(3):
        at_ms = BEGIN_MS + look * 1000
        into.write(HOST, at_ms, [one for mount in mounts for one in disk(100.0, mountpoint=mount)])
        samples = exhaustion.look(into, at_ms)
        full.append(sum(one.labels.name == "beforehand_resource_exhaustion_seconds" for one in samples))
    assert full == [FORECASTS, 2 * FORECASTS, 3 * FORECASTS]


def test_no_more_resources_are_followed_than_there_is_room_for() -> None:
    into, exhaustion = store(), Exhaustion()
    mounts = [f"/{number}" for number in range(RESOURCES_MAX + 10)]
    into.write(HOST, BEGIN_MS, [one for mount in mounts for one in disk(10.0, mountpoint=mount)])
    samples = exhaustion.look(into, BEGIN_MS)
    assert sum(one.labels.name == "beforehand_resource_used" for one in samples) == RESOURCES_MAX
