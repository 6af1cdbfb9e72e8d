"""What a running agent says over HTTP, or a stopped one left on disk: its rules, alerts and probes."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from agent.memory import recalled
from model.alert import Alert, AlertState
from model.labels import NAME, Labels
from rules.promql import Point

TIMEOUT_S: Final = 10
ANSWER_BYTES_MAX: Final = 64 << 20


class Unheard(Exception):
    """The agent did not answer, or not like an agent; the sentence says what was tried."""


@dataclass(frozen=True, slots=True)
class Active:
    """A pending or firing alert; ``unknown`` while its target cannot be seen."""

    labels: Labels
    firing: bool
    unknown: bool


@dataclass(frozen=True, slots=True)
class RunningRule:
    """A rule as the agent has it at work; durations in ms."""

    alerting: bool
    name: str
    labels: Mapping[str, str]
    expr: str
    group: str
    file: str
    interval_ms: int
    limit: int
    for_ms: int
    keep_firing_for_ms: int
    annotations: Mapping[str, str]
    active: tuple[Active, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """One agent; ``probes`` are the labels of each probe's target by its name, ``series`` all they bring."""

    rules: tuple[RunningRule, ...]
    probes: Mapping[str, Labels]
    series: int


class Agent:
    """A running agent behind a base address such as http://127.0.0.1:9465."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment would not reach loopback

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def running(self) -> Running:
        """Return what is at work there, or raise ``Unheard``."""
        groups = self._get("/api/v1/rules", {})
        try:
            rules = tuple(_rule(group, rule) for group in groups["groups"] for rule in group["rules"])
        except (KeyError, TypeError, ValueError) as wrong:
            raise self._strange(wrong) from None
        up = [point.labels for point in self.ask("up")]
        probes = {labels.get("probe"): labels.without((NAME, "probe")) for labels in up}
        series = sum(round(point.value) for point in self.ask("sum(scrape_samples_scraped)"))
        return Running(rules, probes, series)

    def ask(self, expr: str) -> tuple[Point, ...]:
        """Return what an expression yields there now, or raise ``Unheard``."""
        data = self._get("/api/v1/query", {"query": expr})
        try:
            if data["resultType"] == "scalar":
                return (Point(Labels.of(), float(data["result"][1])),)
            return tuple(Point(Labels.of(one["metric"]), float(one["value"][1])) for one in data["result"])
        except (KeyError, TypeError, ValueError, IndexError) as wrong:
            raise self._strange(wrong) from None

    def explanation(self, alert: str) -> dict[str, Any]:
        """Return what the agent says about alerts that matchers mean, or raise ``Unheard``."""
        told = self._get("/api/v1/explain", {"alert": alert})
        if not isinstance(told, dict) or not isinstance(told.get("rules"), list):
            raise Unheard(f"{self._url} does not answer like an agent: it explains nothing")
        return told

    def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        try:
            with self._session.get(
                self._url + path, params=dict(parameters), timeout=TIMEOUT_S, stream=True
            ) as reply:
                body = reply.raw.read(ANSWER_BYTES_MAX + 1, decode_content=True)
        except (requests.RequestException, OSError) as wrong:
            raise Unheard(f"no agent answers at {self._url}: {_cause(wrong)}") from None
        if len(body) > ANSWER_BYTES_MAX:
            raise Unheard(f"{self._url}{path} answers with more than {ANSWER_BYTES_MAX} bytes")
        try:
            answer = json.loads(body)
            if answer["status"] != "success":
                raise Unheard(f"{self._url} refuses: {answer['error']}")
            return answer["data"]
        except (ValueError, KeyError, TypeError) as wrong:
            raise self._strange(wrong) from None

    def _strange(self, wrong: Exception) -> Unheard:
        return Unheard(f"{self._url} does not answer like an agent: {type(wrong).__name__} {wrong}")


def remembered(file: Path) -> tuple[Alert, ...]:
    """Return the active alerts that a stopped agent left, without writing; raises ``Unheard``."""
    if not file.is_file():
        raise Unheard(f"no agent has left alerts in {file.parent}; name the agent's --state")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            _, alerts = recalled(database)
    except (sqlite3.Error, ValueError, KeyError, TypeError) as wrong:
        raise Unheard(f"{file} cannot be read: {wrong}") from None
    return tuple(alert for alert in alerts if alert.state is not AlertState.RESOLVED)


def _rule(group: Any, rule: Any) -> RunningRule:
    return RunningRule(
        rule["type"] == "alerting",
        rule["name"],
        rule.get("labels") or {},
        rule["query"],
        group["name"],
        group["file"],
        round(group["interval"] * 1000),
        group.get("limit", 0),
        round(rule.get("duration", 0) * 1000),
        round(rule.get("keepFiringFor", 0) * 1000),
        rule.get("annotations") or {},
        tuple(
            Active(Labels.of(alert["labels"]), alert["state"] == "firing", "unknownSince" in alert)
            for alert in rule.get("alerts") or ()
        ),
    )


def _cause(wrong: Exception) -> str:
    """Return the last link of a chain of errors, which says what happened."""
    while wrong.args and isinstance(wrong.args[0], Exception):
        wrong = wrong.args[0]
    reason = getattr(wrong, "reason", wrong)
    return re.sub(r"^\[Errno \d+\] ", "", str(reason).rpartition(": ")[2])
