"""A selector that matches nothing is reported with what it may have meant, unless it may rightly be empty."""

from __future__ import annotations

import json

import pytest

from model.labels import Labels
from rules import packs
from rules.file import RuleFile, load_rules
from rules.lint.dead import DEAD_AFTER_MS, LOOK_EVERY_MS, LOOKS_MAX, REPORTED_MAX, Dead, DeadSelectors
from rules.store.store import Store

DAY = DEAD_AFTER_MS
MIN = LOOK_EVERY_MS
WEB = {"__name__": "probe_success", "job": "http", "instance": "web1"}


class Bench:
    """A store and the watch over some rules."""

    def __init__(self, *exprs: str, file: str = "r.yml", sometimes: frozenset[str] = frozenset()) -> None:
        self.store = Store(6 * 3_600_000, 10_000)
        self.watch = DeadSelectors([rules(*exprs, file=file)], sometimes)

    def look(self, *at_ms: int, hidden: tuple[frozenset[str], ...] = ()) -> list[tuple[str, str, str]]:
        for now_ms in at_ms:
            self.watch.look(self.store, now_ms, hidden)
        return [(dead.selector, dead.reason, dead.nearest) for dead in self.watch.dead()]

    def write(self, at_ms: int, **labels: str) -> None:
        self.store.append(Labels.of({**WEB, **labels}), at_ms, 1)


def rules(*exprs: str, file: str = "r.yml") -> RuleFile:
    each = [{"alert": f"A{number}", "expr": expr} for number, expr in enumerate(exprs)]
    return load_rules(json.dumps({"groups": [{"name": "g", "rules": each}]}).encode(), file)


NOT_FOR_A_DAY = "has matched nothing for a day"
NO_LONGER = "matches nothing, though it did before"


def test_a_typo_in_a_name_is_reported_after_a_day_with_the_nearest_name() -> None:
    bench = Bench("probe_sucess == 0")
    bench.write(DAY - 1)
    assert bench.look(0, DAY - MIN) == []
    assert bench.look(DAY) == [("probe_sucess", NOT_FOR_A_DAY, "probe_success")]
    (dead,) = bench.watch.dead()
    assert dead == Dead("r.yml", "g", "A0", "probe_sucess", NOT_FOR_A_DAY, "probe_success")


@pytest.mark.parametrize(
    ("expr", "selector", "nearest"),
    [
        ('probe_success{job="htp"} == 0', 'probe_success{job="htp"}', 'job="http"'),
        ('probe_success{job="http", instance=~"db.*"}', None, 'instance="web1"'),
        ('probe_success{region="eu"}', 'probe_success{region="eu"}', ""),
        ("zzz > 1", "zzz", ""),
    ],
)
def test_the_matcher_that_keeps_all_series_out_is_named(
    expr: str, selector: str | None, nearest: str
) -> None:
    bench = Bench(expr)
    bench.write(DAY)
    assert bench.look(0, DAY) == [(selector or expr, NOT_FOR_A_DAY, nearest)]


def test_series_that_are_gone_are_reported_at_the_second_look_and_forgiven_when_they_come_back() -> None:
    bench = Bench("probe_success == 0")
    bench.write(0)
    assert bench.look(0) == []
    bench.store.mark_stale(Labels.of(WEB), MIN)
    assert bench.look(MIN) == []
    assert bench.look(2 * MIN) == [("probe_success", NO_LONGER, "")]
    bench.write(3 * MIN)
    assert bench.look(3 * MIN) == []


def test_series_that_were_there_before_a_restart_are_missed_as_well() -> None:
    bench = Bench("probe_success == 0", file=f"{packs.__path__[0]}/availability.yml")
    bench.write(0)
    bench.store.mark_stale(Labels.of(WEB), 1)
    assert bench.look(MIN, 2 * MIN) == [("probe_success", NO_LONGER, "")]


def test_a_range_is_empty_only_when_no_sample_is_left_in_it() -> None:
    bench = Bench("rate(probe_success[1h]) > 0")
    bench.write(0)
    assert bench.look(0, 50 * MIN, 59 * MIN) == []
    assert bench.look(61 * MIN, 62 * MIN) == [("probe_success", NO_LONGER, "")]


@pytest.mark.parametrize(
    "expr",
    [
        "absent(probe_sucess)",
        'absent_over_time(probe_sucess{job="x"}[1h]) > 0',
        'ALERTS{alertstate="firing"}',
        "ALERTS_FOR_STATE",
        "own_metric > 1",
        "vector(1)",
        '{__name__=~"x.*"}',
    ],
)
def test_what_may_rightly_be_empty_is_not_reported(expr: str) -> None:
    assert Bench(expr, sometimes=frozenset({"own_metric"})).look(0, DAY, 2 * DAY) == []


def test_what_rules_record_is_not_reported() -> None:
    groups = [{"name": "g", "rules": [{"record": "r", "expr": "up > 1"}, {"alert": "A", "expr": "r == 0"}]}]
    file = load_rules(json.dumps({"groups": groups}).encode(), "r.yml")
    watch = DeadSelectors([file], frozenset())
    watch.look(Store(1000, 10), 0, ())
    watch.look(Store(1000, 10), DAY, ())
    assert [dead.selector for dead in watch.dead()] == ["up"]


def test_what_a_target_in_trouble_would_bring_is_not_missed() -> None:
    for hidden in (frozenset({"probe_success"}), frozenset[str]()):
        bench = Bench("probe_success == 0")
        bench.write(0)
        bench.look(0)
        assert bench.look(10 * MIN, 11 * MIN, 12 * MIN, hidden=(hidden,)) == []
        assert bench.look(13 * MIN, 14 * MIN, hidden=(frozenset({"other"}),)) != []


def test_a_pack_that_ships_may_speak_of_what_a_host_does_not_have() -> None:
    assert Bench("redis_up == 0", file=f"{packs.__path__[0]}/redis.yml").look(0, DAY, 2 * DAY) == []


def test_a_reload_remembers_what_stays_and_forgets_what_goes() -> None:
    bench = Bench("probe_sucess == 0", "zzz > 1")
    bench.look(0, DAY)
    assert len(bench.watch.dead()) == 2
    bench.watch.watch([rules("probe_sucess == 0", "yyy > 1")])
    assert [dead.selector for dead in bench.watch.dead()] == ["probe_sucess"]
    assert len(bench.look(DAY + MIN)) == 1


def test_only_some_selectors_are_looked_at_in_one_go_and_only_some_reported() -> None:
    many = [f"m{number} > 1" for number in range(REPORTED_MAX + 5)]
    bench = Bench(*many)
    rounds = -(-len(many) // LOOKS_MAX)
    assert bench.look(*range(rounds)) == []
    assert len(bench.look(DAY + MIN)) == LOOKS_MAX
    assert len(bench.look(*range(DAY + MIN + 1, DAY + MIN + rounds))) == REPORTED_MAX
