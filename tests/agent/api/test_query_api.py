from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest

from agent import own
from agent.api.answer import answering, number, seconds
from agent.api.endpoint import Answer, Request
from agent.api.query_api import QueryApi
from model.labels import Labels
from model.sample import Sample
from rules.store.store import Store

T0 = 1_700_000_000_000
NOW = T0 + 60_000


@pytest.fixture
def store() -> Store:
    """Two hosts with a load of 0, 1, 2... every 10 s for a minute."""
    store = Store(3_600_000, 1000)
    for step in range(7):
        for host, factor in (("a", 1), ("b", 10)):
            target = Labels.of(job="node", instance=host)
            sample = Sample(Labels.of(__name__="load"), float(step * factor))
            store.write(target, T0 + step * 10_000, [sample])
    return store


class Client:
    """Asks the API as a request would, without a socket."""

    def __init__(self, store: Store) -> None:
        self.api = QueryApi(
            store, lambda question: question(), lambda: NOW, lambda: 0.0, lambda: own.ALL, "1.2.3"
        )

    def __call__(self, route: Callable[[Request], Answer], query: str = "", part: str = "") -> Any:
        pairs = {name: tuple(values) for name, values in parse_qs(query, keep_blank_values=True).items()}
        answer = answering(route)(Request(pairs, part))
        told = json.loads(answer.body)
        assert (answer.status == 200) == (told["status"] == "success")
        if answer.status != 200:
            return answer.status, told["errorType"], told["error"]
        return told["data"] if "warnings" not in told else (told["data"], told["warnings"])


@pytest.fixture
def ask(store: Store) -> Client:
    return Client(store)


def load(instance: str) -> dict[str, str]:
    return {"__name__": "load", "instance": instance, "job": "node"}


def test_an_instant_query_has_the_value_of_now(ask: Client) -> None:
    assert ask(ask.api.query, "query=load") == {
        "resultType": "vector",
        "result": [
            {"metric": load("a"), "value": [1_700_000_060, "6"]},
            {"metric": load("b"), "value": [1_700_000_060, "60"]},
        ],
    }


@pytest.mark.parametrize(
    "time", ["1700000020.5", "2023-11-14T22:13:40.5Z", "2023-11-14T23:13:40.500%2B01:00"]
)
def test_a_moment_may_be_told_in_seconds_or_as_rfc_3339_writes_it(ask: Client, time: str) -> None:
    (found,) = ask(ask.api.query, f"query=load{{instance='a'}}&time={time}")["result"]
    assert found["value"] == [1_700_000_020.5, "2"]


def test_scalars_strings_and_range_vectors_have_prometheus_shapes(ask: Client) -> None:
    assert ask(ask.api.query, "query=1%2B1") == {"resultType": "scalar", "result": [1_700_000_060, "2"]}
    assert ask(ask.api.query, 'query="x"') == {"resultType": "string", "result": [1_700_000_060, "x"]}
    found = ask(ask.api.query, "query=load{instance='a'}[20s]")
    assert found == {
        "resultType": "matrix",
        "result": [{"metric": load("a"), "values": [[1_700_000_050, "5"], [1_700_000_060, "6"]]}],
    }


def test_a_range_query_has_a_value_for_each_step_and_none_where_there_is_none(ask: Client) -> None:
    found = ask(ask.api.query_range, "query=load{instance='b'}&start=1699999990&end=1700000020&step=10")
    assert found == {
        "resultType": "matrix",
        "result": [
            {
                "metric": load("b"),
                "values": [[1_700_000_000, "0"], [1_700_000_010, "10"], [1_700_000_020, "20"]],
            }
        ],
    }


def test_start_and_end_mean_the_ends_of_the_whole_range(ask: Client) -> None:
    query = "query=load{instance='a'} @ end() - load @ start()&start=1700000010&end=1700000030&step=10s"
    (found,) = ask(ask.api.query_range, query)["result"]
    assert [value for _, value in found["values"]] == ["2", "2", "2"]


def test_series_labels_and_values_are_told(ask: Client) -> None:
    assert ask(ask.api.series, "match[]=load") == [load("a"), load("b")]
    assert ask(ask.api.series, "match[]=nothing&match[]=load{instance='b'}") == [load("b")]
    assert ask(ask.api.labels) == ["__name__", "instance", "job"]
    assert ask(ask.api.label_values, part="instance") == ["a", "b"]
    assert ask(ask.api.label_values, "match[]=load{instance!='a'}", part="instance") == ["b"]
    assert ask(ask.api.label_values, "end=1", part="instance") == []


def test_a_limit_cuts_and_says_so(ask: Client) -> None:
    cut = ["results truncated due to limit"]
    assert ask(ask.api.series, "match[]=load&limit=1") == ([load("a")], cut)
    assert ask(ask.api.labels, "limit=2") == (["__name__", "instance"], cut)
    found, warnings = ask(ask.api.query, "query=load&limit=1")
    assert (len(found["result"]), warnings) == (1, cut)
    assert ask(ask.api.labels, "limit=3") == ["__name__", "instance", "job"]


