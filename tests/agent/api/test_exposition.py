from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from agent import own
from agent.api.exposition import exposition
from model.labels import Labels

ROWS = [
    (Labels.of(__name__="node_load1", instance="h"), 0.5),
    (Labels.of(__name__="beforehand_outbox_sent_total", desk='a"b\\c\n'), 3.0),
    (Labels.of(__name__="node_load1", instance="g"), 1.5),
    (Labels.of(__name__="other"), float("nan")),
]


def test_what_is_exposed_is_read_back_by_a_prometheus_parser() -> None:
    families = {
        family.name: family for family in text_string_to_metric_families(exposition(ROWS, own.ALL).decode())
    }
    assert {sample.labels["instance"]: sample.value for sample in families["node_load1"].samples} == {
        "h": 0.5,
        "g": 1.5,
    }
    (sent,) = families["beforehand_outbox_sent"].samples
    assert (sent.name, sent.labels, sent.value) == ("beforehand_outbox_sent_total", {"desk": 'a"b\\c\n'}, 3.0)
    assert families["beforehand_outbox_sent"].type == "counter"
    assert families["beforehand_process_resident_memory_bytes"].samples[0].value > 0


def test_each_metric_of_our_own_has_one_name_and_a_sentence() -> None:
    assert len({metric.name for metric in own.ALL}) == len(own.ALL)
    assert all(metric.help.endswith(".") for metric in own.ALL)
    assert all(metric.name.endswith("_total") == (metric.kind == "counter") for metric in own.ALL)
