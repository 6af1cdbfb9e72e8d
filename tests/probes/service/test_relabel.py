from __future__ import annotations

import pytest

from model.decode import Raw, decode
from model.labels import Labels
from model.misfit import Rejected
from probes.service.relabel import Relabel, relabelled

SERIES = Labels.of(__name__="http_requests_total", code="200", path="/Shop/1", pod="web-1")


def after(*changes: Relabel) -> str:
    return str(relabelled(SERIES, changes))


def rule(text: str) -> Relabel:
    return decode(f"{{{text}}}".encode(), "f", Relabel)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("action: drop, source_labels: [__name__], regex: 'http_.*'", False),
        ("action: drop, source_labels: [__name__], regex: 'http_'", True),
        ("action: keep, source_labels: [code], regex: '2..|3..'", True),
        ("action: keep, source_labels: [code], regex: '5..'", False),
        ("action: keep, source_labels: [code, pod], regex: '200;web-.'", True),
        ("action: keep, source_labels: [code, pod], separator: '', regex: '200web-.'", True),
        ("action: drop, source_labels: [none], regex: ''", False),
        ("action: keep, regex: ''", True),
    ],
)
def test_series_are_chosen_by_their_values(text: str, kept: bool) -> None:
    assert (relabelled(SERIES, [rule(text)]) is SERIES) is kept


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("source_labels: [path], regex: '/([^/]*)/.*', target_label: area", {"area": "Shop"}),
        ("source_labels: [path], regex: 'x', target_label: area", {}),
        ("target_label: site, replacement: north", {"site": "north"}),
        ("target_label: pod, replacement: ''", {"pod": ""}),
        ("source_labels: [code, pod], target_label: both", {"both": "200;web-1"}),
        (
            "source_labels: [pod], regex: '(.*)-(.*)', target_label: '${1}_${2}', replacement: x",
            {"web_1": "x"},
        ),
        ("source_labels: [path], target_label: '$1', replacement: x", {}),
        ("source_labels: [path], target_label: path, action: lowercase", {"path": "/shop/1"}),
        ("source_labels: [path], target_label: path, action: uppercase", {"path": "/SHOP/1"}),
        ("target_label: __name__, replacement: 'requests'", {"__name__": "requests"}),
        ("action: labeldrop, regex: 'p.*'", {"path": "", "pod": ""}),
        ("action: labelkeep, regex: '__name__|code'", {"path": "", "pod": ""}),
        (
            "action: labelmap, regex: 'p(.*)', replacement: 'new_$1'",
            {"new_ath": "/Shop/1", "new_od": "web-1"},
        ),
    ],
)
def test_labels_are_changed_as_prometheus_changes_them(text: str, changed: dict[str, str]) -> None:
    assert relabelled(SERIES, [rule(text)]) is SERIES.having(changed)


def test_changes_follow_one_another_and_end_with_a_drop() -> None:
    rename = Relabel(target_label="code", replacement=Raw("500"))
    drop = Relabel(source_labels=("code",), regex=Raw("500"), action="drop")
    assert after(drop) == str(SERIES)
    assert relabelled(SERIES, [rename, drop, rename]) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("regex: '('", "1:2: '(' is not a regular expression"),
        ("source_labels: [a]", "the action replace does not fit its target_label; add"),
        ("action: drop, target_label: a", "the action drop does not fit its target_label; remove"),
        ("target_label: 'a-b'", "'a-b' cannot be a label name"),
        ("action: hashmod, target_label: a", "expected one of replace, keep"),
    ],
)
def test_changes_that_cannot_work_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected) as refused:
        rule(text)
    assert sentence in str(refused.value)
