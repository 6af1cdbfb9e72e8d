from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cli import EX_CONFIG, EX_FAILED, EX_OK, main
from agent.explain import explain
from model.labels import Labels
from model.misfit import Misfit
from model.outcome import Outcome
from model.sample import Metric
from model.step import Result
from remediations.running.journal import Journal
from remediations.running.run import Run, Stage
from remediations.writing.playbook import load_playbook
from rules.store.log import StoreLog
from rules.store.store import Store
from tests.e2e.installation import ADA, BEN, CLEO, DAN, EVE, Installation, Watch
from tests.e2e.patience import until
from tests.e2e.ports import Port
from tests.e2e.post_office import PostOffice
from tests.e2e.running import Running

LATENCY = Metric("latency_seconds", "How long an answer takes.", labels=("path",))
TRAFFIC = Metric("requests_total", "Requests.", "counter", labels=("path",))
UP = Metric("up", "Whether it was seen.")
TARGET = Labels.of(job="http", instance="web1")
STEP_MS = 15_000
ROWS = 240
SLOW = 200  # from this row on

RULES = """
groups:
- name: web
  interval: 15s
  rules:
  - record: path:traffic:rate
    expr: rate(requests_total[2m])
  - alert: Slow
    expr: avg by (instance, path) (latency_seconds) > 2 and on(path) path:traffic:rate > 0.5
    for: 2m
    keep_firing_for: 5m
    labels: {severity: warning, service: shop}
  - alert: Typo
    expr: latency_second > 2 or latency_seconds{path="/by"} > 2
"""
PLAYS = {
    "mend.yml": '[\'alertname="Slow", severity="warning"\']',
    "near.yml": '[\'alertname="Slow", severity="critical"\']',
    "later.yml": "['service=\"shop\"']",
    "far.yml": '[\'alertname="Other", region="us"\']',
}