def test_metadata_describes_what_has_series(ask: Client, store: Store) -> None:
    assert ask(ask.api.metadata) == {}
    store.append(Labels.of(__name__=own.SENT.name, desk="d"), NOW, 1.0)
    told = {"type": "counter", "help": own.SENT.help, "unit": ""}
    assert ask(ask.api.metadata) == {own.SENT.name: [told]}
    assert ask(ask.api.metadata, "metric=other") == {}


def test_grafana_learns_whose_api_it_speaks_to(ask: Client) -> None:
    told = ask(ask.api.buildinfo)
    assert (told["version"], told["revision"], told["application"]) == ("3.5.0", "1.2.3", "beforehand")


@pytest.mark.parametrize(
    ("route", "query", "sentence"),
    [
        ("query", "query=up(", 'invalid parameter "query": 1:4: parse error'),
        ("query", "", 'invalid parameter "query": 1:1: parse error'),
        ("query", "query=up%2B%0A%0Ax(", 'invalid parameter "query": 3:3: parse error'),
        ("query", "query=up&time=x", 'invalid parameter "time": cannot parse "x" to a valid timestamp'),
        ("query", "query=up&time=2023-02-30T00:00:00Z", 'invalid parameter "time": cannot parse'),
        ("query", "query=up&timeout=x", 'invalid parameter "timeout": cannot parse "x" to a valid duration'),
        ("query", "query=up&limit=-1", 'invalid parameter "limit"'),
        (
            "query_range",
            "query=up&start=2&end=1&step=1",
            'invalid parameter "end": end timestamp must not be',
        ),
        ("query_range", "query=up&start=0&end=1", 'invalid parameter "step": cannot parse ""'),
        ("query_range", "query=up&start=0&end=1&step=0", 'invalid parameter "step": zero or negative'),
        ("query_range", "query=up&start=0&end=1&step=-5", 'invalid parameter "step": zero or negative'),
        ("query_range", "query=up&start=0&end=1e15&step=1ms", "exceeded maximum resolution of 11,000 points"),
        ("query_range", "query=up[5m]&start=0&end=1&step=1", 'invalid parameter "query": a range vector'),
        ("series", "", "no match[] parameter provided"),
        ("series", "match[]=up{", 'invalid parameter "match[]": 1:4: parse error'),
        ("series", "match[]={}", 'invalid parameter "match[]"'),
        ("series", "match[]=sum(up)", 'invalid parameter "match[]": "sum(up)" is not a plain selector'),
        ("series", "match[]=up offset 5m", 'invalid parameter "match[]"'),
        ("labels", "start=x", 'invalid parameter "start": cannot parse "x"'),
        ("label_values", "", 'invalid label name: ""'),
    ],
)
def test_what_cannot_be_read_is_bad_data_and_says_where(
    ask: Client, route: str, query: str, sentence: str
) -> None:
    status, kind, told = ask(getattr(ask.api, route), query)
    assert (status, kind) == (400, "bad_data")
    assert told.startswith(sentence) or sentence in told


def test_eleven_thousand_steps_are_the_most(ask: Client) -> None:
    assert "result" in ask(ask.api.query_range, "query=1&start=0&end=11000&step=1")
    assert ask(ask.api.query_range, "query=1&start=0&end=11001&step=1")[0] == 400


def test_a_query_that_these_samples_allow_no_result_for_is_an_execution_error(ask: Client) -> None:
    status, kind, told = ask(ask.api.query, "query=load * on(job) load")
    assert (status, kind) == (422, "execution")
    assert "many-to-many" in told


def test_a_timeout_of_nothing_is_over_at_once(ask: Client) -> None:
    assert ask(ask.api.query, "query=load&timeout=0")[:2] == (503, "timeout")


def test_a_busy_loop_is_unavailable(store: Store) -> None:
    def busy(_: object) -> Any:
        raise TimeoutError

    api = QueryApi(store, busy, lambda: NOW, lambda: 0.0, lambda: (), "1")
    answer = answering(api.query)(Request({"query": ("load",)}))
    assert (answer.status, json.loads(answer.body)["errorType"]) == (503, "unavailable")


def test_numbers_read_as_go_writes_them_in_json() -> None:
    shown = {
        0.0: "0", 1.5: "1.5", 1e16: "10000000000000000", 1e-6: "0.000001", 1e-7: "1e-07",
        1e20: "100000000000000000000", 1e21: "1e+21", 0.1 + 0.2: "0.30000000000000004",
        math.inf: "+Inf", -math.inf: "-Inf",
    }  # fmt: skip
    assert {value: number(value) for value in shown} == shown
    assert (number(math.nan), number(-0.0)) == ("NaN", "-0")
    assert [seconds(at_ms) for at_ms in (0, 1, 1500, -1, 60_000)] == ["0", "0.001", "1.5", "-0.001", "60"]
