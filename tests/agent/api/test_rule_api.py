from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from agent.api import rule_api
from agent.api.answer import answering
from agent.api.endpoint import Request
from model.labels import Labels
from model.sample import Sample
from rules.file import load_rules
from rules.judge import Judge
from rules.store.store import Store

T0 = 1_700_000_000_000
FIRST = b"""
groups:
- name: one
  rules:
  - {alert: Down, expr: up == 0, labels: {severity: page}, annotations: {summary: down}, keep_firing_for: 1m}
  - {alert: Slow, expr: up == 0, for: 5m, labels: {severity: ticket}}
  - {record: "job:up:sum", expr: sum(up)}
- name: two
  rules:
  - {alert: Never, expr: up == 7, labels: {team: "{{ $labels.job }}"}}
"""
SECOND = b"groups: [{name: one, interval: 30s, limit: 5, rules: [{alert: Down, expr: absent(up)}]}]"


@pytest.fixture
def judge() -> Judge:
    store = Store(3_600_000, 100)
    store.write(Labels.of(job="node", instance="a"), T0, [Sample(Labels.of(__name__="up"), 0.0)])
    judge = Judge((load_rules(FIRST, "a.yml"), load_rules(SECOND, "b.yml")), store, 15_000, lambda: 0.0)
    judge.judge_due(T0)
    return judge


def asked(query: str) -> Request:
    return Request({name: tuple(values) for name, values in parse_qs(query, keep_blank_values=True).items()})


def rules(judge: Judge, query: str = "") -> Any:
    told = json.loads(answering(lambda r: rule_api.rules(r, judge.statuses()))(asked(query)).body)
    return told["data"] if told["status"] == "success" else told["error"]


def names(judge: Judge, query: str) -> list[tuple[str, list[str]]]:
    groups = rules(judge, query)["groups"]
    return [(group["file"], [rule["name"] for rule in group["rules"]]) for group in groups]


def test_a_rule_is_told_in_prometheus_fields(judge: Judge) -> None:
    (group, *_) = rules(judge)["groups"]
    assert (group["name"], group["file"], group["interval"], group["limit"]) == ("one", "a.yml", 15, 0)
    down, _, recorded = group["rules"]
    (alert,) = down.pop("alerts")
    assert down == {
        "state": "firing",
        "name": "Down",
        "query": "up == 0",
        "duration": 0,
        "keepFiringFor": 60,
        "labels": {"severity": "page"},
        "annotations": {"summary": "down"},
        "health": "ok",
        "evaluationTime": 0,
        "lastEvaluation": "2023-11-14T22:13:20.000Z",
        "type": "alerting",
    }
    assert alert == {
        "labels": {"alertname": "Down", "severity": "page", "instance": "a", "job": "node"},
        "annotations": {"summary": "down"},
        "state": "firing",
        "activeAt": "2023-11-14T22:13:20.000Z",
        "value": "0e+00",
    }
    assert (recorded["type"], recorded["name"], recorded.get("state")) == ("recording", "job:up:sum", None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=alert", [("a.yml", ["Down", "Slow"]), ("a.yml", ["Never"]), ("b.yml", ["Down"])]),
        ("type=record", [("a.yml", ["job:up:sum"])]),
        (
            "rule_name[]=Down&rule_name[]=Never",
            [("a.yml", ["Down"]), ("a.yml", ["Never"]), ("b.yml", ["Down"])],
        ),
        ("rule_group[]=two", [("a.yml", ["Never"])]),
        ("file[]=b.yml", [("b.yml", ["Down"])]),
        ("file[]=a.yml&rule_name[]=Down", [("a.yml", ["Down"])]),
        ("state=firing", [("a.yml", ["Down"])]),
        ("state=pending&state=inactive", [("a.yml", ["Slow"]), ("a.yml", ["Never"]), ("b.yml", ["Down"])]),
        ('match[]={severity="page"}', [("a.yml", ["Down"])]),
        ('match[]={severity="page"}&match[]={severity=~"t.*"}', [("a.yml", ["Down", "Slow"])]),
        ("rule_name[]=Nothing", []),
    ],
)
def test_filters_leave_what_is_asked_for(
    judge: Judge, query: str, found: list[tuple[str, list[str]]]
) -> None:
    assert names(judge, query) == found


def test_alerts_can_be_left_out_of_rules(judge: Judge) -> None:
    (group, *_) = rules(judge, "exclude_alerts=true")["groups"]
    assert [rule.get("alerts") for rule in group["rules"]] == [[], [], None]


def test_groups_come_in_pages(judge: Judge) -> None:
    pages, token = [], ""
    while True:
        data = rules(judge, f"group_limit=2&group_next_token={token}")
        pages.append([(group["file"], group["name"]) for group in data["groups"]])
        token = data.get("groupNextToken", "")
        if not token:
            break
    assert pages == [[("a.yml", "one"), ("a.yml", "two")], [("b.yml", "one")]]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("type=x", 'invalid parameter "type": not supported value "x"'),
        ("state=up", 'invalid parameter "state": not supported value "up"'),
        ("exclude_alerts=maybe", 'invalid parameter "exclude_alerts"'),
        ("group_limit=0", 'invalid parameter "group_limit": it must be greater than 0'),
        ("group_limit=x", 'invalid parameter "group_limit"'),
        ("group_next_token=abc", "needs a group_limit beside it"),
        ("group_limit=1&group_next_token=abc", "no group has this token any more"),
        ("match[]=up{", 'invalid parameter "match[]"'),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(judge: Judge, query: str, sentence: str) -> None:
    assert sentence in rules(judge, query)


def test_alerts_are_pending_and_firing_ones(judge: Judge) -> None:
    def told(query: str) -> list[str]:
        body = json.loads(rule_api.alerts(asked(query), judge.alerts()).body)
        return sorted(alert["labels"]["alertname"] for alert in body["data"]["alerts"])

    assert told("") == ["Down", "Slow"]
    assert told("state=firing") == ["Down"]
    assert told('match[]={severity="ticket"}') == ["Slow"]
