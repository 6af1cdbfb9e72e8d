"""The packs mean here what they mean to Prometheus: promtool and we pass the same tests."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rules import packs
from rules.file import AlertingRule, RuleFile, compiled_for, load_rules
from rules.promql.dialect import Compat
from rules.unit_test.diff import told
from rules.unit_test.file import Case, Suite, load_suite
from rules.unit_test.run import play

PACKS = Path(packs.__path__[0])
NAMES = (
    "availability", "certificates", "containers", "exhaustion", "host", "jobs", "kernel-log", "mail",
    "memcached", "mysql", "nginx", "postgres", "redis", "self", "systemd", "web",
)  # fmt: skip

# What a notice never says: it promises nothing, hides nothing, and takes nobody for a technician.
UNSAID = re.compile(
    r"\b(soon|shortly|aware|working hard|apologi\w+|intermittent\w*|degraded|some users|third party|minutes"
    r"|server|host|database|cache|probe|certificate|domain|HTTP|TLS|DNS|timeout)\b",
    re.IGNORECASE,
)


def pack(name: str) -> RuleFile:
    return load_rules((PACKS / f"{name}.yml").read_bytes(), f"{name}.yml")


def suite(name: str) -> Suite:
    return load_suite((PACKS / f"{name}.test.yml").read_bytes(), f"{name}.test.yml")


CASES = [(name, case) for name in NAMES for case in suite(name).tests or ()]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[case.name for _, case in CASES])
def test_a_case_of_the_pack_ends_as_expected_by_either_meaning_of_ranges(name: str, case: Case) -> None:
    meanings: tuple[Compat, ...] = ("prometheus3", "prometheus2")
    for compat in meanings:
        rules = compiled_for(pack(name), suite(name).step_ms, compat)
        failures = play(case, suite(name), [rules], compat).failures
        assert not failures, "\n".join(line for failure in failures for line in told(failure))


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
def test_every_alert_of_a_pack_is_tested_to_fire_in_each_severity_and_not_to_fire(name: str) -> None:
    tests = [test for case in suite(name).tests or () for test in case.alert_rule_test or ()]
    fired = {
        (test.alertname, dict(each.exp_labels.each)["severity"])
        for test in tests
        for each in test.exp_alerts or ()
    }
    quiet = {test.alertname for test in tests if not test.exp_alerts}
    rules = [rule for group in pack(name).groups for rule in group.rules.each]
    assert {(rule.name, dict(rule.labels.each)["severity"].fixed) for rule in rules} <= fired
    assert {rule.name for rule in rules} - {"Watchdog"} <= quiet


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_of_a_pack_says_where_its_thresholds_come_from(name: str) -> None:
    lines = (PACKS / f"{name}.yml").read_text().splitlines()
    alerts = [line for line in lines if "- alert:" in line]
    assert [line for line in alerts if not re.fullmatch(r"  - alert: \w+  # (ours|[adkmnp])", line)] == []


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
                if words in annotations:
                    said = annotations[words].fixed or ""
                    assert said
                    assert not UNSAID.search(said), said
                    assert max(len(sentence.split()) for sentence in said.split(". ")) <= 20, said


def test_a_pack_file_stands_beside_its_tests_and_nothing_else() -> None:
    found = {path.name for path in PACKS.glob("*.yml")}
    assert found == {f"{name}{kind}" for name in NAMES for kind in (".yml", ".test.yml")}
