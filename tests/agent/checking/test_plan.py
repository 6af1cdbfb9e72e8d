from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from agent.checking.plan import Change, Plan, plan, plan_of_start
from agent.cli import EX_CHANGES, EX_FAILED, EX_OK, main
from agent.config import Installation, load
from agent.memory import Memory
from agent.running import Active, Running, RunningRule, Unheard, remembered
from model.alert import Alert, AlertState
from model.labels import Labels
from rules.promql import Point
from tests.agent.process import agent

BEFORE = """
groups:
- name: g
  interval: 30s
  rules:
  - {alert: Down, expr: up == 0, for: 1m, labels: {severity: page}, annotations: {summary: down}}
  - {record: "job:up:sum", expr: sum(up)}
"""
AGENT = "rules: [r.yml]\ninstance: h\nprobes: [{load: {}}]\n"
SEEN = Labels.of(instance="h", job="node")
DOWN = Labels.of(alertname="Down", severity="page", instance="h", job="node")


def installation(folder: Path, rules: str = BEFORE, agent: str = AGENT) -> Installation:
    (folder / "r.yml").write_text(rules)
    (folder / "agent.yaml").write_text(agent)
    return load(folder / "agent.yaml")


def running(folder: Path, *active: Active) -> Running:
    file = str(folder / "r.yml")
    down = RunningRule(
        True,
        "Down",
        {"severity": "page"},
        "up == 0",
        "g",
        file,
        30_000,
        0,
        60_000,
        0,
        {"summary": "down"},
        active,
    )
    recorded = RunningRule(False, "job:up:sum", {}, "sum(up)", "g", file, 30_000, 0, 0, 0, {}, ())
    return Running((down, recorded), {"load": SEEN}, 10)


def nothing(_: str) -> tuple[Point, ...]:
    return ()


def planned(folder: Path, rules: str = BEFORE, agent: str = AGENT) -> list[str]:
    """Return the changes against an agent on which Down is firing."""
    now = running(folder, Active(DOWN, firing=True, unknown=False))

    def ask(expr: str) -> tuple[Point, ...]:
        return (Point(SEEN.having({"__name__": "up"}), 1.0),) if "up" in expr and "== 0 " not in expr else ()

    found = plan(now, installation(folder, rules, agent), "h", ask)
    return [str(change).replace(str(folder), "") for change in found.changes]


def test_the_same_files_change_nothing(tmp_path: Path) -> None:
    found = plan(running(tmp_path), installation(tmp_path), "h", nothing)
    assert (found.changes, found.summary()) == ((), "nothing would change")
    assert found.budget == "probes 1 -> 1, rules 2 -> 2, series now 10 of at most 20000"


def test_the_same_rules_in_another_folder_change_nothing(tmp_path: Path) -> None:
    assert planned(tmp_path) == []
    other = tmp_path / "other"
    other.mkdir()
    assert plan(running(tmp_path), installation(other), "h", nothing).changes == ()


def test_a_changed_rule_says_in_what(tmp_path: Path) -> None:
    changed = BEFORE.replace("for: 1m", "for: 2m").replace("summary: down", "summary: gone, notice: hm")
    assert planned(tmp_path, changed) == [
        "~ rule Down (/r.yml:6:5): for 1m -> 2m; annotations notice, summary"
    ]


def test_a_changed_group_says_it_once(tmp_path: Path) -> None:
    changed = BEFORE.replace("interval: 30s", "interval: 1m\n  limit: 3")
    assert planned(tmp_path, changed) == ["~ group g (/r.yml:3:3): interval 30s -> 1m; limit 0 -> 3"]


def test_a_removed_rule_resolves_its_alerts(tmp_path: Path) -> None:
    changed = "groups: [{name: g, interval: 30s, rules: [{record: 'job:up:sum', expr: sum(up)}]}]"
    assert planned(tmp_path, changed) == [
        "- rule Down (/r.yml, group g)",
        f"! {DOWN} is firing: would resolve, its rule goes",
    ]


def test_a_new_rule_says_what_it_would_find(tmp_path: Path) -> None:
    changed = BEFORE + "  - {alert: Up, expr: up == 1, for: 5m}\n"
    assert planned(tmp_path, changed) == [
        "+ rule Up (/r.yml:8:5)",
        '! {alertname="Up", instance="h", job="node"}: would fire after 5m',
    ]


def test_changed_labels_make_another_alert_of_it(tmp_path: Path) -> None:
    changed = BEFORE.replace("severity: page", "severity: ticket")
    after = DOWN.having({"severity": "ticket"})
    assert planned(tmp_path, changed) == [
        "~ rule Down (/r.yml:6:5): labels severity",
        f"! {DOWN} is firing: would end and begin anew as {after}, its rule's labels change",
    ]


def test_a_changed_expression_is_tried_on_the_agent(tmp_path: Path) -> None:
    changed = BEFORE.replace("expr: up == 0", "expr: up == 0 unless x")
    assert planned(tmp_path, changed) == [
        "~ rule Down (/r.yml:6:5): expr up == 0 -> up == 0 unless x",
        f"! {DOWN} is firing: would resolve, the new expr does not find it",
    ]
    kept = changed.replace("for: 1m", "for: 1m, keep_firing_for: 9m")
    assert planned(tmp_path, kept)[1] == (
        f"! {DOWN} is firing: would resolve after 9m, the new expr does not find it"
    )
    assert planned(tmp_path, BEFORE.replace("up == 0", "up < 2")) == [
        "~ rule Down (/r.yml:6:5): expr up == 0 -> up < 2"
    ]


