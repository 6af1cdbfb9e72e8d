from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from agent.config import load
from agent.sight.unusual import SeriesName, Unusual, UnusualTerms
from model.duration import seconds
from model.labels import NAME, Labels
from model.misfit import Misfit, Rejected
from model.sample import Sample
from rules.store.store import Store

BEGIN_MS = 1_700_000_000_000 // 86_400_000 * 86_400_000
TARGET = Labels.of(instance="web1", job="node")
HOUR_MS = 3_600_000
LOAD = Labels.of({NAME: "node_load1"})
SCORED = Labels.of(
    {NAME: "beforehand_anomaly_score", "metric": "node_load1", "instance": "web1", "job": "node"}
)


def terms(*names: str, series_max: int = 500) -> UnusualTerms:
    return UnusualTerms(tuple(SeriesName.parse(name) for name in names), series_max=series_max)


def store() -> Store:
    return Store(6 * HOUR_MS, 1000)


def scores(unusual: Unusual, into: Store, values: list[float], begin_ms: int = BEGIN_MS) -> list[float]:
    """Write two values a minute and return the score after each."""
    found = []
    for index, value in enumerate(values):
        at_ms = begin_ms + index * 30_000
        into.write(TARGET, at_ms, [Sample(LOAD, value)])
        found += [sample.value for sample in unusual.look(into, at_ms)]
    return found


def noise(count: int, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(2.0, 0.1) for _ in range(count)]


def test_a_watched_series_has_a_score_beside_it_with_its_labels() -> None:
    into, unusual = store(), Unusual(terms("node_load1"))
    into.write(TARGET, BEGIN_MS, [Sample(LOAD, 2.0), Sample(Labels.of({NAME: "node_load5"}), 2.0)])
    assert unusual.look(into, BEGIN_MS) == (Sample(SCORED, 0.0),)


def test_what_becomes_unusual_has_a_high_score_a_minute_later() -> None:
    found = scores(Unusual(terms("node_load1")), store(), [*noise(1000), *([50.0] * 10)])
    assert sum(score > 0.99 for score in found[:1000]) <= 10  # few, and each stands for two samples
    assert max(found[1000:]) > 0.99


def test_of_a_counter_its_rate_is_judged_and_a_restart_of_it_is_nothing() -> None:
    unusual, into = Unusual(terms("http_requests_total")), store()
    chance, total = random.Random(2), 0.0
    found = []
    for index in range(1200):
        total += chance.gauss(100.0, 3.0) * (20 if index >= 1190 else 1)
        if index == 800:
            total = 0.0
        at_ms = BEGIN_MS + index * 30_000
        into.write(TARGET, at_ms, [Sample(Labels.of({NAME: "http_requests_total"}), total)])
        found += [sample.value for sample in unusual.look(into, at_ms)]
    assert max(found[795:810]) < 0.99
    assert max(found[1190:]) > 0.99


def test_matchers_say_which_series_are_meant() -> None:
    unusual, into = Unusual(terms('probe_duration_seconds{service="shop"}')), store()
    named = {NAME: "probe_duration_seconds"}
    series = [Labels.of(named, service=service) for service in ("shop", "blog")]
    into.write(TARGET, BEGIN_MS, [Sample(labels, 0.2) for labels in series])
    assert [sample.labels["service"] for sample in unusual.look(into, BEGIN_MS)] == ["shop"]


def test_two_names_for_one_series_are_one_detector() -> None:
    into = store()
    twice = Unusual(terms("node_load1", '{__name__=~"node_load.*"}'))
    once = Unusual(terms("node_load1"))
    values = [*noise(800), 40.0, 40.0, 40.0]
    assert scores(twice, into, values) == scores(once, store(), values)


def test_no_score_is_made_of_a_score_and_no_more_series_are_watched_than_allowed() -> None:
    unusual, into = Unusual(terms('{__name__=~".+"}', series_max=3)), store()
    names = [Labels.of({NAME: f"m{index}"}) for index in range(10)]
    into.write(TARGET, BEGIN_MS, [Sample(labels, 1.0) for labels in names])
    samples = unusual.look(into, BEGIN_MS)
    into.write(Labels.of(), BEGIN_MS, samples)
    assert len(samples) == len(unusual.look(into, BEGIN_MS + 1)) == 3


def test_a_series_that_ended_has_no_score_any_more() -> None:
    unusual, into = Unusual(terms("node_load1")), store()
    into.write(TARGET, BEGIN_MS, [Sample(LOAD, 2.0)])
    assert unusual.look(into, BEGIN_MS)
    assert not unusual.look(into, BEGIN_MS + 400_000)


def test_the_past_in_the_store_is_learnt_from_after_a_start() -> None:
    into = store()
    for index, value in enumerate(noise(700)):
        into.write(TARGET, BEGIN_MS + index * 30_000, [Sample(LOAD, value)])
    now_ms = BEGIN_MS + 700 * 30_000
    unusual = Unusual(terms("node_load1"))
    for index in range(14):
        unusual.look(into, now_ms + index)
    assert max(scores(unusual, into, [60.0] * 6, now_ms + 1000)) > 0.99


def test_what_was_learnt_is_taken_up_after_a_restart() -> None:
    before = Unusual(terms("node_load1"))
    scores(before, store(), noise(1000))
    after = Unusual(terms("node_load1"))
    after.recall(json.loads(json.dumps(before.known())))
    assert max(scores(after, store(), [60.0] * 6, BEGIN_MS + 1001 * 30_000)) > 0.99


@pytest.mark.parametrize(
    "known", [None, [], {}, {"form": 1, "every_ms": 60_000, "series": [1, [], [[["a", "b"]], "x", {}]]}]
)
def test_nonsense_is_not_taken_up(known: object) -> None:
    unusual = Unusual(terms("node_load1"))
    unusual.recall(known)
    assert unusual.known() == Unusual(terms("node_load1")).known()


def test_other_terms_forget_nothing_but_what_another_pace_means() -> None:
    unusual = Unusual(terms("node_load1"))
    scores(unusual, store(), noise(100))
    known = unusual.known()
    unusual.use(terms("node_load1", "node_load5"))
    assert unusual.known() == known
    unusual.use(UnusualTerms((SeriesName.parse("node_load1"),), seconds(300)))
    assert unusual.known() != known


@pytest.mark.parametrize(
    "text", ["node_load1[5m]", "rate(x[1m])", "1", "x offset 5m", "node load", "{}", "x > 1"]
)
def test_what_names_no_series_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        SeriesName.parse(text)


def test_agent_yaml_names_the_series(tmp_path: Path) -> None:
    text = "probes: [{load: }]\nunusual: {series: [node_load1], every: 30s}\n"
    (tmp_path / "agent.yaml").write_text(text)
    assert load(tmp_path / "agent.yaml").config.unusual == UnusualTerms(
        (SeriesName("node_load1"),), seconds(30)
    )


@pytest.mark.parametrize("words", ["series: ['x[5m]']", "every: 2h", "series_max: 0", "seris: []"])
def test_mistakes_in_agent_yaml_are_told(tmp_path: Path, words: str) -> None:
    (tmp_path / "agent.yaml").write_text(f"probes: [{{load: }}]\nunusual: {{{words}}}\n")
    with pytest.raises(Rejected):
        load(tmp_path / "agent.yaml")
