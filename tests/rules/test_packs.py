"""The packs mean here what they mean to Prometheus: promtool and our judge pass the same tests."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from model.alert import AlertState
from model.decode import Raw, decode
from model.duration import Duration, seconds
from model.labels import NAME, Labels
from model.matcher import Matchers
from rules import packs
from rules.file import AlertingRule, RuleFile, load_rules
from rules.judge import Judge
from rules.store import Store

PACKS = Path(packs.__path__[0])
NAMES = ("availability", "host", "self")


@dataclass(frozen=True, slots=True)
class Series:
    series: str
    values: Raw


@dataclass(frozen=True, slots=True)
class Expected:
    exp_labels: Mapping[str, Raw]
    exp_annotations: Mapping[str, Raw]


@dataclass(frozen=True, slots=True)
class AlertTest:
    eval_time: Duration
    alertname: str
    exp_alerts: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class Case:
    alert_rule_test: tuple[AlertTest, ...]
    name: str
    interval: Duration = seconds(60)
    input_series: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    rule_files: tuple[str, ...]
    evaluation_interval: Duration
    tests: tuple[Case, ...]


def pack(name: str) -> RuleFile:
    return load_rules((PACKS / f"{name}.yml").read_bytes(), f"{name}.yml")


def suite(name: str) -> Suite:
    return decode((PACKS / f"{name}.test.yml").read_bytes(), f"{name}.test.yml", Suite)


def samples(series: Series, interval_ms: int) -> Iterator[tuple[int, Labels, float | None]]:
    """Yield promtool's short notation: a, axn, a+bxn, a-bxn, _ and _xn."""
    name, _, matchers = series.series.partition("{")
    pairs = {each.label: each.value for each in Matchers.parse("{" + matchers).each}
    at_ms = 0
    for word in series.values.split():
        shape = re.fullmatch(r"(_|-?[0-9.e]+)([-+][0-9.e]+)?(?:x([0-9]+))?", word)
        assert shape is not None, word
        many = int(shape[3] or 0) + (0 if shape[1] == "_" and shape[3] else 1)
        for step in range(many):
            value = None if shape[1] == "_" else float(shape[1]) + step * float(shape[2] or 0)
            yield at_ms, Labels.of(pairs, **{NAME: name}), value
            at_ms += interval_ms


def check(file: RuleFile, case: Case, every_ms: int) -> None:
    """Walk one case as promtool does: samples up to a moment, every group, what is expected there."""
    store = Store(12 * 3_600_000, 1000)
    # Slots of one millisecond: every group is due at every step.
    judge = Judge([file], store, interval_ms=1, monotonic=lambda: 0.0)
    left = sorted(
        (row for s in case.input_series for row in samples(s, case.interval.ms)), key=lambda r: r[0]
    )
    last_ms = max(test.eval_time.ms for test in case.alert_rule_test)
    for now_ms in range(0, last_ms + 1, every_ms):
        while left and left[0][0] <= now_ms:
            at_ms, labels, value = left.pop(0)
            if value is not None:
                store.append(labels, at_ms, value)
        judge.judge_due(now_ms)
        for test in case.alert_rule_test:
            if now_ms <= test.eval_time.ms < now_ms + every_ms:
                firing = {
                    alert.labels: dict(alert.annotations)
                    for alert in judge.alerts()
                    if alert.state is AlertState.FIRING and alert.name == test.alertname
                }
                expected = {
                    Labels.of(each.exp_labels, alertname=test.alertname): dict(each.exp_annotations)
                    for each in test.exp_alerts
                }
                assert firing == expected, (case.name, str(test.eval_time))


CASES = [(name, case) for name in NAMES for case in suite(name).tests]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[case.name for _, case in CASES])
def test_our_judge_agrees_with_the_tests_of_the_pack(name: str, case: Case) -> None:
    check(pack(name), case, suite(name).evaluation_interval.ms)


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("name", NAMES)
def test_promtool_accepts_the_pack_and_its_tests(name: str) -> None:
    promtool = shutil.which("promtool") or ""
    for argv in (
        [promtool, "check", "rules", f"{name}.yml"],
        [promtool, "test", "rules", f"{name}.test.yml"],
    ):
        done = subprocess.run(argv, cwd=PACKS, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_of_a_pack_is_tested_to_fire_and_not_to_fire(name: str) -> None:
    tested = {
        (test.alertname, bool(test.exp_alerts)) for case in suite(name).tests for test in case.alert_rule_test
    }
    names = {rule.name for group in pack(name).groups for rule in group.rules.each}
    always = {"Watchdog"}
    assert {(rule, True) for rule in names} | {(rule, False) for rule in names - always} <= tested


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_of_a_pack_has_a_severity_and_a_summary_and_no_host_in_customer_words(name: str) -> None:
    for group in pack(name).groups:
        for rule in group.rules.each:
            assert isinstance(rule, AlertingRule)
            labels, annotations = dict(rule.labels.each), dict(rule.annotations.each)
            assert labels["severity"].fixed in ("none", "info", "warning", "critical")
            assert annotations["summary"].text.endswith(".")
            assert ("impact" in labels) == ("notice" in annotations) == ("notice_next" in annotations)
            for words in ("notice", "notice_next"):
                assert words not in annotations or annotations[words].fixed


def test_a_pack_file_stands_beside_its_tests_and_nothing_else() -> None:
    found = {path.name for path in PACKS.glob("*.yml")}
    assert found == {f"{name}{kind}" for name in NAMES for kind in (".yml", ".test.yml")}
