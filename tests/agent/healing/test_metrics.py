"""A running agent tells of its runs, refusals, breakers and holds; its guards see how fresh things are."""

from __future__ import annotations

from pathlib import Path

from agent import commands
from agent.config import load
from agent.healing.effect import Effects
from agent.sight.senses import Reading
from model.labels import Labels
from model.sample import Samples
from remediations.question import Sight
from rules.file import load_rules
from rules.judge import Judge
from rules.store.store import Store
from tests.agent.process import Agent, agent
from tests.agent.test_reload import CONFIG, begin

PLAYBOOK = """
playbook: heal
summary: Do nothing, well.
on: ['alertname="Fires"']
mode: auto
guard: {never_when: [human_intent]}
steps: [command: {argv: ['true']}]
verify: {expr: 'node_load1 >= 0', within: 1s, hold: 0s}
"""


def told(running: Agent, metric: str, label: str) -> str:
    """Return the value of the one series of remediations with such a label, '' where there is none."""
    start = f"beforehand_remediation_{metric}{{"
    lines = [
        line for line in running.get("/metrics").splitlines() if line.startswith(start) and label in line
    ]
    return lines[0].rsplit("} ", 1)[1].split()[0] if lines else ""


def test_runs_refusals_breakers_and_holds_stand_on_the_metrics_page(tmp_path: Path) -> None:
    begin(tmp_path)
    (tmp_path / "p.yml").write_text(PLAYBOOK)
    with agent(tmp_path, f"{CONFIG}playbooks: [p.yml]\nwarm_up: {{boot: 0s, start: 0s}}\n") as running:
        assert running.until(lambda: told(running, "runs_total", "ineffective"), "a run that ended") == "1.0"
        assert told(running, "breaker", 'state="closed"') == "1.0"
        assert told(running, "breaker", 'state="open"') == "0.0"
        assert running.until(lambda: told(running, "refused_total", "cooldown"), "a refusal") == "1.0"
        assert commands.main(["hold", "--because", "x", "--state", str(tmp_path / "state")]) == 0
        assert running.until(lambda: told(running, "held", ""), "the hold") == "1.0"


def test_an_agent_that_has_just_started_lets_things_warm_up_and_says_so(tmp_path: Path) -> None:
    begin(tmp_path)
    (tmp_path / "p.yml").write_text(PLAYBOOK)
    with agent(tmp_path, f"{CONFIG}playbooks: [p.yml]\nwarm_up: {{boot: 0s}}\n") as running:
        running.until(lambda: "warming up until" in running.get("/api/v1/explain?alert=Fires"), "the reason")
        assert told(running, "runs_total", "") == ""


def test_the_stalest_probe_behind_an_alert_tells_how_fresh_it_is(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("rules: []\nprobes: [load: {}]\n")
    [entry] = load(file).config.probes
    store = Store(3_600_000, 100)
    rules = load_rules(b"groups: [{name: g, rules: [{alert: Fires, expr: node_load1 >= 0}]}]", "r.yml")
    judge = Judge([rules], store, 15_000, lambda: 0.0)
    effects = Effects(judge, store, lambda _name: None)
    target = Labels.of(job="node", instance="web1")
    effects.configure({}, [(entry, target)])
    assert effects.groups == {"node web1"}
    store.append(Labels.of(__name__="node_load1", job="node", instance="web1"), 1000, 0.5)
    judge.judge_metrics(frozenset({"node_load1"}), 1000)
    [alert] = judge.alerts()
    assert effects.sight(alert, 9000) is None, "no probe has looked yet"
    effects.heard(Reading(entry, target, 1000, Samples((), ()), True, "", (), False))
    assert effects.sight(alert, 9000) == Sight(8000, entry.every.ms, entry.timeout.ms)
