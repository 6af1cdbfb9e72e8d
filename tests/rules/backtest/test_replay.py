from __future__ import annotations

import random

import pytest

from model.labels import NAME, Labels
from rules.backtest import NoSamples, Sheet
from tests.rules.backtest.recordings import (
    START_MS,
    STEP_MS,
    TARGET,
    pages,
    replayed,
    rules,
    series,
    shapes,
    sheet,
)

DOWN = "- alert: Down\n  expr: probe_success == 0\n  for: 1m"
MINUTE_MS = 60_000


def probe(*values: float) -> Sheet:
    return sheet({series("probe_success"): values, series("up"): [1.0] * len(values)})


def test_an_episode_goes_from_the_first_firing_to_the_first_good_sample() -> None:
    (down,) = replayed(rules(DOWN), pages(probe(*[1.0] * 20, *[0.0] * 20, *[1.0] * 40)))
    (episode,) = down.episodes
    assert 0 <= episode.active_ms - (START_MS + 20 * STEP_MS) < STEP_MS
    assert episode.fired_ms - episode.active_ms == MINUTE_MS
    assert episode.ended_ms is not None
    assert 0 <= episode.ended_ms - (START_MS + 40 * STEP_MS) < STEP_MS


def test_an_alert_that_never_fired_is_near_and_no_episode() -> None:
    (down,) = replayed(rules(DOWN), pages(probe(*[1.0] * 20, 0.0, 0.0, *[1.0] * 40)))
    assert (down.episodes, down.near) == ((), 1)


def test_an_episode_that_goes_on_has_no_end() -> None:
    (down,) = replayed(rules(DOWN), pages(probe(*[1.0] * 20, *[0.0] * 60)))
    assert [one.ended_ms for one in down.episodes] == [None]


def test_without_samples_nothing_is_judged() -> None:
    with pytest.raises(NoSamples):
        replayed(rules(DOWN), [])


def test_a_rule_that_stays_silent_is_hardly_ever_judged() -> None:
    (down,) = replayed(rules(DOWN), pages(probe(*[1.0] * 2000)))
    assert down.judged < 20
    (thorough,) = replayed(rules(DOWN), pages(probe(*[1.0] * 2000)), thorough=True)
    assert thorough.judged > 1900


def test_a_rule_that_fires_all_the_time_is_hardly_ever_judged() -> None:
    (always,) = replayed(rules("- alert: Watchdog\n  expr: vector(1)"), pages(probe(*[1.0] * 2000)))
    assert len(always.episodes) == 1
    assert always.judged < 20


def test_an_unseen_target_keeps_its_alert_firing() -> None:
    dark = sheet({series("up"): [0.0] * 40}, first=40)
    light = sheet({series("probe_success"): [1.0] * 40, series("up"): [1.0] * 40}, first=80)
    (down,) = replayed(rules(DOWN), pages(probe(*[1.0] * 20, *[0.0] * 20), dark, light))
    (episode,) = down.episodes
    assert episode.ended_ms is not None
    assert episode.ended_ms >= START_MS + 80 * STEP_MS


def test_a_time_in_which_nothing_was_recorded_resolves_nothing() -> None:
    after = sheet({series("probe_success"): [0.0] * 40, series("up"): [1.0] * 40}, first=400)
    (down,) = replayed(rules(DOWN), pages(probe(*[1.0] * 20, *[0.0] * 20), after))
    assert [one.ended_ms for one in down.episodes] == [None]


def test_recorded_values_of_other_rules_are_not_taken_for_ours() -> None:
    record = "- record: ours\n  expr: probe_success\n- alert: Ours\n  expr: ours == 5"
    old = Labels.of({NAME: "ours", "instance": "web1"})
    theirs = sheet({old: [5.0] * 40}, key=old)
    (ours,) = replayed(rules(record), pages(probe(*[1.0] * 40), theirs))
    assert ours.episodes == ()


def test_recording_rules_are_judged_only_as_far_back_as_somebody_reads() -> None:
    text = """
- record: busy
  expr: rate(work_total[2m])
- record: busier
  expr: busy * 2
- alert: Busy
  expr: busier > 10
"""
    work = [0.0]
    for step in range(799):
        work.append(work[-1] + (120.0 if 500 <= step < 540 else 15.0))
    recording = pages(sheet({series("work_total"): work, series("up"): [1.0] * 800}))
    quick, thorough = replayed(rules(text), recording), replayed(rules(text), recording, thorough=True)
    assert shapes(quick) == shapes(thorough)
    assert len(quick[0].episodes) == 1
    assert quick[0].judged < thorough[0].judged / 4


def test_rules_that_read_alerts_see_those_of_the_same_moment() -> None:
    text = """
- alert: Quiet
  expr: probe_success == 0 unless on(instance) ALERTS{alertname="Down", alertstate="firing"}
- alert: Down
  expr: probe_success == 0
  for: 1m
"""
    recording = pages(probe(*[1.0] * 20, *[0.0] * 20, *[1.0] * 40))
    quick = replayed(rules(text), recording)
    assert shapes(quick) == shapes(replayed(rules(text), recording, thorough=True))
    assert [len(one.episodes) for one in quick] == [1, 1]
    ended_ms = quick[0].episodes[0].ended_ms
    assert ended_ms is not None
    assert ended_ms <= quick[1].episodes[0].fired_ms + STEP_MS


