"""Every path that the agent answers, in one table."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from agent.api import report, rule_api
from agent.api.answer import answering, success
from agent.api.endpoint import CHANGE, READ_OR_FORM, Answer, Request, Route
from agent.api.exposition import CONTENT_TYPE, exposition
from agent.api.parameters import wrong
from agent.api.query_api import QueryApi
from agent.explain import explain
from agent.healing import ladder_report
from agent.pings.heartbeats import Heartbeats
from model.matcher import Matchers
from model.misfit import Misfit, Problem
from model.sample import Metric
from remediations.ladder.ladder import Rung
from remediations.running.journal import Journal
from rules.judge import Judge
from rules.store.store import Store

Ask = Callable[[Callable[[], Any]], Any]

VERSION: Final = importlib.metadata.version("beforehand")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the answers come from; what the loop's thread owns is looked at through ``ask`` only.

    ``ask_patiently`` is for slices of queries, which come after everything else.
    ``rows`` returns what /metrics shows, ``declared`` what can be described, and ``reload`` takes the
    configuration anew and returns its mistakes. ``explain`` tells all of the alerts that are meant,
    ``rungs`` where each playbook stands on the ladder.
    """

    ask: Ask
    ask_patiently: Ask
    now_ms: Callable[[], int]
    monotonic: Callable[[], float]
    store: Store
    judge: Judge
    journal: Journal
    rows: Callable[[], list[Any]]
    declared: Callable[[], Iterable[Metric]]
    reload: Callable[[], tuple[Problem, ...]]
    explain: Callable[[Matchers], dict[str, Any]]
    heartbeats: Heartbeats
    probe: Callable[[Request], Answer]
    rungs: Callable[[], Iterable[Rung]]


def routes(sources: Sources) -> dict[str, Route]:
    """Return who answers which path."""
    api = QueryApi(
        sources.store, sources.ask_patiently, sources.now_ms, sources.monotonic, sources.declared, VERSION
    )
    table = {
        "/-/healthy": Route(lambda _: Answer(b"healthy\n")),
        "/-/ready": Route(lambda _: sources.ask(lambda: Answer(b"ready\n"))),
        "/-/reload": Route(lambda _: _reloaded(sources.reload()), CHANGE),
        "/metrics": Route(lambda _: _metrics(sources)),
        "/probe": Route(sources.probe, slow=True),
        "/api/v1/query": Route(api.query, READ_OR_FORM),
        "/api/v1/query_range": Route(api.query_range, READ_OR_FORM),
        "/api/v1/query_exemplars": Route(api.nothing, READ_OR_FORM),
        "/api/v1/series": Route(api.series, READ_OR_FORM),
        "/api/v1/labels": Route(api.labels, READ_OR_FORM),
        "/api/v1/label/<name>/values": Route(api.label_values),
        "/api/v1/metadata": Route(api.metadata),
        "/api/v1/status/buildinfo": Route(api.buildinfo),
        "/api/v1/rules": Route(lambda asked: rule_api.rules(asked, sources.ask(sources.judge.statuses))),
        "/api/v1/alerts": Route(lambda asked: rule_api.alerts(asked, sources.ask(sources.judge.alerts))),
        "/api/v1/explain": Route(lambda asked: _explained(sources, asked)),
        "/api/v1/heartbeats": Route(lambda _: success(sources.heartbeats.told())),
        **sources.heartbeats.routes(),
        "/api/v1/ladder": Route(lambda _: success(ladder_report.told(sources.ask(sources.rungs)))),
        "/api/v1/runs": Route(lambda _: success(report.runs(sources.ask(lambda: _recent(sources))))),
    }
    return {
        path: replace(route, answer=answering(route.answer)) if path.startswith("/api/") else route
        for path, route in table.items()
    }


def _explained(sources: Sources, request: Request) -> Answer:
    try:
        wanted = explain.asked(request.one("alert"))
    except Misfit as misfit:
        raise wrong("alert", str(misfit)) from None
    return success(sources.ask(lambda: sources.explain(wanted)))


def _recent(sources: Sources) -> Any:
    return sources.journal.recent(sources.now_ms() - report.DAY_MS)


def _metrics(sources: Sources) -> Answer:
    return Answer(exposition(sources.ask(sources.rows), sources.declared()), CONTENT_TYPE)


def _reloaded(problems: tuple[Problem, ...]) -> Answer:
    """Answer as Prometheus does: 200 and nothing, or 500 and every mistake."""
    if not problems:
        return Answer(b"")
    return Answer("".join(f"{problem}\n" for problem in problems).encode(), status=500)