def test_an_alert_whose_target_cannot_be_seen_is_kept(tmp_path: Path) -> None:
    now = running(tmp_path, Active(DOWN, firing=True, unknown=True))
    found = plan(now, installation(tmp_path, BEFORE.replace("up == 0", "up == 3")), "h", nothing)
    assert [change.sign for change in found.changes] == ["~"]


def test_what_the_agent_refuses_to_try_is_said(tmp_path: Path) -> None:
    def refuse(_: str) -> tuple[Point, ...]:
        raise Unheard("too heavy")

    found = plan(running(tmp_path), installation(tmp_path, BEFORE.replace("up == 0", "up == 3")), "h", refuse)
    assert found.changes[1] == Change("!", "what Down would find cannot be told: too heavy")


def test_probes_come_go_and_are_renamed(tmp_path: Path) -> None:
    assert planned(tmp_path, agent=AGENT.replace("load", "memory")) == [
        "+ probe memory",
        "- probe load",
    ]
    renamed = planned(tmp_path, agent=AGENT.replace("instance: h", "instance: i"))
    assert renamed == [
        '~ probe load: its series change from {instance="h", job="node"} to {instance="i", job="node"}',
        f"! {DOWN} is firing: would end, the series that it rests on go",
    ]


def test_what_a_host_says_cannot_move_the_cursor() -> None:
    assert str(Change("-", "a\x1b[2Jb\nc")) == r"- a\x1b[2Jb\nc"


def test_the_summary_counts_each_kind() -> None:
    changes = (Change("+", "a"), Change("+", "b"), Change("!", "c"))
    assert Plan(changes).summary() == "2 added, 1 about alerts"


def test_alerts_of_a_stopped_agent_are_compared_with_its_rules(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "alerts.db")
    lost = Labels.of(alertname="Lost", instance="h")
    memory.keep(
        (
            Alert(DOWN, {}, AlertState.FIRING, 0.0, 1, 1),
            Alert(lost, {}, AlertState.PENDING, 0.0, 1),
            Alert(lost.having({"a": "b"}), {}, AlertState.RESOLVED, 0.0, 1, 1, 2),
        ),
        5,
    )
    memory.close()
    found = plan_of_start(remembered(tmp_path / "alerts.db"), installation(tmp_path))
    assert [str(change) for change in found.changes] == [
        f"! {lost} is pending: no rule has its name and labels any more; it would end"
    ]


@pytest.mark.parametrize("content", [None, b"", b"no database, surely not one that anybody wrote" * 50])
def test_a_state_that_is_none_is_said(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "alerts.db").write_bytes(content)
    with pytest.raises(Unheard):
        remembered(tmp_path / "alerts.db")


LIVE = "listen: 127.0.0.1:0\nrules: [r.yml]\nprobes: [{load: {}, every: 1s}]\n"
FIRES = "groups: [{name: g, rules: [{alert: Busy, expr: node_load1 >= 0, labels: {a: b}}]}]\n"


def test_plan_compares_files_with_a_running_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yml").write_text(FIRES)
    with agent(tmp_path, LIVE) as at_work:
        at_work.until(lambda: "Busy" in at_work.get("/api/v1/alerts"), "the alert")
        words = ["plan", "--config", str(tmp_path), "--url", f"http://127.0.0.1:{at_work.port()}"]
        assert main(words) == EX_OK
        assert capsys.readouterr().out.endswith("nothing would change\n")
        (tmp_path / "r.yml").write_text(FIRES.replace("a: b", "a: c"))
        assert main(words) == EX_CHANGES
        told = capsys.readouterr().out.splitlines()
        assert told[0].startswith("~ rule Busy (")
        assert told[1].startswith('! {a="b", alertname="Busy", ')
        assert 'would end and begin anew as {a="c", alertname="Busy", ' in told[1]
        assert told[2].startswith("probes 1 -> 1, rules 1 -> 1, series now ")
        assert told[3] == "1 changed, 1 about alerts"
        assert at_work.post("/-/reload")[0] == 200
        assert main(words) == EX_OK
        (tmp_path / "r.yml").write_text("groups: 7")
        assert main(words) == EX_FAILED
        assert "r.yml:1:9: " in capsys.readouterr().err


def test_plan_without_an_agent_or_its_state_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installation(tmp_path, agent=AGENT + "listen: 127.0.0.1:9\n")
    assert main(["plan", "--config", str(tmp_path)]) == EX_FAILED
    assert capsys.readouterr().err == "no agent answers at http://127.0.0.1:9: Connection refused\n"
    assert main(["plan", "--config", str(tmp_path), "--state", str(tmp_path)]) == EX_FAILED
    assert "no agent has left alerts" in capsys.readouterr().err


class Stranger(BaseHTTPRequestHandler):
    """Something that listens and is no agent."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "success", "data": {"groups": [{"rules": [{}]}]}}')

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_what_is_no_agent_is_not_taken_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installation(tmp_path)
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert main(["plan", "--config", str(tmp_path), "--url", url]) == EX_FAILED
        thread.join()
    assert f"{url} does not answer like an agent" in capsys.readouterr().err