def test_a_rule_that_feeds_itself_is_judged_at_every_slot() -> None:
    text = """
- record: counted
  expr: sum(counted or vector(0)) + 1
- alert: Many
  expr: counted > 50
"""
    recording = pages(probe(*[1.0] * 200))
    quick = replayed(rules(text), recording)
    assert shapes(quick) == shapes(replayed(rules(text), recording, thorough=True))
    assert len(quick[0].episodes) == 1


EXPRESSIONS = (
    "gauge > 6",
    "gauge < 2",
    "gauge == 5",
    "gauge != 5",
    "abs(gauge - 5) > 4",
    "gauge / on(instance) total > 0.9",
    "rate(counter_total[2m]) > 1.5",
    "increase(counter_total[5m]) < 100",
    "irate(counter_total[1m]) > 2",
    "delta(gauge[3m]) > 3",
    "idelta(gauge[1m]) < -4",
    "deriv(gauge[5m]) > 0.02",
    "predict_linear(gauge[5m], 300) < -2",
    "predict_linear(gauge[10m], 60) > 9 and gauge > 1",
    "avg_over_time(gauge[3m]) > 7",
    "max_over_time(gauge[1m]) < 4",
    "quantile_over_time(0.5, gauge[2m]) > 7",
    "sum_over_time(gauge[1m]) > 30",
    "count_over_time(gauge[2m]) < 6",
    "changes(gauge[2m]) < 4",
    "resets(counter_total[5m]) > 0",
    "stddev_over_time(gauge[2m]) > 3",
    "present_over_time(gauge[1m]) unless gauge",
    "absent(gauge)",
    'absent_over_time(gauge{disk="a"}[2m])',
    "time() - heartbeat > 20",
    "sum(gauge) > 15",
    "sum by (disk) (rate(counter_total[1m])) / sum(total) > 0.1",
    "avg without (disk) (gauge) < 3",
    "count(gauge > 5) > 1",
    "max(gauge) - min(gauge) > 8",
    "stddev(gauge) > 3",
    "topk(1, gauge) > 9",
    "gauge > bool 5 == 1",
    "gauge > 5 or total < 9",
    "gauge > 5 and on(instance) total > 9",
    "gauge > 7 unless total < 10",
    "-gauge > -2",
    "clamp_max(gauge, 4) == 4",
    "ceil(gauge) > 9",
    "vector(scalar(total)) > 9",
    "gauge offset 2m > 8",
    "max_over_time(rate(counter_total[1m])[5m:1m]) > 1.9",
    "gauge * on(instance) group_left total > 80",
    "-1 * gauge < -9",
    "9 < gauge",
    "vector(1)",
    "gauge % 2 > 1",
    "sqrt(gauge - 5) > 2",
    "gauge ^ 2 > 80",
    "histogram_quantile(0.9, bucket) > 1",
)


def _recording(seed: int) -> list[Sheet]:
    """Return a host with calm and wild times, gaps, resets and a target that is lost now and then."""
    chance = random.Random(seed)
    found, first = [], 0
    levels = {"a": 5.0, "b": 5.0, "c": 5.0}
    counts = dict.fromkeys(levels, 0.0)
    while first < 400:
        rows = chance.randrange(5, 120)
        wild = chance.random() < 0.3
        columns: dict[Labels, list[float]] = {series("up"): [1.0] * rows, series("total"): []}
        columns[series("heartbeat")] = []
        present = [disk for disk in levels if chance.random() < 0.9]
        still = chance.random() < 0.3
        for row in range(rows):
            at_s = (START_MS + (first + row) * STEP_MS) / 1000
            columns[series("total")].append(10.0)
            columns[series("heartbeat")].append(at_s - (25.0 if wild and row % 7 == 0 else 1.0))
            for disk in present:
                if not still:
                    levels[disk] = min(
                        10.0, max(0.0, levels[disk] + chance.uniform(-1, 1) * (3 if wild else 0.3))
                    )
                counts[disk] += chance.uniform(0, 40 if wild else 15)
                if chance.random() < 0.003:
                    counts[disk] = 0.0
                columns.setdefault(series("gauge", disk=disk), []).append(round(levels[disk], 2))
                columns.setdefault(series("counter_total", disk=disk), []).append(counts[disk])
        if chance.random() < 0.1:
            columns = {series("up"): [0.0] * rows}
        found.append(sheet(columns, first=first))
        first += rows + (chance.randrange(1, 40) if chance.random() < 0.2 else 0)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_what_is_passed_over_changes_no_episode(seed: int) -> None:
    chance = random.Random(seed)
    recording = pages(*_recording(seed), rows=chance.choice([40, 97, 240]))
    chosen = chance.sample(EXPRESSIONS, 10)
    text = "\n".join(
        f"- alert: A{number}\n  expr: '{expr}'\n  for: {chance.choice(['0s', '15s', '1m', '5m'])}\n"
        f"  keep_firing_for: {chance.choice(['0s', '0s', '1m'])}"
        for number, expr in enumerate(chosen)
    )
    quick = replayed(rules(text), recording)
    thorough = replayed(rules(text), recording, thorough=True)
    for one, two, expr in zip(shapes(quick), shapes(thorough), chosen, strict=True):
        assert one == two, expr


def test_a_late_row_of_another_target_is_not_lost() -> None:
    other = TARGET.having({"instance": "web2"})
    late = sheet({other.having({NAME: "probe_success"}): [0.0] * 60}, key=other, first=3)
    recording = pages(probe(*[1.0] * 63), late)
    (down,) = replayed(rules(DOWN), recording)
    assert [one.labels.get("instance") for one in down.episodes] == ["web2"]