class Past:
    """A state directory and a configuration; from row 200 on one path is slow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start_ms = int(time.time() * 1000) // STEP_MS * STEP_MS - ROWS * STEP_MS
        listed = ", ".join(f"./{name}" for name in PLAYS)
        self.write("agent.yaml", f"rules: [./rules.yml]\nplaybooks: [{listed}]\nprobes: [cpu: {{}}]\n")
        self.write("rules.yml", RULES)
        for name, on in PLAYS.items():
            self.write(
                name,
                f"playbook: {name.removesuffix('.yml')}\nsummary: Mend it.\non: {on}\nmode: auto\n"
                "steps: [command: {argv: [/bin/true]}]\nverify: {within: 60s, hold: 20s}\n",
            )
        log = StoreLog(folder / "state" / "samples", 1 << 30)
        store = Store(7_200_000, 100, log.record)
        for row in range(ROWS):
            slow = LATENCY(3.0 if row >= SLOW else 0.1, path="/buy")
            others = (LATENCY(0.1, path="/"), TRAFFIC(row * 15.0, path="/buy"), TRAFFIC(row * 1.5, path="/"))
            store.write(TARGET, self.at(row), (slow, *others, UP(1.0)))
        log.close()

    def at(self, row: int) -> int:
        return self.start_ms + row * STEP_MS

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)

    def run(self, row: int, alert: str, *words: str) -> tuple[int, str, str]:
        at_s = (self.at(row) + 5_000) / 1000
        where = ["--config", str(self.folder), "--state", str(self.folder / "state")]
        return ran("explain", alert, "--at", f"{at_s:.3f}", *where, *words)

    def told(self, row: int, alert: str) -> Any:
        code, out, err = self.run(row, alert, "--json")
        assert code == EX_OK, err
        return json.loads(out)


def ran(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


def only_rule(told: Any) -> Any:
    (rule,) = told["rules"]
    return rule


def only_alert(told: Any) -> Any:
    (alert,) = only_rule(told)["alerts"]
    return alert


def test_each_sample_is_told_with_its_age(past: Past) -> None:
    first, second = only_rule(past.told(SLOW + 2, "Slow"))["selectors"]
    assert (first["text"], first["count"]) == ("latency_seconds", 2)
    slow = next(one for one in first["series"] if one["labels"]["path"] == "/buy")
    assert (slow["value"], slow["age_s"]) == (3.0, 5.0)
    assert (second["text"], second["count"]) == ("path:traffic:rate", 2)


def test_each_part_of_the_expression_is_told_with_its_value(past: Past) -> None:
    parts = {part["text"]: part for part in only_rule(past.told(SLOW + 2, "Slow"))["parts"]}
    assert set(parts) == {
        "(avg by (instance, path) (latency_seconds) > 2) and on (path) (path:traffic:rate > 0.5)",
        "avg by (instance, path) (latency_seconds) > 2",
        "avg by (instance, path) (latency_seconds)",
        "path:traffic:rate > 0.5",
    }
    assert parts["avg by (instance, path) (latency_seconds)"]["count"] == 2
    (one,) = parts["path:traffic:rate > 0.5"]["values"]
    assert (one["labels"]["path"], one["value"]) == ("/buy", pytest.approx(1.0))


def test_the_timers_of_an_alert_are_told(past: Past) -> None:
    pending = only_alert(past.told(SLOW + 2, "Slow"))
    assert (pending["state"], pending["fired"]) == ("pending", None)
    assert "of 2m; it fires in 1m" in pending["timer"]
    firing = only_alert(past.told(SLOW + 20, "Slow"))
    assert firing["state"] == "firing"
    assert firing["timer"].startswith("it fires for ")
    silent = only_rule(past.told(SLOW - 20, "Slow"))
    assert silent["alerts"] == []
    assert [part["count"] for part in silent["parts"]][:2] == [0, 0]


def test_the_playbook_is_told_and_the_label_that_kept_others_away(past: Past) -> None:
    firing = only_alert(past.told(SLOW + 20, "Slow"))
    assert firing["playbook"] == "mend"
    near = {one["playbook"]: one for one in firing["near_misses"]}
    assert set(near) == {"near", "later"}
    assert (near["near"]["matcher"], near["near"]["has"]) == ('severity="critical"', "warning")
    assert near["later"]["reason"] == "it would answer as well, but mend stands before it"
    assert firing["guard"] == "nothing speaks against mend now"


def test_the_guards_sentence_and_the_runs_are_those_of_the_journal(past: Past) -> None:
    labels = Labels.of(alertname="Slow", severity="warning", service="shop", instance="web1", path="/buy")
    began_ms = past.at(SLOW + 15)
    target = load_playbook((past.folder / "mend.yml").read_bytes(), "mend.yml").target
    run = replace(
        Run("r1", "mend", target, labels, began_ms, began_ms, began_ms),
        stage=Stage.CLOSED,
        outcome=Outcome.INEFFECTIVE,
        reason="no use",
        done_ms=began_ms + 900,
    )
    with contextlib.closing(Journal(past.folder / "state" / "runs.db")) as journal:
        journal.save(run)
        journal.intend("r1", 1, "run /bin/true", began_ms)
        journal.note("r1", 1, Result(ok=True, output="so it is", rc=0, duration_ms=800), began_ms + 800)
    firing = only_alert(past.told(SLOW + 20, "Slow"))
    assert firing["guard"].startswith("mend is cooling down until ")
    (told,) = firing["runs"]
    assert (told["outcome"], told["reason"], told["steps"][0]["output"]) == (
        "ineffective",
        "no use",
        "so it is",
    )
    code, out, _ = past.run(SLOW + 20, 'Slow{path="/buy"}')
    assert code == EX_OK
    assert "1. run /bin/true, done in 0.8 s" in out
    assert only_alert(past.told(SLOW + 12, "Slow"))["runs"] == []  # before it began


def test_the_evidence_of_the_newest_run_is_printed_in_full_and_without_secrets(past: Past) -> None:
    labels = Labels.of(alertname="Slow", severity="warning", service="shop", instance="web1", path="/buy")
    began_ms = past.at(SLOW + 15)
    lines = "\n".join(f"pid {number} \x1b[2J" for number in range(900))
    with contextlib.closing(Journal(past.folder / "state" / "runs.db")) as journal:
        for name, at_ms in (("r1", began_ms), ("r2", began_ms + 1)):
            run = Run(name, "mend", ("service:shop",), labels, began_ms, began_ms, at_ms, Stage.CLOSED)
            journal.save(replace(run, outcome=Outcome.SKIPPED))
            journal.intend(name, 1, "gather top", at_ms)
            result = Result(ok=True, output=f"of {name}\napp --password hunter2\n{lines}")
            journal.note(name, 1, result, at_ms)
    newest, older = only_alert(past.told(SLOW + 20, "Slow"))["runs"]
    assert newest["run"] == "r2"
    assert "pid 899" in newest["steps"][0]["output"]
    assert "pid 899" not in older["steps"][0]["output"]
    _, out, _ = past.run(SLOW + 20, 'Slow{path="/buy"}')
    assert "       of r2\n" in out
    assert "       pid 899" in out
    assert "hunter2" not in out
    assert "\x1b" not in out


def test_a_target_that_cannot_be_seen_is_named(past: Past) -> None:
    log = StoreLog(past.folder / "state" / "samples", 1 << 30)
    store = Store(7_200_000, 100, log.record)
    for row in range(ROWS, ROWS + 10):
        store.write(TARGET, past.at(row), (UP(0.0),))
    log.close()
    alert = only_alert(past.told(ROWS + 8, "Slow"))
    assert alert["state"] == "firing"
    assert alert["unknown_since"] is not None
    assert alert["unseen"] == ['{instance="web1", job="http"}']
    assert alert["timer"].startswith("its timers rest: ")
    assert alert["guard"].startswith("what Slow looks at cannot be seen since ")


def test_a_selector_that_finds_nothing_says_what_did_not_match(past: Past) -> None:
    first, second = only_rule(past.told(SLOW, "Typo"))["selectors"]
    assert "no series has the name latency_second; did you mean 'latency_seconds'?" in first["hint"]
    assert second["hint"] == "path=\"/by\" did not match: path is '/', '/buy'"


def test_an_alert_that_no_rule_makes_is_not_explained(past: Past) -> None:
    code, out, _ = past.run(SLOW, "Slwo")
    assert code == EX_FAILED
    assert "no rule makes such an alert" in out


def test_a_time_that_was_not_recorded_is_said_to_be_so(past: Past) -> None:
    where = ["--config", str(past.folder), "--state", str(past.folder / "state")]
    code, _, err = ran("explain", "Slow", "--at", "2001-01-01T00:00:00Z", *where)
    assert code == EX_FAILED
    assert "was not recorded" in err


def test_a_mistake_in_the_configuration_is_refused(past: Past) -> None:
    past.write("rules.yml", "groups: {}")
    code, _, err = past.run(SLOW, "Slow")
    assert code == EX_CONFIG
    assert "rules.yml:1:9" in err


def test_an_agent_that_does_not_run_is_a_fact() -> None:
    with contextlib.closing(Port.free()) as port:
        url = f"http://{port}"
        code, _, err = ran("explain", "Slow", "--url", url)
    assert code == EX_FAILED
    assert f"no agent answers at {url}" in err


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ("Down", 'alertname="Down"'),
        ('Down{path="/"}', 'alertname="Down", path="/"'),
        ('{path="/"}', 'path="/"'),
        ("Down{}", 'alertname="Down"'),
        ('alertname=~"D.*"', 'alertname=~"D.*"'),
    ],
)
def test_what_is_asked_is_a_name_or_matchers(text: str, matchers: str) -> None:
    assert str(explain.asked(text)) == matchers


@pytest.mark.parametrize("text", ["", "{}", "Down{path}", 'Down{path="/'])
def test_what_names_no_alert_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        explain.asked(text)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """An agent that sees a dead shop, and a desk with people who use it."""
    pidfile = tmp_path / "shop.pid"
    watch = Watch(
        service="shop",
        probes=(
            {
                "process": {"group": "shop", "pidfile": str(pidfile)},
                "every": "1s",
                "labels": {"service": "shop"},
            },
        ),
        rule={
            "alert": "ShopDown",
            "expr": 'beforehand_process_count{group="shop"} == 0',
            "labels": {"service": "shop", "severity": "critical"},
        },
        playbook={
            "playbook": "look",
            "summary": "Look at it.",
            "on": ['alertname="ShopDown"'],
            "mode": "propose",
            "steps": [{"command": {"argv": ["/bin/true"]}}],
            "verify": {"within": "4s", "hold": "1s"},
        },
        impact="major",
        affects="uses and region={{ region }}",
    )
    with ExitStack() as ends:
        agent, desk, page, mail = (ends.enter_context(contextlib.closing(Port.free())) for _ in range(4))
        installation = Installation(tmp_path, agent, desk, page, mail, watches=(watch,))
        installation.write()
        post = ends.enter_context(PostOffice(mail))
        running = Running(installation)
        ends.callback(running.agent.stop)
        ends.callback(running.desk.stop)
        running.desk.launch()
        running.agent.launch()
        running.desk.wait_ready()
        running.agent.wait_ready()
        until(lambda: post.to(ADA) and post.to(BEN), 20, "the people are told", running.story)
        yield running


def test_a_running_agent_and_its_desk_tell_the_whole_walk(running: Running) -> None:
    url = f"http://{running.installation.agent_port}"
    code, out, err = ran("explain", 'ShopDown{service="shop"}', "--url", url, "--json")
    assert code == EX_OK, err
    alert = only_alert(json.loads(out))
    assert (alert["state"], alert["playbook"]) == ("firing", "look")
    assert alert["remedy"]["status"] == "proposed"
    assert "look only proposes" in alert["guard"]
    (desk,) = alert["desks"]
    (incident,) = desk["incidents"]
    assert (desk["trouble"], incident["service"]) == ("", "shop")
    assert {each["email"] for each in incident["told"]} == {ADA, BEN}
    assert {CLEO, DAN, EVE} <= {each["email"] for each in incident["not_told"]}
    assert all(each["why"] for each in incident["not_told"])
    code, out, err = ran("explain", "ShopDown", "--url", url)
    assert code == EX_OK, err
    assert 'beforehand_process_count{group="shop"} == 0' in out
    assert "told Ada of acme" in out
    assert "not told Cleo of birch" in out


def test_a_desk_that_is_gone_is_said_to_be_gone(running: Running) -> None:
    running.desk.stop()
    code, out, err = ran("explain", "ShopDown", "--url", f"http://{running.installation.agent_port}")
    assert code == EX_OK, err
    assert f"http://{running.installation.desk_port} cannot be asked" in out
